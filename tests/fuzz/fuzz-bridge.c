/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both sides of a bridge say anything, in any order, while servers come and go and time passes: every
 * lane stays whole units and within bounds, no request is answered twice, and no deadline lies in the
 * past after its turn. */
#include "fuzz.h"
#include "stun-ext/channel-data.h"
#include "turn-connect/local/connect-head.h"
#include "turn-connect/local/turn-relay.h"

#include <string.h>

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

static void
drain (TurnConnectRelay *relay, TurnConnectLane *lane, guint8 how)
{
  if ((how & 1) != 0)
    turn_connect_relay_shed (relay, lane);
  check_lane (lane);
  turn_connect_lane_sent (lane, lane->length * (gsize)(how >> 1) / 127);
  check_lane (lane);
}

static gsize
take (FuzzInput *input, guint8 **piece)
{
  gsize wanted = (gsize)fuzz_u8 (input) * 4;
  gsize n = MIN (wanted, input->length);

  *piece = g_memdup2 (input->data, n);
  input->data += n;
  input->length -= n;
  return n;
}

static gboolean
say (TurnConnectRelay *relay, FuzzInput *input, gboolean is_client, gint64 now)
{
  g_autofree guint8 *piece = NULL;
  gsize n = take (input, &piece);

  return is_client ? turn_connect_relay_from_client (relay, piece, n, now)
                   : turn_connect_relay_from_server (relay, piece, n, now);
}

/* FALSE: a driver would end here. */
static gboolean
act (TurnConnectRelay *relay, FuzzInput *input, gint64 *now)
{
  guint8 what = fuzz_u8 (input);
  TurnConnectRelayAlternate alternate;
  TurnConnectRelayRefusal refusal;

  switch (what & 7) {
  case 0:
  case 1:
    return say (relay, input, TRUE, *now);
  case 2:
  case 3:
    if (!say (relay, input, FALSE, *now))
      turn_connect_relay_went_down (relay, "the server sends what is not TURN", *now);
    break;
  case 4:
    turn_connect_relay_came_up (relay, *now);
    break;
  case 5:
    turn_connect_relay_went_down (relay, "gone", *now);
    break;
  case 6:
    *now += (gint64)what * 100000;
    if (turn_connect_relay_tick (relay, *now))
      turn_connect_relay_went_down (relay, "silent", *now);
    g_assert_cmpint (turn_connect_relay_deadline (relay), >, *now);
    break;
  default:
    drain (relay, turn_connect_relay_to_client (relay), fuzz_u8 (input));
    drain (relay, turn_connect_relay_to_server (relay), fuzz_u8 (input));
    break;
  }
  if (turn_connect_relay_take_alternate (relay, &alternate))
    g_assert_cmpuint (strlen (alternate.domain), <, sizeof alternate.domain);
  if (turn_connect_relay_take_refusal (relay, &refusal))
    g_assert_cmpuint (strlen (refusal.reason), <, sizeof refusal.reason);
  return TRUE;
}

static void
run_relay (FuzzInput input)
{
  TurnConnectRelayConfig config = { .budget_us = 1800000, .keepalive_us = 20 * G_USEC_PER_SEC };
  g_autoptr (TurnConnectRelay) relay = turn_connect_relay_new (&config);
  gint64 now = 0;

  while (input.length > 0 && act (relay, &input, &now)) {
    check_lane (turn_connect_relay_to_client (relay));
    check_lane (turn_connect_relay_to_server (relay));
  }
}

/* However it is cut, a request ends the same. */
static void
run_head (FuzzInput input, gsize step)
{
  TurnConnectHead heads[2];
  StunExtHttpRequestState states[2] = { STUN_EXT_HTTP_REQUEST_MORE, STUN_EXT_HTTP_REQUEST_MORE };
  gsize used[2] = { 0, 0 };

  for (int i = 0; i < 2; i++) {
    turn_connect_head_init (&heads[i]);
    while (used[i] < input.length && states[i] == STUN_EXT_HTTP_REQUEST_MORE) {
      gsize n = MIN (i == 0 ? input.length : step, input.length - used[i]);
      g_autofree guint8 *piece = g_memdup2 (input.data + used[i], n);
      gsize consumed = 0;

      states[i] = turn_connect_head_feed (&heads[i], piece, n, &consumed);
      g_assert_cmpuint (consumed, <=, n);
      used[i] += consumed;
    }
  }
  g_assert_cmpint (states[0], ==, states[1]);
  g_assert_cmpuint (used[0], ==, used[1]);
  if (states[0] == STUN_EXT_HTTP_REQUEST_DONE) {
    g_assert_cmpstr (heads[0].request.host, ==, heads[1].request.host);
    g_assert_cmpint (turn_connect_head_logs_in (&heads[0], "user", "pass"), ==,
                     turn_connect_head_logs_in (&heads[1], "user", "pass"));
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  FuzzInput input = { data, length };
  guint8 kind = fuzz_u8 (&input);

  if ((kind & 1) == 0)
    run_relay (input);
  else
    run_head (input, (gsize)(kind >> 1) + 1);
  return 0;
}
