/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the path of a packet through the server must not cost: memory, a lock, a line in the log. */
#include <pthread.h>
#include <string.h>

#include "../support/costs.h"
#include "world.h"

#define PACKETS 1000
#define INTERVAL_MS 20
#define RTP_LENGTH 172

/* ---- a world that keeps nothing of what comes out ---- */

static guint n_sent;
static guint n_output;

static gsize
take_packets (gpointer host, const TepServerPacket *packets, gsize n)
{
  n_sent += n;
  return 0;
}

static void
take_output (gpointer host, TepServerConnection *connection)
{
  struct iovec pieces[8];
  gsize n;

  while ((n = tep_server_core_output (connection, pieces, 8)) > 0) {
    gsize length = 0;

    for (gsize i = 0; i < n; i++)
      length += pieces[i].iov_len;
    n_output += length;
    tep_server_core_written (((World *)host)->cores[0], connection, length);
  }
}

static void
send_up (Client *client, guint16 sequence)
{
  static const guint8 rtp[RTP_LENGTH];
  World *world = client->world;
  guint8 buffer[2048];
  StunExtCompactFrame frame = { .flow = 1,
                                .time = stun_ext_flow_time (world->now_us),
                                .sequence = sequence,
                                .length = sizeof rtp,
                                .payload = rtp };
  StunExtWriter writer;

  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_compact_write (&writer, &frame);
  tep_server_core_input (world->cores[0], client->peer->connection, buffer, writer.length);
  tep_server_core_flush (world->cores[0]);
}

static void
exchange (Client *client, const StunExtAddress *leased, guint first, guint n)
{
  static const guint8 rtp[RTP_LENGTH];
  World *world = client->world;
  StunExtAddress remote = world_address (WORLD_REMOTE);
  const TepServerPacket packet = {
    .source = &remote, .destination = leased, .payload = rtp, .length = sizeof rtp
  };

  for (guint i = first; i < first + n; i++) {
    world->now_us += INTERVAL_MS * 1000;
    world->now_ms += INTERVAL_MS;
    tep_server_core_advance (world->cores[0], world->now_us, world->now_ms);
    send_up (client, (guint16)i);
    tep_server_core_deliver (world->cores[0], &packet, 1);
    tep_server_core_flush (world->cores[0]);
  }
}

static void
test_packets_cost_no_allocation_no_lock_and_no_record (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  const TepServerCoreHost *host = world->cores[0]->host;
  TepServerCoreHost quiet = *host;
  StunExtTepLeased leased;
  Costs costs;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  quiet.send = take_packets;
  quiet.output = take_output;
  world->cores[0]->host = &quiet;

  exchange (client, &leased.address, 0, 100); /* what is kept for later use is made here */
  n_sent = n_output = 0;
  costs_begin ();
  exchange (client, &leased.address, 100, PACKETS);
  costs = costs_end ();

  g_assert_cmpuint (n_sent, ==, PACKETS);
  g_assert_cmpuint (n_output, >, PACKETS * RTP_LENGTH);
  g_assert_cmpuint (costs.allocations, ==, 0);
  g_assert_cmpuint (costs.locks, ==, 0);
  g_assert_cmpuint (costs.records, ==, 0);
  world->cores[0]->host = host;
  world_check_laws (world);
}

/* The counters above count. */
static void
test_what_is_counted_is_seen (void)
{
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  gpointer volatile memory;
  Costs costs;

  costs_begin ();
  memory = g_malloc (10);
  pthread_mutex_lock (&mutex);
  g_log_structured ("test", G_LOG_LEVEL_DEBUG, "MESSAGE", "%s", "x");
  costs = costs_end ();
  pthread_mutex_unlock (&mutex);
  g_free (memory);
  g_assert_cmpuint (costs.records, ==, 1);
  g_assert_cmpuint (costs.allocations, >=, COSTS_HAS_MEMORY);
  g_assert_cmpuint (costs.locks, >=, COSTS_HAS_MEMORY);
}

int
main (int argc, char **argv)
{
  costs_init (argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tep-s/cost/packets-cost-no-allocation-no-lock-and-no-record",
                   test_packets_cost_no_allocation_no_lock_and_no_record);
  g_test_add_func ("/tep-s/cost/what-is-counted-is-seen", test_what_is_counted_is_seen);
  return g_test_run ();
}
