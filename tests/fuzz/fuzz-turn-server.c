/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of the local TURN server says anything, with and without a valid login, orders are carried
 * out, refused or left undone, peers send and time passes: the lane stays whole units and within
 * bounds, orders name only peers that make sense, and no deadline lies in the past after its turn. */
#include "fuzz.h"
#include "stun-ext/attribute.h"
#include "stun-ext/channel-data.h"
#include "stun-ext/credentials.h"
#include "stun-ext/integrity.h"
#include "turn-connect/local/turn-server.h"

#include <string.h>

#define USER "user"
#define PASSWORD "pass"

typedef struct {
  TurnConnectTurnServer *server;
  gint64 now;
  StunExtKey key;
  char nonce[STUN_EXT_NONCE_LENGTH + 1]; /* empty: none yet */
  guint64 last_token;
} World;

static void
check_lane (const TurnConnectLane *lane)
{
  gsize at = lane->begun;

  g_assert_cmpuint (lane->length, <=, TURN_CONNECT_LANE_MAX);
  g_assert_cmpuint (lane->begun, <=, lane->length);
  while (at < lane->length) {
    gsize whole = 0;

    g_assert_cmpint (stun_ext_channel_data_measure (lane->octets + at, lane->length - at, &whole),
                     ==, STUN_EXT_PARSE_OK);
    at += whole;
  }
  g_assert_cmpuint (at, ==, lane->length);
}

/* As a client does: the last nonce it was given is the one it uses. */
static void
read_answers (World *world)
{
  TurnConnectLane *lane = turn_connect_turn_server_to_client (world->server);
  StunExtMessage message;
  StunExtSpan nonce;
  gsize whole;

  while (lane->length > 0 && lane->begun == 0) {
    g_assert_cmpint (stun_ext_channel_data_measure (lane->octets, lane->length, &whole), ==,
                     STUN_EXT_PARSE_OK);
    if (lane->octets[0] < 0x40) {
      g_assert_cmpint (stun_ext_message_parse (&message, lane->octets, whole), ==,
                       STUN_EXT_PARSE_OK);
      g_assert_cmpint (message.message_class, !=, STUN_EXT_CLASS_REQUEST);
      if (stun_ext_message_get_text (&message, STUN_EXT_ATTRIBUTE_NONCE, &nonce) ==
              STUN_EXT_GET_OK &&
          nonce.length < sizeof world->nonce) {
        memcpy (world->nonce, nonce.data, nonce.length);
        world->nonce[nonce.length] = '\0';
      }
    }
    turn_connect_lane_sent (lane, whole);
  }
}

static void
check_order (World *world, const TurnConnectOrder *order)
{
  switch (order->kind) {
  case TURN_CONNECT_ORDER_ALLOCATE:
    g_assert_cmpint (order->wishes.families & ~TURN_CONNECT_FAMILY_BOTH, ==, 0);
    g_assert_cmpint (order->wishes.families, !=, 0);
    break;
  case TURN_CONNECT_ORDER_PERMIT:
  case TURN_CONNECT_ORDER_BIND:
    g_assert_cmpuint (order->token, ==, ++world->last_token);
    g_assert_cmpuint (order->n_peers, >=, 1);
    g_assert_cmpuint (order->n_peers, <=, STUN_EXT_PEERS_MAX);
    for (guint i = 0; i < order->n_peers; i++)
      g_assert_true (order->peers[i].family == 4 || order->peers[i].family == 6);
    break;
  case TURN_CONNECT_ORDER_SEND:
    g_assert_cmpuint (order->peers[0].port, !=, 0);
    break;
  default:
    break;
  }
}

/* FALSE: a driver would end here. */
static gboolean
obey (World *world, guint8 how)
{
  TurnConnectTurnGrant grant = { .family_error = how & 0x80 ? 440 : 0,
                                 .has_reservation = (how & 0x40) != 0 };
  TurnConnectOrder order;

  g_assert_true (stun_ext_address_parse ("192.0.2.1:50000", &grant.relayed[0]));
  g_assert_true (stun_ext_address_parse ("[2001:db8::1]:50000", &grant.relayed[1]));
  g_assert_true (stun_ext_address_parse ("192.0.2.2:50000", &grant.mapped));
  for (;;) {
    turn_connect_turn_server_next (world->server, world->now, &order);
    check_order (world, &order);
    switch (order.kind) {
    case TURN_CONNECT_ORDER_NONE:
      g_assert_cmpint (turn_connect_turn_server_deadline (world->server), >, world->now);
      return TRUE;
    case TURN_CONNECT_ORDER_HANG_UP:
      return FALSE;
    case TURN_CONNECT_ORDER_ALLOCATE:
      if ((how & 3) == 1)
        turn_connect_turn_server_lost (world->server, 300 + how, "lost", world->now);
      else if ((how & 3) != 2)
        turn_connect_turn_server_granted (world->server, &grant, world->now);
      break;
    case TURN_CONNECT_ORDER_PERMIT:
    case TURN_CONNECT_ORDER_BIND:
      if ((how & 0x0c) != 0x0c)
        turn_connect_turn_server_done (world->server, order.token, 400 + how,
                                       (how & 0x0c) == 4 ? "refused" : NULL, world->now);
      break;
    default:
      break;
    }
  }
}

static gsize
take (FuzzInput *input, guint8 *piece, gsize max)
{
  gsize wanted = (gsize)fuzz_u8 (input) * 4;
  gsize n = MIN (MIN (wanted, input->length), max);

  memcpy (piece, input->data, n);
  input->data += n;
  input->length -= n;
  return n;
}

/* A request whose attributes are anything, and whose login is right. */
static gsize
make_request (World *world, FuzzInput *input, guint8 octets[2048])
{
  static const guint16 methods[] = { STUN_EXT_METHOD_ALLOCATE, STUN_EXT_METHOD_REFRESH,
                                     STUN_EXT_METHOD_CREATE_PERMISSION,
                                     STUN_EXT_METHOD_CHANNEL_BIND };
  guint8 what = fuzz_u8 (input);
  guint8 n_attributes = fuzz_u8 (input) & 15;
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtBuilder builder;
  gsize length;

  memset (id, what >> 2, sizeof id);
  stun_ext_builder_begin (&builder, octets, 2048, STUN_EXT_CLASS_REQUEST, methods[what & 3], id);
  for (guint i = 0; i < n_attributes; i++) {
    guint8 type = fuzz_u8 (input), value[16];
    gsize n = take (input, value, sizeof value);

    stun_ext_builder_add_data (&builder, type == 0xff ? 0x8000 : type & 0x3f, value, n);
  }
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_USERNAME, USER);
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_REALM, TURN_CONNECT_TURN_SERVER_REALM);
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_NONCE,
                             world->nonce[0] != '\0' ? world->nonce : "x");
  return stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_SHA1,
                                  stun_ext_key_span (&world->key), (what & 0x80) != 0, &length)
             ? length
             : 0;
}

static void
say_peer (World *world, FuzzInput *input)
{
  guint8 octets[1024], address[16] = { 192, 0, 2 };
  StunExtAddress peer;
  gsize n;

  address[3] = fuzz_u8 (input) & 7;
  stun_ext_address_init (&peer, address[3] & 4 ? 6 : 4, address, fuzz_u8 (input) & 3);
  n = take (input, octets, sizeof octets);
  turn_connect_turn_server_from_peer (world->server, &peer, octets, n);
  if (n == 0)
    turn_connect_turn_server_peer_lost (world->server, &peer);
}

/* FALSE: it is over. */
static gboolean
act (World *world, FuzzInput *input)
{
  guint8 what = fuzz_u8 (input), how = fuzz_u8 (input);
  guint8 octets[2048];

  switch (what & 7) {
  case 0:
    turn_connect_turn_server_push (world->server, octets, take (input, octets, sizeof octets));
    return obey (world, how);
  case 1:
  case 2:
  case 3:
    turn_connect_turn_server_push (world->server, octets, make_request (world, input, octets));
    return obey (world, how);
  case 4:
    world->now += (gint64)how * how * 100000;
    return obey (world, what);
  case 5:
    say_peer (world, input);
    return TRUE;
  case 6:
    turn_connect_turn_server_lost (world->server, how * 3, "gone", world->now);
    turn_connect_turn_server_done (world->server, how, 0, NULL, world->now);
    return TRUE;
  default:
    if (how & 1)
      turn_connect_turn_server_shed (world->server);
    read_answers (world);
    return TRUE;
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  TurnConnectTurnServerConfig config = { .user = USER, .password = PASSWORD, .budget_us = 1800000 };
  FuzzInput input = { data, length };
  World world = { .now = G_USEC_PER_SEC };

  g_assert_true (stun_ext_address_parse ("127.0.0.1:1", &config.client));
  g_assert_true (stun_ext_key_long_term (&world.key, STUN_EXT_PASSWORD_ALGORITHM_MD5, USER,
                                         TURN_CONNECT_TURN_SERVER_REALM, PASSWORD, NULL));
  world.server = turn_connect_turn_server_new (&config);
  while (input.length > 0 && act (&world, &input))
    check_lane (turn_connect_turn_server_to_client (world.server));
  turn_connect_turn_server_free (world.server);
  return 0;
}
