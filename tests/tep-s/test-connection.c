/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The front door: what comes in, in every order of layers and at every split. */
#include <openssl/ssl.h>
#include <string.h>

#include "stun-ext/attribute.h"
#include "world.h"

static const guint8 binding[] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1,  2,
                                  3, 4, 5, 6, 7,    8,    9,    10,   11, 12 };

#define CONNECT "CONNECT " WORLD_NAME ":443 HTTP/1.1\r\nHost: " WORLD_NAME ":443\r\n\r\n"
#define TEP_ALPN "\x05tep/1"

static void
send_text (Peer *peer, const char *text)
{
  peer_send (peer, text, strlen (text));
}

static gboolean
has_received (Peer *peer, const char *begin)
{
  gsize n = strlen (begin);

  return peer->received->len >= n && memcmp (peer->received->data, begin, n) == 0;
}

static void
assert_mapped (Peer *peer, gsize offset, const char *address)
{
  StunExtMessage message;
  StunExtAddress mapped, expected = world_address (address);

  g_assert_cmpint (stun_ext_message_parse (&message, peer->received->data + offset,
                                           peer->received->len - offset),
                   ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_message_get_xor_address (&message, 0x0020, &mapped), ==,
                   STUN_EXT_GET_OK);
  g_assert_true (stun_ext_address_equal (&mapped, &expected));
}

static void
test_bare_stun_is_answered (void)
{
  for (gsize split = 0; split <= sizeof binding; split++) {
    g_autoptr (World) world = world_new (NULL, 1);
    Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

    peer_send (peer, binding, split);
    peer_send (peer, binding + split, sizeof binding - split);
    assert_mapped (peer, 0, "192.0.2.7:5000");
    g_assert_cmpuint (peer->received->len, ==, 32);
    peer_send (peer, binding, sizeof binding);
    g_assert_cmpuint (peer->received->len, ==, 64);
  }
}

static void
test_datagrams_are_answered_small_and_not_too_often (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  StunExtAddress source = world_address ("192.0.2.7:5000");
  StunExtAddress source6 = world_address ("[2001:db8::7]:5000");
  guint8 answer[128];
  guint n = 0;

  g_assert_cmpuint (tep_server_core_datagram (world->cores[0], &source, binding, sizeof binding,
                                              answer, sizeof answer),
                    <=, sizeof binding * 16 / 10);
  g_assert_cmpuint (tep_server_core_datagram (world->cores[0], &source6, binding, sizeof binding,
                                              answer, sizeof answer),
                    <=, sizeof binding * 22 / 10);
  for (guint i = 0; i < 1000; i++) {
    source.port = (guint16)(1000 + i);
    n += tep_server_core_datagram (world->cores[0], &source, binding, sizeof binding, answer,
                                   sizeof answer) > 0;
  }
  g_assert_cmpuint (n, <=, 10);
  for (gsize length = 0; length < sizeof binding; length++)
    g_assert_cmpuint (tep_server_core_datagram (world->cores[0], &source6, binding, length, answer,
                                                sizeof answer),
                      ==, 0);
}

static void
test_web_request_gets_one_short_answer (void)
{
  static const char *const requests[] = {
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "GET http://10.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n"
  };

  for (gsize i = 0; i < G_N_ELEMENTS (requests); i++) {
    g_autoptr (World) world = world_new (NULL, 1);
    Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

    send_text (peer, requests[i]);
    g_assert_true (has_received (peer, "HTTP/1.1 4"));
    g_assert_cmpuint (peer->received->len, <, 300);
    g_assert_true (peer->is_shut);
    world_advance (world, 3000);
    g_assert_null (peer->connection);
    g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_WEB_ANSWERS), ==, 1);
  }
}

static void
test_connect_is_for_own_names_only (void)
{
  static const struct {
    const char *target;
    gboolean is_own;
  } rows[] = { { WORLD_NAME ":443", TRUE }, { "TEP.Example:443", TRUE },
               { WORLD_NAME ":80", FALSE }, { "other.example:443", FALSE },
               { "127.0.0.1:443", FALSE },  { "203.0.113.1:443", FALSE },
               { "[::1]:443", FALSE } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (World) world = world_new (NULL, 1);
    g_autofree char *request =
        g_strdup_printf ("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].target, rows[i].target);
    Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

    send_text (peer, request);
    g_assert_true (has_received (peer, rows[i].is_own ? "HTTP/1.1 200" : "HTTP/1.1 4"));
    g_assert_cmpint (peer->is_shut, ==, !rows[i].is_own);
  }
}

static void
test_foreign_octets_are_met_with_silence (void)
{
  static const char *const begins[] = { "SSH-2.0-x\r\n",
                                        "\x01\x02\x03\x04\x05\x06 and something more",
                                        "\xff\xff\xff\xff and something more",
                                        "\x03\x01\x03\x01 and something more",
                                        "220 mail ready\r\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (begins); i++) {
    g_autoptr (World) world = world_new (NULL, 1);
    Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

    send_text (peer, begins[i]);
    g_assert_null (peer->connection);
    g_assert_cmpuint (peer->received->len, ==, 0);
    g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CONNECTION_FOREIGN), ==, 1);
  }
}

static gsize world_split; /* octets that reach the server at a time */

/* Every order of layers that may be, in front of a call. */
static void
open_through (World *world, const char *layers)
{
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtTepLeased leased;
  WorldPacket *packet;

  client->peer->split = world_split;
  for (; *layers != '\0'; layers++) {
    if (*layers == 'c') {
      gsize before = client->peer->received->len;

      send_text (client->peer, CONNECT);
      g_assert_cmpuint (client->peer->received->len, >, before);
      client->peer->consumed = client->peer->received->len;
    } else {
      g_byte_array_set_size (client->peer->received, 0);
      client->peer->consumed = 0;
      peer_start_tls (client->peer, WORLD_NAME, TEP_ALPN, TLS1_3_VERSION);
      g_assert_true (tls_client_is_ready (client->peer->tls));
    }
  }
  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  client_media (client, 1, 1, "through");
  packet = world_take_packet (world);
  g_assert_nonnull (packet);
  world_packet_free (packet);
  world_deliver (world, WORLD_REMOTE, &leased.address, "back");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_FORWARDED), ==, 1);
}

static void
test_layers_in_every_order_that_may_be (void)
{
  static const char *const orders[] = { "", "c", "t", "ct", "tc", "ctc" };

  for (gsize i = 0; i < G_N_ELEMENTS (orders); i++) {
    g_autoptr (World) world = world_new (WORLD_TLS, 1);

    open_through (world, orders[i]);
    world_check_laws (world);
  }
}

static void
test_connect_twice_is_refused (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

  send_text (peer, CONNECT);
  send_text (peer, CONNECT);
  g_assert_true (peer->is_shut);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CONNECT_ACCEPTED), ==, 1);
}

static void
test_tls_lets_in_what_it_should (void)
{
  static const struct {
    const char *name;
    const char *alpn;
    int version;
    gboolean is_welcome;
  } rows[] = { { WORLD_NAME, TEP_ALPN, TLS1_3_VERSION, TRUE },
               { WORLD_NAME, TEP_ALPN, TLS1_2_VERSION, TRUE },
               { WORLD_NAME, NULL, TLS1_3_VERSION, TRUE },
               { WORLD_NAME, "\x08http/1.1", TLS1_3_VERSION, TRUE },
               { WORLD_NAME, "\x02h2", TLS1_3_VERSION, FALSE },
               { "other.example", TEP_ALPN, TLS1_3_VERSION, FALSE },
               { NULL, TEP_ALPN, TLS1_3_VERSION, FALSE },
               { WORLD_NAME, TEP_ALPN, TLS1_1_VERSION, FALSE } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (World) world = world_new (WORLD_TLS, 1);
    Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

    peer_start_tls (peer, rows[i].name, rows[i].alpn, rows[i].version);
    g_assert_cmpint (tls_client_is_ready (peer->tls) && !peer->is_tls_failed, ==,
                     rows[i].is_welcome);
    g_assert_cmpint (peer->is_shut, ==, !rows[i].is_welcome);
  }
}

static void
test_http_protocol_reaches_the_fixed_answer_only (void)
{
  g_autoptr (World) world = world_new (WORLD_TLS, 1);
  Peer *web = peer_new (world, 0, "192.0.2.7:5000");
  Peer *sly = peer_new (world, 0, "192.0.2.7:5001");

  peer_start_tls (web, WORLD_NAME, "\x08http/1.1", TLS1_3_VERSION);
  send_text (web, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  g_assert_true (has_received (web, "HTTP/1.1 4"));
  peer_start_tls (sly, WORLD_NAME, "\x08http/1.1", TLS1_3_VERSION);
  peer_send (sly, binding, sizeof binding);
  g_assert_cmpuint (sly->received->len, ==, 0);
  g_assert_true (sly->is_shut);
}

static void
test_channel_binding_is_required_if_told (void)
{
  g_autoptr (World) world = world_new (WORLD_TLS "channel-binding=require\n", 1);
  const StunExtSpan key = { WORLD_PASSWORD, strlen (WORLD_PASSWORD) };
  static const guint expected[] = { 0, 403, 403 };

  for (guint i = 0; i < 3; i++) {
    g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
    StunExtTepRequest request;
    guint8 exporter[32];

    peer_start_tls (client->peer, WORLD_NAME, TEP_ALPN, TLS1_3_VERSION);
    client_prepare (client, &request);
    client_send (client, client->peer, &request, key);
    g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 438);
    client_prepare (client, &request);
    g_assert_true (tls_client_exporter (client->peer->tls, exporter));
    exporter[0] ^= i == 1;
    request.open.channel_binding = i < 2 ? exporter : NULL;
    client_send (client, client->peer, &request, key);
    g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==,
                      expected[i]);
  }
}

static void
test_join_under_tls_is_handed_over (void)
{
  g_autoptr (World) world = world_new (WORLD_TLS, 2);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  Peer *second = peer_new (world, 1, "192.0.2.7:5001");
  StunExtTepLeased leased;
  WorldPacket *packet;

  peer_start_tls (client->peer, WORLD_NAME, TEP_ALPN, TLS1_3_VERSION);
  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  peer_start_tls (second, WORLD_NAME, TEP_ALPN, TLS1_3_VERSION);
  g_assert_cmpuint (client_join (client, second, FALSE), ==, 0);
  g_assert_true (second->core == world->cores[0]);
  client->peer = second;
  client_media (client, 1, 1, "under TLS");
  packet = world_take_packet (world);
  g_assert_nonnull (packet);
  world_packet_free (packet);
}

/* ---- splits ---- */

static void
test_splits_make_no_difference (gconstpointer layers)
{
  for (gsize split = 1; split < 300; split += split < 60 ? 1 : 13) {
    g_autoptr (World) world = world_new (WORLD_TLS, 1);

    world_split = split;
    open_through (world, layers);
    world_check_laws (world);
  }
  world_split = 0;
}

/* ---- deadlines and limits ---- */

static void
test_who_says_nothing_is_closed_in_time (void)
{
  static const struct {
    const char *begin;
    gint64 within_s;
  } rows[] = {
    { "", 11 }, { "\x16\x03\x01", 11 }, { "GET / HTTP/1.1\r\nX: ", 11 }, { "CONN", 11 }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (World) world = world_new (WORLD_TLS, 1);
    Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

    send_text (peer, rows[i].begin);
    world_advance (world, rows[i].within_s * 1000);
    g_assert_null (peer->connection);
    g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CONNECTION_DEADLINE), ==, 1);
  }
}

static void
test_drip_feed_ends_at_the_deadline (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  Peer *peer = peer_new (world, 0, "192.0.2.7:5000");
  static const char text[] =
      "GET / HTTP/1.1\r\nX-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  guint s = 0;

  while (peer->connection != NULL && s < 60) {
    peer_send (peer, text + s, 1);
    world_advance (world, 1000);
    s++;
  }
  g_assert_cmpuint (s, <=, 11);
}

static void
test_stun_alone_does_not_hold_a_connection (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  Peer *peer = peer_new (world, 0, "192.0.2.7:5000");

  for (guint i = 0; i < 20 && peer->connection != NULL; i++) {
    peer_send (peer, binding, sizeof binding);
    world_advance (world, 1000);
  }
  g_assert_null (peer->connection);
}

static void
test_budget_before_authentication (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  Peer *peer = peer_new (world, 0, "192.0.2.7:5000");
  guint n = 0;

  while (peer->connection != NULL && n++ < 2000)
    peer_send (peer, binding, sizeof binding);
  g_assert_cmpuint (n * sizeof binding, <=, 16384 + sizeof binding);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CONNECTION_BUDGET), ==, 1);
}

static void
test_one_source_cannot_take_all_connections (void)
{
  g_autoptr (World) world = world_new ("[limits]\nunauthenticated=200\n", 1);
  g_autoptr (Client) proxied = NULL;
  guint n = 0;

  for (guint i = 0; i < 100; i++)
    n += peer_new (world, 0, "192.0.2.66:5000") != NULL;
  g_assert_cmpuint (n, <=, 16);
  /* From another source one gets in, and where somebody logged in there is room for more. */
  proxied = client_new (world, "192.0.2.9:5000");
  client_open (proxied, TRUE);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 1);
}

static void
test_newcomers_are_refused_at_random_before_the_limit (void)
{
  g_autoptr (World) world =
      world_new ("[limits]\nunauthenticated=100\nunauthenticated-per-source=100\n", 1);
  guint accepted = 0, refused = 0;

  for (guint i = 0; i < 10; i++)
    g_assert_nonnull (peer_new (world, 0, "192.0.2.66:5000"));
  for (guint i = 0; i < 30; i++) {
    if (peer_new (world, 0, "192.0.2.66:5000") != NULL)
      accepted++;
    else
      refused++;
  }
  g_assert_cmpuint (accepted, >, 5);
  g_assert_cmpuint (refused, >, 5);
  for (guint i = 0; i < 2000; i++)
    peer_new (world, 0, "192.0.2.66:5000");
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UNAUTHENTICATED), <=, 100);
}

#define ADD(path, function) g_test_add_func ("/tep-s/connection/" path, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("bare-stun-is-answered", test_bare_stun_is_answered);
  ADD ("datagrams-are-answered-small-and-not-too-often",
       test_datagrams_are_answered_small_and_not_too_often);
  ADD ("web-request-gets-one-short-answer", test_web_request_gets_one_short_answer);
  ADD ("connect-is-for-own-names-only", test_connect_is_for_own_names_only);
  ADD ("foreign-octets-are-met-with-silence", test_foreign_octets_are_met_with_silence);
  ADD ("layers-in-every-order-that-may-be", test_layers_in_every_order_that_may_be);
  ADD ("connect-twice-is-refused", test_connect_twice_is_refused);
  ADD ("tls-lets-in-what-it-should", test_tls_lets_in_what_it_should);
  ADD ("http-protocol-reaches-the-fixed-answer-only",
       test_http_protocol_reaches_the_fixed_answer_only);
  ADD ("channel-binding-is-required-if-told", test_channel_binding_is_required_if_told);
  ADD ("join-under-tls-is-handed-over", test_join_under_tls_is_handed_over);
  g_test_add_data_func ("/tep-s/connection/splits-make-no-difference/plain", "",
                        test_splits_make_no_difference);
  g_test_add_data_func ("/tep-s/connection/splits-make-no-difference/connect-tls-connect", "ctc",
                        test_splits_make_no_difference);
  ADD ("who-says-nothing-is-closed-in-time", test_who_says_nothing_is_closed_in_time);
  ADD ("drip-feed-ends-at-the-deadline", test_drip_feed_ends_at_the_deadline);
  ADD ("stun-alone-does-not-hold-a-connection", test_stun_alone_does_not_hold_a_connection);
  ADD ("budget-before-authentication", test_budget_before_authentication);
  ADD ("one-source-cannot-take-all-connections", test_one_source_cannot_take_all_connections);
  ADD ("newcomers-are-refused-at-random-before-the-limit",
       test_newcomers_are_refused_at_random_before_the_limit);
  return g_test_run ();
}
