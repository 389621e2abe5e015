/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What thousands of TURN clients leave behind, by every carrier, however they end; and what a hanging name service and a
 * certificate that has run out do to them. */
#include "turn-mock-server.h"
#include "turn-world.h"

#include <dirent.h>
#include <malloc.h>
#include <string.h>

#include "../support/costs.h"

#if COSTS_HAS_MEMORY
#define N_SET_UPS 10000
#else
#define N_SET_UPS 1500 /* each takes several times as long there */
#endif
#define N_AT_ONCE 8
#define N_WARMING (N_SET_UPS / 5) /* until the store of TLS sessions is full */
#define LEFT_MAX (16 * N_SET_UPS) /* octets: less than the smallest block for each */

static TurnServer servers[3];
static TurnConnectTarget *targets[3];
static guint n_begun, n_over, n_up, n_cancelled;

typedef struct {
  TurnConnectClient *client; /* NULL: none */
  GCancellable *cancellable;
} Slot;

static void
end_slot (Slot *slot)
{
  g_clear_object (&slot->client);
  g_clear_object (&slot->cancellable);
  n_over++;
}

static void
given_back (GObject *source, GAsyncResult *result, gpointer user_data)
{
  turn_connect_client_close_finish (TURN_CONNECT_CLIENT (source), result);
  end_slot (user_data);
}

static void
allocated (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TurnConnectClient *client = TURN_CONNECT_CLIENT (source);
  g_autoptr (GError) error = NULL;
  Slot *slot = user_data;

  if (!turn_connect_client_allocate_finish (client, result, &error)) {
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    n_cancelled++;
    end_slot (slot);
    return;
  }
  n_up++;
  if (g_test_rand_bit ())
    turn_connect_client_close_async (client, given_back, slot);
  else
    end_slot (slot); /* let go without a word */
}

static void
begin (Slot *slot)
{
  /* A TLS handshake costs as much as twenty others. */
  guint at = g_test_rand_int_range (0, 20) == 0 ? TURN_SERVER_TLS
             : g_test_rand_bit ()               ? TURN_SERVER_TCP
                                                : TURN_SERVER_UDP;

  slot->client =
      turn_connect_client_new (targets[at], at == TURN_SERVER_UDP ? TURN_CONNECT_CARRIER_DATAGRAM
                                                                  : TURN_CONNECT_CARRIER_STREAM);
  slot->cancellable = g_cancellable_new ();
  turn_connect_client_set_credentials (slot->client, MOCK_USER, MOCK_PASSWORD, NULL);
  turn_connect_client_allocate_async (slot->client, slot->cancellable, allocated, slot);
  n_begun++;
}

static void
run_set_ups (guint n)
{
  Slot slots[N_AT_ONCE] = { 0 };
  guint end = n_over + n, begun_end = n_begun + n;

  while (n_over < end) {
    for (guint i = 0; i < N_AT_ONCE; i++) {
      if (slots[i].client == NULL && n_begun < begun_end)
        begin (&slots[i]);
      else if (slots[i].client != NULL && g_test_rand_int_range (0, 40) == 0)
        g_cancellable_cancel (slots[i].cancellable);
    }
    g_main_context_iteration (NULL, TRUE);
  }
  support_run_for (100); /* the servers see the last ones leave */
}

static guint
count_descriptors (void)
{
  DIR *directory = opendir ("/proc/self/fd");
  guint n = 0;

  while (readdir (directory) != NULL)
    n++;
  closedir (directory);
  return n;
}

static void
test_thousands_leave_nothing (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed (WORLD_NAMES, 0);
  guint descriptors;
  gsize used;

  for (guint i = 0; i < G_N_ELEMENTS (servers); i++) {
    turn_server_open (&servers[i], i, i == TURN_SERVER_TLS ? identity : NULL, turn_server_behave);
    targets[i] = world_target (servers[i].port, i == TURN_SERVER_TLS);
  }
  run_set_ups (N_WARMING); /* what is made once, is */
  descriptors = count_descriptors ();
  used = mallinfo2 ().uordblks + mallinfo2 ().hblkhd;
  run_set_ups (N_SET_UPS);
  g_test_message ("%u set-ups: %u up, %u cancelled; %" G_GSSIZE_FORMAT " octets more than before",
                  n_over, n_up, n_cancelled,
                  (gssize)(mallinfo2 ().uordblks + mallinfo2 ().hblkhd - used));
  g_assert_cmpuint (n_up, >, n_over / 2);
  g_assert_cmpuint (n_cancelled, >, n_over / 100);
  g_assert_cmpuint (count_descriptors (), ==, descriptors);
  if (COSTS_HAS_MEMORY)
    g_assert_cmpuint (mallinfo2 ().uordblks + mallinfo2 ().hblkhd, <, used + LEFT_MAX);
  for (guint i = 0; i < G_N_ELEMENTS (servers); i++) {
    turn_server_close (&servers[i]);
    g_clear_object (&targets[i]);
  }
}

/* The server goes on showing what was good when the client came. */
static void
test_certificate_that_runs_out_ends_it_with_the_cause (void)
{
  g_autoptr (TlsPeerIdentity) good = tls_peer_identity_signed (WORLD_NAMES, 0);
  g_autoptr (TlsPeerIdentity) over = tls_peer_identity_signed (WORLD_NAMES, -60);
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (TurnServer) server = { 0 };
  g_auto (World) world = { 0 };

  turn_server_open (&server, TURN_SERVER_TLS, good, turn_server_behave);
  target = world_target (server.port, TRUE);
  world_open (&world, target, TURN_CONNECT_CARRIER_STREAM);
  world_allocate (&world);
  g_assert_no_error (world.error);
  server.identity = over;
  turn_server_drop_visitors (&server);
  world_wait_state (&world, TURN_CONNECT_CLIENT_CLOSED, TRUE);
  g_assert_cmpstr (world.states->str, ==, "connecting allocating ready waiting connecting closed ");
  g_assert_nonnull (strstr (world.cause, "expired"));
  g_assert_cmpuint (server.n_visitors, ==, 2);
}

static void
note_end (GObject *source, GAsyncResult *result, gpointer user_data)
{
  World *world = user_data;

  turn_connect_client_allocate_finish (world->client, result, &world->error);
  world->is_done = TRUE;
}

/* One client's name gets no answer: it ends by its own limit, and others are none the slower. */
static void
test_hanging_names_end_and_hinder_nobody (void)
{
  static const TurnConnectCarrier carriers[] = { TURN_CONNECT_CARRIER_STREAM,
                                                 TURN_CONNECT_CARRIER_DATAGRAM };

  support_resolver_set ("hangs.test", "hang4,hang6");
  for (guint i = 0; i < G_N_ELEMENTS (carriers); i++) {
    g_autoptr (TurnConnectTarget) hanging = turn_connect_target_new ("hangs.test", 3478, NULL);
    g_autoptr (TurnConnectTarget) target = NULL;
    g_auto (TurnServer) server = { 0 };
    g_auto (World) waiting = { 0 };
    g_auto (World) world = { 0 };

    turn_connect_target_set_timeout (hanging, 500);
    world_open (&waiting, hanging, carriers[i]);
    turn_connect_client_allocate_async (waiting.client, NULL, note_end, &waiting);
    turn_server_open (&server, TURN_SERVER_UDP, NULL, turn_server_behave);
    target = world_target (server.port, FALSE);
    world_open (&world, target, TURN_CONNECT_CARRIER_DATAGRAM);
    world_allocate (&world);
    g_assert_no_error (world.error);
    g_assert_false (waiting.is_done);
    support_run_until (&waiting.is_done);
    g_assert_error (waiting.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_NAME_FAILED);
    g_assert_cmpint (turn_connect_error_get_step (waiting.error), ==, TURN_CONNECT_STEP_RESOLVE);
    g_assert_nonnull (strstr (waiting.error->message, "hangs.test got no answer within 0.5 s"));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-set-ups/" name, function)
  ADD ("thousands-leave-nothing", test_thousands_leave_nothing);
  ADD ("certificate-that-runs-out-ends-it-with-the-cause",
       test_certificate_that_runs_out_ends_it_with_the_cause);
  ADD ("hanging-names-end-and-hinder-nobody", test_hanging_names_end_and_hinder_nobody);
  return g_test_run ();
}
