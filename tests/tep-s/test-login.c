/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "stun-ext/challenge.h"
#include "stun-ext/credentials.h"
#include "world.h"

/* Asks for a challenge, unsigned, and reads it as any client of RFC 8489 does. */
static void
take_challenge (Client *client, StunExtChallenge *challenge)
{
  g_autoptr (GBytes) frame = NULL;
  StunExtTepRequest request;
  StunExtMessage message;

  client_prepare (client, &request);
  request.open.username = (StunExtSpan){ NULL, 0 };
  client_send (client, client->peer, &request, (StunExtSpan){ NULL, 0 });
  frame = peer_frame (client->peer);
  g_assert_nonnull (frame);
  g_assert_cmpint (
      stun_ext_message_parse (&message, g_bytes_get_data (frame, NULL), g_bytes_get_size (frame)),
      ==, STUN_EXT_PARSE_OK);
  g_assert_cmpint (stun_ext_challenge_read (&message, STUN_EXT_ALGORITHMS_SHA256, challenge), ==,
                   STUN_EXT_CHALLENGE_ANSWER);
}

/* As the challenge says, or the other way round. */
static guint
log_in (Client *client, const StunExtChallenge *challenge, gboolean by_hash)
{
  const StunExtSpan name = { client->user, strlen (client->user) };
  StunExtChallenge answered = *challenge;
  guint8 hash[STUN_EXT_USERHASH_LENGTH];
  StunExtTepRequest request;
  StunExtKey key;

  answered.is_anonymous = by_hash;
  client_prepare (client, &request);
  g_assert_true (stun_ext_tep_open_log_in (&request.open, &answered, name, hash));
  g_assert_true (stun_ext_key_long_term (&key, answered.algorithm, client->user, answered.realm,
                                         WORLD_PASSWORD, NULL));
  client_send (client, client->peer, &request, stun_ext_key_span (&key));
  return client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL);
}

typedef struct {
  const char *name;
  const char *extra;
  gboolean is_announced;
} Row;

static const Row rows[] = {
  { "userhash-is-asked-for-where-all-names-are-known", WORLD_NO_SECRETS, TRUE },
  { "userhash-is-not-asked-for-of-names-that-are-in-no-table", NULL, FALSE },
};

static void
test_announced (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (World) world = world_new (row->extra, 1);

  for (gboolean by_hash = FALSE; by_hash <= TRUE; by_hash++) {
    g_autoptr (Client) client = client_new (world, by_hash ? "192.0.2.7:5000" : "192.0.2.8:5000");
    StunExtChallenge challenge;

    take_challenge (client, &challenge);
    g_assert_cmpint (challenge.is_anonymous, ==, row->is_announced);
    g_assert_cmpuint (log_in (client, &challenge, by_hash), ==, 0);
  }
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_TUNNELS), ==, 2);
}

/* What was announced may have changed since: secrets were added, and the nonce is still good. */
static void
test_userhash_is_taken_after_a_reload (void)
{
  g_autoptr (World) world = world_new (WORLD_NO_SECRETS, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtChallenge challenge;

  take_challenge (client, &challenge);
  world_reload (world, NULL);
  g_assert_cmpuint (log_in (client, &challenge, TRUE), ==, 0);
}

static void
test_wrong_password_by_userhash (void)
{
  g_autoptr (World) world = world_new (WORLD_NO_SECRETS, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  StunExtChallenge challenge;

  take_challenge (client, &challenge);
  client->user = "mallory";
  g_assert_cmpuint (log_in (client, &challenge, TRUE), ==, 401);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/tep-s/login/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_announced);
  }
  g_test_add_func ("/tep-s/login/userhash-is-taken-after-a-reload",
                   test_userhash_is_taken_after_a_reload);
  g_test_add_func ("/tep-s/login/no-user-by-userhash-is-a-wrong-password",
                   test_wrong_password_by_userhash);
  return g_test_run ();
}
