/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A proxy's side of a dialogue with turn-connect/proxy/http-connect.h, and short names for what comes of it. */
#pragma once

#include "turn-connect/error.h"
#include "turn-connect/proxy/http-connect.h"

#define NEXT "\x1e"                    /* between replies to two requests */
#define BASIC "Basic dXNlcjpwYTpzcw==" /* user, pa:ss */

#define UP TURN_CONNECT_HTTP_UP
#define MORE TURN_CONNECT_HTTP_MORE
#define REOPEN TURN_CONNECT_HTTP_REOPEN
#define WAIT TURN_CONNECT_HTTP_WAIT
#define FAILED TURN_CONNECT_HTTP_FAILED
#define PROTOCOL TURN_CONNECT_ERROR_PROXY_PROTOCOL
#define FORBIDDEN TURN_CONNECT_ERROR_PROXY_FORBIDDEN
#define UPSTREAM TURN_CONNECT_ERROR_PROXY_UPSTREAM
#define NEEDED TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED
#define WRONG TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG
#define SCHEME TURN_CONNECT_ERROR_PROXY_SCHEME
#define ASK "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
#define BASIC_TOO "Proxy-Authenticate: Basic realm=\"x\"\r\n"
#define DIGEST                                                                                     \
  "HTTP/1.1 407 A\r\nProxy-Authenticate: Digest realm=x, nonce=\"n1\", qop=\"auth\"\r\n"
#define STALE                                                                                      \
  "HTTP/1.1 407 A\r\nProxy-Authenticate: Digest realm=x, nonce=\"n2\", stale=TRUE, "               \
  "qop=\"auth\"\r\n"
#define OK200 "HTTP/1.1 200 OK\r\n\r\n"

/* For example.org:443, the password being "pa:ss"; user and lines may be NULL. */
TurnConnectHttp *make_http (const char *user, gboolean sends_first, const char *const *lines);

/* What is to be sent, which then was; g_free. */
char *take_output (TurnConnectHttp *http);

/* Feeds @reply in pieces that end at @cut, then of @step octets; sends output whenever there is
 * some. What is left when the verdict falls goes to @rest. */
TurnConnectHttpVerdict feed (TurnConnectHttp *http,
                             const char *reply,
                             gsize length,
                             gsize cut,
                             gsize step,
                             GString *sent,
                             GString *rest,
                             GError **error);

TurnConnectHttpVerdict feed_whole (TurnConnectHttp *http, const char *reply, GError **error);
