/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Talking to the kernel's netlink without allocating: the child of a fork lives here, and what it
 * asks is small and known in advance. The kernel works netlink requests off inside sendto(), so
 * the answers are there when it returns; the receive timeout is for a kernel that breaks this.
 */
#include "tep-s/helper-netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_S 2

int
tep_server_netlink_open (int bus)
{
  struct sockaddr_nl address = { .nl_family = AF_NETLINK };
  struct timeval timeout = { .tv_sec = ANSWER_S };
  int on = 1;
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);

  if (fd < 0)
    return -1;
  if (bind (fd, (struct sockaddr *)&address, sizeof address) != 0 ||
      setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0) {
    int saved = errno;

    close (fd);
    errno = saved;
    return -1;
  }
  /* Answers need not repeat what was asked. */
  setsockopt (fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return fd;
}

/* libmnl grows the message in place, so where the last one ends shows only in its header. */
static void
complete_message (TepServerNetlink *netlink)
{
  gsize position = 0;

  while (position < netlink->length) {
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)(netlink->data + position);

    position += MNL_ALIGN (message->nlmsg_len);
  }
  netlink->length = position;
}

struct nlmsghdr *
tep_server_netlink_message (
    TepServerNetlink *netlink, guint16 type, guint16 flags, gsize extra_length, void **extra)
{
  struct nlmsghdr *message;

  complete_message (netlink);
  message = mnl_nlmsg_put_header (netlink->data + netlink->length);
  message->nlmsg_type = type;
  message->nlmsg_flags = (guint16)(NLM_F_REQUEST | flags);
  message->nlmsg_seq = ++netlink->sequence;
  *extra = mnl_nlmsg_put_extra_header (message, extra_length);
  netlink->length += MNL_NLMSG_HDRLEN;
  return message;
}

static void
discard_answers (int fd)
{
  guint8 rest[512];

  while (recv (fd, rest, sizeof rest, MSG_DONTWAIT | MSG_TRUNC) > 0)
    ;
}

int
tep_server_netlink_talk (TepServerNetlink *netlink, int fd)
{
  union {
    struct nlmsghdr header;
    guint8 data[8192];
  } answer;

  complete_message (netlink);
  discard_answers (fd);
  if (send (fd, netlink->data, netlink->length, 0) < 0)
    return errno;
  for (;;) {
    ssize_t n = recv (fd, answer.data, sizeof answer, 0);
    int length = (int)n;

    if (n < 0)
      return errno == EAGAIN ? ETIMEDOUT : errno;
    for (const struct nlmsghdr *message = &answer.header; mnl_nlmsg_ok (message, length);
         message = mnl_nlmsg_next (message, &length)) {
      const struct nlmsgerr *verdict = mnl_nlmsg_get_payload (message);

      if (message->nlmsg_type != NLMSG_ERROR ||
          mnl_nlmsg_get_payload_len (message) < sizeof verdict->error)
        continue;
      if (verdict->error != 0)
        return -verdict->error;
      if (message->nlmsg_seq == netlink->sequence)
        return 0;
    }
  }
}

gboolean
tep_server_netlink_ask_text (TepServerNetlink *netlink,
                             int fd,
                             gsize extra_length,
                             guint16 attribute,
                             char *text,
                             gsize size)
{
  union {
    struct nlmsghdr header;
    guint8 data[32768];
  } answer;
  const struct nlattr *each;
  ssize_t n;

  complete_message (netlink);
  discard_answers (fd);
  if (send (fd, netlink->data, netlink->length, 0) < 0)
    return FALSE;
  n = recv (fd, answer.data, sizeof answer, 0);
  if (n < 0 || !mnl_nlmsg_ok (&answer.header, (int)n) || answer.header.nlmsg_type == NLMSG_ERROR)
    return FALSE;
  mnl_attr_for_each (each, &answer.header, (unsigned int)extra_length)
  {
    if (mnl_attr_get_type (each) == attribute &&
        mnl_attr_validate (each, MNL_TYPE_NUL_STRING) >= 0) {
      g_strlcpy (text, mnl_attr_get_str (each), size);
      return TRUE;
    }
  }
  return FALSE;
}
