/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TURN server for one client of this machine, which owns no relayed address: it knows who the
 * client is, what it may do and until when, and passes the rest on as orders. So the credentials of
 * the server far away, and all that is newer than the client, stay on this side; and when the way
 * to that server breaks, the client's allocation does not break with it.
 */
#include "turn-connect/local/turn-server-private.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/integrity.h"

#include <string.h>

#define UNIT_MAX 65552                  /* octets of the longest unit: a message with its header */
#define HEAD_MAX 64                     /* octets before the payload of a Data indication */
#define RETRY_US (5 * G_USEC_PER_SEC)   /* after a failure, before a new try */
#define KEPT_US (30 * G_USEC_PER_SEC)   /* for what came too late to be taken */
#define ANSWER_US (30 * G_USEC_PER_SEC) /* for permissions and channels */
#define LOGIN_US (60 * G_USEC_PER_SEC)  /* for a stranger, who keeps a place from others */

static const struct {
  TurnConnectTurnServerState from;
  TurnConnectTurnServerEvent event;
  TurnConnectTurnServerState to;
} transitions[] = {
  { TURN_CONNECT_TURN_SERVER_IDLE, TURN_CONNECT_TURN_SERVER_ASK, TURN_CONNECT_TURN_SERVER_ASKED },
  { TURN_CONNECT_TURN_SERVER_DOWN, TURN_CONNECT_TURN_SERVER_ASK, TURN_CONNECT_TURN_SERVER_ASKED },
  /* For something else than before. */
  { TURN_CONNECT_TURN_SERVER_ASKED, TURN_CONNECT_TURN_SERVER_ASK, TURN_CONNECT_TURN_SERVER_ASKED },
  { TURN_CONNECT_TURN_SERVER_KEPT, TURN_CONNECT_TURN_SERVER_ASK, TURN_CONNECT_TURN_SERVER_ASKED },
  { TURN_CONNECT_TURN_SERVER_ASKED, TURN_CONNECT_TURN_SERVER_GRANT, TURN_CONNECT_TURN_SERVER_KEPT },
  { TURN_CONNECT_TURN_SERVER_KEPT, TURN_CONNECT_TURN_SERVER_TAKE, TURN_CONNECT_TURN_SERVER_UP },
  { TURN_CONNECT_TURN_SERVER_ASKED, TURN_CONNECT_TURN_SERVER_LOSE, TURN_CONNECT_TURN_SERVER_DOWN },
  { TURN_CONNECT_TURN_SERVER_KEPT, TURN_CONNECT_TURN_SERVER_LOSE, TURN_CONNECT_TURN_SERVER_DOWN },
  { TURN_CONNECT_TURN_SERVER_UP, TURN_CONNECT_TURN_SERVER_LOSE, TURN_CONNECT_TURN_SERVER_DOWN },
  { TURN_CONNECT_TURN_SERVER_KEPT, TURN_CONNECT_TURN_SERVER_RELEASE,
    TURN_CONNECT_TURN_SERVER_IDLE },
  { TURN_CONNECT_TURN_SERVER_UP, TURN_CONNECT_TURN_SERVER_RELEASE, TURN_CONNECT_TURN_SERVER_IDLE },
};

int
turn_connect_turn_server_next_state (TurnConnectTurnServerState from,
                                     TurnConnectTurnServerEvent event)
{
  for (gsize i = 0; i < G_N_ELEMENTS (transitions); i++)
    if (transitions[i].from == from && transitions[i].event == event)
      return (int)transitions[i].to;
  return -1;
}

gboolean
turn_connect_turn_server_step (TurnConnectTurnServer *server, TurnConnectTurnServerEvent event)
{
  int to = turn_connect_turn_server_next_state (server->state, event);

  if (to < 0)
    return FALSE;
  g_debug ("turn-server: %d: %d -> %d", event, server->state, to);
  server->state = (TurnConnectTurnServerState)to;
  return TRUE;
}

TurnConnectTurnServer *
turn_connect_turn_server_new (const TurnConnectTurnServerConfig *config)
{
  static const StunExtSpan realm = { TURN_CONNECT_TURN_SERVER_REALM,
                                     sizeof TURN_CONNECT_TURN_SERVER_REALM - 1 };
  TurnConnectTurnServer *server = g_new0 (TurnConnectTurnServer, 1);
  StunExtSpan user = { config->user, strlen (config->user) };
  StunExtSpan password = { config->password, strlen (config->password) };

  server->user = g_strdup (config->user);
  if (!stun_ext_key_derive (&server->key, STUN_EXT_PASSWORD_ALGORITHM_MD5, user, realm, password)) {
    turn_connect_turn_server_free (server);
    return NULL;
  }
  memcpy (server->nonces.key, config->nonce_key, sizeof server->nonces.key);
  server->nonces.lifetime_s = STUN_EXT_NONCE_LONGEST_LIFETIME_S;
  memcpy (server->transaction_id, config->transaction_id, sizeof server->transaction_id);
  server->client = config->client;
  server->budget_us = config->budget_us;
  stun_ext_stream_init (&server->from_client, STUN_EXT_FRAMING_TURN, UNIT_MAX);
  turn_connect_turn_peers_init (&server->peers);
  return server;
}

void
turn_connect_turn_server_free (TurnConnectTurnServer *server)
{
  stun_ext_stream_clear (&server->from_client);
  turn_connect_lane_clear (&server->to_client);
  turn_connect_turn_peers_clear (&server->peers);
  stun_ext_key_clear (&server->key);
  stun_ext_crypto_cleanse (&server->nonces, sizeof server->nonces);
  g_free (server->user);
  g_free (server->cause);
  g_free (server->doing);
  g_free (server);
}

/* ---- what the client sends ---- */

static void
order_send (TurnConnectTurnServer *server,
            TurnConnectOrder *order,
            const StunExtAddress *peer,
            StunExtSpan payload)
{
  server->counts.n_to_server++;
  order->kind = TURN_CONNECT_ORDER_SEND;
  order->peers[0] = *peer;
  order->n_peers = 1;
  order->payload = payload;
}

static void
take_channel_data (TurnConnectTurnServer *server,
                   const guint8 *unit,
                   gsize length,
                   TurnConnectOrder *order)
{
  StunExtChannelData data;
  const StunExtAddress *peer = NULL;

  if (server->state == TURN_CONNECT_TURN_SERVER_UP &&
      stun_ext_channel_data_parse (&data, unit, length))
    peer = turn_connect_turn_peers_by_number (&server->peers, data.channel);
  if (peer != NULL)
    order_send (server, order, peer, data.payload);
  else
    server->counts.n_dropped_to_server++;
}

static void
take_send (TurnConnectTurnServer *server, const StunExtMessage *message, TurnConnectOrder *order)
{
  static const guint16 known[] = {
    STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS,
    STUN_EXT_ATTRIBUTE_DATA,
    STUN_EXT_ATTRIBUTE_DONT_FRAGMENT,
  };
  guint16 unknown[STUN_EXT_UNKNOWN_MAX];
  StunExtSpan payload;
  StunExtAddress peer;

  if (server->state == TURN_CONNECT_TURN_SERVER_UP && message->method == STUN_EXT_METHOD_SEND &&
      stun_ext_message_unknown (message, known, G_N_ELEMENTS (known), unknown) == 0 &&
      stun_ext_message_get_xor_address (message, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &peer) ==
          STUN_EXT_GET_OK &&
      stun_ext_message_get_data (message, STUN_EXT_ATTRIBUTE_DATA, &payload) == STUN_EXT_GET_OK) {
    peer = stun_ext_address_canonical (&peer);
    if (peer.port != 0 && turn_connect_turn_peers_permits (&server->peers, &peer)) {
      order_send (server, order, &peer, payload);
      order->is_whole =
          stun_ext_message_get_flag (message, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT) == STUN_EXT_GET_OK;
      return;
    }
  }
  server->counts.n_dropped_to_server++;
}

static void
refuse_malformed (TurnConnectTurnServer *server, const StunExtMessage *message)
{
  TurnConnectTurnAsked asked = { .method = message->method };

  if (message->message_class != STUN_EXT_CLASS_REQUEST)
    return;
  memcpy (asked.transaction_id, message->transaction_id, sizeof asked.transaction_id);
  turn_connect_turn_server_refuse_unsigned (server, &asked, STUN_EXT_CODE_BAD_REQUEST);
}

static void
take_unit (TurnConnectTurnServer *server,
           const guint8 *unit,
           gsize length,
           gint64 now,
           TurnConnectOrder *order)
{
  StunExtMessage message;

  if (unit[0] >= STUN_EXT_CHANNEL_MIN >> 8) {
    take_channel_data (server, unit, length, order);
    return;
  }
  switch (stun_ext_message_parse (&message, unit, length)) {
  case STUN_EXT_PARSE_OK:
    break;
  case STUN_EXT_PARSE_MALFORMED:
    refuse_malformed (server, &message);
    return;
  case STUN_EXT_PARSE_INCOMPLETE:
  case STUN_EXT_PARSE_NOT_STUN:
    return;
  }
  if (stun_ext_fingerprint_verify (&message) == STUN_EXT_VERDICT_WRONG)
    return;
  if (message.message_class == STUN_EXT_CLASS_REQUEST)
    turn_connect_turn_server_request (server, &message, now, order);
  else if (message.message_class == STUN_EXT_CLASS_INDICATION)
    take_send (server, &message, order);
}

void
turn_connect_turn_server_push (TurnConnectTurnServer *server, const guint8 *data, gsize length)
{
  stun_ext_stream_push (&server->from_client, data, length);
}

/* ---- time ---- */

static gint64
wait_of (const TurnConnectTurnServer *server, const TurnConnectTurnPending *pending)
{
  return pending->asked.method == STUN_EXT_METHOD_ALLOCATE ? server->budget_us : ANSWER_US;
}

static void
answer_overdue (TurnConnectTurnServer *server, gint64 now)
{
  for (guint i = 0; i < server->n_pending;) {
    TurnConnectTurnPending *pending = &server->pending[i];
    gint64 wait_us = wait_of (server, pending);
    g_autofree char *cause = NULL;

    if (now < pending->since + wait_us) {
      i++;
      continue;
    }
    cause =
        g_strdup_printf ("no answer from the server within %.1f s: %s",
                         (double)wait_us / G_USEC_PER_SEC, turn_connect_turn_server_doing (server));
    server->is_overdue |= pending->asked.method == STUN_EXT_METHOD_ALLOCATE;
    turn_connect_turn_server_answer_cause (server, &pending->asked, 0, cause);
    turn_connect_turn_server_forget_pending (server, pending);
  }
}

static gboolean
is_allocated (const TurnConnectTurnServer *server)
{
  return server->state == TURN_CONNECT_TURN_SERVER_KEPT ||
         server->state == TURN_CONNECT_TURN_SERVER_UP;
}

static void
drop_allocation (TurnConnectTurnServer *server)
{
  turn_connect_turn_peers_drop_all (&server->peers);
  server->grant = (TurnConnectTurnGrant){ 0 };
}

/* One order that is due without the client's doing. */
static gboolean
take_due (TurnConnectTurnServer *server, gint64 now, TurnConnectOrder *order)
{
  gboolean stays_permitted;

  answer_overdue (server, now);
  if (is_allocated (server) && now >= server->ends_us)
    server->releases |= turn_connect_turn_server_step (server, TURN_CONNECT_TURN_SERVER_RELEASE);
  if (server->releases) {
    server->releases = FALSE;
    while (server->n_pending > 0) {
      turn_connect_turn_server_refuse (server, &server->pending[0].asked,
                                       STUN_EXT_CODE_ALLOCATION_MISMATCH, NULL);
      turn_connect_turn_server_forget_pending (server, &server->pending[0]);
    }
    drop_allocation (server);
    order->kind = TURN_CONNECT_ORDER_RELEASE;
    return TRUE;
  }
  while (
      turn_connect_turn_peers_take_over (&server->peers, now, &order->peers[0], &stays_permitted)) {
    if (order->peers[0].port == 0 && stays_permitted)
      continue; /* its channels keep it */
    order->kind = TURN_CONNECT_ORDER_FORGET;
    order->n_peers = 1;
    order->stays_permitted = stays_permitted;
    return TRUE;
  }
  return FALSE;
}

static void
order_hang_up (TurnConnectOrder *order, const char *cause)
{
  order->kind = TURN_CONNECT_ORDER_HANG_UP;
  order->cause = cause;
}

void
turn_connect_turn_server_next (TurnConnectTurnServer *server, gint64 now, TurnConnectOrder *order)
{
  StunExtStreamVerdict verdict = STUN_EXT_STREAM_NEED_MORE;
  const guint8 *unit;
  gsize n;

  order->kind = TURN_CONNECT_ORDER_NONE;
  order->is_whole = FALSE;
  if (server->stranger_until == 0)
    server->stranger_until = now + LOGIN_US;
  if (take_due (server, now, order))
    return;
  while (order->kind == TURN_CONNECT_ORDER_NONE && !server->releases &&
         (verdict = stun_ext_stream_next (&server->from_client, &unit, &n)) ==
             STUN_EXT_STREAM_FRAME)
    take_unit (server, unit, n, now, order);
  if (server->releases)
    take_due (server, now, order);
  else if (order->kind == TURN_CONNECT_ORDER_NONE && verdict != STUN_EXT_STREAM_NEED_MORE)
    order_hang_up (order, "sent what is not TURN");
  else if (order->kind == TURN_CONNECT_ORDER_NONE && !server->is_known &&
           now >= server->stranger_until)
    order_hang_up (order, "did not log in within 60 s");
}

gint64
turn_connect_turn_server_deadline (const TurnConnectTurnServer *server)
{
  gint64 deadline = server->peers.next_us;

  if (!server->is_known && server->stranger_until > 0)
    deadline = MIN (deadline, server->stranger_until);
  for (guint i = 0; i < server->n_pending; i++)
    deadline = MIN (deadline, server->pending[i].since + wait_of (server, &server->pending[i]));
  if (is_allocated (server))
    deadline = MIN (deadline, server->ends_us);
  return deadline;
}

/* ---- what came of the orders ---- */

void
turn_connect_turn_server_granted (TurnConnectTurnServer *server,
                                  const TurnConnectTurnGrant *grant,
                                  gint64 now)
{
  TurnConnectTurnPending *allocate = turn_connect_turn_server_find_allocate (server);
  TurnConnectTurnAsked asked;

  if (!turn_connect_turn_server_step (server, TURN_CONNECT_TURN_SERVER_GRANT))
    return;
  server->grant = *grant;
  server->ends_us = now + KEPT_US;
  if (allocate == NULL)
    return;
  asked = allocate->asked;
  turn_connect_turn_server_forget_pending (server, allocate);
  turn_connect_turn_server_give (server, &asked, now);
}

void
turn_connect_turn_server_lost (TurnConnectTurnServer *server,
                               guint code,
                               const char *cause,
                               gint64 now)
{
  if (!turn_connect_turn_server_step (server, TURN_CONNECT_TURN_SERVER_LOSE))
    return;
  g_free (server->cause);
  server->cause = g_strdup (cause);
  server->code = code;
  server->retry_us = now + RETRY_US;
  drop_allocation (server);
  while (server->n_pending > 0) {
    turn_connect_turn_server_answer_cause (server, &server->pending[0].asked, code, cause);
    turn_connect_turn_server_forget_pending (server, &server->pending[0]);
  }
}

static TurnConnectTurnPending *
find_token (TurnConnectTurnServer *server, guint64 token)
{
  for (guint i = 0; i < server->n_pending; i++)
    if (server->pending[i].token == token)
      return &server->pending[i];
  return NULL;
}

void
turn_connect_turn_server_done (
    TurnConnectTurnServer *server, guint64 token, guint code, const char *cause, gint64 now)
{
  TurnConnectTurnPending *pending = token != 0 ? find_token (server, token) : NULL;

  if (pending == NULL)
    return; /* nobody waits any more */
  if (cause != NULL)
    turn_connect_turn_server_answer_cause (server, &pending->asked, code, cause);
  else {
    guint8 given_back = 0;

    for (guint i = 0; i < pending->n_peers; i++) {
      guint8 family = pending->peers[i].family;

      if (pending->channel != 0)
        turn_connect_turn_peers_bind (&server->peers, pending->channel, &pending->peers[i], now);
      else
        turn_connect_turn_peers_permit (&server->peers, &pending->peers[i], now);
      if (!turn_connect_turn_server_has_family (server, family))
        given_back = family;
    }
    /* Meanwhile, with a Refresh: then the server far away is to forget it again. */
    if (given_back != 0) {
      turn_connect_turn_peers_end_family (&server->peers, given_back);
      turn_connect_turn_server_refuse (server, &pending->asked, STUN_EXT_CODE_PEER_FAMILY_MISMATCH,
                                       NULL);
    } else
      turn_connect_turn_server_answer_plain (server, &pending->asked);
  }
  turn_connect_turn_server_forget_pending (server, pending);
}

void
turn_connect_turn_server_peer_lost (TurnConnectTurnServer *server, const StunExtAddress *peer)
{
  turn_connect_turn_peers_drop (&server->peers, peer);
}

/* ---- from peers ---- */

/* Head, payload and padding of a unit, or nothing of it. */
static gboolean
append (TurnConnectLane *lane,
        const guint8 *head,
        gsize head_length,
        const guint8 *data,
        gsize length,
        gsize padding)
{
  static const guint8 zeros[4];
  gsize before = lane->length;

  if (turn_connect_lane_append (lane, head, head_length) &&
      (length == 0 || turn_connect_lane_append (lane, data, length)) &&
      turn_connect_lane_append (lane, zeros, padding))
    return TRUE;
  lane->length = before;
  return FALSE;
}

static gboolean
append_indication (TurnConnectTurnServer *server,
                   const StunExtAddress *peer,
                   const guint8 *data,
                   gsize length)
{
  guint8 head[HEAD_MAX];
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtBuilder builder;
  gsize head_length, padding;

  memcpy (id, server->transaction_id, sizeof id);
  server->n_indications++;
  for (guint i = 0; i < 4; i++)
    id[i] ^= (guint8)(server->n_indications >> (8 * i));
  stun_ext_builder_begin (&builder, head, sizeof head, STUN_EXT_CLASS_INDICATION,
                          STUN_EXT_METHOD_DATA, id);
  stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, peer);
  return stun_ext_builder_end_before_payload (&builder, STUN_EXT_ATTRIBUTE_DATA, length,
                                              &head_length, &padding) &&
         append (&server->to_client, head, head_length, data, length, padding);
}

void
turn_connect_turn_server_from_peer (TurnConnectTurnServer *server,
                                    const StunExtAddress *peer,
                                    const guint8 *data,
                                    gsize length)
{
  StunExtAddress from = stun_ext_address_canonical (peer);
  guint8 head[STUN_EXT_CHANNEL_DATA_HEADER_LENGTH];
  gboolean is_queued = FALSE;
  guint16 number;

  if (server->state == TURN_CONNECT_TURN_SERVER_UP && length <= G_MAXUINT16 &&
      turn_connect_turn_peers_permits (&server->peers, &from)) {
    number = turn_connect_turn_peers_by_peer (&server->peers, &from);
    if (number != 0)
      stun_ext_channel_data_write_head (head, number, length);
    is_queued = number != 0 ? append (&server->to_client, head, sizeof head, data, length,
                                      (4 - length % 4) % 4)
                            : append_indication (server, &from, data, length);
  }
  if (is_queued)
    server->counts.n_to_client++;
  else
    server->counts.n_dropped_to_client++;
}

/* ---- what the driver asks ---- */

void
turn_connect_turn_server_set_doing (TurnConnectTurnServer *server, const char *doing)
{
  g_free (server->doing);
  server->doing = g_strdup (doing);
}

const char *
turn_connect_turn_server_doing (const TurnConnectTurnServer *server)
{
  return server->doing != NULL ? server->doing : "still trying";
}

gboolean
turn_connect_turn_server_take_overdue (TurnConnectTurnServer *server)
{
  gboolean is_overdue = server->is_overdue;

  server->is_overdue = FALSE;
  return is_overdue;
}

TurnConnectTurnServerState
turn_connect_turn_server_state (const TurnConnectTurnServer *server)
{
  return server->state;
}

TurnConnectLane *
turn_connect_turn_server_to_client (TurnConnectTurnServer *server)
{
  return &server->to_client;
}

void
turn_connect_turn_server_shed (TurnConnectTurnServer *server)
{
  server->counts.n_dropped_to_client += turn_connect_lane_shed (&server->to_client);
}

const TurnConnectTurnServerCounts *
turn_connect_turn_server_counts (const TurnConnectTurnServer *server)
{
  return &server->counts;
}
