/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/auth.h"

/* The client's side of HTTP CONNECT (RFC 9110 section 9.3.6), without I/O and clock: octets in,
 * octets out, a verdict. One object per dial; it goes on over fresh connections where a proxy
 * demands that. Silence is the caller's to limit. */
typedef struct _TurnConnectHttp TurnConnectHttp;

typedef enum {
  TURN_CONNECT_HTTP_MORE,   /* send the output, then feed more */
  TURN_CONNECT_HTTP_UP,     /* the tunnel is up; what was not consumed is its first octets */
  TURN_CONNECT_HTTP_REOPEN, /* connect to the proxy again; the output is for the new connection */
  TURN_CONNECT_HTTP_WAIT,   /* make the token that is wanted, then turn_connect_http_give() */
  TURN_CONNECT_HTTP_FAILED,
} TurnConnectHttpVerdict;

typedef struct {
  const char *host; /* as normalised */
  guint16 port;
  const char *who;            /* "the proxy http://192.0.2.1:3128", for messages */
  const char *const *lines;   /* checked "Name: value" lines, NULL-terminated; or NULL */
  const char *cnonce;         /* hex digits, random; NULL: Digest cannot be answered */
  TurnConnectDigest *digest;  /* of an earlier dial, to go on with; or NULL */
  TurnConnectProxyAuth *auth; /* taken over */
} TurnConnectHttpRequest;

TurnConnectHttp *turn_connect_http_new (const TurnConnectHttpRequest *request);
void turn_connect_http_free (TurnConnectHttp *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectHttp, turn_connect_http_free)

/* What waits to be sent, valid until the next call; *@length may be 0. */
const guint8 *turn_connect_http_get_output (TurnConnectHttp *http, gsize *length);
void turn_connect_http_sent (TurnConnectHttp *http, gsize length);

/* Takes octets from the proxy. *@consumed: how many were part of the dialogue; all of them unless
 * the verdict is UP. Errors are TURN_CONNECT_ERROR_PROXY_... with the status noted. */
TurnConnectHttpVerdict turn_connect_http_feed (
    TurnConnectHttp *http, const guint8 *data, gsize length, gsize *consumed, GError **error);

/* After the verdict WAIT: what is wanted, and how to go on once it is there (or not: NULL with the
 * @problem in words). Octets that come in between are kept by the socket. */
const TurnConnectProxyWanted *turn_connect_http_get_wanted (TurnConnectHttp *http);
TurnConnectHttpVerdict
turn_connect_http_give (TurnConnectHttp *http, GBytes *token, const char *problem, GError **error);

/* After the verdict UP: what the next dial may go on with, or NULL; owned by @http. */
const TurnConnectDigest *turn_connect_http_get_digest (TurnConnectHttp *http);

/* The proxy ended the connection. REOPEN, WAIT or FAILED. */
TurnConnectHttpVerdict turn_connect_http_end (TurnConnectHttp *http, GError **error);
