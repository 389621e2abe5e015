/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may log in, with every key derived beforehand. A stranger must not learn from answers or from
 * time whether a user exists, so a look-up always ends with keys to try: those of the user, or
 * random ones that nothing verifies under. */
#include "tep-s/users.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "tep-s/error.h"
#include "tep-s/secret-file-private.h"

#define NAME_MAX_LENGTH 508 /* RFC 8489 section 14.3 */
#define USERS_FILE_MAX (64 * 1024 * 1024)
#define SECRET_FILE_MAX 4096
#define KEY_MARK "sha256-key:"
#define HMAC_BLOCK 64 /* octets, of SHA-256: RFC 2104 section 2 */

typedef struct {
  guint64 identity;
  guint8 userhash[STUN_EXT_USERHASH_LENGTH];
  StunExtKey keys[TEP_SERVER_N_KEY_KINDS]; /* empty where there is none */
  guint8 digest[STUN_EXT_SHA256_LENGTH];   /* of the short-term key */
  char *name;
  gboolean is_tls_only;
} User;

typedef struct {
  guint8 octets[SECRET_FILE_MAX];
  gsize length;
} Secret;

struct _TepServerUsers {
  atomic_int references;
  char *realm;
  GPtrArray *by_name; /* User, sorted by identity, then name */
  GPtrArray *by_hash; /* User, sorted by userhash, borrowed */
  guint n_tls_only;
  Secret secrets[TEP_SERVER_MAX_KEYS];
  guint n_secrets;
  guint longest_s;
  gboolean has_short_term;
  gboolean has_long_term;
  gboolean is_md5_allowed;
  guint8 dummy_secret[STUN_EXT_SHA256_LENGTH];
};

static const char *const refusal_names[] = {
  [TEP_SERVER_REFUSAL_NONE] = "none",           [TEP_SERVER_REFUSAL_UNKNOWN] = "unknown-user",
  [TEP_SERVER_REFUSAL_EXPIRED] = "expired",     [TEP_SERVER_REFUSAL_TOO_FAR] = "too-far-ahead",
  [TEP_SERVER_REFUSAL_MALFORMED] = "malformed", [TEP_SERVER_REFUSAL_TLS_ONLY] = "tls-only",
  [TEP_SERVER_REFUSAL_KIND] = "mechanism",
};
G_STATIC_ASSERT (G_N_ELEMENTS (refusal_names) == TEP_SERVER_N_REFUSALS);

static void
user_free (gpointer data)
{
  User *user = data;

  g_clear_pointer (&user->name, g_free);
  stun_ext_crypto_cleanse (user, sizeof *user);
  g_free (user);
}

static StunExtSpan
span (const char *text)
{
  return (StunExtSpan){ text, strlen (text) };
}

static StunExtPasswordAlgorithm
algorithm_of (TepServerKeyKind kind)
{
  return kind == TEP_SERVER_KEY_LONG_TERM_MD5 ? STUN_EXT_PASSWORD_ALGORITHM_MD5
                                              : STUN_EXT_PASSWORD_ALGORITHM_SHA256;
}

static guint64
identity_of (const char *name, gsize length)
{
  guint8 digest[STUN_EXT_SHA256_LENGTH] = { 0 };
  StunExtSpan part = { name, length };
  guint64 identity = 0;

  if (!stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, digest))
    return 0;
  for (gsize i = 0; i < sizeof identity; i++)
    identity = identity << 8 | digest[i];
  return identity;
}

static gboolean
is_clean (const char *text, gsize length)
{
  if (length == 0 || !g_utf8_validate (text, (gssize)length, NULL))
    return FALSE;
  for (const char *p = text; p < text + length; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

static gboolean
fail_line (GError **error, const char *path, guint line, const char *problem)
{
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s: line %u: %s", path, line,
               problem);
  return FALSE;
}

static gboolean
parse_hex_key (const char *text, guint8 key[STUN_EXT_SHA256_LENGTH])
{
  if (strlen (text) != 2 * STUN_EXT_SHA256_LENGTH)
    return FALSE;
  for (gsize i = 0; i < STUN_EXT_SHA256_LENGTH; i++) {
    int high = g_ascii_xdigit_value (text[2 * i]);
    int low = g_ascii_xdigit_value (text[2 * i + 1]);

    if (high < 0 || low < 0)
      return FALSE;
    key[i] = (guint8)(high << 4 | low);
  }
  return TRUE;
}

static gboolean
fail_cause (GError **error, const char *path, guint line, const char *what, const GError *cause)
{
  g_autofree char *problem = g_strdup_printf ("%s%s; write name:password", what, cause->message);

  return fail_line (error, path, line, problem);
}

static gboolean
derive_keys (TepServerUsers *users, User *user, const char *password, GError **error)
{
  if (!stun_ext_key_short_term (&user->keys[TEP_SERVER_KEY_SHORT_TERM], password, error))
    return FALSE;
  user->is_tls_only = user->keys[TEP_SERVER_KEY_SHORT_TERM].length < TEP_SERVER_PLAIN_PASSWORD_MIN;
  for (guint kind = TEP_SERVER_KEY_LONG_TERM_SHA256; kind < TEP_SERVER_N_KEY_KINDS; kind++)
    if (!stun_ext_key_long_term (&user->keys[kind], algorithm_of ((TepServerKeyKind)kind),
                                 user->name, users->realm, password, error))
      return FALSE;
  return TRUE;
}

/* One "name:password" or "name:sha256-key:HEX". The text is cut in place. */
static gboolean
parse_line (TepServerUsers *users, const char *path, guint line, char *text, GError **error)
{
  g_autoptr (GError) cause = NULL;
  char *colon = strchr (text, ':');
  StunExtSpan short_term;
  User *user;

  if (colon == NULL)
    return fail_line (error, path, line, "has no colon; write name:password");
  *colon = '\0';
  user = g_new0 (User, 1);
  g_ptr_array_add (users->by_name, user);
  user->name = stun_ext_opaque_string (text, &cause);
  if (user->name == NULL)
    return fail_cause (error, path, line, "the name: ", cause);
  if (strlen (user->name) > NAME_MAX_LENGTH)
    return fail_line (error, path, line, "the name is longer than 508 octets");
  if (g_str_has_prefix (colon + 1, KEY_MARK)) {
    StunExtKey *key = &user->keys[TEP_SERVER_KEY_LONG_TERM_SHA256];

    user->is_tls_only = TRUE;
    key->length = STUN_EXT_SHA256_LENGTH;
    if (!parse_hex_key (colon + 1 + strlen (KEY_MARK), key->octets))
      return fail_line (error, path, line, "the key behind sha256-key: is not 64 hex digits");
  } else if (!derive_keys (users, user, colon + 1, &cause)) {
    return fail_cause (error, path, line, "", cause);
  }
  users->n_tls_only += user->is_tls_only ? 1 : 0;
  user->identity = identity_of (user->name, strlen (user->name));
  short_term = (StunExtSpan){ user->keys[TEP_SERVER_KEY_SHORT_TERM].octets,
                              user->keys[TEP_SERVER_KEY_SHORT_TERM].length };
  return (stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &short_term, 1, user->digest) &&
          stun_ext_userhash (span (user->name), span (users->realm), user->userhash)) ||
         fail_line (error, path, line, "the cryptographic library refused");
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  const User *first = *(User *const *)a;
  const User *second = *(User *const *)b;

  if (first->identity != second->identity)
    return first->identity < second->identity ? -1 : 1;
  return strcmp (first->name, second->name);
}

static gint
compare_hashes (gconstpointer a, gconstpointer b)
{
  const User *first = *(User *const *)a;
  const User *second = *(User *const *)b;

  return memcmp (first->userhash, second->userhash, sizeof first->userhash);
}

static gboolean
index_users (TepServerUsers *users, const char *path, GError **error)
{
  g_ptr_array_sort (users->by_name, compare_names);
  for (guint i = 0; i < users->by_name->len; i++) {
    User *user = g_ptr_array_index (users->by_name, i);
    User *before = i > 0 ? g_ptr_array_index (users->by_name, i - 1) : NULL;

    if (before != NULL && strcmp (before->name, user->name) == 0) {
      g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                   "%s: user \"%.100s\" stands there twice; keep the line that is meant", path,
                   user->name);
      return FALSE;
    }
    g_ptr_array_add (users->by_hash, user);
  }
  g_ptr_array_sort (users->by_hash, compare_hashes);
  return TRUE;
}

static gboolean
load_users (TepServerUsers *users, const char *path, GError **error)
{
  g_auto (TepServerSecret) file = { 0 };
  guint line = 0;
  char *text;

  if (!tep_server_secret_read (&file, path, USERS_FILE_MAX, error))
    return FALSE;
  if (strlen (file.text) != file.length)
    return fail_line (error, path, 1, "the file holds a zero octet; it has to be a text");
  text = file.text;
  while (text != NULL) {
    char *end = strchr (text, '\n');

    line++;
    if (end != NULL)
      *end = '\0';
    if (g_str_has_suffix (text, "\r"))
      text[strlen (text) - 1] = '\0';
    if (*text != '\0' && *text != '#' && !parse_line (users, path, line, text, error))
      return FALSE;
    text = end != NULL ? end + 1 : NULL;
  }
  return index_users (users, path, error);
}

static gboolean
load_secret (TepServerUsers *users, const char *path, GError **error)
{
  g_auto (TepServerSecret) file = { 0 };
  Secret *secret;

  if (users->n_secrets == TEP_SERVER_MAX_KEYS) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                 "%s: is one secret too many; %d can be in use at a time", path,
                 TEP_SERVER_MAX_KEYS);
    return FALSE;
  }
  if (!tep_server_secret_read (&file, path, SECRET_FILE_MAX, error))
    return FALSE;
  while (file.length > 0 &&
         (file.text[file.length - 1] == '\n' || file.text[file.length - 1] == '\r'))
    file.length--;
  if (file.length < TEP_SERVER_PLAIN_PASSWORD_MIN) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                 "%s: the shared secret has %" G_GSIZE_FORMAT
                 " octets, at least %d are needed; make one with: openssl rand -hex 32",
                 path, file.length, TEP_SERVER_PLAIN_PASSWORD_MIN);
    return FALSE;
  }
  secret = &users->secrets[users->n_secrets++];
  memcpy (secret->octets, file.text, file.length);
  secret->length = file.length;
  return TRUE;
}

TepServerUsers *
tep_server_users_new (const TepServerUsersRules *rules, GError **error)
{
  g_autoptr (TepServerUsers) users = g_new0 (TepServerUsers, 1);
  g_autoptr (GError) cause = NULL;

  atomic_init (&users->references, 1);
  users->realm = stun_ext_opaque_string (rules->realm, &cause);
  users->longest_s = rules->longest_s;
  users->has_short_term = rules->has_short_term;
  users->has_long_term = rules->has_long_term;
  users->is_md5_allowed = rules->is_md5_allowed;
  users->by_name = g_ptr_array_new_with_free_func (user_free);
  users->by_hash = g_ptr_array_new ();
  if (users->realm == NULL) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "the realm: %s", cause->message);
    return NULL;
  }
  if (getrandom (users->dummy_secret, sizeof users->dummy_secret, 0) !=
      (ssize_t)sizeof users->dummy_secret) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_RESOURCE,
                 "the kernel gives no random numbers");
    return NULL;
  }
  if (rules->users_file != NULL && !load_users (users, rules->users_file, error))
    return NULL;
  for (gsize i = 0; rules->secret_files != NULL && rules->secret_files[i] != NULL; i++)
    if (!load_secret (users, rules->secret_files[i], error))
      return NULL;
  return g_steal_pointer (&users);
}

TepServerUsers *
tep_server_users_ref (TepServerUsers *users)
{
  atomic_fetch_add_explicit (&users->references, 1, memory_order_relaxed);
  return users;
}

void
tep_server_users_unref (TepServerUsers *users)
{
  if (atomic_fetch_sub_explicit (&users->references, 1, memory_order_acq_rel) != 1)
    return;
  g_clear_pointer (&users->by_hash, g_ptr_array_unref);
  g_clear_pointer (&users->by_name, g_ptr_array_unref);
  g_clear_pointer (&users->realm, g_free);
  stun_ext_crypto_cleanse (users, sizeof *users);
  g_free (users);
}

static const User *
find_name (const TepServerUsers *users, guint64 identity, const char *name, gsize length)
{
  guint low = 0;
  guint high = users->by_name->len;

  while (low < high) {
    guint middle = low + (high - low) / 2;
    const User *user = g_ptr_array_index (users->by_name, middle);

    if (user->identity < identity)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < users->by_name->len; low++) {
    const User *user = g_ptr_array_index (users->by_name, low);

    if (user->identity != identity)
      return NULL;
    if (strlen (user->name) == length && memcmp (user->name, name, length) == 0)
      return user;
  }
  return NULL;
}

static const User *
find_hash (const TepServerUsers *users, const guint8 userhash[STUN_EXT_SHA256_LENGTH])
{
  guint low = 0;
  guint high = users->by_hash->len;

  while (low < high) {
    guint middle = low + (high - low) / 2;
    const User *user = g_ptr_array_index (users->by_hash, middle);
    int order = memcmp (user->userhash, userhash, STUN_EXT_SHA256_LENGTH);

    if (order == 0)
      return user;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

/* A key that depends on the name alone, so that a name which does not exist behaves the same at
 * each try. */
static void
dummy_key (const TepServerUsers *users, const void *name, gsize length, StunExtKey *key)
{
  const StunExtSpan secret = { users->dummy_secret, sizeof users->dummy_secret };

  if (stun_ext_key_dummy (key, secret, (StunExtSpan){ name, length }))
    return;
  memcpy (key->octets, users->dummy_secret, sizeof users->dummy_secret);
  key->length = sizeof users->dummy_secret;
}

static gboolean
is_kind_allowed (const TepServerUsers *users, TepServerKeyKind kind)
{
  switch (kind) {
  case TEP_SERVER_KEY_SHORT_TERM:
    return users->has_short_term;
  case TEP_SERVER_KEY_LONG_TERM_SHA256:
    return users->has_long_term;
  case TEP_SERVER_KEY_LONG_TERM_MD5:
    return users->has_long_term && users->is_md5_allowed;
  case TEP_SERVER_N_KEY_KINDS:
    break;
  }
  return FALSE;
}

static void
use_user (const User *user,
          TepServerKeyKind kind,
          gboolean is_secure,
          TepServerCredential *credential)
{
  if (user == NULL || credential->refusal == TEP_SERVER_REFUSAL_KIND)
    return;
  credential->name = user->name;
  credential->name_length = strlen (user->name);
  credential->identity = user->identity;
  credential->is_tls_only = user->is_tls_only;
  if (user->is_tls_only && !is_secure) {
    credential->refusal = TEP_SERVER_REFUSAL_TLS_ONLY;
    return;
  }
  if (user->keys[kind].length == 0) {
    credential->refusal = TEP_SERVER_REFUSAL_KIND;
    return;
  }
  credential->refusal = TEP_SERVER_REFUSAL_NONE;
  credential->keys[0] = user->keys[kind];
  memcpy (credential->digest, user->digest, sizeof user->digest);
}

static gboolean
limited_key (const TepServerUsers *users,
             const Secret *secret,
             TepServerKeyKind kind,
             StunExtSpan name,
             StunExtKey *key)
{
  char password[STUN_EXT_REST_PASSWORD_LENGTH + 1];
  StunExtSpan shared = { secret->octets, secret->length };
  gboolean is_made = stun_ext_rest_password (STUN_EXT_HASH_SHA1, shared, name, password);

  if (kind == TEP_SERVER_KEY_SHORT_TERM) {
    key->length = strlen (password);
    memcpy (key->octets, password, key->length);
  } else {
    is_made = is_made && stun_ext_key_derive (key, algorithm_of (kind), name, span (users->realm),
                                              span (password));
  }
  stun_ext_crypto_cleanse (password, sizeof password);
  return is_made;
}

/* All keys are made whatever the verdict, for their time must not tell it. */
static void
use_limited (const TepServerUsers *users,
             TepServerKeyKind kind,
             StunExtSpan name,
             StunExtRestVerdict verdict,
             TepServerCredential *credential)
{
  StunExtKey real[TEP_SERVER_MAX_KEYS];
  gboolean is_made = TRUE;

  for (guint i = 0; i < users->n_secrets; i++) {
    dummy_key (users, name.data, name.length, &credential->keys[i]);
    is_made &= limited_key (users, &users->secrets[i], kind, name, &real[i]);
  }
  credential->n_keys = users->n_secrets;
  if (credential->refusal == TEP_SERVER_REFUSAL_UNKNOWN && is_made) {
    if (verdict == STUN_EXT_REST_VALID) {
      credential->refusal = TEP_SERVER_REFUSAL_NONE;
      memcpy (credential->keys, real, users->n_secrets * sizeof *real);
    } else {
      credential->refusal = verdict == STUN_EXT_REST_EXPIRED ? TEP_SERVER_REFUSAL_EXPIRED
                                                             : TEP_SERVER_REFUSAL_TOO_FAR;
    }
  }
  stun_ext_crypto_cleanse (real, sizeof real);
}

void
tep_server_users_find (const TepServerUsers *users,
                       TepServerKeyKind kind,
                       const char *username,
                       gsize length,
                       gboolean is_secure,
                       gint64 now_ms,
                       TepServerCredential *credential)
{
  StunExtSpan name = { username, length };
  StunExtSpan limited_user = { 0 };
  StunExtRestVerdict verdict = STUN_EXT_REST_MALFORMED;
  const User *user;
  gint64 expires_s = 0;

  *credential = (TepServerCredential){ .refusal = TEP_SERVER_REFUSAL_UNKNOWN, .n_keys = 1 };
  credential->name = username;
  credential->name_length = length;
  if (!is_kind_allowed (users, kind))
    credential->refusal = TEP_SERVER_REFUSAL_KIND;
  else if (length > NAME_MAX_LENGTH || !is_clean (username, length))
    credential->refusal = TEP_SERVER_REFUSAL_MALFORMED;
  else if (users->n_secrets > 0)
    verdict =
        stun_ext_rest_check (name, now_ms / 1000, users->longest_s, &expires_s, &limited_user);
  if (verdict != STUN_EXT_REST_MALFORMED) {
    credential->name = limited_user.data;
    credential->name_length = limited_user.length;
    credential->expires_ms = expires_s * 1000;
  }
  credential->identity = identity_of (credential->name, credential->name_length);
  dummy_key (users, username, length, &credential->keys[0]);
  if (verdict != STUN_EXT_REST_MALFORMED) {
    use_limited (users, kind, name, verdict, credential);
    return;
  }
  user = find_name (users, credential->identity, username, length);
  if (credential->refusal == TEP_SERVER_REFUSAL_UNKNOWN)
    use_user (user, kind, is_secure, credential);
}

void
tep_server_users_find_hash (const TepServerUsers *users,
                            TepServerKeyKind kind,
                            const guint8 userhash[32],
                            gboolean is_secure,
                            TepServerCredential *credential)
{
  *credential = (TepServerCredential){ .refusal = TEP_SERVER_REFUSAL_UNKNOWN, .n_keys = 1 };
  credential->name = "";
  if (!is_kind_allowed (users, kind))
    credential->refusal = TEP_SERVER_REFUSAL_KIND;
  for (gsize i = 0; i < sizeof credential->identity; i++)
    credential->identity = credential->identity << 8 | userhash[i];
  dummy_key (users, userhash, STUN_EXT_SHA256_LENGTH, &credential->keys[0]);
  use_user (find_hash (users, userhash), kind, is_secure, credential);
}

gboolean
tep_server_users_may_be_anonymous (const TepServerUsers *users)
{
  return users->has_long_term && users->n_secrets == 0;
}

StunExtSpan
tep_server_credential_mac_key (const TepServerCredential *credential, guint index)
{
  const StunExtKey *key = &credential->keys[index];

  if (index == 0 && key->length > HMAC_BLOCK)
    return (StunExtSpan){ credential->digest, sizeof credential->digest };
  return (StunExtSpan){ key->octets, key->length };
}

void
tep_server_credential_clear (TepServerCredential *credential)
{
  stun_ext_crypto_cleanse (credential, sizeof *credential);
}

guint
tep_server_users_count (const TepServerUsers *users)
{
  return users->by_name->len;
}

guint
tep_server_users_count_tls_only (const TepServerUsers *users)
{
  return users->n_tls_only;
}

const char *
tep_server_refusal_name (TepServerRefusal refusal)
{
  return refusal < TEP_SERVER_N_REFUSALS ? refusal_names[refusal] : "unknown";
}
