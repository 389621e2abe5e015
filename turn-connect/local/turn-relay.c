/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a TURN client on loopback is told while the real server is far, slow, or gone. Clients, and
 * libnice before all, take a closed stream or silence very badly: they hang or lose the cause. So
 * the stream between client and relay never depends on the one between relay and server: requests
 * wait a while, are sent once, and each one gets an answer, the server's or a 400 of the relay's.
 */
#include "turn-connect/local/turn-relay-private.h"

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/octets.h"

#include <string.h>

#define UNIT_MAX 65552    /* octets of the longest unit: a STUN message with its header */
#define PENDING_MAX 16384 /* octets of requests that wait for the server */
#define RETRY_US (5 * G_USEC_PER_SEC) /* after a failure, before a new try */
#define SILENCE_US                                                                                 \
  (20 * G_USEC_PER_SEC) /* after a Binding request, before the server is given up */

#define SILENT_SERVER "the server took the connection and does not answer"

static const struct {
  TurnConnectRelayState from;
  TurnConnectRelayEvent event;
  TurnConnectRelayState to;
} transitions[] = {
  { TURN_CONNECT_RELAY_IDLE, TURN_CONNECT_RELAY_ASKED, TURN_CONNECT_RELAY_WAITING },
  { TURN_CONNECT_RELAY_DOWN, TURN_CONNECT_RELAY_ASKED, TURN_CONNECT_RELAY_WAITING },
  { TURN_CONNECT_RELAY_WAITING, TURN_CONNECT_RELAY_CAME_UP, TURN_CONNECT_RELAY_UP },
  { TURN_CONNECT_RELAY_IDLE, TURN_CONNECT_RELAY_WENT_DOWN, TURN_CONNECT_RELAY_DOWN },
  { TURN_CONNECT_RELAY_WAITING, TURN_CONNECT_RELAY_WENT_DOWN, TURN_CONNECT_RELAY_DOWN },
  { TURN_CONNECT_RELAY_UP, TURN_CONNECT_RELAY_WENT_DOWN, TURN_CONNECT_RELAY_DOWN },
  { TURN_CONNECT_RELAY_DOWN, TURN_CONNECT_RELAY_WENT_DOWN, TURN_CONNECT_RELAY_DOWN },
  { TURN_CONNECT_RELAY_UP, TURN_CONNECT_RELAY_REDIRECTED, TURN_CONNECT_RELAY_WAITING },
};

int
turn_connect_relay_next_state (TurnConnectRelayState from, TurnConnectRelayEvent event)
{
  for (gsize i = 0; i < G_N_ELEMENTS (transitions); i++) {
    if (transitions[i].from == from && transitions[i].event == event)
      return (int)transitions[i].to;
  }
  return -1;
}

gboolean
turn_connect_relay_step (TurnConnectRelay *relay, TurnConnectRelayEvent event)
{
  int to = turn_connect_relay_next_state (relay->state, event);

  if (to < 0)
    return FALSE;
  relay->state = (TurnConnectRelayState)to;
  return TRUE;
}

TurnConnectRelay *
turn_connect_relay_new (const TurnConnectRelayConfig *config)
{
  TurnConnectRelay *relay = g_new0 (TurnConnectRelay, 1);

  relay->config = *config;
  stun_ext_stream_init (&relay->from_client, STUN_EXT_FRAMING_TURN, UNIT_MAX);
  stun_ext_stream_init (&relay->from_server, STUN_EXT_FRAMING_TURN, UNIT_MAX);
  return relay;
}

void
turn_connect_relay_free (TurnConnectRelay *relay)
{
  stun_ext_stream_clear (&relay->from_client);
  stun_ext_stream_clear (&relay->from_server);
  turn_connect_lane_clear (&relay->to_client);
  turn_connect_lane_clear (&relay->to_server);
  turn_connect_lane_clear (&relay->pending);
  turn_connect_lane_clear (&relay->allocate);
  g_free (relay->cause);
  g_free (relay->doing);
  g_free (relay);
}

/* ---- requests and who answers them ---- */

static void
send_to_server (TurnConnectRelay *relay, const guint8 *unit, gsize length, gint64 now)
{
  if (turn_connect_lane_append (&relay->to_server, unit, length)) {
    relay->counts.n_to_server++;
    relay->sent_at = now;
  } else
    relay->counts.n_dropped_to_server++;
}

static void
note_request (TurnConnectRelay *relay, guint16 type, const guint8 *unit, gsize length)
{
  StunExtMessage message;
  guint32 lifetime_s;

  if (type == TURN_CONNECT_RELAY_TYPE_ALLOCATE) {
    relay->is_released = FALSE;
    relay->allocate.length = 0;
    turn_connect_lane_append (&relay->allocate, unit, length);
  } else if (type == TURN_CONNECT_RELAY_TYPE_REFRESH &&
             stun_ext_message_parse (&message, unit, length) == STUN_EXT_PARSE_OK &&
             stun_ext_message_get_u32 (&message, STUN_EXT_ATTRIBUTE_LIFETIME, &lifetime_s) ==
                 STUN_EXT_GET_OK)
    relay->is_released = lifetime_s == 0;
}

/* Who repeats over a stream what was answered did not believe the answer. */
static gboolean
is_repeat (TurnConnectRelay *relay, const TurnConnectRelayAsked *asked)
{
  gboolean is_same =
      relay->state == TURN_CONNECT_RELAY_DOWN &&
      memcmp (relay->refused_id, asked->transaction_id, sizeof relay->refused_id) == 0;

  relay->is_deaf |= is_same;
  memcpy (relay->refused_id, asked->transaction_id, sizeof relay->refused_id);
  return is_same;
}

static void
take_request (TurnConnectRelay *relay, const guint8 *unit, gsize length, gint64 now)
{
  TurnConnectRelayAsked asked = { .type = stun_ext_octets_u16 (unit, 0), .since = now };

  memcpy (asked.transaction_id, &unit[TURN_CONNECT_RELAY_TRANSACTION_AT],
          sizeof asked.transaction_id);
  if (turn_connect_relay_find_asked (relay, unit) != NULL)
    return; /* the stream is reliable: one is enough */
  if (relay->state == TURN_CONNECT_RELAY_IDLE ||
      (relay->state == TURN_CONNECT_RELAY_DOWN && !is_repeat (relay, &asked) &&
       asked.type == TURN_CONNECT_RELAY_TYPE_ALLOCATE && now >= relay->retry_at &&
       !relay->is_denied))
    turn_connect_relay_step (relay, TURN_CONNECT_RELAY_ASKED);
  if (relay->state == TURN_CONNECT_RELAY_DOWN) {
    turn_connect_relay_answer (relay, &asked, relay->cause);
    return;
  }
  if (relay->n_asked == TURN_CONNECT_RELAY_ASKED_MAX ||
      (relay->state == TURN_CONNECT_RELAY_WAITING &&
       (relay->pending.length + length > PENDING_MAX ||
        !turn_connect_lane_append (&relay->pending, unit, length)))) {
    turn_connect_relay_answer (relay, &asked, "too many requests wait for the server");
    return;
  }
  relay->asked[relay->n_asked++] = asked;
  if (relay->state != TURN_CONNECT_RELAY_UP)
    return;
  note_request (relay, asked.type, unit, length);
  send_to_server (relay, unit, length, now);
}

static void
take_client_unit (TurnConnectRelay *relay, const guint8 *unit, gsize length, gint64 now)
{
  gboolean is_request = unit[0] < STUN_EXT_CHANNEL_MIN >> 8 &&
                        (stun_ext_octets_u16 (unit, 0) & TURN_CONNECT_RELAY_TYPE_CLASS_BITS) ==
                            TURN_CONNECT_RELAY_TYPE_REQUEST;

  if (is_request)
    take_request (relay, unit, length, now);
  else if (relay->state == TURN_CONNECT_RELAY_UP)
    send_to_server (relay, unit, length, now);
  else
    relay->counts.n_dropped_to_server++;
}

gboolean
turn_connect_relay_from_client (TurnConnectRelay *relay,
                                const guint8 *data,
                                gsize length,
                                gint64 now)
{
  StunExtStreamVerdict verdict;
  const guint8 *unit;
  gsize n;

  stun_ext_stream_push (&relay->from_client, data, length);
  while ((verdict = stun_ext_stream_next (&relay->from_client, &unit, &n)) == STUN_EXT_STREAM_FRAME)
    take_client_unit (relay, unit, n, now);
  return verdict == STUN_EXT_STREAM_NEED_MORE;
}

/* ---- the server comes and goes ---- */

void
turn_connect_relay_came_up (TurnConnectRelay *relay, gint64 now)
{
  if (!turn_connect_relay_step (relay, TURN_CONNECT_RELAY_CAME_UP))
    return;
  relay->up_since = relay->sent_at = relay->heard_at = now;
  relay->probed_at = 0;
  relay->answers_probes = FALSE;
  stun_ext_stream_clear (&relay->from_server);
  turn_connect_lane_clear (&relay->to_server);
  for (gsize at = 0; at < relay->pending.length;) {
    const guint8 *unit = &relay->pending.octets[at];
    gsize length = STUN_EXT_HEADER_LENGTH + stun_ext_octets_u16 (unit, 2);

    note_request (relay, stun_ext_octets_u16 (unit, 0), unit, length);
    send_to_server (relay, unit, length, now);
    at += length;
  }
  turn_connect_lane_clear (&relay->pending);
}

void
turn_connect_relay_went_down (TurnConnectRelay *relay, const char *cause, gint64 now)
{
  gboolean was_of_use = relay->state == TURN_CONNECT_RELAY_UP && now - relay->up_since >= RETRY_US;

  if (!turn_connect_relay_step (relay, TURN_CONNECT_RELAY_WENT_DOWN))
    return;
  g_free (relay->cause);
  relay->cause = g_strdup (cause);
  relay->retry_at = was_of_use ? now : now + RETRY_US;
  relay->has_alternate = FALSE;
  relay->n_visited = 0;
  stun_ext_stream_clear (&relay->from_server);
  turn_connect_lane_clear (&relay->to_server);
  turn_connect_relay_answer_all (relay, cause);
}

void
turn_connect_relay_deny (TurnConnectRelay *relay, const char *cause, gint64 now)
{
  relay->is_denied = TRUE;
  turn_connect_relay_went_down (relay, cause, now);
}

void
turn_connect_relay_set_doing (TurnConnectRelay *relay, const char *doing)
{
  g_free (relay->doing);
  relay->doing = g_strdup (doing);
}

const char *
turn_connect_relay_doing (const TurnConnectRelay *relay)
{
  return relay->doing != NULL ? relay->doing : "still trying";
}

/* ---- time ---- */

static void
answer_overdue (TurnConnectRelay *relay, gint64 now)
{
  g_autofree char *cause = NULL;

  if (relay->n_asked == 0 || now < relay->asked[0].since + relay->config.budget_us)
    return;
  cause = g_strdup_printf ("no way to the server within %.1f s: %s",
                           (double)relay->config.budget_us / G_USEC_PER_SEC,
                           turn_connect_relay_doing (relay));
  /* Those that came later would not get more out of waiting. */
  turn_connect_relay_answer_all (relay, cause);
  relay->is_overdue = TRUE;
}

static TurnConnectRelayAsked *
find_allocate (TurnConnectRelay *relay)
{
  for (guint i = 0; i < relay->n_asked; i++) {
    if (relay->asked[i].type == TURN_CONNECT_RELAY_TYPE_ALLOCATE)
      return &relay->asked[i];
  }
  return NULL;
}

/* A server that takes a stream and says nothing is as good as none: a gathering hangs on it. */
static void
answer_silence (TurnConnectRelay *relay, gint64 now)
{
  TurnConnectRelayAsked *allocate;

  while ((allocate = find_allocate (relay)) != NULL &&
         now >= allocate->since + relay->config.budget_us) {
    turn_connect_relay_answer (relay, allocate, SILENT_SERVER);
    turn_connect_relay_forget_asked (relay, allocate);
    relay->allocate.length = 0;
    turn_connect_relay_set_doing (relay, SILENT_SERVER);
    relay->is_overdue = TRUE;
  }
}

static void
probe (TurnConnectRelay *relay, gint64 now)
{
  guint8 buffer[STUN_EXT_HEADER_LENGTH];
  StunExtBuilder builder;
  gsize length;

  relay->sent_at = now;
  memcpy (relay->probe_id, relay->config.transaction_id, sizeof relay->probe_id);
  relay->n_probes++;
  for (guint i = 0; i < 4; i++)
    relay->probe_id[i] ^= (guint8)(relay->n_probes >> (8 * i));
  stun_ext_builder_begin (&builder, buffer, sizeof buffer, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_BINDING, relay->probe_id);
  if (!stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 }, FALSE,
                                &length) ||
      !turn_connect_lane_append (&relay->to_server, buffer, length))
    return;
  relay->counts.n_keepalives++;
  if (relay->probed_at == 0 || relay->heard_at >= relay->probed_at)
    relay->probed_at = now;
}

static gboolean
is_silent (const TurnConnectRelay *relay, gint64 now)
{
  return relay->probed_at != 0 && relay->answers_probes && relay->heard_at < relay->probed_at &&
         now >= relay->probed_at + SILENCE_US;
}

gboolean
turn_connect_relay_tick (TurnConnectRelay *relay, gint64 now)
{
  if (relay->state == TURN_CONNECT_RELAY_WAITING)
    answer_overdue (relay, now);
  if (relay->state != TURN_CONNECT_RELAY_UP)
    return FALSE;
  if (is_silent (relay, now))
    return TRUE;
  answer_silence (relay, now);
  if (now >= relay->sent_at + relay->config.keepalive_us)
    probe (relay, now);
  return FALSE;
}

gint64
turn_connect_relay_deadline (TurnConnectRelay *relay)
{
  const TurnConnectRelayAsked *allocate = find_allocate (relay);
  gint64 deadline = G_MAXINT64;

  if (relay->state == TURN_CONNECT_RELAY_WAITING && relay->n_asked > 0)
    deadline = relay->asked[0].since + relay->config.budget_us;
  if (relay->state == TURN_CONNECT_RELAY_UP) {
    deadline = relay->sent_at + relay->config.keepalive_us;
    if (allocate != NULL)
      deadline = MIN (deadline, allocate->since + relay->config.budget_us);
    if (relay->probed_at != 0 && relay->answers_probes && relay->heard_at < relay->probed_at)
      deadline = MIN (deadline, relay->probed_at + SILENCE_US);
  }
  return deadline;
}

/* ---- what the driver asks ---- */

TurnConnectRelayState
turn_connect_relay_state (const TurnConnectRelay *relay)
{
  return relay->state;
}

gboolean
turn_connect_relay_is_released (const TurnConnectRelay *relay)
{
  return relay->is_released;
}

gboolean
turn_connect_relay_take_overdue (TurnConnectRelay *relay)
{
  gboolean is_overdue = relay->is_overdue;

  relay->is_overdue = FALSE;
  return is_overdue;
}

gboolean
turn_connect_relay_take_alternate (TurnConnectRelay *relay, TurnConnectRelayAlternate *alternate)
{
  if (!relay->has_alternate)
    return FALSE;
  relay->has_alternate = FALSE;
  *alternate = relay->alternate;
  return TRUE;
}

gboolean
turn_connect_relay_take_refusal (TurnConnectRelay *relay, TurnConnectRelayRefusal *refusal)
{
  if (relay->refusal.code == 0)
    return FALSE;
  *refusal = relay->refusal;
  relay->refusal.code = 0;
  return TRUE;
}

TurnConnectLane *
turn_connect_relay_to_client (TurnConnectRelay *relay)
{
  return &relay->to_client;
}

TurnConnectLane *
turn_connect_relay_to_server (TurnConnectRelay *relay)
{
  return &relay->to_server;
}

void
turn_connect_relay_shed (TurnConnectRelay *relay, TurnConnectLane *lane)
{
  guint n = turn_connect_lane_shed (lane);

  if (lane == &relay->to_server)
    relay->counts.n_dropped_to_server += n;
  else
    relay->counts.n_dropped_to_client += n;
}

const TurnConnectRelayCounts *
turn_connect_relay_counts (const TurnConnectRelay *relay)
{
  return &relay->counts;
}
