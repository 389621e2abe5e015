/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests to the local TURN server: RFC 8656 sections 7.2, 8.2, 10.2 and 12.2, of which RFC 5766's
 * are a part. What is wrong with a request itself is answered here; the rest depends on a server
 * far away, so the request waits and becomes an order.
 */
#include "turn-connect/local/turn-server-private.h"

#include "stun-ext/attribute.h"

#include <string.h>

#define TRANSPORT_UDP 17              /* RFC 8656 section 18.8: a protocol number of IP */
#define EVEN_PORT_AND_NEXT 0x80       /* RFC 8656 section 18.7, R */
#define HOLD_US (45 * G_USEC_PER_SEC) /* longer than anybody waits for an answer */

static void
take_peers (TurnConnectOrder *order, const TurnConnectTurnPending *pending)
{
  order->token = pending->token;
  order->n_peers = pending->n_peers;
  memcpy (order->peers, pending->peers, sizeof order->peers);
}

TurnConnectTurnPending *
turn_connect_turn_server_find_allocate (TurnConnectTurnServer *server)
{
  for (guint i = 0; i < server->n_pending; i++)
    if (server->pending[i].asked.method == STUN_EXT_METHOD_ALLOCATE)
      return &server->pending[i];
  return NULL;
}

void
turn_connect_turn_server_forget_pending (TurnConnectTurnServer *server,
                                         TurnConnectTurnPending *pending)
{
  guint at = (guint)(pending - server->pending);

  memmove (pending, pending + 1, (--server->n_pending - at) * sizeof *pending);
}

/* NULL: too many wait, and it was answered. */
static TurnConnectTurnPending *
add_pending (TurnConnectTurnServer *server, const TurnConnectTurnAsked *asked, gint64 now)
{
  TurnConnectTurnPending *pending;

  if (server->n_pending == TURN_CONNECT_TURN_SERVER_PENDING_MAX) {
    turn_connect_turn_server_refuse (server, asked, STUN_EXT_CODE_INSUFFICIENT_CAPACITY,
                                     "too many requests wait for the server");
    return NULL;
  }
  pending = &server->pending[server->n_pending++];
  *pending = (TurnConnectTurnPending){ .asked = *asked, .since = now };
  return pending;
}

/* ---- Allocate ---- */

static guint32
grant_lifetime (const StunExtMessage *message)
{
  guint32 wanted_s = STUN_EXT_ALLOCATION_LIFETIME_S;

  stun_ext_message_get_u32 (message, STUN_EXT_ATTRIBUTE_LIFETIME, &wanted_s);
  return CLAMP (wanted_s, STUN_EXT_ALLOCATION_LIFETIME_S, TURN_CONNECT_TURN_SERVER_LIFETIME_MAX_S);
}

/* The code of a refusal, or 0. */
static guint
read_families (const StunExtMessage *message, TurnConnectTurnWishes *wishes)
{
  guint8 family = 4, further = 0;
  StunExtGet one =
      stun_ext_message_get_family (message, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, &family);
  StunExtGet two =
      stun_ext_message_get_family (message, STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY, &further);

  if (one == STUN_EXT_GET_INVALID || two == STUN_EXT_GET_INVALID ||
      (one == STUN_EXT_GET_OK && two == STUN_EXT_GET_OK))
    return STUN_EXT_CODE_BAD_REQUEST;
  if (wishes->has_reservation && (one == STUN_EXT_GET_OK || two == STUN_EXT_GET_OK))
    return STUN_EXT_CODE_BAD_REQUEST;
  if (family == 0)
    return STUN_EXT_CODE_ADDRESS_FAMILY_NOT_SUPPORTED;
  wishes->families = family == 6 ? TURN_CONNECT_FAMILY_IPV6 : TURN_CONNECT_FAMILY_IPV4;
  if (two == STUN_EXT_GET_OK) {
    if (further != 6 || wishes->even_port == TURN_CONNECT_PORT_EVEN_AND_NEXT)
      return STUN_EXT_CODE_BAD_REQUEST;
    wishes->families = TURN_CONNECT_FAMILY_BOTH;
  }
  return 0;
}

static guint
read_ports (const StunExtMessage *message, TurnConnectTurnWishes *wishes)
{
  guint8 even = 0;
  StunExtGet port = stun_ext_message_get_u8 (message, STUN_EXT_ATTRIBUTE_EVEN_PORT, &even);
  StunExtGet token = stun_ext_message_get_fixed (message, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN,
                                                 wishes->reservation, sizeof wishes->reservation);

  if (port == STUN_EXT_GET_INVALID || token == STUN_EXT_GET_INVALID ||
      (port == STUN_EXT_GET_OK && token == STUN_EXT_GET_OK))
    return STUN_EXT_CODE_BAD_REQUEST;
  wishes->has_reservation = token == STUN_EXT_GET_OK;
  if (port == STUN_EXT_GET_OK)
    wishes->even_port =
        (even & EVEN_PORT_AND_NEXT) != 0 ? TURN_CONNECT_PORT_EVEN_AND_NEXT : TURN_CONNECT_PORT_EVEN;
  return 0;
}

static guint
read_wishes (const StunExtMessage *message, TurnConnectTurnWishes *wishes)
{
  guint8 transport = 0;
  guint32 lifetime_s;
  guint code;

  /* Compared octet by octet later. */
  memset (wishes, 0, sizeof *wishes);
  if (stun_ext_message_get_u8 (message, STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT, &transport) !=
      STUN_EXT_GET_OK)
    return STUN_EXT_CODE_BAD_REQUEST;
  if (transport != TRANSPORT_UDP)
    return STUN_EXT_CODE_UNSUPPORTED_TRANSPORT;
  if (stun_ext_message_get_u32 (message, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s) ==
      STUN_EXT_GET_INVALID)
    return STUN_EXT_CODE_BAD_REQUEST;
  switch (stun_ext_message_get_flag (message, STUN_EXT_ATTRIBUTE_DONT_FRAGMENT)) {
  case STUN_EXT_GET_OK:
    wishes->has_dont_fragment = TRUE;
    break;
  case STUN_EXT_GET_ABSENT:
    break;
  case STUN_EXT_GET_INVALID:
    return STUN_EXT_CODE_BAD_REQUEST;
  }
  code = read_ports (message, wishes);
  return code != 0 ? code : read_families (message, wishes);
}

static gboolean
wants_the_same (const TurnConnectTurnWishes *a, const TurnConnectTurnWishes *b)
{
  return memcmp (a, b, sizeof *a) == 0;
}

void
turn_connect_turn_server_give (TurnConnectTurnServer *server,
                               const TurnConnectTurnAsked *asked,
                               gint64 now)
{
  if (!turn_connect_turn_server_step (server, TURN_CONNECT_TURN_SERVER_TAKE))
    return;
  memcpy (server->allocate_id, asked->transaction_id, sizeof server->allocate_id);
  server->ends_us = now + (gint64)server->lifetime_s * G_USEC_PER_SEC;
  turn_connect_turn_server_answer_allocate (server, asked);
}

/* In UP: a repeat is answered as the first was, RFC 8656 section 7.2. */
static void
allocate_again (TurnConnectTurnServer *server, const TurnConnectTurnAsked *asked)
{
  if (memcmp (server->allocate_id, asked->transaction_id, sizeof server->allocate_id) == 0)
    turn_connect_turn_server_answer_allocate (server, asked);
  else
    turn_connect_turn_server_refuse (server, asked, STUN_EXT_CODE_ALLOCATION_MISMATCH, NULL);
}

static void
allocate (TurnConnectTurnServer *server,
          const StunExtMessage *message,
          const TurnConnectTurnAsked *asked,
          gint64 now,
          TurnConnectOrder *order)
{
  TurnConnectTurnWishes wishes;
  gboolean is_same;
  guint code;

  if (server->state == TURN_CONNECT_TURN_SERVER_UP) {
    allocate_again (server, asked);
    return;
  }
  code = read_wishes (message, &wishes);
  if (code == 0 && turn_connect_turn_server_find_allocate (server) != NULL)
    code = STUN_EXT_CODE_ALLOCATION_MISMATCH;
  if (code != 0) {
    turn_connect_turn_server_refuse (server, asked, code, NULL);
    return;
  }
  is_same = wants_the_same (&wishes, &server->wishes);
  if (server->state == TURN_CONNECT_TURN_SERVER_DOWN && is_same && now < server->retry_us) {
    turn_connect_turn_server_answer_cause (server, asked, server->code, server->cause);
    return;
  }
  server->lifetime_s = grant_lifetime (message);
  if (server->state == TURN_CONNECT_TURN_SERVER_KEPT && is_same) {
    turn_connect_turn_server_give (server, asked, now);
    return;
  }
  if (add_pending (server, asked, now) == NULL)
    return;
  if (server->state == TURN_CONNECT_TURN_SERVER_ASKED && is_same)
    return; /* the one under way will do */
  if (!turn_connect_turn_server_step (server, TURN_CONNECT_TURN_SERVER_ASK))
    return;
  server->wishes = wishes;
  order->kind = TURN_CONNECT_ORDER_ALLOCATE;
  order->wishes = wishes;
}

/* ---- Refresh ---- */

gboolean
turn_connect_turn_server_has_family (const TurnConnectTurnServer *server, guint8 family)
{
  return server->grant.relayed[family == 6].family == family;
}

static void
release (TurnConnectTurnServer *server, guint8 family)
{
  if (family != 0) {
    server->grant.relayed[family == 6] = (StunExtAddress){ 0 };
    turn_connect_turn_peers_end_family (&server->peers, family);
    if (turn_connect_turn_server_has_family (server, family == 6 ? 4 : 6))
      return;
  }
  server->releases = turn_connect_turn_server_step (server, TURN_CONNECT_TURN_SERVER_RELEASE);
}

static void
refresh (TurnConnectTurnServer *server,
         const StunExtMessage *message,
         const TurnConnectTurnAsked *asked,
         gint64 now)
{
  guint32 wanted_s = STUN_EXT_ALLOCATION_LIFETIME_S;
  guint8 family = 0;
  StunExtGet one =
      stun_ext_message_get_family (message, STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, &family);

  if (stun_ext_message_get_u32 (message, STUN_EXT_ATTRIBUTE_LIFETIME, &wanted_s) ==
          STUN_EXT_GET_INVALID ||
      one == STUN_EXT_GET_INVALID)
    turn_connect_turn_server_refuse (server, asked, STUN_EXT_CODE_BAD_REQUEST, NULL);
  else if (one == STUN_EXT_GET_OK &&
           (family == 0 || !turn_connect_turn_server_has_family (server, family)))
    turn_connect_turn_server_refuse (server, asked, STUN_EXT_CODE_PEER_FAMILY_MISMATCH, NULL);
  else if (wanted_s == 0) {
    turn_connect_turn_server_answer_refresh (server, asked, 0);
    release (server, family);
  } else {
    server->lifetime_s = grant_lifetime (message);
    server->ends_us = now + (gint64)server->lifetime_s * G_USEC_PER_SEC;
    turn_connect_turn_server_answer_refresh (server, asked, server->lifetime_s);
  }
}

/* ---- CreatePermission and ChannelBind ---- */

/* The code of a refusal, or 0. */
static guint
read_peers (const TurnConnectTurnServer *server,
            const StunExtMessage *message,
            StunExtAddress peers[STUN_EXT_PEERS_MAX],
            guint *n_peers)
{
  *n_peers = 0;
  for (guint i = 0; i < message->n_attributes; i++) {
    StunExtAddress peer;

    if (message->attributes[i].type != STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS)
      continue;
    if (!stun_ext_attribute_xor_address (message, &message->attributes[i], &peer))
      return STUN_EXT_CODE_BAD_REQUEST;
    peer = stun_ext_address_canonical (&peer);
    if (!turn_connect_turn_server_has_family (server, peer.family))
      return STUN_EXT_CODE_PEER_FAMILY_MISMATCH;
    if (*n_peers == STUN_EXT_PEERS_MAX)
      return STUN_EXT_CODE_INSUFFICIENT_CAPACITY;
    peers[(*n_peers)++] = peer;
  }
  return *n_peers > 0 ? 0 : STUN_EXT_CODE_BAD_REQUEST;
}

static void
hold (TurnConnectTurnServer *server, const TurnConnectTurnPending *pending, gint64 now)
{
  for (guint i = 0; i < pending->n_peers; i++)
    turn_connect_turn_peers_hold (&server->peers, &pending->peers[i], now + HOLD_US);
}

/* Is there room for these hosts too, once all that others wait for is given? */
static gboolean
has_room (const TurnConnectTurnServer *server, const StunExtAddress *peers, guint n_peers)
{
  StunExtAddress hosts[(TURN_CONNECT_TURN_SERVER_PENDING_MAX + 1) * STUN_EXT_PEERS_MAX];
  guint n = n_peers;

  memcpy (hosts, peers, n_peers * sizeof *peers);
  for (guint i = 0; i < server->n_pending; i++) {
    memcpy (&hosts[n], server->pending[i].peers, server->pending[i].n_peers * sizeof *hosts);
    n += server->pending[i].n_peers;
  }
  return turn_connect_turn_peers_may_permit (&server->peers, hosts, n);
}

static gboolean
has_room_for_channel (const TurnConnectTurnServer *server, const StunExtAddress *peer)
{
  guint n = server->peers.channels->len;

  if (turn_connect_turn_peers_by_peer (&server->peers, peer) != 0)
    return TRUE;
  for (guint i = 0; i < server->n_pending; i++)
    n += server->pending[i].channel != 0 &&
         turn_connect_turn_peers_by_peer (&server->peers, &server->pending[i].peers[0]) == 0;
  return n < TURN_CONNECT_TURN_SERVER_CHANNELS_MAX;
}

static void
create_permission (TurnConnectTurnServer *server,
                   const StunExtMessage *message,
                   const TurnConnectTurnAsked *asked,
                   gint64 now,
                   TurnConnectOrder *order)
{
  StunExtAddress peers[STUN_EXT_PEERS_MAX];
  TurnConnectTurnPending *pending;
  guint n_peers;
  guint code = read_peers (server, message, peers, &n_peers);

  if (code == 0 && !has_room (server, peers, n_peers))
    code = STUN_EXT_CODE_INSUFFICIENT_CAPACITY;
  if (code != 0) {
    turn_connect_turn_server_refuse (server, asked, code, NULL);
    return;
  }
  pending = add_pending (server, asked, now);
  if (pending == NULL)
    return;
  pending->token = ++server->last_token;
  pending->n_peers = n_peers;
  memcpy (pending->peers, peers, n_peers * sizeof *peers);
  for (guint i = 0; i < n_peers; i++)
    pending->peers[i].port = 0; /* ports do not matter, RFC 8656 section 9 */
  hold (server, pending, now);
  order->kind = TURN_CONNECT_ORDER_PERMIT;
  take_peers (order, pending);
}

/* Is somebody else being given this number, or this peer another number? */
static gboolean
is_being_bound (const TurnConnectTurnServer *server, guint16 number, const StunExtAddress *peer)
{
  for (guint i = 0; i < server->n_pending; i++) {
    const TurnConnectTurnPending *other = &server->pending[i];

    if (other->channel != 0 &&
        (other->channel == number) != stun_ext_address_equal (&other->peers[0], peer))
      return TRUE;
  }
  return FALSE;
}

static guint
check_channel (const TurnConnectTurnServer *server, guint16 number, const StunExtAddress *peer)
{
  if (number < STUN_EXT_CHANNEL_MIN || number > STUN_EXT_CHANNEL_MAX || peer->port == 0 ||
      is_being_bound (server, number, peer))
    return STUN_EXT_CODE_BAD_REQUEST;
  switch (turn_connect_turn_peers_may_bind (&server->peers, number, peer)) {
  case TURN_CONNECT_TURN_PEERS_TAKEN:
    return STUN_EXT_CODE_BAD_REQUEST;
  case TURN_CONNECT_TURN_PEERS_FULL:
    return STUN_EXT_CODE_INSUFFICIENT_CAPACITY;
  case TURN_CONNECT_TURN_PEERS_OK:
    break;
  }
  return has_room (server, peer, 1) && has_room_for_channel (server, peer)
             ? 0
             : STUN_EXT_CODE_INSUFFICIENT_CAPACITY;
}

static void
bind_channel (TurnConnectTurnServer *server,
              const StunExtMessage *message,
              const TurnConnectTurnAsked *asked,
              gint64 now,
              TurnConnectOrder *order)
{
  StunExtAddress peers[STUN_EXT_PEERS_MAX];
  TurnConnectTurnPending *pending;
  guint16 number = 0;
  guint n_peers;
  guint code = read_peers (server, message, peers, &n_peers);

  if (code == 0 &&
      (n_peers != 1 || stun_ext_message_get_u16 (message, STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER,
                                                 &number) != STUN_EXT_GET_OK))
    code = STUN_EXT_CODE_BAD_REQUEST;
  if (code == 0)
    code = check_channel (server, number, &peers[0]);
  if (code != 0) {
    turn_connect_turn_server_refuse (server, asked, code, NULL);
    return;
  }
  pending = add_pending (server, asked, now);
  if (pending == NULL)
    return;
  pending->token = ++server->last_token;
  pending->channel = number;
  pending->n_peers = 1;
  pending->peers[0] = peers[0];
  hold (server, pending, now);
  order->kind = TURN_CONNECT_ORDER_BIND;
  take_peers (order, pending);
}

/* ---- all of them ---- */

static gboolean
is_pending (const TurnConnectTurnServer *server, const StunExtMessage *message)
{
  for (guint i = 0; i < server->n_pending; i++)
    if (memcmp (server->pending[i].asked.transaction_id, message->transaction_id,
                sizeof message->transaction_id) == 0)
      return TRUE;
  return FALSE;
}

/* All but Allocate are about an allocation that is there. FALSE: there is none, and it was said. */
static gboolean
has_allocation (TurnConnectTurnServer *server,
                const StunExtMessage *message,
                const TurnConnectTurnAsked *asked)
{
  guint32 lifetime_s = 1;

  if (server->state == TURN_CONNECT_TURN_SERVER_UP)
    return TRUE;
  /* Who gives back what is not there any more has got what it wants. */
  if (message->method == STUN_EXT_METHOD_REFRESH &&
      stun_ext_message_get_u32 (message, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s) ==
          STUN_EXT_GET_OK &&
      lifetime_s == 0 && server->state == TURN_CONNECT_TURN_SERVER_DOWN)
    turn_connect_turn_server_answer_refresh (server, asked, 0);
  else if (server->state == TURN_CONNECT_TURN_SERVER_DOWN)
    turn_connect_turn_server_answer_cause (server, asked, 0, server->cause);
  else
    turn_connect_turn_server_refuse (server, asked, STUN_EXT_CODE_ALLOCATION_MISMATCH, NULL);
  return FALSE;
}

static void
dispatch (TurnConnectTurnServer *server,
          const StunExtMessage *message,
          const TurnConnectTurnAsked *asked,
          gint64 now,
          TurnConnectOrder *order)
{
  switch (message->method) {
  case STUN_EXT_METHOD_ALLOCATE:
    allocate (server, message, asked, now, order);
    break;
  case STUN_EXT_METHOD_REFRESH:
    if (has_allocation (server, message, asked))
      refresh (server, message, asked, now);
    break;
  case STUN_EXT_METHOD_CREATE_PERMISSION:
    if (has_allocation (server, message, asked))
      create_permission (server, message, asked, now, order);
    break;
  case STUN_EXT_METHOD_CHANNEL_BIND:
    if (has_allocation (server, message, asked))
      bind_channel (server, message, asked, now, order);
    break;
  default: /* RFC 6062's are for allocations of another kind, which this server does not make */
    turn_connect_turn_server_refuse (server, asked, STUN_EXT_CODE_BAD_REQUEST, NULL);
    break;
  }
}

void
turn_connect_turn_server_request (TurnConnectTurnServer *server,
                                  const StunExtMessage *message,
                                  gint64 now,
                                  TurnConnectOrder *order)
{
  static const guint16 known[] = {
    STUN_EXT_ATTRIBUTE_USERNAME,
    STUN_EXT_ATTRIBUTE_REALM,
    STUN_EXT_ATTRIBUTE_NONCE,
    STUN_EXT_ATTRIBUTE_CHANNEL_NUMBER,
    STUN_EXT_ATTRIBUTE_LIFETIME,
    STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS,
    STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY,
    STUN_EXT_ATTRIBUTE_EVEN_PORT,
    STUN_EXT_ATTRIBUTE_REQUESTED_TRANSPORT,
    STUN_EXT_ATTRIBUTE_DONT_FRAGMENT,
    STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN,
  };
  TurnConnectTurnAsked asked = { .method = message->method,
                                 .has_fingerprint = message->fingerprint_offset != 0 };
  guint16 unknown[STUN_EXT_UNKNOWN_MAX];
  guint n_unknown;

  memcpy (asked.transaction_id, message->transaction_id, sizeof asked.transaction_id);
  if (message->method != STUN_EXT_METHOD_BINDING) {
    if (is_pending (server, message) ||
        !turn_connect_turn_server_authenticate (server, message, &asked, now))
      return;
    server->is_known = TRUE;
  }
  n_unknown = stun_ext_message_unknown (message, known, G_N_ELEMENTS (known), unknown);
  if (n_unknown > 0)
    turn_connect_turn_server_refuse_unknown (server, &asked, unknown, n_unknown);
  else if (message->method == STUN_EXT_METHOD_BINDING)
    turn_connect_turn_server_answer_binding (server, &asked);
  else
    dispatch (server, message, &asked, now, order);
}
