/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-s/users.h"

#include <glib/gstdio.h>
#include <string.h>

#include "stun-ext/crypto.h"
#include "tep-s/error.h"

#define NOW_MS (G_GINT64_CONSTANT (1800000000) * 1000)
#define LONG_PASSWORD "a password of length"

typedef struct {
  char *folder;
} Fixture;

static char *
write_file (Fixture *fixture, const char *name, const char *text, gssize length)
{
  char *path = g_build_filename (fixture->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, length, NULL));
  g_assert_cmpint (g_chmod (path, 0600), ==, 0);
  return path;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("test-users-XXXXXX", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

    g_remove (path);
  }
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
}

static TepServerUsers *
try_load (Fixture *fixture, const char *text, const char *const *secrets, GError **error)
{
  g_autofree char *path = text != NULL ? write_file (fixture, "users", text, -1) : NULL;
  TepServerUsersRules rules = { .realm = "example.net", .users_file = path, .longest_s = 86400 };

  rules.secret_files = secrets;
  rules.has_short_term = rules.has_long_term = rules.is_md5_allowed = TRUE;
  return tep_server_users_new (&rules, error);
}

static TepServerUsers *
load (Fixture *fixture, const char *text, const char *const *secrets)
{
  g_autoptr (GError) error = NULL;
  TepServerUsers *users = try_load (fixture, text, secrets, &error);

  g_assert_no_error (error);
  return users;
}

static TepServerCredential
find (const TepServerUsers *users, TepServerKeyKind kind, const char *name, gboolean is_secure)
{
  TepServerCredential credential;

  tep_server_users_find (users, kind, name, strlen (name), is_secure, NOW_MS, &credential);
  g_assert_cmpuint (credential.n_keys, >=, 1);
  g_assert_cmpuint (credential.n_keys, <=, TEP_SERVER_MAX_KEYS);
  for (guint i = 0; i < credential.n_keys; i++)
    g_assert_cmpuint (credential.keys[i].length, >, 0);
  return credential;
}

static void
assert_digest (const TepServerCredential *credential, StunExtHash hash, const char *text)
{
  guint8 digest[STUN_EXT_HASH_MAX_LENGTH];
  StunExtSpan part = { text, strlen (text) };

  g_assert_cmpint (credential->refusal, ==, TEP_SERVER_REFUSAL_NONE);
  g_assert_true (stun_ext_crypto_digest (hash, &part, 1, digest));
  g_assert_cmpmem (credential->keys[0].octets, credential->keys[0].length, digest,
                   stun_ext_hash_length (hash));
}

static void
test_keys_of_every_kind (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TepServerUsers) users =
      load (fixture, "# who may\n\nalice:" LONG_PASSWORD "\r\nbob:colons:and spaces: kept", NULL);
  TepServerCredential credential = find (users, TEP_SERVER_KEY_SHORT_TERM, "alice", FALSE);

  g_assert_cmpuint (tep_server_users_count (users), ==, 2);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_NONE);
  g_assert_cmpmem (credential.keys[0].octets, credential.keys[0].length, LONG_PASSWORD,
                   strlen (LONG_PASSWORD));
  credential = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "alice", FALSE);
  assert_digest (&credential, STUN_EXT_HASH_SHA256, "alice:example.net:" LONG_PASSWORD);
  credential = find (users, TEP_SERVER_KEY_LONG_TERM_MD5, "alice", FALSE);
  assert_digest (&credential, STUN_EXT_HASH_MD5, "alice:example.net:" LONG_PASSWORD);
  credential = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "bob", FALSE);
  assert_digest (&credential, STUN_EXT_HASH_SHA256, "bob:example.net:colons:and spaces: kept");
  tep_server_credential_clear (&credential);
  g_assert_cmpuint (credential.keys[0].octets[0], ==, 0);
}

static void
test_userhash_finds_the_user (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TepServerUsers) users = load (fixture, "alice:" LONG_PASSWORD "\n", NULL);
  static const char text[] = "alice:example.net";
  StunExtSpan part = { text, strlen (text) };
  TepServerCredential credential;
  guint8 hash[32];

  g_assert_true (stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, hash));
  tep_server_users_find_hash (users, TEP_SERVER_KEY_LONG_TERM_SHA256, hash, FALSE, &credential);
  assert_digest (&credential, STUN_EXT_HASH_SHA256, "alice:example.net:" LONG_PASSWORD);
  g_assert_cmpmem (credential.name, credential.name_length, "alice", 5);
  hash[0] ^= 1;
  tep_server_users_find_hash (users, TEP_SERVER_KEY_LONG_TERM_SHA256, hash, FALSE, &credential);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_UNKNOWN);
  g_assert_cmpuint (credential.n_keys, ==, 1);
  g_assert_true (tep_server_users_may_be_anonymous (users));
}

static void
test_unknown_user_gets_a_steady_key_nobody_has (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TepServerUsers) users = load (fixture, "alice:" LONG_PASSWORD "\n", NULL);
  g_autoptr (TepServerUsers) other = load (fixture, "alice:" LONG_PASSWORD "\n", NULL);
  TepServerCredential a = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "mallory", FALSE);
  TepServerCredential b = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "mallory", FALSE);
  TepServerCredential c = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "mallorz", FALSE);
  TepServerCredential d = find (other, TEP_SERVER_KEY_LONG_TERM_SHA256, "mallory", FALSE);

  g_assert_cmpint (a.refusal, ==, TEP_SERVER_REFUSAL_UNKNOWN);
  g_assert_true (memcmp (a.keys, b.keys, sizeof a.keys) == 0);
  g_assert_true (memcmp (a.keys, c.keys, sizeof a.keys) != 0);
  g_assert_true (memcmp (a.keys, d.keys, sizeof a.keys) != 0);
  g_assert_true (a.identity == d.identity);
}

static void
test_short_passwords_are_for_tls (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TepServerUsers) users =
      load (fixture,
            "short:fifteen octets.\nlong:sixteen octets..\nkey:sha256-key:"
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F\n",
            NULL);
  TepServerCredential credential;

  g_assert_cmpuint (tep_server_users_count_tls_only (users), ==, 2);
  credential = find (users, TEP_SERVER_KEY_SHORT_TERM, "short", FALSE);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_TLS_ONLY);
  g_assert_true (memcmp (credential.keys[0].octets, "fifteen", 7) != 0);
  credential = find (users, TEP_SERVER_KEY_SHORT_TERM, "short", TRUE);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_NONE);
  credential = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "long", FALSE);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_NONE);
  credential = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "key", FALSE);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_TLS_ONLY);
  credential = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "key", TRUE);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_NONE);
  g_assert_cmpuint (credential.keys[0].octets[31], ==, 0x1f);
  credential = find (users, TEP_SERVER_KEY_SHORT_TERM, "key", TRUE);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_KIND);
}

static void
test_mechanisms_can_be_off (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = write_file (fixture, "users", "alice:" LONG_PASSWORD "\n", -1);
  TepServerUsersRules rules = { .realm = "r", .users_file = path, .has_long_term = TRUE };
  g_autoptr (TepServerUsers) users = tep_server_users_new (&rules, NULL);

  g_assert_cmpint (find (users, TEP_SERVER_KEY_SHORT_TERM, "alice", TRUE).refusal, ==,
                   TEP_SERVER_REFUSAL_KIND);
  g_assert_cmpint (find (users, TEP_SERVER_KEY_LONG_TERM_MD5, "alice", TRUE).refusal, ==,
                   TEP_SERVER_REFUSAL_KIND);
  g_assert_cmpint (find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, "alice", TRUE).refusal, ==,
                   TEP_SERVER_REFUSAL_NONE);
}

static char *
limited_password (const char *secret, const char *name)
{
  guint8 mac[STUN_EXT_SHA1_LENGTH];
  StunExtSpan part = { name, strlen (name) };

  g_assert_true (stun_ext_crypto_hmac (STUN_EXT_HASH_SHA1, secret, strlen (secret), &part, 1, mac));
  return g_base64_encode (mac, sizeof mac);
}

static void
test_limited_credentials_work_with_each_secret (Fixture *fixture, gconstpointer data)
{
  g_autofree char *old = write_file (fixture, "old", "the old shared secret\n", -1);
  g_autofree char *new = write_file (fixture, "new", "the new shared secret\n", -1);
  const char *secrets[] = { new, old, NULL };
  g_autoptr (TepServerUsers) users = load (fixture, "alice:" LONG_PASSWORD "\n", secrets);
  static const char name[] = "1800003600:carol";
  g_autofree char *by_new = limited_password ("the new shared secret", name);
  g_autofree char *by_old = limited_password ("the old shared secret", name);
  g_autofree char *text = g_strdup_printf ("%s:example.net:%s", name, by_new);
  TepServerCredential credential = find (users, TEP_SERVER_KEY_SHORT_TERM, name, FALSE);

  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_NONE);
  g_assert_cmpuint (credential.n_keys, ==, 2);
  g_assert_cmpmem (credential.keys[0].octets, credential.keys[0].length, by_new, strlen (by_new));
  g_assert_cmpmem (credential.keys[1].octets, credential.keys[1].length, by_old, strlen (by_old));
  g_assert_cmpmem (credential.name, credential.name_length, "carol", 5);
  g_assert_cmpint (credential.expires_ms, ==, G_GINT64_CONSTANT (1800003600000));
  credential = find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, name, FALSE);
  assert_digest (&credential, STUN_EXT_HASH_SHA256, text);
  g_assert_true (credential.identity ==
                 find (users, TEP_SERVER_KEY_SHORT_TERM, "1800000001:carol", FALSE).identity);
}

static const struct {
  const char *name;
  TepServerRefusal refusal;
} limited_names[] = {
  { "1800000001:carol", TEP_SERVER_REFUSAL_NONE },
  { "1800000000:carol", TEP_SERVER_REFUSAL_EXPIRED },
  { "0:carol", TEP_SERVER_REFUSAL_UNKNOWN },
  { "1:carol", TEP_SERVER_REFUSAL_EXPIRED },
  { "1800086400:carol", TEP_SERVER_REFUSAL_NONE },
  { "1800090000:carol", TEP_SERVER_REFUSAL_TOO_FAR },
  { "99999999999:carol", TEP_SERVER_REFUSAL_TOO_FAR },
  { "-1:carol", TEP_SERVER_REFUSAL_UNKNOWN },
  { "soon:carol", TEP_SERVER_REFUSAL_UNKNOWN },
  { " 1800000001:carol", TEP_SERVER_REFUSAL_UNKNOWN },
  { "1800000001carol", TEP_SERVER_REFUSAL_UNKNOWN },
  { "1800000001:", TEP_SERVER_REFUSAL_UNKNOWN },
  { ":carol", TEP_SERVER_REFUSAL_UNKNOWN },
  { "1800000001:ca\rrol", TEP_SERVER_REFUSAL_MALFORMED },
  { "1800000001:ca\nrol", TEP_SERVER_REFUSAL_MALFORMED },
  { "1800000001:ca\xffrol", TEP_SERVER_REFUSAL_MALFORMED },
  { "", TEP_SERVER_REFUSAL_MALFORMED },
};

static void
test_limited_names_are_judged (Fixture *fixture, gconstpointer data)
{
  g_autofree char *secret = write_file (fixture, "secret", "the one shared secret\n", -1);
  const char *secrets[] = { secret, NULL };
  g_autoptr (TepServerUsers) users = load (fixture, NULL, secrets);
  g_autofree char *huge = g_strnfill (10240, '1');
  TepServerCredential credential;

  for (gsize i = 0; i < G_N_ELEMENTS (limited_names); i++) {
    g_autofree char *right = limited_password ("the one shared secret", limited_names[i].name);
    g_autofree char *shown = g_strescape (limited_names[i].name, NULL);

    g_test_message ("%s", shown);
    credential = find (users, TEP_SERVER_KEY_SHORT_TERM, limited_names[i].name, FALSE);
    g_assert_cmpint (credential.refusal, ==, limited_names[i].refusal);
    /* What is refused does not verify under the right password either. */
    g_assert_cmpint (memcmp (credential.keys[0].octets, right, strlen (right)) == 0, ==,
                     credential.refusal == TEP_SERVER_REFUSAL_NONE);
  }
  credential = find (users, TEP_SERVER_KEY_SHORT_TERM, huge, FALSE);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_MALFORMED);
  tep_server_users_find (users, TEP_SERVER_KEY_SHORT_TERM, "1800000001:a\0b", 14, FALSE, NOW_MS,
                         &credential);
  g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_MALFORMED);
}

static const struct {
  const char *text;
  const char *says;
} bad[] = {
  { "alice\n", "line 1: has no colon" },
  { "ok:" LONG_PASSWORD "\n:secretword\n", "line 2: " },
  { "alice:\n", "line 1: " },
  { "alice:sha256-key:12\n", "line 1: the key behind sha256-key: is not 64 hex digits" },
  { "a\xff:secretword\n", "line 1: the name: " },
  { "alice:secretword\x01\n", "line 1: password: " },
  { "alice:secretword\nbob:x\nalice:y\n", "user \"alice\" stands there twice" },
};

static void
test_mistakes_are_named_without_secrets (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (try_load (fixture, bad[i].text, NULL, &error));
    g_assert_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, bad[i].says));
    g_assert_null (strstr (error->message, "secretword"));
  }
}

static void
test_files_must_be_private_and_sane (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = write_file (fixture, "secret", "short\n", -1);
  g_autofree char *pipe = g_build_filename (fixture->folder, "pipe", NULL);
  const char *secrets[] = { path, path, path, path, path, NULL };
  const char *pipes[] = { pipe, NULL };
  g_autoptr (GError) error = NULL;
  const int modes[] = { 0640, 0604, 0660, 0610, 0601 };

  g_assert_null (try_load (fixture, NULL, secrets, &error));
  g_assert_nonnull (strstr (error->message, "at least 16"));
  g_clear_error (&error);
  g_free (write_file (fixture, "secret", "long enough a secret it is\n", -1));
  g_assert_null (try_load (fixture, NULL, secrets, &error));
  g_assert_nonnull (strstr (error->message, "one secret too many"));
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++) {
    g_clear_error (&error);
    g_assert_cmpint (g_chmod (path, modes[i]), ==, 0);
    g_assert_null (try_load (fixture, NULL, secrets, &error));
    g_assert_nonnull (strstr (error->message, "chmod 600"));
  }
  g_clear_error (&error);
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  g_assert_null (try_load (fixture, NULL, pipes, &error));
  g_assert_nonnull (strstr (error->message, "is no plain file"));
}

static void
test_thousands_of_users_are_found (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (TepServerUsers) users = NULL;

  for (guint i = 0; i < 3000; i++)
    g_string_append_printf (text, "user%u:password of user number %u\n", i, i);
  users = load (fixture, text->str, NULL);
  for (guint i = 0; i < 3000; i++) {
    g_autofree char *name = g_strdup_printf ("user%u", i);
    g_autofree char *password = g_strdup_printf ("password of user number %u", i);
    TepServerCredential credential = find (users, TEP_SERVER_KEY_SHORT_TERM, name, FALSE);

    g_assert_cmpint (credential.refusal, ==, TEP_SERVER_REFUSAL_NONE);
    g_assert_cmpmem (credential.keys[0].octets, credential.keys[0].length, password,
                     strlen (password));
  }
}

#define ADD(name, function)                                                                        \
  g_test_add ("/tep-s/users/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("keys-of-every-kind", test_keys_of_every_kind);
  ADD ("userhash-finds-the-user", test_userhash_finds_the_user);
  ADD ("unknown-user-gets-a-steady-key-nobody-has", test_unknown_user_gets_a_steady_key_nobody_has);
  ADD ("short-passwords-are-for-tls", test_short_passwords_are_for_tls);
  ADD ("mechanisms-can-be-off", test_mechanisms_can_be_off);
  ADD ("limited-credentials-work-with-each-secret", test_limited_credentials_work_with_each_secret);
  ADD ("limited-names-are-judged", test_limited_names_are_judged);
  ADD ("mistakes-are-named-without-secrets", test_mistakes_are_named_without_secrets);
  ADD ("files-must-be-private-and-sane", test_files_must_be_private_and_sane);
  ADD ("thousands-of-users-are-found", test_thousands_of_users_are_found);
  return g_test_run ();
}
