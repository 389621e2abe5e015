/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may log in, with every key derived beforehand. A stranger must not learn from answers or from
 * time whether a user exists, so a look-up always ends with keys to try: those of the user, or
 * random ones that nothing verifies under. */
#include "tep-s/users.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "stun-ext/crypto.h"
#include "tep-s/error.h"
#include "tep-s/secret-file-private.h"

#define NAME_MAX_LENGTH 508     /* RFC 8489 section 14.3 */
#define PASSWORD_MAX_LENGTH 255 /* fits TepServerKey */
#define USERS_FILE_MAX (64 * 1024 * 1024)
#define SECRET_FILE_MAX 4096
#define KEY_MARK "sha256-key:"
#define CLOCK_TOLERANCE_MS (300 * 1000) /* clocks of those who issue time-limited credentials */

typedef struct {
  guint64 identity;
  guint8 userhash[STUN_EXT_SHA256_LENGTH];
  guint8 sha256[STUN_EXT_SHA256_LENGTH];
  guint8 md5[STUN_EXT_MD5_LENGTH];
  char *name;
  char *password; /* NULL if only the SHA-256 key is known */
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

  if (user->password != NULL)
    stun_ext_crypto_cleanse (user->password, strlen (user->password));
  g_clear_pointer (&user->password, g_free);
  g_clear_pointer (&user->name, g_free);
  stun_ext_crypto_cleanse (user, sizeof *user);
  g_free (user);
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

/* RFC 8489 section 18.5.1: hash of name, realm and password with colons between them. */
static gboolean
long_term_key (StunExtHash hash,
               const TepServerUsers *users,
               const char *name,
               gsize name_length,
               const char *password,
               guint8 *key)
{
  const StunExtSpan parts[] = { { name, name_length },
                                { ":", 1 },
                                { users->realm, strlen (users->realm) },
                                { ":", 1 },
                                { password, strlen (password) } };

  return stun_ext_crypto_digest (hash, parts, G_N_ELEMENTS (parts), key);
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
derive_keys (TepServerUsers *users, User *user)
{
  const StunExtSpan hash_parts[] = { { user->name, strlen (user->name) },
                                     { ":", 1 },
                                     { users->realm, strlen (users->realm) } };
  gsize length = strlen (user->name);

  user->identity = identity_of (user->name, length);
  if (!stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, hash_parts, G_N_ELEMENTS (hash_parts),
                               user->userhash))
    return FALSE;
  if (user->password == NULL)
    return TRUE;
  if (users->is_md5_allowed &&
      !long_term_key (STUN_EXT_HASH_MD5, users, user->name, length, user->password, user->md5))
    return FALSE;
  return long_term_key (STUN_EXT_HASH_SHA256, users, user->name, length, user->password,
                        user->sha256);
}

/* One "name:password" or "name:sha256-key:HEX". The text is cut in place. */
static gboolean
parse_line (TepServerUsers *users, const char *path, guint line, char *text, GError **error)
{
  char *colon = strchr (text, ':');
  User *user;

  if (colon == NULL)
    return fail_line (error, path, line, "has no colon; write name:password");
  *colon = '\0';
  if (!is_clean (text, strlen (text)) || strlen (text) > NAME_MAX_LENGTH)
    return fail_line (error, path, line,
                      "the name is empty, too long, or no plain UTF-8; write name:password");
  user = g_new0 (User, 1);
  user->name = g_strdup (text);
  g_ptr_array_add (users->by_name, user);
  if (g_str_has_prefix (colon + 1, KEY_MARK)) {
    user->is_tls_only = TRUE;
    if (!parse_hex_key (colon + 1 + strlen (KEY_MARK), user->sha256))
      return fail_line (error, path, line, "the key behind sha256-key: is not 64 hex digits");
  } else {
    if (!is_clean (colon + 1, strlen (colon + 1)) || strlen (colon + 1) > PASSWORD_MAX_LENGTH)
      return fail_line (error, path, line,
                        "the password is empty, longer than 255 octets, or no plain UTF-8");
    user->password = g_utf8_normalize (colon + 1, -1, G_NORMALIZE_NFC);
    user->is_tls_only = strlen (user->password) < TEP_SERVER_PLAIN_PASSWORD_MIN;
  }
  users->n_tls_only += user->is_tls_only ? 1 : 0;
  if (!derive_keys (users, user))
    return fail_line (error, path, line, "the cryptographic library refused to derive a key");
  return TRUE;
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

  atomic_init (&users->references, 1);
  users->realm = g_strdup (rules->realm != NULL ? rules->realm : "");
  users->longest_s = rules->longest_s;
  users->has_short_term = rules->has_short_term;
  users->has_long_term = rules->has_long_term;
  users->is_md5_allowed = rules->is_md5_allowed;
  users->by_name = g_ptr_array_new_with_free_func (user_free);
  users->by_hash = g_ptr_array_new ();
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
dummy_key (const TepServerUsers *users, const void *name, gsize length, TepServerKey *key)
{
  StunExtSpan part = { name, length };

  key->length = STUN_EXT_SHA256_LENGTH;
  if (!stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, users->dummy_secret, sizeof users->dummy_secret,
                             &part, 1, key->octets))
    memcpy (key->octets, users->dummy_secret, sizeof users->dummy_secret);
}

static void
set_key (TepServerKey *key, const void *octets, gsize length)
{
  memcpy (key->octets, octets, length);
  key->length = length;
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
  if (user->is_tls_only && !is_secure) {
    credential->refusal = TEP_SERVER_REFUSAL_TLS_ONLY;
    return;
  }
  if (kind != TEP_SERVER_KEY_LONG_TERM_SHA256 && user->password == NULL) {
    credential->refusal = TEP_SERVER_REFUSAL_KIND;
    return;
  }
  credential->refusal = TEP_SERVER_REFUSAL_NONE;
  if (kind == TEP_SERVER_KEY_SHORT_TERM)
    set_key (&credential->keys[0], user->password, strlen (user->password));
  else if (kind == TEP_SERVER_KEY_LONG_TERM_MD5)
    set_key (&credential->keys[0], user->md5, sizeof user->md5);
  else
    set_key (&credential->keys[0], user->sha256, sizeof user->sha256);
}

/* "digits:user". Returns the user's part, or NULL if the name has another form. */
static const char *
split_limited (const char *name, gsize length, gint64 *expires_s)
{
  gint64 value = 0;
  gsize i = 0;

  for (; i < length && g_ascii_isdigit (name[i]); i++) {
    if (i == 12)
      return NULL;
    value = value * 10 + (name[i] - '0');
  }
  if (i == 0 || i + 1 >= length || name[i] != ':' || memchr (name + i + 1, ':', length - i - 1))
    return NULL;
  *expires_s = value;
  return name + i + 1;
}

static gboolean
limited_key (const TepServerUsers *users,
             const Secret *secret,
             TepServerKeyKind kind,
             const char *name,
             gsize length,
             TepServerKey *key)
{
  guint8 mac[STUN_EXT_SHA1_LENGTH];
  StunExtSpan part = { name, length };
  g_autofree char *password = NULL;
  gboolean is_made;

  if (!stun_ext_crypto_hmac (STUN_EXT_HASH_SHA1, secret->octets, secret->length, &part, 1, mac))
    return FALSE;
  password = g_base64_encode (mac, sizeof mac);
  if (kind == TEP_SERVER_KEY_SHORT_TERM) {
    set_key (key, password, strlen (password));
    is_made = TRUE;
  } else {
    gboolean is_md5 = kind == TEP_SERVER_KEY_LONG_TERM_MD5;

    key->length = is_md5 ? STUN_EXT_MD5_LENGTH : STUN_EXT_SHA256_LENGTH;
    is_made = long_term_key (is_md5 ? STUN_EXT_HASH_MD5 : STUN_EXT_HASH_SHA256, users, name, length,
                             password, key->octets);
  }
  stun_ext_crypto_cleanse (password, strlen (password));
  stun_ext_crypto_cleanse (mac, sizeof mac);
  return is_made;
}

static void
use_limited (const TepServerUsers *users,
             TepServerKeyKind kind,
             const char *name,
             gsize length,
             gint64 expires_s,
             gint64 now_ms,
             TepServerCredential *credential)
{
  gint64 expires_ms = expires_s * 1000;
  TepServerKey real[TEP_SERVER_MAX_KEYS];
  gboolean is_made = TRUE;

  for (guint i = 0; i < users->n_secrets; i++) {
    dummy_key (users, name, length, &credential->keys[i]);
    is_made &= limited_key (users, &users->secrets[i], kind, name, length, &real[i]);
  }
  credential->n_keys = users->n_secrets;
  credential->expires_ms = expires_ms;
  if (credential->refusal == TEP_SERVER_REFUSAL_UNKNOWN && is_made) {
    if (expires_ms <= now_ms)
      credential->refusal = TEP_SERVER_REFUSAL_EXPIRED;
    else if (expires_ms - now_ms > (gint64)users->longest_s * 1000 + CLOCK_TOLERANCE_MS)
      credential->refusal = TEP_SERVER_REFUSAL_TOO_FAR;
    else {
      credential->refusal = TEP_SERVER_REFUSAL_NONE;
      memcpy (credential->keys, real, users->n_secrets * sizeof *real);
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
  const char *limited_user = NULL;
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
    limited_user = split_limited (username, length, &expires_s);
  if (limited_user != NULL) {
    credential->name = limited_user;
    credential->name_length = length - (gsize)(limited_user - username);
  }
  credential->identity = identity_of (credential->name, credential->name_length);
  dummy_key (users, username, length, &credential->keys[0]);
  if (limited_user != NULL) {
    use_limited (users, kind, username, length, expires_s, now_ms, credential);
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
