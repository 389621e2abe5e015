/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a client comes in. Its first octets tell whether it speaks STUN to a listener that is for one
 * server, or asks a proxy for one by CONNECT; who it is decides whether it gets there. Nothing is
 * dialled before that.
 */
#include "turn-connect/local/passage-private.h"

#include "turn-connect/error.h"
#include "turn-connect/local/session.h"

#include <string.h>
#include <sys/random.h>

#define DENIED_MAX 64 /* clients that are kept though they get nowhere */

#define ANSWER_UP "HTTP/1.0 200 Connection established\r\n\r\n"
#define ANSWER_BAD "HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
#define ANSWER_METHOD                                                                              \
  "HTTP/1.0 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Length: 0\r\n\r\n"

void
turn_connect_passage_drop_head (TurnConnectPassage *passage)
{
  if (passage->head != NULL)
    turn_connect_head_clear (passage->head);
  g_clear_pointer (&passage->head, g_free);
}

static gboolean
say (TurnConnectPassage *passage, const char *text)
{
  GOutputVector vector = { text, strlen (text) };
  gsize accepted;

  return turn_connect_stream_try_write (passage->client, &vector, 1, &accepted, NULL) ==
             TURN_CONNECT_IO_OK &&
         accepted == vector.size;
}

static void
begin_relay (TurnConnectPassage *passage)
{
  TurnConnectRelayConfig config = {
    .budget_us = (gint64)passage->bridge->budget_ms * 1000,
    .keepalive_us = passage->bridge->keepalive_us,
  };

  if (!passage->is_denied && passage->server->login != NULL) {
    passage->is_session = TRUE;
    return;
  }
  if (getrandom (config.transaction_id, sizeof config.transaction_id, 0) !=
      sizeof config.transaction_id)
    memset (config.transaction_id, 0x5a, sizeof config.transaction_id); /* not known to fail */
  passage->relay = turn_connect_relay_new (&config);
  passage->bridge->n_unknown--;
  passage->due_us = G_MAXINT64;
}

void
turn_connect_passage_refuse (TurnConnectPassage *passage, const char *why)
{
  TurnConnectBridge *bridge = passage->bridge;

  bridge->counts.n_refused++;
  turn_connect_passage_close (passage);
  turn_connect_bridge_report (
      bridge, NULL, g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, why));
}

/* Keeps a client that will never get anywhere, as it could not stand being hung up on; but only so
 * many, or strangers would take the places of those who may come in. */
static void
deny (TurnConnectPassage *passage, GError *error)
{
  TurnConnectBridge *bridge = passage->bridge;

  bridge->counts.n_refused++;
  passage->is_denied = bridge->n_denied < DENIED_MAX;
  bridge->n_denied += passage->is_denied;
  if (passage->is_denied) {
    begin_relay (passage);
    turn_connect_relay_deny (passage->relay, error->message, g_get_monotonic_time ());
  } else
    turn_connect_passage_close (passage);
  turn_connect_bridge_report (bridge, NULL, error);
}

static void
admit (TurnConnectPassage *passage)
{
  TurnConnectBridge *bridge = passage->bridge;
  const StunExtHttpRequest *request = &passage->head->request;
  gboolean may_enter;

  if (bridge->user != NULL)
    may_enter = turn_connect_head_logs_in (passage->head, bridge->user, bridge->password);
  else
    may_enter = turn_connect_bridge_allows_user (
        bridge, turn_connect_stream_get_descriptor (passage->client));
  passage->server = turn_connect_bridge_find_server (bridge, request->host, request->port);
  if (!may_enter)
    deny (passage, g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                                        "the local proxy was given a wrong user or password"));
  else if (passage->server == NULL)
    deny (passage, g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                                "the local proxy knows no server \"%s\" port %u", request->host,
                                request->port));
  else
    begin_relay (passage);
}

/* Returns what of @data is the tunnel's; what is left may be nothing. */
static gsize
take_head (TurnConnectPassage *passage, const guint8 *data, gsize length)
{
  gsize consumed = 0;
  StunExtHttpRequestState state = turn_connect_head_feed (passage->head, data, length, &consumed);

  if (state == STUN_EXT_HTTP_REQUEST_MORE)
    return length;
  if (state == STUN_EXT_HTTP_REQUEST_BAD || !passage->head->request.is_connect) {
    say (passage, state == STUN_EXT_HTTP_REQUEST_BAD ? ANSWER_BAD : ANSWER_METHOD);
    turn_connect_passage_refuse (passage, "somebody took the bridge for a web server");
    return length;
  }
  /* At once, whatever comes of it: libnice waits for ever after any other answer. */
  if (!say (passage, ANSWER_UP)) {
    turn_connect_passage_close (passage);
    return length;
  }
  admit (passage);
  if (passage->bridge != NULL)
    turn_connect_passage_drop_head (passage);
  return consumed;
}

/* The first octet: STUN's are below 0x40, HTTP begins with a letter. */
static void
take_first (TurnConnectPassage *passage, guint8 first)
{
  if (first >= 0x40) {
    passage->server = NULL;
    passage->head = g_new (TurnConnectHead, 1);
    turn_connect_head_init (passage->head);
  } else if (passage->server == NULL)
    turn_connect_passage_refuse (
        passage, "somebody took a listener for a TURN server that is for CONNECT alone");
  else if (!turn_connect_bridge_allows_user (passage->bridge,
                                             turn_connect_stream_get_descriptor (passage->client)))
    turn_connect_passage_refuse (passage,
                                 "a process of another user took the bridge for its TURN server");
  else
    begin_relay (passage);
}

/* Where the login is the bridge's own, the client has to do with a TURN server of this machine. */
static void
become_session (TurnConnectPassage *passage, const guint8 *data, gsize length)
{
  TurnConnectBridge *bridge = passage->bridge;
  TurnConnectBridgeServer *server = passage->server;
  TurnConnectStream *client = g_steal_pointer (&passage->client);

  g_clear_pointer (&passage->client_watch, turn_connect_watch_remove);
  turn_connect_passage_close (passage);
  turn_connect_session_begin (bridge, client, server, data, length);
}

void
turn_connect_passage_take (TurnConnectPassage *passage, const guint8 *data, gsize length)
{
  gsize at = 0;

  if (passage->head == NULL && passage->relay == NULL)
    take_first (passage, data[0]);
  if (passage->bridge != NULL && passage->head != NULL)
    at = take_head (passage, data, length);
  if (passage->bridge != NULL && passage->is_session) {
    become_session (passage, data + at, length - at);
    return;
  }
  if (passage->bridge == NULL || passage->relay == NULL || at == length)
    return;
  if (!turn_connect_relay_from_client (passage->relay, data + at, length - at,
                                       g_get_monotonic_time ()))
    turn_connect_passage_refuse (passage, "a client sent what is not TURN");
}
