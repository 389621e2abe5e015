/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bridge-world.h"

#include "peers.h"

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"

#include <string.h>
#include <unistd.h>

static void
failed (TurnConnectBridge *bridge, guint server, GError *error, gpointer data)
{
  BridgeWorld *world = data;

  world->n_failed++;
  world->last_server = server;
  g_free (world->cause);
  world->cause = g_strdup (error->message);
  if (world->closes)
    turn_connect_bridge_close (bridge);
}

void
bridge_world_open (BridgeWorld *world, gboolean has_server)
{
  g_autoptr (TurnConnectTarget) target = NULL;

  *world = (BridgeWorld){ .listener = -1, .server_port = peers_free_port () };
  if (has_server)
    world->listener = support_listen (peers_address (), 16, &world->server_port);
  target = turn_connect_target_new (peers_address (), world->server_port, NULL);
  world->bridge = turn_connect_bridge_new ();
  world->number =
      turn_connect_bridge_add_server (world->bridge, target, TURN_CONNECT_BRIDGE_ALLOW_PLAIN, NULL);
  g_assert_cmpuint (world->number, ==, 1);
  g_assert_true (
      turn_connect_bridge_listen (world->bridge, NULL, 0, world->number, &world->port, NULL));
  g_signal_connect (world->bridge, "failed", G_CALLBACK (failed), world);
}

void
bridge_world_close (BridgeWorld *world)
{
  turn_connect_bridge_close (world->bridge);
  /* Dials that were cancelled still have to say so. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (world->bridge);
  if (world->listener >= 0)
    close (world->listener);
  g_free (world->cause);
}

void
bridge_world_expect (int descriptor, const void *octets, gsize length)
{
  g_autofree guint8 *got = g_malloc (length);
  gsize at = 0;

  while (at < length) {
    gsize n = support_receive (descriptor, got + at, length - at);

    g_assert_cmpuint (n, >, 0);
    at += n;
  }
  g_assert_cmpmem (got, length, octets, length);
}

int
bridge_world_accept (BridgeWorld *world)
{
  support_await (world->listener);
  return support_accept (world->listener);
}

gsize
bridge_world_message (guint8 octets[256],
                      StunExtClass message_class,
                      guint16 method,
                      guint8 id,
                      const char *alternate)
{
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtBuilder builder;
  StunExtAddress address;
  gsize length;

  memset (transaction_id, id, sizeof transaction_id);
  stun_ext_builder_begin (&builder, octets, 256, message_class, method, transaction_id);
  if (message_class == STUN_EXT_CLASS_ERROR)
    stun_ext_builder_add_error (&builder, alternate != NULL ? 300 : 401, "no");
  if (alternate != NULL && stun_ext_address_parse (alternate, &address))
    stun_ext_builder_add_address (&builder, STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER, &address);
  g_assert_true (stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 },
                                          FALSE, &length));
  return length;
}

gsize
bridge_world_allocate (int descriptor, guint8 octets[256], guint8 id)
{
  gsize length =
      bridge_world_message (octets, STUN_EXT_CLASS_REQUEST, STUN_EXT_METHOD_ALLOCATE, id, NULL);

  support_write_all (descriptor, octets, length);
  return length;
}

void
bridge_world_expect_refusal (int descriptor, guint8 id, const char *words)
{
  guint8 octets[1024];
  gsize length = support_receive (descriptor, octets, sizeof octets);
  StunExtMessage message;
  StunExtSpan reason;
  g_autofree char *text = NULL;
  guint code;

  g_assert_cmpint (stun_ext_message_parse (&message, octets, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpuint (message.transaction_id[0], ==, id);
  g_assert_cmpint (stun_ext_message_get_error (&message, &code, &reason), ==, STUN_EXT_GET_OK);
  g_assert_cmpuint (code, ==, 400);
  text = g_strndup ((const char *)reason.data, reason.length);
  g_assert_nonnull (strstr (text, words));
}
