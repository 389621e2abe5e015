/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens within one round of a worker: several records, several connections, a connection
 * that breaks while it is written to. */
#include <string.h>

#include "world.h"

static void
append_request (GByteArray *octets, Client *client, StunExtTepRequest *request)
{
  guint8 frame[2 + STUN_EXT_TEP_MESSAGE_MAX];
  guint8 transaction_id[12] = { 0xaa };
  gsize length;

  request->ordinal = ++client->ordinal;
  g_assert_true (stun_ext_tep_write_request (request, transaction_id, client_key (client),
                                             frame + 2, sizeof frame - 2, &length));
  frame[0] = (guint8)(length >> 8);
  frame[1] = (guint8)length;
  g_byte_array_append (octets, frame, (guint)length + 2);
}

static void
append_media (GByteArray *octets, guint16 flow, guint16 sequence, char filling, gsize length)
{
  guint8 buffer[2048];
  guint8 payload[1400];
  StunExtCompactFrame frame = {
    .flow = flow, .sequence = sequence, .length = length, .payload = payload
  };
  StunExtWriter writer;

  g_assert_cmpuint (length, <=, sizeof payload);
  memset (payload, filling, length);
  stun_ext_writer_init (&writer, buffer, sizeof buffer);
  stun_ext_compact_write (&writer, &frame);
  g_assert_false (writer.failed);
  g_byte_array_append (octets, buffer, (guint)writer.length);
}

/* Packets wait for the end of the round where TLS put them; what makes some go out earlier must not
 * make room for other octets where the rest still lies. */
static void
test_tls_record_keeps_its_place_until_its_packets_are_out (void)
{
  g_autoptr (World) world = world_new (WORLD_TLS, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  g_autoptr (GByteArray) octets = g_byte_array_new ();
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE_FLOW };
  StunExtTepLeased leased;
  WorldPacket *packet;

  peer_start_tls (client->peer, WORLD_NAME, "\005tep/1", 0);
  client_open (client, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 2, "198.18.0.9:4002"), ==, 0);
  request.close_flow.flow_id = 2;
  append_request (octets, client, &request);
  append_media (octets, 1, 1, 'A', 1000);
  while (octets->len < 20000)
    append_media (octets, 9, 1, 'B', 1000); /* no such flow */
  peer_send (client->peer, octets->data, octets->len);
  packet = world_take_packet (world);
  g_assert_nonnull (packet);
  g_assert_cmpuint (g_bytes_get_size (packet->payload), ==, 1000);
  for (gsize i = 0; i < 1000; i++)
    g_assert_cmpint (((const char *)g_bytes_get_data (packet->payload, NULL))[i], ==, 'A');
  world_packet_free (packet);
  world_check_laws (world);
}

static void
test_connection_that_breaks_while_written_to_is_freed_once (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  g_autoptr (Client) other = client_new (world, "192.0.2.8:5000");
  StunExtTepLeased leased;

  client_open (client, FALSE);
  client_open (other, FALSE);
  g_assert_cmpuint (client_lease (client, 6000, &leased), ==, 0);
  g_assert_cmpuint (client_flow (client, &leased, 1, WORLD_REMOTE), ==, 0);
  client->peer->is_broken = TRUE;
  world_deliver (world, WORLD_REMOTE, &leased.address, "down");
  g_assert_null (client->peer->connection);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CONNECTION_PEER), ==, 1);
  g_assert_cmpuint (client_lease (other, 6000, &leased), ==, 0);
  world_check_laws (world);
}

/* A client need not wait for the answer to its CONNECT, so that may still be unwritten when its
 * connection goes to another worker. */
static void
test_answer_to_connect_is_not_lost_on_the_way_to_another_worker (void)
{
  static const char connect[] =
      "CONNECT " WORLD_NAME ":443 HTTP/1.1\r\nHost: " WORLD_NAME "\r\n\r\n";
  g_autoptr (World) world = world_new (NULL, 2);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  g_autoptr (GByteArray) octets = g_byte_array_new ();
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_JOIN };
  Peer *second = peer_new (world, 1, "192.0.2.7:5001");

  client_open (client, FALSE);
  request.join.version = STUN_EXT_TEP_VERSION;
  request.join.tunnel_id = (StunExtSpan){ client->id, client->id_length };
  g_byte_array_append (octets, (const guint8 *)connect, sizeof connect - 1);
  append_request (octets, client, &request);
  peer_send (second, octets->data, octets->len);
  g_assert_true (second->core == world->cores[0]);
  g_assert_cmpuint (second->received->len, >, 12);
  g_assert_cmpmem (second->received->data, 12, "HTTP/1.1 200", 12);
}

/* Each of them wants an answer, and its sender takes none. */
static void
test_tls_answers_that_nobody_takes_are_bounded (void)
{
  g_autoptr (World) world = world_new (WORLD_TLS, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");

  peer_start_tls (client->peer, WORLD_NAME, "\005tep/1", 0);
  client_open (client, FALSE);
  client->peer->is_reading = FALSE;
  for (guint i = 0; i < 200; i++) {
    for (guint j = 0; j < 100; j++)
      tls_client_ask_for_keys (client->peer->tls);
    peer_send (client->peer, "\0\0", 2);
    if (client->peer->connection == NULL)
      return;
    g_assert_cmpuint (tep_server_connection_unsent (client->peer->connection), <, 256 * 1024);
  }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add_func ("/tep-s/round/" path, function)
  ADD ("tls-record-keeps-its-place", test_tls_record_keeps_its_place_until_its_packets_are_out);
  ADD ("breaks-while-written-to", test_connection_that_breaks_while_written_to_is_freed_once);
  ADD ("connect-and-join-at-once", test_answer_to_connect_is_not_lost_on_the_way_to_another_worker);
  ADD ("tls-answers-are-bounded", test_tls_answers_that_nobody_takes_are_bounded);
  return g_test_run ();
}
