/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The head of an HTTP reply, read strictly: RFC 9112. No I/O. */
typedef struct {
  guint status;          /* 100 to 599 */
  guint minor;           /* HTTP/1.minor */
  char *reason;          /* printable ASCII, short */
  GPtrArray *challenges; /* values of Proxy-Authenticate; char *, NULL-terminated */
  char *info;            /* Proxy-Authentication-Info (RFC 7615), or NULL */
  gboolean says_close;   /* Connection or Proxy-Connection */
  gboolean says_keep;
  gboolean is_chunked;
  gboolean is_coded_otherwise; /* a transfer coding that is not known here */
  gint64 content_length;       /* -1 if not given */
} TurnConnectHttpHead;

/* @text: status line and header lines, each ended by CR LF and free of other CR, LF and NUL,
 * without the blank line. FALSE, with a few words in @problem (static), for anything HTTP does not
 * allow. */
gboolean turn_connect_http_head_parse (TurnConnectHttpHead *head,
                                       const char *text,
                                       gsize length,
                                       const char **problem);
void turn_connect_http_head_clear (TurnConnectHttpHead *head);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TurnConnectHttpHead, turn_connect_http_head_clear)

/* May another request follow on the connection after a body that can be skipped? */
gboolean turn_connect_http_head_keeps_alive (const TurnConnectHttpHead *head);

/* What may be sent: "Name: value". Refuses line breaks, control characters, and names that frame or
 * authenticate the request. TURN_CONNECT_ERROR_INVALID. */
gboolean turn_connect_http_head_check_line (const char *line, GError **error);

/* The value of an ALPN header (RFC 7639 section 2); NULL with an error for an impossible list. */
char *turn_connect_http_head_make_alpn (const char *const *protocols, GError **error);
