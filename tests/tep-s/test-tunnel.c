/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/attribute.h"
#include "world.h"

static void
assert_packet (World *world, const StunExtAddress *from, const char *to, const char *payload)
{
  WorldPacket *packet = world_take_packet (world);
  StunExtAddress destination = world_address (to);

  g_assert_nonnull (packet);
  g_assert_true (stun_ext_address_equal (&packet->source, from));
  g_assert_true (stun_ext_address_equal (&packet->destination, &destination));
  g_assert_cmpmem (g_bytes_get_data (packet->payload, NULL), g_bytes_get_size (packet->payload),
                   payload, strlen (payload));
  world_packet_free (packet);
}

/* The next compact frame of the server. */
static void
assert_media (Peer *peer, guint16 flow, const char *payload)
{
  GBytes *body;

  while ((body = peer_frame (peer)) != NULL) {
    gsize length;
    const guint8 *data = g_bytes_get_data (body, &length);
    StunExtCompactFrame frame;

    if (stun_ext_frame_kind (data, length) == STUN_EXT_FRAME_COMPACT) {
      g_assert_true (stun_ext_compact_parse (data, length, &frame));
      g_assert_cmpuint (frame.flow, ==, flow);
      g_assert_cmpmem (frame.payload, frame.length, payload, strlen (payload));
      g_bytes_unref (body);
      return;
    }
    g_bytes_unref (body);
  }
  g_assert_not_reached ();
}

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
  assert_packet (world, &leased.address, WORLD_REMOTE, "up");
  world_deliver (world, WORLD_REMOTE, &leased.address, "down");
  assert_media (client->peer, 3, "down");
  world_check_laws (world);
}

/* ---- opening ---- */

static guint
try_open (Client *client, const char *user, const char *password)
{
  StunExtTepRequest request;
  StunExtSpan key = { password, strlen (password) };

  client_prepare (client, &request);
  request.open.username = (StunExtSpan){ user, strlen (user) };
  client_send (client, client->peer, &request, key);
  return client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL);
}

static void
test_unknown_user_looks_like_wrong_password (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) one = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) two = client_new (world, "192.0.2.8:5000");

  g_assert_cmpuint (try_open (one, "alice", "wrong horse battery"), ==, 401);
  g_assert_cmpuint (try_open (two, "mallo", "wrong horse battery"), ==, 401);
  g_assert_cmpuint (one->peer->received->len, ==, two->peer->received->len);
  /* All but the transaction id, nonce and MAC of it. */
  g_assert_cmpmem (one->peer->received->data, 6, two->peer->received->data, 6);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_AUTH_FAILED), ==, 2);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_OPENED), ==, 0);
}

static void
test_guessing_is_slowed_down_for_the_guesser_alone (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) good = client_new (world, "192.0.2.9:5000");
  guint evaluated;

  for (guint i = 0; i < 100; i++) {
    g_autofree char *source = g_strdup_printf ("192.0.2.7:%u", 6000 + i);
    g_autoptr (Client) client = client_new (world, source);

    guint code = try_open (client, "alice", "wrong horse battery");

    /* Once nothing is looked at any more, an honest client is told to wait and not to give up. */
    g_assert_true (code == 401 || code == 508);
    peer_hang_up (client->peer);
  }
  evaluated = (guint)world_count (world, TEP_SERVER_COUNTER_AUTH_FAILED);
  g_assert_cmpuint (evaluated, <=, 10);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_AUTH_THROTTLED), ==, 100 - evaluated);
  client_open (good, FALSE);
}

static void
test_recorded_connection_gains_nothing (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  Peer *replayer;
  guint64 mismatches;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  client_media (client, 1, 1, "once");
  world_packet_free (world_take_packet (world));
  for (guint again = 0; again < 2; again++) {
    /* From the same address, while the tunnel lives and after it has gone. */
    mismatches = world_count (world, TEP_SERVER_COUNTER_OPENED);
    replayer = peer_new (world, 0, "192.0.2.7:5000");
    peer_send (replayer, client->peer->sent->data, client->peer->sent->len);
    g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_OPENED), ==, mismatches);
    g_assert_null (world_take_packet (world));
    g_assert_true (replayer->connection == NULL || replayer->connection->tunnel == NULL);
    peer_hang_up (replayer);
    if (again == 0) {
      peer_hang_up (client->peer);
      world_advance (world, 50 * 1000);
      g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 0);
    }
  }
}

static void
test_timestamp_is_enough_once_the_memory_is_old_enough (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) again = client_new (world, "192.0.2.7:5001");
  StunExtTepRequest request;
  const StunExtSpan key = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };

  /* Within 30 s of the start a timestamp proves nothing. */
  g_assert_cmpuint (try_open (client, "alice", WORLD_PASSWORD), ==, 438);
  peer_hang_up (client->peer);
  peer_hang_up (again->peer);
  world_advance (world, 31 * 1000);
  client->peer = peer_new (world, 0, "192.0.2.7:5000");
  again->peer = peer_new (world, 0, "192.0.2.7:5001");
  g_clear_pointer (&client->nonce, g_free);
  client_prepare (client, &request);
  client_send (client, client->peer, &request, key);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 0);
  /* The same random again, and a clock that is wrong. */
  client_send (again, again->peer, &request, key);
  g_assert_cmpuint (client_answer (again, again->peer, STUN_EXT_TEP_OPEN, NULL), ==, 438);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_AUTH_REPLAYED), ==, 1);
  g_clear_pointer (&again->nonce, g_free);
  client_prepare (again, &request);
  request.open.timestamp_ms -= 31 * 1000;
  client_send (again, again->peer, &request, key);
  g_assert_cmpuint (client_answer (again, again->peer, STUN_EXT_TEP_OPEN, NULL), ==, 438);
}

static void
test_other_name_is_forbidden (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request;
  const StunExtSpan key = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };

  client_prepare (client, &request);
  request.open.server_name = (StunExtSpan){ "other.example", 13 };
  client_send (client, client->peer, &request, key);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 403);
}

static void
test_lease_in_the_first_flight (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest requests[2] = { 0 };
  const guint8 ids[2][STUN_EXT_TRANSACTION_ID_LENGTH] = { { 1 }, { 2 } };
  const StunExtSpan key = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };
  guint8 flight[4096];
  gsize length;

  world_advance (world, 31 * 1000);
  peer_hang_up (client->peer);
  client->peer = peer_new (world, 0, "192.0.2.7:5000");
  client_prepare (client, &requests[0]);
  requests[1] = (StunExtTepRequest){ .kind = STUN_EXT_TEP_LEASE, .ordinal = 1 };
  g_assert_true (stun_ext_tep_write_flight (requests, ids, 2, key, flight, sizeof flight, &length));
  peer_send (client->peer, flight, length);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 0);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==, 0);
  /* Provisional: no packet passes, and it is freed unless confirmed. */
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 1);
  world_advance (world, 16 * 1000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_UNCONFIRMED), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 0);
}

static void
test_failed_flight_can_be_repeated_on_the_connection (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest requests[2] = { 0 };
  const guint8 ids[2][STUN_EXT_TRANSACTION_ID_LENGTH] = { { 1 }, { 2 } };
  const StunExtSpan key = { "wrong horse battery", 19 };
  guint8 flight[4096];
  gsize length;

  client_prepare (client, &requests[0]);
  requests[1] = (StunExtTepRequest){ .kind = STUN_EXT_TEP_LEASE, .ordinal = 1 };
  g_assert_true (stun_ext_tep_write_flight (requests, ids, 2, key, flight, sizeof flight, &length));
  peer_send (client->peer, flight, length);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 401);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==, 401);
  client_open (client, FALSE);
}

/* ---- leases and flows ---- */

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
  assert_packet (world, &first.address, WORLD_REMOTE, "one");
  client_media (two, 1, 1, "two");
  assert_packet (world, &second.address, WORLD_REMOTE, "two");
  world_deliver (world, WORLD_REMOTE, &second.address, "to two");
  assert_media (two->peer, 1, "to two");
  world_deliver (world, WORLD_REMOTE, &first.address, "to one");
  assert_media (one->peer, 1, "to one");
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
  assert_packet (world, &leased.address, WORLD_REMOTE, "mine");
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
test_errors_tell_what_to_do (void)
{
  g_autoptr (World) world = world_new ("[limits]\nbindings-per-tunnel=2\nflows-per-tunnel=1\n", 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased, other = { .binding_id = 77 };
  StunExtTepRequest request;

  client_open (client, TRUE);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_LEASE };
  request.lease.kind = STUN_EXT_TEP_FLOW_RELAYED;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 403);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_LEASE };
  request.lease.family = 6;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 440);
  world->is_media_full = TRUE;
  g_assert_cmpuint (client_lease (client, 0, &leased), ==, 508);
  world->is_media_full = FALSE;
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 486);
  g_assert_cmpuint (client_flow (client, &other, 1, WORLD_REMOTE), ==, 437);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, "198.18.0.9:4002"), ==, 446);
  g_assert_cmpuint (client_flow (client, &leased, 2, WORLD_REMOTE), ==, 446);
  g_assert_cmpuint (client_flow (client, &leased, 2, "198.18.0.9:4002"), ==, 486);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_CLOSE_FLOW };
  request.close_flow.flow_id = 9;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 437);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_REFRESH };
  request.refresh.binding_id = 99;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 437);
}

static void
test_used_ordinal_and_wrong_key_change_nothing (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_LEASE };
  const StunExtSpan wrong = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };

  client_open (client, TRUE);
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  client_send (client, client->peer, &request, client_key (client));
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==, 437);
  request.ordinal = 50;
  client_send (client, client->peer, &request, wrong);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_LEASE, NULL), ==, 437);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 1);
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
  assert_packet (world, &odd, WORLD_REMOTE, "rtcp");
  world_deliver (world, WORLD_REMOTE, &odd, "report");
  assert_media (client->peer, 5, "report");
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
  assert_packet (world, &leased.address, WORLD_REMOTE, "x");
  world_reload (world, "deny=198.18.0.9/32\n");
  client_media (client, 1, 2, "x");
  g_assert_null (world_take_packet (world));
  world_deliver (world, WORLD_REMOTE, &leased.address, "y");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UP_DROP_POLICY), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_DROP_POLICY), ==, 1);
  world_reload (world, NULL);
  client_media (client, 1, 3, "z");
  assert_packet (world, &leased.address, WORLD_REMOTE, "z");
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
  assert_packet (world, &leased.address, WORLD_REMOTE, "open");
  tep_server_core_set_pinhole (world->cores[0], &leased.address, &remote, FALSE);
  client_media (client, 1, 3, "shut");
  g_assert_null (world_take_packet (world));
  tep_server_core_set_pinhole (world->cores[0], NULL, &remote, TRUE);
  client_media (client, 1, 4, "any");
  assert_packet (world, &leased.address, WORLD_REMOTE, "any");
}

/* ---- the life of a tunnel ---- */

static void
test_resume_keeps_flows (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  Peer *old = client->peer;

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  client->peer = peer_new (world, 0, "198.51.100.77:9999");
  g_assert_cmpuint (client_join (client, client->peer, TRUE), ==, 0);
  g_assert_true (old->is_shut);
  client_media (client, 1, 1, "after");
  assert_packet (world, &leased.address, WORLD_REMOTE, "after");
  world_deliver (world, WORLD_REMOTE, &leased.address, "back");
  assert_media (client->peer, 1, "back");
  /* Also when everything was lost first. */
  peer_hang_up (client->peer);
  world_deliver (world, WORLD_REMOTE, &leased.address, "nobody there");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_DROP_ABSENT), ==, 1);
  world_advance (world, 20 * 1000);
  client->peer = peer_new (world, 0, "198.51.100.78:9999");
  g_assert_cmpuint (client_join (client, client->peer, TRUE), ==, 0);
  client_media (client, 1, 2, "again");
  assert_packet (world, &leased.address, WORLD_REMOTE, "again");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_RESUMED), ==, 2);
}

/* Somebody on the way kept what the client sent, and comes with it from elsewhere later. */
static void
test_join_and_resume_held_back_are_worth_nothing_later (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_RESUME };

  client_open (client, TRUE);
  request.join.version = STUN_EXT_TEP_VERSION;
  request.join.tunnel_id = (StunExtSpan){ client->id, client->id_length };
  client->ordinal += 2; /* sent, and never arrived */
  peer_hang_up (client->peer);
  client->peer = peer_new (world, 0, "198.51.100.77:9999");
  g_assert_cmpuint (client_join (client, client->peer, TRUE), ==, 0);
  for (request.ordinal = 1; request.ordinal < client->ordinal; request.ordinal++) {
    Peer *thief = peer_new (world, 0, "192.0.2.66:5000");

    request.kind = request.ordinal % 2 != 0 ? STUN_EXT_TEP_RESUME : STUN_EXT_TEP_JOIN;
    client_send (client, thief, &request, client_key (client));
    g_assert_cmpuint (client_answer (client, thief, request.kind, NULL), ==, 437);
    g_assert_nonnull (client->peer->connection);
  }
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_KEEPALIVE };
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
}

static void
test_stolen_tunnel_id_is_worth_nothing (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) thief = client_new (world, "192.0.2.66:5000");
  guint codes[3];

  client_open (client, TRUE);
  memcpy (thief->id, client->id, client->id_length);
  thief->id_length = client->id_length;
  codes[0] = client_join (thief, thief->peer, TRUE);
  thief->id[3] ^= 1;
  codes[1] = client_join (thief, thief->peer, FALSE);
  thief->id_length = 16;
  codes[2] = client_join (thief, thief->peer, FALSE);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (codes[i], ==, 437);
  g_assert_nonnull (client->peer->connection);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_MISMATCHES), ==, 3);
}

static void
test_join_reaches_the_worker_that_owns_the_tunnel (void)
{
  g_autoptr (World) world = world_new (NULL, 2);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  Peer *second = peer_new (world, 1, "192.0.2.7:5001");

  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_join (client, second, FALSE), ==, 0);
  g_assert_true (second->core == world->cores[0]);
  client->peer = second;
  client_media (client, 1, 1, "second way");
  assert_packet (world, &leased.address, WORLD_REMOTE, "second way");
  world_deliver (world, WORLD_REMOTE, &leased.address, "back");
  assert_media (second, 1, "back");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_HANDED_OVER), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UNAUTHENTICATED), ==, 0);
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
  assert_media (client->peer, 1, "far");
  world->is_refusing_passes = TRUE;
  tep_server_core_deliver (world->cores[1], &packet, 1);
  world->is_refusing_passes = FALSE;
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_DROP_BUSY), ==, 1);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_PACKETS), ==, 2);
  world_check_laws (world);
}

static void
test_silent_tunnel_is_freed (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_KEEPALIVE };
  StunExtTepLeased leased;

  client_open (client, TRUE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  for (guint i = 0; i < 5; i++) {
    world_advance (world, 40 * 1000);
    g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  }
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 1);
  world_advance (world, 46 * 1000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_SILENT), ==, 1);
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_CLOSE, NULL), ==, 437);
  world_check_laws (world);
}

static void
test_binding_lapses_without_refresh (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest keepalive = { .kind = STUN_EXT_TEP_KEEPALIVE };
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_LEASE };
  StunExtTepSuccess success;

  client_open (client, TRUE);
  request.lease.lifetime_s = 60;
  g_assert_cmpuint (client_ask (client, &request, &success), ==, 0);
  g_assert_cmpuint (success.leased.lifetime_s, ==, 60);
  world_advance (world, 40 * 1000);
  request = (StunExtTepRequest){ .kind = STUN_EXT_TEP_REFRESH };
  request.refresh.lifetime_s = 60;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  world_advance (world, 40 * 1000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 1);
  g_assert_cmpuint (client_ask (client, &keepalive, NULL), ==, 0);
  world_advance (world, 21 * 1000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_BINDINGS), ==, 0);
}

static void
test_tunnel_goes_with_its_last_flow (gconstpointer data)
{
  gboolean is_keep = GPOINTER_TO_INT (data);
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE_FLOW };
  StunExtTepLeased leased;

  client_open (client, is_keep);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  world_advance (world, 5000);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  request.close_flow.flow_id = 1;
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  world_advance (world, 1000);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  world_advance (world, 5000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 1);
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  world_advance (world, 3000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, is_keep ? 1 : 0);
}

static void
test_close_frees_everything (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE };
  StunExtTepLeased leased;

  client_open (client, TRUE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
  g_assert_true (client->peer->is_shut);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 0);
  g_assert_cmpuint (world->n_media_bindings, ==, 0);
  world_check_laws (world);
}

static void
test_drain_ends_idle_tunnels_and_lets_calls_finish (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) idle = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) busy = client_new (world, "192.0.2.8:5000");
  g_autoptr (Client) late = client_new (world, "192.0.2.9:5000");
  StunExtTepLeased leased;

  client_open (idle, TRUE);
  g_assert_cmpuint (client_lease (idle, 0, &leased), ==, 0);
  client_open (busy, TRUE);
  g_assert_cmpuint (client_lease (busy, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (busy, &leased, 1, WORLD_REMOTE), ==, 0);
  tep_server_core_drain (world->cores[0], world->now_us + 20 * US_PER_S);
  world_flush (world);
  g_assert_cmpuint (client_answer (idle, idle->peer, STUN_EXT_TEP_CLOSE, NULL), ==, 300);
  g_assert_cmpuint (try_open (late, "alice", WORLD_PASSWORD), ==, 438);
  g_assert_cmpuint (try_open (late, "alice", WORLD_PASSWORD), ==, 508);
  client_media (busy, 1, 1, "still here");
  assert_packet (world, &leased.address, WORLD_REMOTE, "still here");
  world_advance (world, 21 * 1000);
  g_assert_cmpuint (client_answer (busy, busy->peer, STUN_EXT_TEP_CLOSE, NULL), ==, 300);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_DRAIN), ==, 2);
}

static void
test_quota_is_never_passed (void)
{
  g_autoptr (World) world = world_new ("[limits]\ntunnels-per-user=1\n", 1);

  for (guint i = 0; i < 50; i++) {
    g_autofree char *source = g_strdup_printf ("192.0.2.7:%u", 6000 + i);
    g_autoptr (Client) client = client_new (world, source);
    g_autoptr (Client) second = client_new (world, source);
    StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE };

    client_open (client, TRUE);
    second->nonce = g_strdup (client->nonce);
    g_assert_cmpuint (try_open (second, "alice", WORLD_PASSWORD), ==, 486);
    g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 1);
    g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
    peer_hang_up (second->peer);
  }
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

    g_assert_cmpuint (try_open (client, "alice", "wrong horse battery"), ==, 401);
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
    assert_media (other->peer, 1, "fine");
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

/* ---- tables ---- */

static void
test_every_pair_of_tunnel_state_and_event (void)
{
  /* Columns: confirm, attach, lose, flow, idle, end; -1: refused. */
  static const gint8 expected[N_TUNNEL_STATES][N_TUNNEL_EVENTS] = {
    [TUNNEL_PROVISIONAL] = { TUNNEL_LIVE, TUNNEL_PROVISIONAL, TUNNEL_PROVISIONAL, -1, -1,
                             TUNNEL_OVER },
    [TUNNEL_LIVE] = { TUNNEL_LIVE, TUNNEL_LIVE, TUNNEL_DETACHED, TUNNEL_LIVE, TUNNEL_LINGERING,
                      TUNNEL_OVER },
    [TUNNEL_DETACHED] = { TUNNEL_DETACHED, TUNNEL_LIVE, -1, -1, -1, TUNNEL_OVER },
    [TUNNEL_LINGERING] = { TUNNEL_LINGERING, TUNNEL_LINGERING, TUNNEL_LINGERING, TUNNEL_LIVE, -1,
                           TUNNEL_OVER },
    [TUNNEL_OVER] = { -1, -1, -1, -1, -1, -1 },
  };

  for (guint state = 0; state < N_TUNNEL_STATES; state++) {
    for (guint event = 0; event < N_TUNNEL_EVENTS; event++) {
      TepServerTunnel tunnel = { .state = (guint8)state };
      gint to = expected[state][event];

      g_assert_cmpint (tep_server_tunnel_step (&tunnel, event), ==, to >= 0);
      g_assert_cmpint (tunnel.state, ==, to >= 0 ? to : (gint)state);
    }
  }
}

static void
test_every_pair_of_connection_state_and_event (void)
{
  for (guint state = 0; state < N_CONNECTION_STATES; state++) {
    for (guint event = 0; event < N_CONNECTION_EVENTS; event++) {
      TepServerConnection connection = { .state = (guint8)state };
      gboolean is_taken = tep_server_connection_step (&connection, event);

      /* Nothing leads out of the end, or back from closing; only authentication leads into a tunnel. */
      if (state == CONNECTION_OVER)
        g_assert_false (is_taken);
      if (state == CONNECTION_CLOSING && is_taken)
        g_assert_cmpint (connection.state, ==, CONNECTION_OVER);
      if (connection.state == CONNECTION_TUNNEL && state != CONNECTION_TUNNEL) {
        g_assert_cmpint (state, ==, CONNECTION_OPENING);
        g_assert_cmpint (event, ==, CONNECTION_AUTHENTICATED);
      }
      if (!is_taken)
        g_assert_cmpint (connection.state, ==, state);
      if (event == CONNECTION_ABORT && state != CONNECTION_OVER)
        g_assert_cmpint (connection.state, ==, CONNECTION_OVER);
    }
  }
}

#define ADD(path, function) g_test_add_func ("/tep-s/tunnel/" path, function)

/* The daemon says that another backend waits for a restart. */
static void
test_reload_leaves_the_media_backend_as_it_is (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;

  client_open (client, TRUE);
  world_reload (world, "[media]\nbackend=relay\nrelay-addresses=192.0.2.200\n");
  g_assert_cmpuint (client_lease (client, 5000, &leased), ==, 0);
  g_assert_cmpint (leased.kind, ==, STUN_EXT_TEP_FLOW_REFLEXIVE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("call-goes-both-ways", test_call_goes_both_ways);
  ADD ("unknown-user-looks-like-wrong-password", test_unknown_user_looks_like_wrong_password);
  ADD ("guessing-is-slowed-down-for-the-guesser-alone",
       test_guessing_is_slowed_down_for_the_guesser_alone);
  ADD ("recorded-connection-gains-nothing", test_recorded_connection_gains_nothing);
  ADD ("timestamp-is-enough-once-the-memory-is-old-enough",
       test_timestamp_is_enough_once_the_memory_is_old_enough);
  ADD ("other-name-is-forbidden", test_other_name_is_forbidden);
  ADD ("lease-in-the-first-flight", test_lease_in_the_first_flight);
  ADD ("failed-flight-can-be-repeated-on-the-connection",
       test_failed_flight_can_be_repeated_on_the_connection);
  ADD ("two-devices-behind-one-address-are-not-mixed-up",
       test_two_devices_behind_one_address_are_not_mixed_up);
  ADD ("spoofed-sources-are-denied", test_spoofed_sources_are_denied);
  ADD ("forbidden-remotes-are-refused", test_forbidden_remotes_are_refused);
  ADD ("errors-tell-what-to-do", test_errors_tell_what_to_do);
  ADD ("used-ordinal-and-wrong-key-change-nothing", test_used_ordinal_and_wrong_key_change_nothing);
  ADD ("port-pair-carries-both-ports", test_port_pair_carries_both_ports);
  ADD ("bandwidth-is-policed", test_bandwidth_is_policed);
  ADD ("early-packets-come-from-the-core-alone", test_early_packets_come_from_the_core_alone);
  ADD ("stun-is-answered-inside", test_stun_is_answered_inside);
  ADD ("revoked-remote-is-denied-with-the-next-packet",
       test_revoked_remote_is_denied_with_the_next_packet);
  ADD ("pinholes-alone-open-the-way", test_pinholes_alone_open_the_way);
  ADD ("resume-keeps-flows", test_resume_keeps_flows);
  ADD ("held-back", test_join_and_resume_held_back_are_worth_nothing_later);
  ADD ("stolen-tunnel-id-is-worth-nothing", test_stolen_tunnel_id_is_worth_nothing);
  ADD ("join-reaches-the-worker-that-owns-the-tunnel",
       test_join_reaches_the_worker_that_owns_the_tunnel);
  ADD ("packet-reaches-the-worker-that-owns-the-lease",
       test_packet_reaches_the_worker_that_owns_the_lease);
  ADD ("silent-tunnel-is-freed", test_silent_tunnel_is_freed);
  ADD ("binding-lapses-without-refresh", test_binding_lapses_without_refresh);
  g_test_add_data_func ("/tep-s/tunnel/goes-with-its-last-flow", GINT_TO_POINTER (FALSE),
                        test_tunnel_goes_with_its_last_flow);
  g_test_add_data_func ("/tep-s/tunnel/stays-without-flows-if-told", GINT_TO_POINTER (TRUE),
                        test_tunnel_goes_with_its_last_flow);
  ADD ("close-frees-everything", test_close_frees_everything);
  ADD ("drain-ends-idle-tunnels-and-lets-calls-finish",
       test_drain_ends_idle_tunnels_and_lets_calls_finish);
  ADD ("quota-is-never-passed", test_quota_is_never_passed);
  ADD ("media-before-the-tunnel-is-open-ends-the-connection",
       test_media_before_the_tunnel_is_open_ends_the_connection);
  ADD ("slow-reader-loses-media-and-nothing-else", test_slow_reader_loses_media_and_nothing_else);
  ADD ("feedback-comes-with-media-or-alone", test_feedback_comes_with_media_or_alone);
  ADD ("every-pair-of-state-and-event", test_every_pair_of_tunnel_state_and_event);
  ADD ("every-pair-of-connection-state-and-event", test_every_pair_of_connection_state_and_event);
  g_test_add_func ("/tep-s/tunnel/reload-leaves-the-media-backend-as-it-is",
                   test_reload_leaves_the_media_backend_as_it_is);
  return g_test_run ();
}
