/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <string.h>

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tep-s/tunnel/call-goes-both-ways", test_call_goes_both_ways);
  return g_test_run ();
}
