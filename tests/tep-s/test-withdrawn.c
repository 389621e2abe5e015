/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A credential that was taken away, or has expired, ends the tunnels that were opened with it, and no others. */
#include <glib/gstdio.h>
#include <string.h>

#include "stun-ext/crypto.h"
#include "world.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER_PASSWORD "another horse battery"
#define LIFETIME_S 60

static void
write_secret (World *world, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (world->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0600), ==, 0);
}

/* Opens a tunnel as somebody; the nonce comes from a first try. */
static Client *
log_in (World *world, const char *source, const char *user, const char *password)
{
  Client *client = client_new (world, source);
  guint code = 438;

  client->user = user;
  client->credential_key_length = strlen (password);
  memcpy (client->credential_key, password, client->credential_key_length);
  code = client_try_open (client, TRUE);
  g_assert_cmpuint (code, ==, 0);
  return client;
}

static char *
limited_password (const char *user)
{
  guint8 mac[STUN_EXT_SHA1_LENGTH];
  const StunExtSpan name = { user, strlen (user) };

  g_assert_true (stun_ext_crypto_hmac (STUN_EXT_HASH_SHA1, SECRET, strlen (SECRET), &name, 1, mac));
  return g_base64_encode (mac, sizeof mac);
}

static void
assert_alive (Client *client)
{
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_KEEPALIVE };

  g_assert_cmpuint (client_ask (client, &request, NULL), ==, 0);
}

static void
assert_ended (Client *client)
{
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_KEEPALIVE, NULL), ==, 401);
  g_assert_true (client->peer->is_shut);
}

typedef struct {
  const char *name;
  const char *users;          /* what the file of users becomes */
  const char *secret;         /* and the one of the shared secret */
  gboolean alice, bob, carol; /* whose tunnel stays */
} Reload;

static const Reload reloads[] = {
  { "nothing-changes", "alice:" WORLD_PASSWORD "\nbob:" OTHER_PASSWORD "\n", SECRET, TRUE, TRUE,
    TRUE },
  { "user-is-added", "dave:" OTHER_PASSWORD "\nalice:" WORLD_PASSWORD "\nbob:" OTHER_PASSWORD "\n",
    SECRET, TRUE, TRUE, TRUE },
  { "user-is-removed", "alice:" WORLD_PASSWORD "\n", SECRET, TRUE, FALSE, TRUE },
  { "password-is-changed", "alice:" OTHER_PASSWORD "\nbob:" OTHER_PASSWORD "\n", SECRET, FALSE,
    TRUE, TRUE },
  { "secret-is-replaced", "alice:" WORLD_PASSWORD "\nbob:" OTHER_PASSWORD "\n", "f" SECRET, TRUE,
    TRUE, FALSE },
};

static void
test_reload (gconstpointer data)
{
  const Reload *reload = data;
  g_autoptr (World) world = world_new (NULL, 2);
  g_autofree char *user =
      g_strdup_printf ("%" G_GINT64_FORMAT ":carol", world->now_ms / 1000 + LIFETIME_S);
  g_autofree char *password = limited_password (user);
  g_autoptr (Client) alice = NULL, bob = NULL, carol = NULL;

  write_secret (world, "users", "alice:" WORLD_PASSWORD "\nbob:" OTHER_PASSWORD "\n");
  world_reload (world, NULL);
  alice = log_in (world, "192.0.2.7:5000", "alice", WORLD_PASSWORD);
  bob = log_in (world, "192.0.2.8:5000", "bob", OTHER_PASSWORD);
  carol = log_in (world, "192.0.2.9:5000", user, password);
  assert_alive (alice);
  assert_alive (bob);
  assert_alive (carol);

  write_secret (world, "users", reload->users);
  write_secret (world, "secret", reload->secret);
  world_reload (world, NULL);
  world_advance (world, 1000);
  (reload->alice ? assert_alive : assert_ended) (alice);
  (reload->bob ? assert_alive : assert_ended) (bob);
  (reload->carol ? assert_alive : assert_ended) (carol);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_REVOKED), ==,
                    (guint)(!reload->alice + !reload->bob + !reload->carol));
  world_check_laws (world);
}

static void
test_expired_credential_ends_its_tunnel (void)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autofree char *user =
      g_strdup_printf ("%" G_GINT64_FORMAT ":carol", world->now_ms / 1000 + LIFETIME_S);
  g_autofree char *password = limited_password (user);
  g_autoptr (Client) carol = log_in (world, "192.0.2.9:5000", user, password);
  g_autoptr (Client) alice = log_in (world, "192.0.2.7:5000", "alice", WORLD_PASSWORD);

  for (guint s = 0; s < LIFETIME_S - 2; s++) {
    world_advance (world, 1000);
    assert_alive (carol);
    assert_alive (alice);
  }
  world_advance (world, 4000);
  assert_ended (carol);
  assert_alive (alice);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_REVOKED), ==, 1);
}

/* More of them than one round looks at, while new ones come. */
static void
test_many_are_looked_at_in_portions (void)
{
  enum {
    N = 1500
  };
  g_autoptr (World) world =
      world_new ("[limits]\ntunnels-per-user=4000\ntunnels-per-second=100000\n", 1);
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify)client_free);

  for (guint i = 0; i < N; i++) {
    g_autofree char *source = g_strdup_printf ("192.0.%u.%u:5000", i / 250, i % 250 + 1);

    g_ptr_array_add (clients, log_in (world, source, "alice", WORLD_PASSWORD));
    assert_alive (clients->pdata[i]);
  }
  write_secret (world, "users", "bob:" OTHER_PASSWORD "\n");
  world_reload (world, "[limits]\ntunnels-per-user=4000\ntunnels-per-second=100000\n");
  tep_server_core_advance (world->cores[0], world->now_us, world->now_ms);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), >, N / 2);
  g_assert_cmpint (tep_server_core_deadline (world->cores[0]), <=, world->now_us);
  for (guint i = 0; i < N; i++) {
    g_autofree char *source = g_strdup_printf ("198.51.%u.%u:5000", i / 250, i % 250 + 1);

    g_ptr_array_add (clients, log_in (world, source, "bob", OTHER_PASSWORD));
  }
  world_advance (world, 10000);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_CLOSED_REVOKED), ==, N);
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, N);
  g_assert_cmpint (tep_server_core_deadline (world->cores[0]), >, world->now_us);
  world_check_laws (world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (reloads); i++) {
    g_autofree char *path = g_strconcat ("/tep-s/withdrawn/reload/", reloads[i].name, NULL);

    g_test_add_data_func (path, &reloads[i], test_reload);
  }
  g_test_add_func ("/tep-s/withdrawn/expired-credential-ends-its-tunnel",
                   test_expired_credential_ends_its_tunnel);
  g_test_add_func ("/tep-s/withdrawn/many-are-looked-at-in-portions",
                   test_many_are_looked_at_in_portions);
  return g_test_run ();
}
