/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls-peer.h"

#include "turn-connect/stream-private.h"
#include "turn-connect/tls-stream.h"
#include "turn-connect/watcher.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 300
#define TURN_MAX 64 /* as in watcher.c */

typedef struct _World World;

/* A stream that is waited for, and the test's end of its socket. */
typedef struct {
  World *world;
  TurnConnectStream *stream;
  TurnConnectWatch *watch;
  int outer;
  guint n_calls;
  GIOCondition condition; /* of the last call */
  gsize take;             /* octets read in a call; 0: none */
  gsize n_octets;
  gboolean has_failed;
  void (*act) (World *world, guint i); /* in a call, before reading */
} Side;

struct _World {
  TurnConnectWatcher *watcher;
  Side sides[MANY];
  guint n;
  guint n_calls;
};

static void
called (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  Side *side = data;
  guint8 buffer[20000];
  gsize got = 0;

  g_assert_true (stream == side->stream);
  side->n_calls++;
  side->world->n_calls++;
  side->condition = condition;
  if (side->act != NULL)
    side->act (side->world, (guint)(side - side->world->sides));
  if (side->take > 0 && side->watch != NULL) {
    side->has_failed |= turn_connect_stream_try_read (stream, buffer, side->take, &got, NULL) >=
                        TURN_CONNECT_IO_END;
    side->n_octets += got;
  }
}

static void
watch (World *world, guint i, TurnConnectStream *stream, int outer)
{
  Side *side = &world->sides[i];
  g_autoptr (GError) error = NULL;

  *side = (Side){ .world = world, .stream = stream, .outer = outer, .take = 20000 };
  side->watch = turn_connect_watcher_add (world->watcher, stream, G_IO_IN, called, side, &error);
  g_assert_no_error (error);
}

static TurnConnectStream *
open_pair (int *outer)
{
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  *outer = ends[1];
  return turn_connect_stream_new_for_descriptor (ends[0]);
}

static void
drop (World *world, guint i)
{
  Side *side = &world->sides[i];

  g_clear_pointer (&side->watch, turn_connect_watch_remove);
  if (side->stream == NULL)
    return;
  g_io_stream_close (G_IO_STREAM (side->stream), NULL, NULL);
  g_clear_object (&side->stream);
  close (side->outer);
}

static World *
world_new (guint n)
{
  World *world = g_new0 (World, 1);
  g_autoptr (GError) error = NULL;

  world->watcher = turn_connect_watcher_new (NULL, &error);
  g_assert_no_error (error);
  for (world->n = 0; world->n < n; world->n++) {
    int outer;
    TurnConnectStream *stream = open_pair (&outer);

    watch (world, world->n, stream, outer);
  }
  return world;
}

static void
world_free (World *world)
{
  for (guint i = 0; i < world->n; i++)
    drop (world, i);
  g_clear_pointer (&world->watcher, turn_connect_watcher_free);
  g_free (world);
}

static void
say (World *world, guint i, gsize length)
{
  g_autofree char *octets = g_malloc0 (length);

  support_write_all (world->sides[i].outer, octets, length);
}

static void
settle (void)
{
  for (guint i = 0; g_main_context_iteration (NULL, FALSE); i++)
    g_assert_cmpuint (i, <, 10000);
}

static void
test_only_the_ready_stream_is_called (void)
{
  World *world = world_new (MANY);

  settle ();
  g_assert_cmpuint (world->n_calls, ==, 0);
  for (guint i = 0; i < MANY; i += 7) {
    say (world, i, 100);
    settle ();
    g_assert_cmpuint (world->n_calls, ==, 1 + i / 7);
    g_assert_cmpuint (world->sides[i].n_octets, ==, 100);
    g_assert_cmpint (world->sides[i].condition, ==, G_IO_IN);
  }
  world_free (world);
}

static void
test_what_was_not_read_is_told_again (void)
{
  World *world = world_new (1);

  world->sides[0].take = 10;
  say (world, 0, 95);
  settle ();
  g_assert_cmpuint (world->sides[0].n_octets, ==, 95);
  g_assert_cmpuint (world->n_calls, ==, 10);
  world_free (world);
}

static void
test_ends_and_resets_are_told (void)
{
  World *world = world_new (2);

  shutdown (world->sides[0].outer, SHUT_WR);
  g_main_context_iteration (NULL, FALSE);
  g_assert_cmpint (world->sides[0].condition & G_IO_IN, ==, G_IO_IN);
  g_assert_true (world->sides[0].has_failed);
  turn_connect_watch_set_condition (world->sides[1].watch, 0);
  shutdown (world->sides[1].outer, SHUT_RDWR);
  g_main_context_iteration (NULL, FALSE);
  g_assert_cmpint (world->sides[1].condition & G_IO_HUP, ==, G_IO_HUP);
  world_free (world);
}

static gboolean
note_turn (gpointer data)
{
  (*(guint *)data)++;
  return G_SOURCE_CONTINUE;
}

/* All are ready all the time: nobody is passed over, nor is anybody else in the main loop. */
static void
test_nobody_starves (void)
{
  World *world = world_new (MANY);
  GSource *other = g_timeout_source_new (0);
  guint n_turns = 0;

  g_source_set_callback (other, note_turn, &n_turns, NULL);
  g_source_attach (other, NULL);
  for (guint i = 0; i < MANY; i++) {
    world->sides[i].take = i % 2; /* half of them do not even read */
    say (world, i, 1000);
  }
  for (guint round = 0; round < 50; round++) {
    guint before = world->n_calls;

    g_main_context_iteration (NULL, FALSE);
    g_assert_cmpuint (world->n_calls - before, ==, TURN_MAX);
  }
  g_assert_cmpuint (n_turns, ==, 50);
  for (guint i = 0; i < MANY; i++) {
    g_assert_cmpuint (world->sides[i].n_calls, >=, 50 * TURN_MAX / MANY - 1);
    g_assert_cmpuint (world->sides[i].n_calls, <=, 50 * TURN_MAX / MANY + 2);
  }
  g_source_destroy (other);
  g_source_unref (other);
  world_free (world);
}

static void
test_the_condition_can_be_changed (void)
{
  World *world = world_new (1);
  Side *side = &world->sides[0];

  turn_connect_watch_set_condition (side->watch, G_IO_IN | G_IO_OUT);
  g_main_context_iteration (NULL, FALSE);
  g_assert_cmpint (side->condition, ==, G_IO_OUT);
  turn_connect_watch_set_condition (side->watch, 0);
  say (world, 0, 1);
  settle ();
  g_assert_cmpuint (world->n_calls, ==, 1);
  turn_connect_watch_set_condition (side->watch, G_IO_IN);
  settle ();
  g_assert_cmpuint (world->n_calls, ==, 2);
  g_assert_cmpint (side->condition, ==, G_IO_IN);
  world_free (world);
}

/* Who goes */

static void
drop_all (World *world, guint i)
{
  for (guint k = 0; k < world->n; k++)
    drop (world, k);
}

static void
drop_self (World *world, guint i)
{
  drop (world, i);
}

static void
drop_all_and_the_watcher (World *world, guint i)
{
  drop_all (world, i);
  g_clear_pointer (&world->watcher, turn_connect_watcher_free);
}

static void
drop_the_watcher (World *world, guint i)
{
  g_clear_pointer (&world->watcher, turn_connect_watcher_free);
}

/* The number of the descriptor is the next stream's at once. */
static void
replace_all (World *world, guint i)
{
  drop_all (world, i);
  for (guint k = 0; k < world->n; k++) {
    int outer;
    TurnConnectStream *stream = open_pair (&outer);

    watch (world, k, stream, outer);
  }
}

static void
test_whoever_is_removed_in_a_call_is_not_called (void)
{
  static const struct {
    void (*act) (World *world, guint i);
    guint n_calls;
  } cases[] = {
    { drop_self, MANY },     { drop_all, 1 },    { drop_all_and_the_watcher, 1 },
    { drop_the_watcher, 1 }, { replace_all, 1 },
  };

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++) {
    World *world = world_new (MANY);

    for (guint i = 0; i < MANY; i++) {
      world->sides[i].act = cases[c].act;
      say (world, i, 1);
    }
    settle ();
    g_assert_cmpuint (world->n_calls, ==, cases[c].n_calls);
    if (cases[c].act == replace_all) {
      say (world, 5, 1);
      settle ();
      g_assert_cmpuint (world->sides[5].n_octets, ==, 1);
    }
    world_free (world);
  }
}

static void
test_whoever_is_removed_while_ready_is_not_called (void)
{
  World *world = world_new (MANY);

  for (guint i = 0; i < MANY; i++) {
    world->sides[i].take = 0;
    say (world, i, 1);
  }
  g_main_context_iteration (NULL, FALSE); /* all are known to be ready, and some were called */
  for (guint i = 0; i < MANY; i += 2)
    drop (world, i);
  world->n_calls = 0;
  for (guint i = 0; i < MANY; i++)
    world->sides[i].n_calls = 0;
  for (guint i = 0; i < 10; i++)
    g_main_context_iteration (NULL, FALSE);
  for (guint i = 0; i < MANY; i++)
    g_assert_cmpuint (world->sides[i].n_calls > 0, ==, i % 2 == 1);
  world_free (world);
}

static void
test_a_stream_closed_too_early_takes_nobody_with_it (void)
{
  World *world = world_new (2);
  int outer;
  TurnConnectStream *stream;

  g_io_stream_close (G_IO_STREAM (world->sides[0].stream), NULL, NULL);
  stream = open_pair (&outer); /* under its number */
  watch (world, world->n++, stream, outer);
  turn_connect_watch_set_condition (world->sides[0].watch, G_IO_IN);
  g_main_context_iteration (NULL, FALSE);
  g_assert_cmpint (world->sides[0].condition, ==, G_IO_NVAL);
  drop (world, 0);
  say (world, 2, 1);
  settle ();
  g_assert_cmpuint (world->sides[2].n_octets, ==, 1);
  world_free (world);
}

/* Main loops in a call */

static void
run_the_loop (World *world, guint i)
{
  if (i == 0 && world->n_calls == 1) {
    for (guint k = 1; k < world->n; k++)
      say (world, k, 10);
    settle (); /* comes to rest though the caller has not read */
    g_assert_cmpuint (world->sides[0].n_calls, ==, 1);
    for (guint k = 1; k < world->n; k++)
      g_assert_cmpuint (world->sides[k].n_octets, ==, 10);
  }
}

static void
test_a_main_loop_in_a_call_serves_the_others (void)
{
  World *world = world_new (5);

  world->sides[0].act = run_the_loop;
  world->sides[0].take = 1;
  say (world, 0, 3);
  settle ();
  g_assert_cmpuint (world->sides[0].n_octets, ==, 3);
  g_assert_cmpuint (world->sides[0].n_calls, ==, 3);
  say (world, 0, 1);
  settle ();
  g_assert_cmpuint (world->sides[0].n_octets, ==, 4);
  world_free (world);
}

static gboolean
drop_idle (gpointer data)
{
  drop (data, 0);
  return G_SOURCE_REMOVE;
}

static void
be_removed_in_the_loop (World *world, guint i)
{
  g_idle_add (drop_idle, world);
  settle ();
  g_assert_null (world->sides[i].watch);
}

static void
test_a_stream_may_be_removed_in_a_main_loop_in_its_call (void)
{
  World *world = world_new (2);

  world->sides[0].act = be_removed_in_the_loop;
  say (world, 0, 1);
  settle ();
  g_assert_cmpuint (world->n_calls, ==, 1);
  say (world, 1, 1);
  settle ();
  g_assert_cmpuint (world->n_calls, ==, 2);
  world_free (world);
}

/* Layers */

/* Moves what TLS has between a socket and the peer in memory, both ways. */
static gboolean
exchange (int outer, TlsPeer *peer)
{
  guint8 octets[65536];
  gssize n = recv (outer, octets, sizeof octets, MSG_DONTWAIT);
  gsize back;

  if (n > 0)
    tls_peer_feed (peer, octets, (gsize)n);
  tls_peer_step (peer);
  back = tls_peer_take (peer, octets, sizeof octets);
  support_write_all (outer, octets, back);
  return n > 0 || back > 0;
}

static void
open_tls (World *world, TlsPeer **peer)
{
  g_autoptr (TurnConnectTlsOptions) options = turn_connect_tls_options_new ();
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectStream) base = NULL;
  TurnConnectIo io = TURN_CONNECT_IO_BLOCKED;
  TurnConnectStream *stream;
  int outer;

  *peer = tls_peer_new (identity, TLS_PEER_NORMAL);
  turn_connect_tls_options_set_ca_file (options, tls_peer_authority_path (), &error);
  g_assert_no_error (error);
  base = open_pair (&outer);
  stream = turn_connect_tls_stream_new (base, options, "server.test", "the server", NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; io == TURN_CONNECT_IO_BLOCKED; i++) {
    g_assert_cmpuint (i, <, 100);
    io = turn_connect_tls_stream_handshake (stream, &error);
    g_assert_no_error (error);
    exchange (outer, *peer);
  }
  watch (world, world->n++, stream, outer);
  while (exchange (outer, *peer))
    settle ();
}

static void
test_deciphered_octets_are_told_without_the_kernel (void)
{
  World *world = world_new (0);
  g_autofree char *octets = g_malloc0 (3000);
  g_autoptr (TlsPeer) peer = NULL;
  Side *side = &world->sides[0];

  open_tls (world, &peer);
  for (gsize take = 1; take <= 5000; take = take * 3 + 1) {
    side->take = take;
    side->n_octets = 0;
    for (guint i = 0; i < 3; i++)
      tls_peer_write (peer, octets, 1000); /* three records in one go */
    exchange (side->outer, peer);
    settle ();
    g_assert_cmpuint (side->n_octets, ==, 3000);
  }
  g_assert_false (side->has_failed);
  world_free (world);
}

static void
test_a_record_that_was_read_whole_is_not_asked_for_again (void)
{
  World *world = world_new (0);
  g_autofree char *octets = g_malloc0 (1000);
  g_autoptr (TlsPeer) peer = NULL;

  open_tls (world, &peer);
  world->n_calls = 0;
  for (guint i = 1; i <= 10; i++) {
    tls_peer_write (peer, octets, 1000);
    exchange (world->sides[0].outer, peer);
    settle ();
    g_assert_cmpuint (world->n_calls, ==, i);
  }
  world_free (world);
}

/* A record comes in pieces, down to single octets. */
static void
test_records_in_pieces_are_put_together (void)
{
  World *world = world_new (0);
  g_autoptr (TlsPeer) peer = NULL;
  Side *side = &world->sides[0];
  guint8 record[512];
  gsize length;

  open_tls (world, &peer);
  side->n_octets = 0;
  tls_peer_write (peer, "once more", 9);
  length = tls_peer_take (peer, record, sizeof record);
  for (gsize i = 0; i < length; i++) {
    g_assert_cmpuint (side->n_octets, ==, 0);
    support_write_all (side->outer, &record[i], 1);
    settle ();
  }
  g_assert_cmpuint (side->n_octets, ==, 9);
  world_free (world);
}

/* Nobody wants to write; what is left of a record goes all the same once there is room. */
static void
test_half_a_record_is_sent_on_the_side (void)
{
  World *world = world_new (0);
  g_autofree char *octets = g_malloc0 (TURN_CONNECT_WRITE_MAX);
  g_autofree char *heard = g_malloc0 (TURN_CONNECT_WRITE_MAX);
  GOutputVector vector = { octets, TURN_CONNECT_WRITE_MAX };
  g_autoptr (TlsPeer) peer = NULL;
  gsize sent = 0, received = 0, accepted;
  Side *side;
  int small = 1;

  open_tls (world, &peer);
  side = &world->sides[0];
  setsockopt (turn_connect_stream_get_descriptor (side->stream), SOL_SOCKET, SO_SNDBUF, &small,
              sizeof small);
  while (turn_connect_stream_try_write (side->stream, &vector, 1, &accepted, NULL) ==
         TURN_CONNECT_IO_OK)
    sent += accepted;
  turn_connect_watch_set_condition (side->watch, G_IO_IN);
  for (guint i = 0; received < sent; i++) {
    gssize n;

    g_assert_cmpuint (i, <, 1000);
    exchange (side->outer, peer);
    settle ();
    while ((n = tls_peer_read (peer, heard, TURN_CONNECT_WRITE_MAX)) > 0)
      received += (gsize)n;
  }
  g_assert_cmpuint (received, ==, sent);
  world_free (world);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run) (void);
  } tests[] = {
    { "only-the-ready-stream-is-called", test_only_the_ready_stream_is_called },
    { "what-was-not-read-is-told-again", test_what_was_not_read_is_told_again },
    { "ends-and-resets-are-told", test_ends_and_resets_are_told },
    { "nobody-starves", test_nobody_starves },
    { "the-condition-can-be-changed", test_the_condition_can_be_changed },
    { "whoever-is-removed-in-a-call-is-not-called",
      test_whoever_is_removed_in_a_call_is_not_called },
    { "whoever-is-removed-while-ready-is-not-called",
      test_whoever_is_removed_while_ready_is_not_called },
    { "a-stream-closed-too-early-takes-nobody-with-it",
      test_a_stream_closed_too_early_takes_nobody_with_it },
    { "a-main-loop-in-a-call-serves-the-others", test_a_main_loop_in_a_call_serves_the_others },
    { "a-stream-may-be-removed-in-a-main-loop-in-its-call",
      test_a_stream_may_be_removed_in_a_main_loop_in_its_call },
    { "deciphered-octets-are-told-without-the-kernel",
      test_deciphered_octets_are_told_without_the_kernel },
    { "a-record-that-was-read-whole-is-not-asked-for-again",
      test_a_record_that_was_read_whole_is_not_asked_for_again },
    { "records-in-pieces-are-put-together", test_records_in_pieces_are_put_together },
    { "half-a-record-is-sent-on-the-side", test_half_a_record_is_sent_on_the_side },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_autofree char *path = g_strconcat ("/turn-connect/watcher/", tests[i].name, NULL);

    g_test_add_func (path, tests[i].run);
  }
  return g_test_run ();
}
