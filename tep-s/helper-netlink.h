/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder's door to libmnl, for the helper process: messages are put together in a buffer of
 * fixed size with libmnl's functions, and sent here. */
#pragma once

#include <libmnl/libmnl.h>

#include <glib.h>

G_BEGIN_DECLS

/* The whole nftables set-up takes less than half of it. */
#define TEP_SERVER_NETLINK_BUFFER 16384

typedef struct {
  guint32 sequence; /* of the last message */
  gsize length;
  union {
    struct nlmsghdr header; /* aligns the buffer */
    guint8 data[TEP_SERVER_NETLINK_BUFFER];
  };
} TepServerNetlink;

/* A netlink socket; -1 with errno set. */
int tep_server_netlink_open (int bus);

/* Starts a message with an extra header, zeroed and returned in *extra; the one before is complete
 * then. */
struct nlmsghdr *tep_server_netlink_message (
    TepServerNetlink *netlink, guint16 type, guint16 flags, gsize extra_length, void **extra);

/* Sends everything and waits for the kernel's word on it: 0, or the errno of the first message that
 * failed. */
int tep_server_netlink_talk (TepServerNetlink *netlink, int fd);

/* Sends a question and finds an attribute of text in the answer, after an extra header. FALSE if
 * the answer is an error or has no such attribute. */
gboolean tep_server_netlink_ask_text (TepServerNetlink *netlink,
                                      int fd,
                                      gsize extra_length,
                                      guint16 attribute,
                                      char *text,
                                      gsize size);

G_END_DECLS
