/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

#define STUN_EXT_HTTP_REQUEST_MAX_LENGTH 8192 /* octets up to and with the blank line */
#define STUN_EXT_HTTP_REQUEST_MAX_LINES 100   /* header lines */
#define STUN_EXT_HTTP_REQUEST_MAX_NAME 64     /* octets of a header name */
#define STUN_EXT_HTTP_REQUEST_MAX_HOST 255    /* octets of the host in CONNECT host:port */

/**
 * StunExtHttpRequestState:
 * @STUN_EXT_HTTP_REQUEST_MORE: the blank line has not come yet
 * @STUN_EXT_HTTP_REQUEST_DONE: request and headers are read and sound; what follows belongs to the
 * next layer
 * @STUN_EXT_HTTP_REQUEST_BAD: it breaks a rule or a bound; nothing more is read
 */
typedef enum {
  STUN_EXT_HTTP_REQUEST_MORE,
  STUN_EXT_HTTP_REQUEST_DONE,
  STUN_EXT_HTTP_REQUEST_BAD,
} StunExtHttpRequestState;

/**
 * StunExtHttpAnswer:
 * @STUN_EXT_HTTP_ANSWER_CONNECTED: 200: the next layer follows
 * @STUN_EXT_HTTP_ANSWER_BAD_REQUEST: 400, then close
 * @STUN_EXT_HTTP_ANSWER_FORBIDDEN: 403: CONNECT to a name that is not the server's own, then close
 * @STUN_EXT_HTTP_ANSWER_NOT_FOUND: 404: the fixed answer to web requests, then close
 * @STUN_EXT_HTTP_ANSWER_NOT_ALLOWED: 405: a CONNECT where none may come, then close
 */
typedef enum {
  STUN_EXT_HTTP_ANSWER_CONNECTED,
  STUN_EXT_HTTP_ANSWER_BAD_REQUEST,
  STUN_EXT_HTTP_ANSWER_FORBIDDEN,
  STUN_EXT_HTTP_ANSWER_NOT_FOUND,
  STUN_EXT_HTTP_ANSWER_NOT_ALLOWED,
} StunExtHttpAnswer;

/**
 * StunExtHttpRequest:
 * @is_connect: %TRUE if the method is CONNECT; valid once the request is done
 * @is_head: %TRUE if the method is HEAD
 * @host: host that CONNECT names, lower case, without brackets; empty for other methods
 * @port: port that CONNECT names, 1-65535; 0 for other methods
 *
 * Reads one HTTP/1 request of a client, as a server that wants nothing but CONNECT to itself. Of
 * the request only the fields above are kept. The rest is private. Lives inside its connection;
 * owns nothing.
 */
typedef struct {
  gboolean is_connect;
  gboolean is_head;
  char host[STUN_EXT_HTTP_REQUEST_MAX_HOST + 1];
  guint16 port;

  /*< private >*/
  guint8 step;
  guint8 header;
  guint8 n_lines;
  guint8 n_hosts;
  guint8 n_content_lengths;
  guint8 is_http_1_1;
  guint16 length;
  guint16 position;
  guint16 n_target;
  char word[STUN_EXT_HTTP_REQUEST_MAX_NAME + 1];
  char target[STUN_EXT_HTTP_REQUEST_MAX_HOST + sizeof "[]:65535"];
} StunExtHttpRequest;

/**
 * StunExtHttpIsOwn:
 * @host: host name or address literal, lower case, without brackets
 * @port: port, 1-65535
 * @user_data: what was passed along
 *
 * Returns: %TRUE if that is this server, by its configuration
 */
typedef gboolean (*StunExtHttpIsOwn) (const char *host, guint16 port, gpointer user_data);

/**
 * stun_ext_http_request_init:
 * @request: (out caller-allocates): the request to set up
 */
STUN_EXT_API void stun_ext_http_request_init (StunExtHttpRequest *request);

/**
 * stun_ext_http_request_feed:
 * @request: the request
 * @data: (array length=length): octets that follow the ones fed before; the first ones are the
 * method's
 * @length: number of octets
 * @consumed: (out): octets of @data that belong to the request: all of them, or those up to the
 * blank line
 *
 * Reads on. Strict where leniency lets one request be taken for another: lines end in CR LF, header
 * names are short tokens, lines are not folded, Content-Length comes at most once and is a number,
 * Host once in HTTP/1.1. A CONNECT with a body is bad. How the octets are split makes no
 * difference.
 *
 * PROTOCOL.md section 10.
 *
 * Returns: the state; further calls after %STUN_EXT_HTTP_REQUEST_DONE or %STUN_EXT_HTTP_REQUEST_BAD
 * consume nothing
 */
STUN_EXT_API StunExtHttpRequestState stun_ext_http_request_feed (StunExtHttpRequest *request,
                                                                 const void *data,
                                                                 gsize length,
                                                                 gsize *consumed);

/**
 * stun_ext_http_request_judge:
 * @request: a request
 * @may_connect: %TRUE if %STUN_EXT_FRONT_DOOR_CONNECT was the verdict
 * @is_own: (scope call): tells the server's own names
 * @user_data: passed to @is_own
 *
 * Chooses the answer. The server is never an open proxy: only @is_own leads to
 * %STUN_EXT_HTTP_ANSWER_CONNECTED.
 *
 * Returns: the answer; %STUN_EXT_HTTP_ANSWER_BAD_REQUEST if the request is not done
 */
STUN_EXT_API StunExtHttpAnswer stun_ext_http_request_judge (const StunExtHttpRequest *request,
                                                            gboolean may_connect,
                                                            StunExtHttpIsOwn is_own,
                                                            gpointer user_data);

/**
 * stun_ext_http_answer_text:
 * @answer: an answer
 * @is_head: %TRUE to leave the body out, as an answer to HEAD must
 * @length: (out): octets of the text
 *
 * Returns: (transfer none): what to send; not terminated at @length
 */
STUN_EXT_API const char *
stun_ext_http_answer_text (StunExtHttpAnswer answer, gboolean is_head, gsize *length);

G_END_DECLS
