/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Redirections (300) through a real proxy to a real server: the way stays the same, and the certificate is for whom the
 * first server named. */
#include "peers.h"
#include "tls-peer.h"
#include "turn-mock-server.h"
#include "turn-world.h"

#include <string.h>

/* Everything between the client and the servers. */
typedef struct {
  TurnServer first; /* sends its clients on */
  PeersProgram *proxy;
  TlsPeerIdentity *identity;
  TurnConnectTarget *target;
  World world;
} Scene;

static void
scene_open (Scene *scene, TurnAnswer answer)
{
  guint16 proxy_port = 0;
  g_autofree char *url = NULL;

  scene->identity = tls_peer_identity_signed (WORLD_NAMES, 0);
  turn_server_open (&scene->first, TURN_SERVER_TLS, scene->identity, answer);
  scene->first.elsewhere = mock_address (peers_address ());
  scene->proxy = peers_tinyproxy_new ("u", "p", 0, &proxy_port);
  url = g_strdup_printf ("http://u:p@%s:%u", peers_address (), proxy_port);
  scene->target = world_target_at (peers_address (), scene->first.port, "turn.test");
  g_assert_true (turn_connect_target_set_proxy (scene->target, url, NULL));
  world_open (&scene->world, scene->target, TURN_CONNECT_CARRIER_STREAM);
}

static void
scene_close (Scene *scene)
{
  world_close (&scene->world);
  turn_server_close (&scene->first);
  g_object_unref (scene->target);
  peers_program_free (scene->proxy);
  tls_peer_identity_free (scene->identity);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Scene, scene_close)

typedef struct {
  const char *name;
  TurnAnswer answer;
  const char *domain; /* that the first server names */
  const char *names;  /* of the second's certificate */
  gboolean works;
} Row;

static const Row rows[] = {
  { "to-the-named-domain", turn_server_send_on, "other.test", "DNS:other.test", TRUE },
  { "with-proof-to-the-named-domain", turn_server_send_on_with_proof, "other.test",
    "DNS:other.test", TRUE },
  { "to-the-same-name", turn_server_send_on, NULL, WORLD_NAMES, TRUE },
  { "to-another-than-the-named-domain", turn_server_send_on, "other.test", WORLD_NAMES, FALSE },
  { "to-another-name", turn_server_send_on, NULL, "DNS:other.test", FALSE },
};

static void
test_redirection_keeps_the_way_and_the_demands (gconstpointer data)
{
  const Row *row = data;
  g_auto (Scene) scene = { 0 };
  g_autoptr (PeersProgram) second = NULL;
  TurnConnectStream *stream;

  scene_open (&scene, row->answer);
  second = world_coturn (row->names, NULL, &scene.first.elsewhere.port);
  scene.first.domain = row->domain;
  world_allocate (&scene.world);
  g_assert_cmpuint (scene.first.n_visitors, ==, 1);
  if (!row->works) {
    g_assert_error (scene.world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TLS_NAME);
    return;
  }
  g_assert_no_error (scene.world.error);
  stream = turn_connect_client_get_stream (scene.world.client);
  g_assert_nonnull (turn_connect_stream_get_proxy (stream));
  g_assert_cmpstr (turn_connect_stream_get_tls_info (stream)->server_name, ==,
                   row->domain != NULL ? row->domain : "turn.test");
  world_exchange (&scene.world, peers_address ());
}

/* Lost later: it is tried where it worked, for the same domain. */
static void
test_connection_is_made_again_with_the_named_domain (void)
{
  g_auto (Scene) scene = { 0 };
  g_autoptr (PeersProgram) second = NULL;

  scene_open (&scene, turn_server_send_on);
  second = world_coturn ("DNS:other.test", NULL, &scene.first.elsewhere.port);
  scene.first.domain = "other.test";
  world_allocate (&scene.world);
  g_assert_no_error (scene.world.error);
  world_cut (&scene.world);
  world_wait_ready (&scene.world);
  g_assert_cmpuint (scene.first.n_visitors, ==, 1);
  world_exchange (&scene.world, peers_address ());
}

static void
test_circle_ends_after_two_connections (void)
{
  g_auto (Scene) scene = { 0 };
  g_auto (TurnServer) second = { 0 };

  scene_open (&scene, turn_server_send_on);
  turn_server_open (&second, TURN_SERVER_TLS, scene.identity, turn_server_send_on);
  scene.first.elsewhere = turn_server_address (&second);
  second.elsewhere = turn_server_address (&scene.first);
  world_allocate (&scene.world);
  g_assert_error (scene.world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_REDIRECT);
  g_assert_nonnull (strstr (scene.world.error->message, "a circle"));
  g_assert_cmpuint (scene.first.n_visitors, ==, 1);
  g_assert_cmpuint (second.n_visitors, ==, 1);
}

static void
test_server_that_is_not_there_is_told_with_the_proxy (void)
{
  g_auto (Scene) scene = { 0 };

  scene_open (&scene, turn_server_send_on);
  scene.first.elsewhere.port = peers_free_port ();
  world_allocate (&scene.world);
  g_assert_nonnull (scene.world.error);
  g_assert_cmpint (turn_connect_error_get_step (scene.world.error), ==, TURN_CONNECT_STEP_PROXY);
  g_assert_nonnull (strstr (scene.world.error->message, "the proxy http://"));
}

static void
test_domain_that_is_no_name_is_refused (void)
{
  static const char *const domains[] = { "other.test:443", "a..b", "-", "other.test/..", "" };

  for (guint i = 0; i < G_N_ELEMENTS (domains); i++) {
    g_auto (Scene) scene = { 0 };

    scene_open (&scene, turn_server_send_on);
    scene.first.elsewhere.port = scene.first.port == 9 ? 10 : 9;
    scene.first.domain = domains[i];
    world_allocate (&scene.world);
    g_assert_nonnull (scene.world.error);
    g_assert_cmpuint (scene.first.n_visitors, ==, 1);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/turn-redirect/" name, function)
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/turn-connect/turn-redirect/leads/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_redirection_keeps_the_way_and_the_demands);
  }
  ADD ("connection-is-made-again-with-the-named-domain",
       test_connection_is_made_again_with_the_named_domain);
  ADD ("circle-ends-after-two-connections", test_circle_ends_after_two_connections);
  ADD ("server-that-is-not-there-is-told-with-the-proxy",
       test_server_that_is_not_there_is_told_with_the_proxy);
  ADD ("domain-that-is-no-name-is-refused", test_domain_that_is_no_name_is_refused);
  return g_test_run ();
}
