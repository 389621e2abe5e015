/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole state machine of a TURN client: any octets from the server, any order of well-formed answers, of what the
 * application asks, of lost connections and of time. Every call ends once, every message sent is one, and time that was
 * ticked is not asked for again at once. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/turn/allocation.h"
#include "turn-mock.h"

#define STEPS 300
#define TOKENS_MAX 1024
#define REMEMBERED 8

typedef struct {
  FuzzInput input;
  TurnConnectAllocation *allocation;
  gint64 now_us;
  guint32 ids;
  GBytes *requests[REMEMBERED]; /* the last ones sent, for answers */
  guint n_requests;
  guint last_token;
  guint8 is_done[TOKENS_MAX];
} Fuzz;

static void
draw (guint8 *octets, gsize length, gpointer user_data)
{
  Fuzz *fuzz = user_data;
  guint32 id = ++fuzz->ids;

  memset (octets, 0, length);
  memcpy (octets, &id, MIN (length, sizeof id));
}

static void
drain (Fuzz *fuzz)
{
  TurnConnectEvent *event;
  StunExtMessage message;
  GBytes *output;

  while ((output = turn_connect_allocation_take_output (fuzz->allocation)) != NULL) {
    gsize length;
    const guint8 *data = g_bytes_get_data (output, &length);
    GBytes **place = &fuzz->requests[fuzz->n_requests++ % REMEMBERED];

    g_assert_cmpint (stun_ext_message_parse (&message, data, length), ==, STUN_EXT_PARSE_OK);
    g_assert_cmpint (message.message_class, ==, STUN_EXT_CLASS_REQUEST);
    g_clear_pointer (place, g_bytes_unref);
    *place = output;
  }
  while ((event = turn_connect_allocation_take_event (fuzz->allocation)) != NULL) {
    if (event->kind == TURN_CONNECT_EVENT_DONE) {
      g_assert_cmpuint (event->token, >, 0);
      g_assert_cmpuint (event->token, <=, fuzz->last_token);
      g_assert_cmpuint (fuzz->is_done[event->token % TOKENS_MAX]++, ==, 0);
    }
    g_assert_true (event->kind != TURN_CONNECT_EVENT_DOWN || event->error != NULL);
    turn_connect_event_free (event);
  }
}

static void
tick (Fuzz *fuzz)
{
  turn_connect_allocation_tick (fuzz->allocation, fuzz->now_us);
  g_assert_cmpint (turn_connect_allocation_next (fuzz->allocation), >, fuzz->now_us);
}

static void
give (Fuzz *fuzz, const guint8 *data, gsize length)
{
  /* Memory of exactly this size, so that reading beyond it shows. */
  g_autofree guint8 *copy = g_memdup2 (data, length);
  TurnConnectReceived received;

  if (turn_connect_allocation_receive (fuzz->allocation, copy, length, fuzz->now_us, &received) ==
      TURN_CONNECT_TOOK_PACKET) {
    g_assert_true ((const guint8 *)received.payload.data >= copy);
    g_assert_true ((const guint8 *)received.payload.data + received.payload.length <=
                   copy + length);
  }
}

static void
give_octets (Fuzz *fuzz)
{
  gsize n = fuzz_u8 (&fuzz->input);

  n = MIN (n, fuzz->input.length);
  give (fuzz, fuzz->input.data, n);
  fuzz->input.data += n;
  fuzz->input.length -= n;
}

static const char *const peers[] = { "203.0.113.1:4000", "203.0.113.1:4001", "203.0.113.2:4000",
                                     "[2001:db8::1]:4000", "[::ffff:203.0.113.1]:4000" };

static const char *
some_peer (Fuzz *fuzz)
{
  return peers[fuzz_u8 (&fuzz->input) % G_N_ELEMENTS (peers)];
}

static void
answer (Fuzz *fuzz)
{
  static const guint codes[] = { 300, 400, 401, 403, 405, 420, 437, 438, 440,
                                 441, 442, 443, 446, 447, 486, 500, 508, 699 };
  static const MockAllocated wrong = { .relayed = "[2001:db8::9]:1", .lifetime_s = 0 };
  guint8 what = fuzz_u8 (&fuzz->input);
  MockProof proof = fuzz_u8 (&fuzz->input) % 4;
  GBytes *request = fuzz->requests[(fuzz->n_requests - 1 - what / 16 % 4) % REMEMBERED];
  MockAllocated allocated = mock_usual;
  StunExtAddress server = mock_address ("203.0.113.9:5349");
  StunExtMessage parsed;
  MockMessage message;
  gsize length;

  if (request == NULL)
    return;
  proof = proof == 3 ? MOCK_SIGNED : proof;
  g_assert_cmpint (stun_ext_message_parse (&parsed, g_bytes_get_data (request, &length),
                                           g_bytes_get_size (request)),
                   ==, STUN_EXT_PARSE_OK);
  switch (what % 16) {
  case 0:
  case 1:
  case 2:
    allocated.lifetime_s = fuzz_u16 (&fuzz->input);
    allocated.ticket = what & 0x80 ? "ticket" : NULL;
    allocated.relayed_also = what & 0x40 ? "[2001:db8::2]:50002" : NULL;
    mock_allocated (&message, &parsed, &allocated, proof);
    break;
  case 3:
    mock_allocated (&message, &parsed, &wrong, proof);
    break;
  case 4:
  case 5:
    mock_challenge (&message, &parsed, what & 0x80 ? 438 : 401,
                    what & 0x40 ? "nonce" : "obMatJos2gAAAnonce");
    break;
  case 6:
  case 7:
    mock_error (&message, &parsed, codes[fuzz_u8 (&fuzz->input) % G_N_ELEMENTS (codes)], proof);
    break;
  case 8:
    mock_redirect (&message, &parsed, &server, what & 0x80 ? "other.test" : NULL, proof);
    break;
  case 9:
    mock_lifetime (&message, &parsed, fuzz_u16 (&fuzz->input), what & 0x80 ? "ticket-2" : NULL);
    break;
  case 10:
    mock_connection (&message, &parsed, fuzz_u8 (&fuzz->input));
    break;
  default:
    mock_success (&message, &parsed, proof);
    break;
  }
  if (what == 0xff) /* damaged on the way */
    message.octets[fuzz_u16 (&fuzz->input) % message.length] ^= 1 + fuzz_u8 (&fuzz->input) % 255;
  give (fuzz, message.octets, message.length);
}

static void
indicate (Fuzz *fuzz)
{
  guint8 what = fuzz_u8 (&fuzz->input);
  MockMessage message;

  switch (what % 4) {
  case 0:
    mock_data (&message, some_peer (fuzz), "data");
    break;
  case 1:
    mock_channel_data (&message, (guint16)(0x4000 + what / 4 % 8), "channel");
    break;
  case 2:
    mock_icmp (&message, some_peer (fuzz), fuzz_u8 (&fuzz->input) & 0x7f, what, 1400);
    break;
  default:
    mock_attempt (&message, some_peer (fuzz), what);
    break;
  }
  give (fuzz, message.octets, message.length);
}

static guint64
next_token (Fuzz *fuzz)
{
  return fuzz->last_token + 1 < TOKENS_MAX ? ++fuzz->last_token : 0;
}

static void
want (Fuzz *fuzz)
{
  guint8 what = fuzz_u8 (&fuzz->input);
  StunExtAddress peer = mock_address (some_peer (fuzz)), many[20];
  guint64 token;

  switch (what % 8) {
  case 0:
  case 1:
    turn_connect_allocation_permit (fuzz->allocation, &peer, 1, next_token (fuzz), fuzz->now_us);
    break;
  case 2:
  case 3:
    turn_connect_allocation_bind (fuzz->allocation, &peer, next_token (fuzz), fuzz->now_us);
    break;
  case 4:
    peer.port = what & 0x80 ? 0 : peer.port;
    turn_connect_allocation_forget (fuzz->allocation, &peer, fuzz->now_us);
    break;
  case 5:
    token = next_token (fuzz);
    if (token != 0)
      turn_connect_allocation_connect_peer (fuzz->allocation, &peer, token, fuzz->now_us);
    break;
  case 6:
    for (guint i = 0; i < G_N_ELEMENTS (many); i++) {
      many[i] = peer;
      many[i].octets[3] = (guint8)(what + i);
    }
    turn_connect_allocation_permit (fuzz->allocation, many, G_N_ELEMENTS (many), next_token (fuzz),
                                    fuzz->now_us);
    break;
  default:
    turn_connect_allocation_doubt (fuzz->allocation, fuzz->now_us);
    break;
  }
}

static void
frame (Fuzz *fuzz)
{
  StunExtAddress peer = mock_address (some_peer (fuzz));
  guint8 whole[TURN_CONNECT_HEAD_MAX + 64 + 4] = { 0 };
  guint8 flags = fuzz_u8 (&fuzz->input);
  gsize head, padding;
  StunExtMessage message;

  if (turn_connect_allocation_frame (fuzz->allocation, &peer, 64, flags & 1, whole, &head,
                                     &padding) != TURN_CONNECT_WAY_OPEN)
    return;
  g_assert_cmpuint (head, <=, TURN_CONNECT_HEAD_MAX);
  if ((whole[0] & 0xc0) == 0)
    g_assert_cmpint (stun_ext_message_parse (&message, whole, head + 64 + padding), ==,
                     STUN_EXT_PARSE_OK);
}

static void
change_login (Fuzz *fuzz)
{
  static const char *const users[] = { MOCK_USER, "bob" };
  guint8 what = fuzz_u8 (&fuzz->input);
  g_autoptr (TurnConnectLogin) login =
      turn_connect_login_new (users[what % 2], what & 2 ? "other" : MOCK_PASSWORD, NULL);

  turn_connect_allocation_set_login (fuzz->allocation, what & 4 ? NULL : login, fuzz->now_us);
}

static void
step (Fuzz *fuzz)
{
  guint8 what = fuzz_u8 (&fuzz->input);

  switch (what & 15) {
  case 0:
    give_octets (fuzz);
    break;
  case 1:
  case 2:
  case 3:
  case 4:
  case 5:
    answer (fuzz);
    break;
  case 6:
    indicate (fuzz);
    break;
  case 7:
  case 8:
    want (fuzz);
    break;
  case 9:
    frame (fuzz);
    break;
  case 10:
    change_login (fuzz);
    break;
  case 11:
    turn_connect_allocation_disconnected (fuzz->allocation);
    break;
  case 12:
    if (turn_connect_allocation_get_state (fuzz->allocation) == TURN_CONNECT_ALLOCATION_DOWN)
      turn_connect_allocation_connected (fuzz->allocation, "a server", what >> 4 & 7, fuzz->now_us);
    break;
  case 13:
    fuzz->now_us += fuzz_u8 (&fuzz->input) * (G_USEC_PER_SEC / 2);
    break;
  case 14:
    fuzz->now_us = MAX (fuzz->now_us, MIN (turn_connect_allocation_next (fuzz->allocation),
                                           fuzz->now_us + 1000 * G_USEC_PER_SEC));
    break;
  case 15:
  default:
    if (what == 0xff)
      turn_connect_allocation_leave (fuzz->allocation, fuzz->now_us);
    break;
  }
  drain (fuzz);
  tick (fuzz);
  drain (fuzz);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  Fuzz fuzz = { .input = { data, length }, .now_us = 1000 * G_USEC_PER_SEC };
  g_autoptr (TurnConnectLogin) login = turn_connect_login_new (MOCK_USER, MOCK_PASSWORD, NULL);
  g_autoptr (GError) end = g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED, "x");
  guint8 how = fuzz_u8 (&fuzz.input);
  TurnConnectWishes wishes = {
    .relay = how & 1 ? TURN_CONNECT_RELAY_TCP : TURN_CONNECT_RELAY_UDP,
    .families = 1 + (how >> 1) % 3,
    .even_port = (how >> 3) % 3,
    .has_reservation = (how & 32) != 0,
    .is_mobile = (how & 64) != 0,
    .has_dont_fragment = (how & 128) != 0,
    .keepalive_s = how & 16 ? 25 : 0,
    .algorithms = STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256,
  };

  fuzz.allocation = turn_connect_allocation_new (&wishes, draw, &fuzz);
  turn_connect_allocation_set_login (fuzz.allocation, login, fuzz.now_us);
  turn_connect_allocation_connected (fuzz.allocation, "a server",
                                     TURN_CONNECT_LINK_IS_SAME |
                                         (how & 1 ? TURN_CONNECT_LINK_IS_STREAM : 0) |
                                         (how & 2 ? TURN_CONNECT_LINK_IS_VERIFIED : 0),
                                     fuzz.now_us);
  drain (&fuzz);
  for (guint i = 0; i < STEPS && fuzz.input.length > 0; i++)
    step (&fuzz);
  turn_connect_allocation_abandon (fuzz.allocation, end);
  drain (&fuzz);
  for (guint i = 1; i <= fuzz.last_token; i++)
    g_assert_cmpuint (fuzz.is_done[i], ==, 1);
  turn_connect_allocation_free (fuzz.allocation);
  for (guint i = 0; i < REMEMBERED; i++)
    g_clear_pointer (&fuzz.requests[i], g_bytes_unref);
  return 0;
}
