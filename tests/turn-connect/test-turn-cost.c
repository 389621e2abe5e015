/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a packet costs an allocation, by each carrier, one at a time and many: no memory, no line in the log. */
#include "../support/costs.h"
#include "tls-peer.h"
#include "turn-mock-server.h"
#include "turn-world.h"

#include <string.h>

#define ROUNDS 200
#define BURST 25

/* The server is in a thread that is not counted. */
typedef struct {
  TurnServerKind kind;
  const TlsPeerIdentity *identity;
  TurnServer server;
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  gboolean is_open; /* atomic */
} Elsewhere;

static gpointer
serve (gpointer data)
{
  Elsewhere *elsewhere = data;

  costs_leave_out_this_thread (TRUE);
  g_main_context_push_thread_default (elsewhere->context);
  turn_server_open (&elsewhere->server, elsewhere->kind, elsewhere->identity, turn_server_behave);
  g_atomic_int_set (&elsewhere->is_open, TRUE);
  g_main_loop_run (elsewhere->loop);
  turn_server_close (&elsewhere->server);
  g_main_context_pop_thread_default (elsewhere->context);
  return NULL;
}

static void
elsewhere_open (Elsewhere *elsewhere, TurnServerKind kind, const TlsPeerIdentity *identity)
{
  *elsewhere = (Elsewhere){ .kind = kind, .identity = identity };
  elsewhere->context = g_main_context_new ();
  elsewhere->loop = g_main_loop_new (elsewhere->context, FALSE);
  elsewhere->thread = g_thread_new ("turn-server", serve, elsewhere);
  while (!g_atomic_int_get (&elsewhere->is_open))
    g_usleep (1000);
}

static void
elsewhere_close (Elsewhere *elsewhere)
{
  g_main_loop_quit (elsewhere->loop);
  g_thread_join (elsewhere->thread);
  g_main_loop_unref (elsewhere->loop);
  g_main_context_unref (elsewhere->context);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Elsewhere, elsewhere_close)

static guint n_received, n_woken;

/* GLib's loop takes memory of its own for each descriptor that it dispatches, and frees it: of its
 * slices, when those are not turned off as they are here. */
static gint
count_wakening (GPollFD *descriptors, guint n, gint timeout_ms)
{
  gint n_ready = g_poll (descriptors, n, timeout_ms);

  for (guint i = 1; n_ready > 0 && i < n; i++) /* the first is the loop's own */
    n_woken += descriptors[i].revents != 0;
  return n_ready;
}

static void
count_packet (TurnConnectClient *client,
              const StunExtAddress *peer,
              guint16 channel,
              const guint8 *data,
              gsize length,
              gpointer user_data)
{
  n_received++;
}

/* Each packet goes there and comes back. */
static void
exchange (TurnConnectClient *client, const StunExtAddress *peer, guint rounds, guint n)
{
  static const guint8 payload[172];
  TurnConnectPacket packets[BURST];

  for (guint i = 0; i < n; i++)
    packets[i] = (TurnConnectPacket){ *peer, payload, sizeof payload };
  for (guint i = 0; i < rounds; i++) {
    GOutputVector vector = { payload, sizeof payload };
    gint64 until = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

    n_received = 0;
    if (n > 1)
      g_assert_cmpuint (turn_connect_client_send_batch (client, packets, n), ==, n);
    else
      g_assert_cmpint (
          turn_connect_client_send (client, peer, &vector, 1, TURN_CONNECT_SEND_NORMAL, NULL), ==,
          TURN_CONNECT_IO_OK);
    while (n_received < n && g_get_monotonic_time () < until)
      g_main_context_iteration (NULL, TRUE);
    g_assert_cmpuint (n_received, ==, n);
  }
}

static Costs
measure (TurnConnectClient *client, const StunExtAddress *peer, guint rounds, guint n)
{
  exchange (client, peer, 5, n); /* what is made once, is */
  n_woken = 0;
  costs_begin ();
  exchange (client, peer, rounds, n);
  return costs_end ();
}

static gboolean
is_free (Costs costs, guint rest)
{
  return costs.records == 0 && (!COSTS_HAS_MEMORY || costs.allocations <= n_woken + rest);
}

/* What a packet costs is in every measurement; what is not in all three was something else's.
 * @rest: TLS that holds more wakes the loop without a descriptor, at most once a round. */
static void
assert_free (TurnConnectClient *client,
             const StunExtAddress *peer,
             guint rounds,
             guint n,
             guint rest,
             const char *what)
{
  Costs costs = { 0 };

  for (guint i = 0; i < 3; i++) {
    costs = measure (client, peer, rounds, n);
    g_test_message ("%s: %u allocations, %u of OpenSSL, %u locks, %u records; woken %u times", what,
                    costs.allocations, costs.of_openssl, costs.locks, costs.records, n_woken);
    if (is_free (costs, rest))
      return;
  }
  g_assert_true (is_free (costs, rest));
}

typedef struct {
  TurnServerKind kind;
  const Way *way;
} Row;

static const Row by_udp = { TURN_SERVER_UDP, &way_over_udp };
static const Row by_tcp = { TURN_SERVER_TCP, &way_over_tcp };
static const Row by_tls = { TURN_SERVER_TLS, &way_over_tls };

static void
test_packets_cost_no_memory (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed (WORLD_NAMES, 0);
  g_auto (Elsewhere) elsewhere = { 0 };
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (World) world = { 0 };
  StunExtAddress bound = mock_address ("203.0.113.1:4000"), other = mock_address ("203.0.113.2:1");

  elsewhere_open (&elsewhere, row->kind, row->way->is_tls ? identity : NULL);
  target = world_target (elsewhere.server.port, row->way->is_tls);
  world_open (&world, target, row->way->carrier);
  turn_connect_client_set_receive (world.client, count_packet, NULL, NULL);
  world_allocate (&world);
  g_assert_no_error (world.error);
  world_bind (&world, &bound);
  world_permit (&world, &other);
  g_assert_no_error (world.error);
  assert_free (world.client, &bound, ROUNDS, 1, 0, "one by channel");
  assert_free (world.client, &other, ROUNDS, 1, 0, "one by indication");
  assert_free (world.client, &bound, ROUNDS / 5, BURST, ROUNDS / 5, "many by channel");
  assert_free (world.client, &other, ROUNDS / 5, BURST, ROUNDS / 5, "many by indication");
}

int
main (int argc, char **argv)
{
  costs_init (argv);
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  g_main_context_set_poll_func (NULL, count_wakening);
#define ADD(name, row)                                                                             \
  g_test_add_data_func ("/turn-connect/turn-cost/packets-cost-no-memory/" name, row,               \
                        test_packets_cost_no_memory)
  ADD ("udp", &by_udp);
  ADD ("tcp", &by_tcp);
  ADD ("tls", &by_tls);
  return g_test_run ();
}
