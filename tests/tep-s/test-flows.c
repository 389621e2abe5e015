/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/attribute.h"
#include "world.h"

/* The next whole packet of the server. */
static GBytes *
next_whole (Peer *peer)
{
  GBytes *body;

  while ((body = peer_frame (peer)) != NULL) {
    if (stun_ext_frame_kind (g_bytes_get_data (body, NULL), g_bytes_get_size (body)) ==
        STUN_EXT_FRAME_IPV4)
      return body;
    g_bytes_unref (body);
  }
  return NULL;
}

static void
test_call_goes_both_ways (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (leased.address.port, ==, 6000);
  g_assert_true (stun_ext_address_equal_host (&leased.address, &client->mapped));
  g_assert_cmpuint (client_flow (client, &leased, 3, WORLD_REMOTE), ==, 0);
  client_media (client, 3, 100, "up");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "up");
  world_deliver (world, WORLD_REMOTE, &leased.address, "down");
  peer_assert_media (client->peer, 3, "down");
  world_check_laws (world);
}

static void
test_two_devices_behind_one_address_are_not_mixed_up (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) one = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) two = client_new (world, "192.0.2.7:5001");
  StunExtTepLeased first, second;

  client_open (one, FALSE);
  client_open (two, FALSE);
  g_assert_cmpuint (client_lease (one, 6000, &first), ==, 0);
  g_assert_cmpuint (client_lease (two, 6000, &second), ==, 0);
  g_assert_cmpuint (first.address.port, ==, 6000);
  g_assert_cmpuint (second.address.port, !=, 6000);
  g_assert_cmpuint (client_flow (one, &first, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_flow (two, &second, 1, WORLD_REMOTE), ==, 0);
  client_media (one, 1, 1, "one");
  world_assert_packet (world, &first.address, WORLD_REMOTE, "one");
  client_media (two, 1, 1, "two");
  world_assert_packet (world, &second.address, WORLD_REMOTE, "two");
  world_deliver (world, WORLD_REMOTE, &second.address, "to two");
  peer_assert_media (two->peer, 1, "to two");
  world_deliver (world, WORLD_REMOTE, &first.address, "to one");
  peer_assert_media (one->peer, 1, "to one");
  /* The one cannot speak with the other's lease. */
  client_whole (one, &second.address, WORLD_REMOTE, "spoofed");
  g_assert_null (world_take_packet (world));
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UP_DROP_SOURCE), ==, 1);
  world_check_laws (world);
}

static void
test_spoofed_sources_are_denied (void)
{
  static const char *const sources[] = { "192.0.2.7:6001",  "192.0.2.8:6000",
                                         "203.0.113.1:443", "255.255.255.255:6000",
                                         "127.0.0.1:6000",  "0.0.0.0:6000",
                                         "198.18.0.9:4000", "[2001:db8::1]:6000" };
  g_autoptr (World) world = world_new ("[media]\nimplicit-flows=leased\n", 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (sources); i++) {
    StunExtAddress source = world_address (sources[i]);

    client_whole (client, &source, source.family == 4 ? WORLD_REMOTE : "[2001:db8::2]:4000", "x");
    g_assert_null (world_take_packet (world));
  }
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UP_DROP_SOURCE), ==,
                    G_N_ELEMENTS (sources));
  client_whole (client, &leased.address, WORLD_REMOTE, "mine");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "mine");
}

static void
test_forbidden_remotes_are_refused (void)
{
  static const char *const remotes[] = { "127.0.0.1:80",        "10.0.0.1:4000", "203.0.113.1:443",
                                         "224.0.0.1:4000",      "198.18.0.9:53", "0.0.0.0:4000",
                                         "169.254.169.254:8000" };
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;

  client_open (client, TRUE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (remotes); i++)
    g_assert_cmpuint (client_flow (client, &leased, 1, remotes[i]), ==, 403);
  g_assert_cmpuint (client_flow (client, &leased, 1, "[2001:db8::1]:4000"), ==, 443);
  /* Another device's lease is no remote either. */
  g_assert_cmpuint (client_flow (client, &leased, 1, "192.0.2.7:6000"), ==, 403);
}

static void
test_port_pair_carries_both_ports (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_LEASE };
  StunExtTepSuccess success;
  StunExtAddress odd;

  client_open (client, FALSE);
  request.lease.ports = STUN_EXT_TEP_PORTS_PAIR;
  g_assert_cmpuint (client_ask (client, &request, &success), ==, 0);
  g_assert_true (success.leased.is_pair);
  g_assert_cmpuint (success.leased.address.port % 2, ==, 0);
  odd = success.leased.address;
  odd.port++;
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_OPEN_FLOW };
  request.open_flow.binding_id = success.leased.binding_id;
  request.open_flow.flow_id = 5;
  request.open_flow.port_offset = 1;
  request.open_flow.remote = world_address (WORLD_REMOTE);
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  client_media (client, 5, 1, "rtcp");
  world_assert_packet (world, &odd, WORLD_REMOTE, "rtcp");
  world_deliver (world, WORLD_REMOTE, &odd, "report");
  peer_assert_media (client->peer, 5, "report");
}

static void
test_bandwidth_is_policed (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_OPEN_FLOW };
  StunExtTepSuccess success;
  StunExtTepLeased leased;
  guint64 forwarded;
  char payload[1001];

  memset (payload, 'x', sizeof payload - 1);
  payload[sizeof payload - 1] = '\0';
  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 0, &leased), ==, 0);
  request.open_flow.binding_id = leased.binding_id;
  request.open_flow.remote = world_address (WORLD_REMOTE);
  request.open_flow.bandwidth_kbps = 100;
  g_assert_cmpuint (client_ask (client, &request, &success), ==, 0);
  g_assert_cmpuint (success.flow.bandwidth_kbps, ==, 100);
  for (guint16 i = 0; i < 1000; i++) { /* 800 kbit/s for ten seconds */
    client_media (client, 0, i, payload);
    world_advance (world, 10);
  }
  forwarded = world_count (world, TEP_SERVER_COUNTER_UP_FORWARDED);
  g_assert_cmpuint (forwarded, >, 115);
  g_assert_cmpuint (forwarded, <, 140);
  world_check_laws (world);
}

static void
test_early_packets_come_from_the_core_alone (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  GBytes *frame;
  StunExtInnerPacket inner;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  world_deliver (world, "198.51.100.1:4000", &leased.address, "stranger");
  g_assert_null (peer_frame (client->peer));
  world_deliver (world, WORLD_REMOTE, &leased.address, "early");
  frame = next_whole (client->peer);
  g_assert_nonnull (frame);
  g_assert_cmpint (stun_ext_inner_packet_check (g_bytes_get_data (frame, NULL),
                                                g_bytes_get_size (frame), 1500, &inner),
                   ==, STUN_EXT_INNER_OK);
  g_assert_true (stun_ext_address_equal (&inner.destination, &leased.address));
  g_assert_cmpmem (inner.payload, inner.length, "early", 5);
  g_bytes_unref (frame);
  world_check_laws (world);
}

static void
test_stun_is_answered_inside (void)
{
  static const guint8 binding[] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1,  2,
                                    3, 4, 5, 6, 7,    8,    9,    10,   11, 12 };
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  guint8 buffer[256];
  StunExtInnerPacket inner = { .hop_limit = 64, .length = sizeof binding, .payload = binding };
  StunExtWriter writer;
  StunExtMessage message;
  StunExtAddress mapped;
  g_autoptr (GBytes) frame = NULL;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  inner.source = leased.address;
  inner.destination = world_address ("203.0.113.1:443");
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_writer_u16 (&writer, 48);
  stun_ext_inner_packet_write (&writer, &inner);
  peer_send (client->peer, buffer, writer.length);
  frame = next_whole (client->peer);
  g_assert_nonnull (frame);
  g_assert_cmpint (stun_ext_inner_packet_check (g_bytes_get_data (frame, NULL),
                                                g_bytes_get_size (frame), 1500, &inner),
                   ==, STUN_EXT_INNER_OK);
  g_assert_cmpint (stun_ext_message_parse (&message, inner.payload, inner.length), ==,
                   STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_message_get_xor_address (&message, 0x0020, &mapped), ==,
                   STUN_EXT_GET_OK);
  g_assert_true (stun_ext_address_equal (&mapped, &leased.address));
  world_check_laws (world);
}

static void
test_revoked_remote_is_denied_with_the_next_packet (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  client_media (client, 1, 1, "x");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "x");
  world_reload (world, "deny=198.18.0.9/32\n");
  client_media (client, 1, 2, "x");
  g_assert_null (world_take_packet (world));
  world_deliver (world, WORLD_REMOTE, &leased.address, "y");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UP_DROP_POLICY), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_DROP_POLICY), ==, 1);
  world_reload (world, NULL);
  client_media (client, 1, 3, "z");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "z");
}

static void
test_pinholes_alone_open_the_way (void)
{
  g_autoptr (World) world = world_new ("[media]\npinhole-only=true\n", 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtAddress remote = world_address (WORLD_REMOTE);
  StunExtTepLeased leased;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  client_media (client, 1, 1, "shut");
  g_assert_null (world_take_packet (world));
  tep_server_core_set_pinhole (world->cores[0], &leased.address, &remote, TRUE);
  client_media (client, 1, 2, "open");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "open");
  tep_server_core_set_pinhole (world->cores[0], &leased.address, &remote, FALSE);
  client_media (client, 1, 3, "shut");
  g_assert_null (world_take_packet (world));
  tep_server_core_set_pinhole (world->cores[0], NULL, &remote, TRUE);
  client_media (client, 1, 4, "any");
  world_assert_packet (world, &leased.address, WORLD_REMOTE, "any");
}

static void
test_packet_reaches_the_worker_that_owns_the_lease (void)
{
  g_autoptr (World) world = world_new (NULL, 2);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  StunExtAddress remote = world_address (WORLD_REMOTE);
  TepServerPacket packet = { .source = &remote, .payload = (const guint8 *)"far", .length = 3 };

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  packet.destination = &leased.address;
  tep_server_core_deliver (world->cores[1], &packet, 1);
  world_flush (world);
  peer_assert_media (client->peer, 1, "far");
  world->is_refusing_passes = TRUE;
  tep_server_core_deliver (world->cores[1], &packet, 1);
  world->is_refusing_passes = FALSE;
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_DROP_BUSY), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_PACKETS), ==, 2);
  world_check_laws (world);
}

static void
test_media_before_the_tunnel_is_open_ends_the_connection (void)
{
  static const guint8 frames[][8] = {
    { 0, 4, 0x80, 0, 0, 1 }, { 0, 4, 0x45, 0, 0, 1 }, { 0, 4, 0xc1, 0, 0, 1 }, { 0, 4, 0x30, 0 }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (frames); i++) {
    g_autoptr (World) world = world_new (NULL, 1);
    g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");

    g_assert_cmpuint (client_try_password (client, "alice", "wrong horse battery"), ==, 401);
    peer_send (client->peer, frames[i], 6);
    g_assert_null (client->peer->connection);
  }
}

static void
test_slow_reader_loses_media_and_nothing_else (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) slow = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) other = client_new (world, "192.0.2.8:5000");
  StunExtTepLeased leased, fine;
  char payload[1001];

  memset (payload, 'x', sizeof payload - 1);
  payload[sizeof payload - 1] = '\0';
  client_open (slow, FALSE);
  g_assert_cmpuint (client_lease (slow, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (slow, &leased, 1, WORLD_REMOTE), ==, 0);
  client_open (other, FALSE);
  g_assert_cmpuint (client_lease (other, 6000, &fine), ==, 0);
  g_assert_cmpuint (client_flow (other, &fine, 1, WORLD_REMOTE), ==, 0);
  slow->peer->is_reading = FALSE;
  for (guint i = 0; i < 200; i++) {
    world_advance (world, 20);
    world_deliver (world, WORLD_REMOTE, &leased.address, payload);
    world_deliver (world, WORLD_REMOTE, &fine.address, "fine");
    peer_assert_media (other->peer, 1, "fine");
  }
  g_assert_cmpuint (tep_server_connection_unsent (slow->peer->connection), <=, 65536);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_DROP_SLOW), >, 100);
  world_advance (world, 31 * 1000);
  g_assert_null (slow->peer->connection);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CONNECTION_STALLED), ==, 1);
  world_check_laws (world);
}

static void
test_feedback_comes_with_media_or_alone (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  StunExtFeedback feedback = { 0 };
  GBytes *frame;
  guint n = 0;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  for (guint16 i = 0; i < 50; i++) {
    client_media (client, 1, i, "x");
    world_advance (world, 20);
  }
  world_advance (world, 1000);
  while ((frame = peer_frame (client->peer)) != NULL) {
    gsize length;
    const guint8 *data = g_bytes_get_data (frame, &length);

    g_assert_cmpint (stun_ext_frame_kind (data, length), ==, STUN_EXT_FRAME_CONTROL);
    g_assert_true (stun_ext_feedback_parse (data, length, &feedback));
    n++;
    g_bytes_unref (frame);
  }
  g_assert_cmpuint (n, >=, 6);
  g_assert_cmpuint (n, <=, 12);
  g_assert_cmpuint (feedback.n_entries, ==, 1);
  g_assert_cmpuint (feedback.entries[0].received, ==, 50);
}

#define ADD(path, function) g_test_add_func ("/tep-s/flows/" path, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("call-goes-both-ways", test_call_goes_both_ways);
  ADD ("two-devices-behind-one-address-are-not-mixed-up",
       test_two_devices_behind_one_address_are_not_mixed_up);
  ADD ("spoofed-sources-are-denied", test_spoofed_sources_are_denied);
  ADD ("forbidden-remotes-are-refused", test_forbidden_remotes_are_refused);
  ADD ("port-pair-carries-both-ports", test_port_pair_carries_both_ports);
  ADD ("bandwidth-is-policed", test_bandwidth_is_policed);
  ADD ("early-packets-come-from-the-core-alone", test_early_packets_come_from_the_core_alone);
  ADD ("stun-is-answered-inside", test_stun_is_answered_inside);
  ADD ("revoked-remote-is-denied-with-the-next-packet",
       test_revoked_remote_is_denied_with_the_next_packet);
  ADD ("pinholes-alone-open-the-way", test_pinholes_alone_open_the_way);
  ADD ("packet-reaches-the-worker-that-owns-the-lease",
       test_packet_reaches_the_worker_that_owns_the_lease);
  ADD ("media-before-the-tunnel-is-open-ends-the-connection",
       test_media_before_the_tunnel_is_open_ends_the_connection);
  ADD ("slow-reader-loses-media-and-nothing-else", test_slow_reader_loses_media_and_nothing_else);
  ADD ("feedback-comes-with-media-or-alone", test_feedback_comes_with_media_or_alone);
  return g_test_run ();
}
