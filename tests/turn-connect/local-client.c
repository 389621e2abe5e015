/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "local-client.h"

#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/credentials.h"
#include "stun-ext/integrity.h"
#include "turn-connect/local/turn-server-peers.h"

#include <string.h>

StunExtAddress
local_address (const char *text)
{
  StunExtAddress result;

  g_assert_true (stun_ext_address_parse (text, &result));
  return result;
}

void
local_open (LocalClient *client)
{
  TurnConnectTurnServerConfig config = {
    .user = LOCAL_USER,
    .password = LOCAL_PASSWORD,
    .nonce_key = { 1 },
    .transaction_id = { 2 },
    .client = local_address ("127.0.0.1:50000"),
    .budget_us = LOCAL_BUDGET_US,
  };

  memset (client, 0, sizeof *client);
  client->now = 1000 * S;
  client->server = turn_connect_turn_server_new (&config);
  g_assert_true (stun_ext_key_long_term (&client->key, STUN_EXT_PASSWORD_ALGORITHM_MD5, LOCAL_USER,
                                         TURN_CONNECT_TURN_SERVER_REALM, LOCAL_PASSWORD, NULL));
}

void
local_close (LocalClient *client)
{
  turn_connect_turn_server_free (client->server);
}

void
local_begin (LocalClient *client, LocalRequest *request, guint16 method)
{
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];

  memset (id, ++client->last_id, sizeof id);
  stun_ext_builder_begin (&request->builder, request->octets, sizeof request->octets,
                          STUN_EXT_CLASS_REQUEST, method, id);
}

void
local_add_peer (LocalRequest *request, const char *peer)
{
  StunExtAddress to = local_address (peer);

  stun_ext_builder_add_xor_address (&request->builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, &to);
}

void
local_finish (LocalClient *client, LocalRequest *request, gboolean is_signed)
{
  if (is_signed) {
    stun_ext_builder_add_text (&request->builder, STUN_EXT_ATTRIBUTE_USERNAME, LOCAL_USER);
    stun_ext_builder_add_text (&request->builder, STUN_EXT_ATTRIBUTE_REALM,
                               TURN_CONNECT_TURN_SERVER_REALM);
    stun_ext_builder_add_text (&request->builder, STUN_EXT_ATTRIBUTE_NONCE, client->nonce);
  }
  g_assert_true (stun_ext_builder_finish (
      &request->builder, is_signed ? STUN_EXT_INTEGRITY_SHA1 : STUN_EXT_INTEGRITY_NONE,
      stun_ext_key_span (&client->key), TRUE, &request->length));
}

TurnConnectOrder
local_next (LocalClient *client)
{
  TurnConnectOrder order;

  turn_connect_turn_server_next (client->server, client->now, &order);
  return order;
}

TurnConnectOrder
local_say (LocalClient *client, const void *octets, gsize length)
{
  turn_connect_turn_server_push (client->server, octets, length);
  return local_next (client);
}

gsize
local_take_unit (LocalClient *client)
{
  TurnConnectLane *lane = turn_connect_turn_server_to_client (client->server);
  gsize length = 0;

  if (lane->length == 0)
    return 0;
  g_assert_cmpint (stun_ext_channel_data_measure (lane->octets, lane->length, &length), ==,
                   STUN_EXT_PARSE_OK);
  g_assert_cmpuint (length, <=, sizeof client->answer_octets);
  memcpy (client->answer_octets, lane->octets, length);
  turn_connect_lane_sent (lane, length);
  return length;
}

guint
local_take_answer (LocalClient *client, gboolean is_signed)
{
  gsize length = local_take_unit (client);
  guint code = 0;
  StunExtSpan reason;

  g_assert_cmpint (stun_ext_message_parse (&client->answer, client->answer_octets, length), ==,
                   STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_fingerprint_verify (&client->answer), !=, STUN_EXT_VERDICT_WRONG);
  g_assert_cmpint (stun_ext_integrity_verify (&client->answer, STUN_EXT_INTEGRITY_SHA1, 32,
                                              stun_ext_key_span (&client->key)),
                   ==, is_signed ? STUN_EXT_VERDICT_VALID : STUN_EXT_VERDICT_MISSING);
  if (client->answer.message_class == STUN_EXT_CLASS_ERROR)
    g_assert_cmpint (stun_ext_message_get_error (&client->answer, &code, &reason), ==,
                     STUN_EXT_GET_OK);
  g_assert_cmpuint (turn_connect_turn_server_to_client (client->server)->length, ==, 0);
  return code;
}

void
local_assert_reason (LocalClient *client, const char *words)
{
  g_autofree char *text = NULL;
  StunExtSpan reason;
  guint code;

  g_assert_cmpint (stun_ext_message_get_error (&client->answer, &code, &reason), ==,
                   STUN_EXT_GET_OK);
  text = g_strndup (reason.data, reason.length);
  g_assert_nonnull (strstr (text, words));
}

void
local_assert_silence (LocalClient *client)
{
  g_assert_cmpuint (turn_connect_turn_server_to_client (client->server)->length, ==, 0);
}

void
local_keep_nonce (LocalClient *client)
{
  StunExtSpan nonce;

  g_assert_cmpint (stun_ext_message_get_text (&client->answer, STUN_EXT_ATTRIBUTE_NONCE, &nonce),
                   ==, STUN_EXT_GET_OK);
  g_assert_cmpuint (nonce.length, <, sizeof client->nonce);
  memcpy (client->nonce, nonce.data, nonce.length);
  client->nonce[nonce.length] = '\0';
}

void
local_get_nonce (LocalClient *client)
{
  LocalRequest request;

  local_begin (client, &request, STUN_EXT_METHOD_ALLOCATE);
  local_finish (client, &request, FALSE);
  g_assert_cmpint (local_say (client, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_NONE);
  g_assert_cmpuint (local_take_answer (client, FALSE), ==, 401);
  local_keep_nonce (client);
}

void
local_write_allocate (LocalClient *client, LocalRequest *request)
{
  local_begin (client, request, STUN_EXT_METHOD_ALLOCATE);
  stun_ext_builder_add_u8 (&request->builder, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, 17);
  local_finish (client, request, TRUE);
}

TurnConnectTurnGrant
local_make_grant (void)
{
  return (TurnConnectTurnGrant){ .relayed = { local_address ("192.0.2.1:50000") },
                                 .mapped = local_address ("203.0.113.5:1000") };
}

void
local_grant (LocalClient *client)
{
  TurnConnectTurnGrant what = local_make_grant ();

  turn_connect_turn_server_granted (client->server, &what, client->now);
}

void
local_allocate (LocalClient *client)
{
  LocalRequest request;

  local_open (client);
  local_get_nonce (client);
  local_write_allocate (client, &request);
  g_assert_cmpint (local_say (client, request.octets, request.length).kind, ==,
                   TURN_CONNECT_ORDER_ALLOCATE);
  local_assert_silence (client);
  local_grant (client);
  g_assert_cmpuint (local_take_answer (client, TRUE), ==, 0);
}

TurnConnectOrder
local_ask_permission (LocalClient *client, const char *peer)
{
  LocalRequest request;

  local_begin (client, &request, STUN_EXT_METHOD_CREATE_PERMISSION);
  local_add_peer (&request, peer);
  local_finish (client, &request, TRUE);
  return local_say (client, request.octets, request.length);
}

TurnConnectOrder
local_ask_channel (LocalClient *client, guint16 number, const char *peer)
{
  LocalRequest request;

  local_begin (client, &request, STUN_EXT_METHOD_CHANNEL_BIND);
  stun_ext_builder_add_u16 (&request.builder, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER, number);
  local_add_peer (&request, peer);
  local_finish (client, &request, TRUE);
  return local_say (client, request.octets, request.length);
}

void
local_done (LocalClient *client, const TurnConnectOrder *order)
{
  turn_connect_turn_server_done (client->server, order->token, 0, NULL, client->now);
  g_assert_cmpuint (local_take_answer (client, TRUE), ==, 0);
}

void
local_permit (LocalClient *client, const char *peer)
{
  TurnConnectOrder order = local_ask_permission (client, peer);

  g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_PERMIT);
  local_done (client, &order);
}

void
local_bind_channel (LocalClient *client, guint16 number, const char *peer)
{
  TurnConnectOrder order = local_ask_channel (client, number, peer);

  g_assert_cmpint (order.kind, ==, TURN_CONNECT_ORDER_BIND);
  local_done (client, &order);
}

TurnConnectOrder
local_send_channel_data (LocalClient *client, guint16 number, const char *text)
{
  static guint8 octets[256]; /* the order borrows them */
  StunExtWriter w;

  stun_ext_writer_init (&w, octets, sizeof octets);
  stun_ext_channel_data_write (&w, number, text, strlen (text), TRUE);
  return local_say (client, octets, w.length);
}

TurnConnectOrder
local_send_indication (LocalClient *client, const char *peer, const char *text)
{
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH] = { 0 };
  static LocalRequest request; /* the order borrows it */

  stun_ext_builder_begin (&request.builder, request.octets, sizeof request.octets,
                          STUN_EXT_CLASS_INDICATION, STUN_EXT_METHOD_SEND, id);
  local_add_peer (&request, peer);
  stun_ext_builder_add_data (&request.builder, STUN_EXT_ATTRIBUTE_DATA, text, strlen (text));
  g_assert_true (stun_ext_builder_finish (&request.builder, STUN_EXT_INTEGRITY_NONE,
                                          (StunExtSpan){ 0 }, FALSE, &request.length));
  return local_say (client, request.octets, request.length);
}

void
local_assert_sends (const TurnConnectOrder *order, const char *peer, const char *text)
{
  StunExtAddress to = local_address (peer);

  g_assert_cmpint (order->kind, ==, TURN_CONNECT_ORDER_SEND);
  g_assert_true (stun_ext_address_equal (&order->peers[0], &to));
  g_assert_cmpmem (order->payload.data, order->payload.length, text, strlen (text));
}

guint
local_refresh (LocalClient *client, int lifetime_s, guint8 family, TurnConnectOrderKind expected)
{
  LocalRequest request;

  local_begin (client, &request, STUN_EXT_METHOD_REFRESH);
  if (lifetime_s >= 0)
    stun_ext_builder_add_u32 (&request.builder, STUN_EXT_ATTRIBUTE_LIFETIME, (guint32)lifetime_s);
  if (family != 0)
    stun_ext_builder_add_family (&request.builder, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY,
                                 family);
  local_finish (client, &request, TRUE);
  g_assert_cmpint (local_say (client, request.octets, request.length).kind, ==, expected);
  return local_take_answer (client, TRUE);
}
