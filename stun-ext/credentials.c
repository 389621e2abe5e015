/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what a person knows to the key of an HMAC. Texts are prepared once, where they are
 * configured; per request there is only hashing, which allocates nothing here. */
#include "stun-ext/credentials.h"

#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/error.h"

#define DUMMY_LABEL "stun-ext dummy key 1"
#define EXPIRY_MAX_DIGITS 12 /* arbitrary; reaches the year 33658 */

StunExtSpan
stun_ext_key_span (const StunExtKey *key)
{
  return (StunExtSpan){ key->octets, key->length };
}

void
stun_ext_key_clear (StunExtKey *key)
{
  stun_ext_crypto_cleanse (key, sizeof *key);
}

/* Code points without a picture of their own that are not of a category refused as a whole (Unicode
 * property Default_Ignorable_Code_Point), and old Hangul letters; RFC 8264 sections 9.9 and 9.13.
 */
static gboolean
is_ignorable (gunichar c)
{
  static const struct {
    gunichar first;
    gunichar last;
  } ranges[] = {
    { 0x034f, 0x034f }, { 0x1100, 0x11ff },   { 0x17b4, 0x17b5 }, { 0x180b, 0x180f },
    { 0x3164, 0x3164 }, { 0xa960, 0xa97c },   { 0xd7b0, 0xd7fb }, { 0xfe00, 0xfe0f },
    { 0xffa0, 0xffa0 }, { 0xe0100, 0xe01ef },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (ranges); i++)
    if (c >= ranges[i].first && c <= ranges[i].last)
      return TRUE;
  return FALSE;
}

static gboolean
is_refused (gunichar c)
{
  switch (g_unichar_type (c)) {
  case G_UNICODE_CONTROL:
  case G_UNICODE_FORMAT:
  case G_UNICODE_UNASSIGNED:
  case G_UNICODE_PRIVATE_USE:
  case G_UNICODE_SURROGATE:
  case G_UNICODE_LINE_SEPARATOR:
  case G_UNICODE_PARAGRAPH_SEPARATOR:
    return TRUE;
  default:
    return is_ignorable (c);
  }
}

static char *
refuse (GError **error, const char *why)
{
  g_set_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_CREDENTIAL, "%s", why);
  return NULL;
}

/* Frees a text that may be a password. */
static void
free_secret (char *text)
{
  if (text != NULL)
    stun_ext_crypto_cleanse (text, strlen (text));
  g_free (text);
}

char *
stun_ext_opaque_string (const char *text, GError **error)
{
  GString *mapped;
  char *result;

  if (text == NULL || *text == '\0')
    return refuse (error, "the text is empty");
  if (!g_utf8_validate (text, -1, NULL))
    return refuse (error, "the text is not valid UTF-8");
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (is_refused (g_utf8_get_char (p)))
      return refuse (error,
                     "the text contains a control character or another one that cannot be typed "
                     "reliably; choose another text");
  mapped = g_string_sized_new (strlen (text) + 1);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    g_string_append_unichar (mapped, g_unichar_type (c) == G_UNICODE_SPACE_SEPARATOR ? ' ' : c);
  }
  result = g_utf8_normalize (mapped->str, (gssize)mapped->len, G_NORMALIZE_DEFAULT_COMPOSE);
  free_secret (g_string_free (mapped, FALSE));
  return result;
}

gboolean
stun_ext_password_is_short (const char *password)
{
  char *prepared = stun_ext_opaque_string (password, NULL);
  gboolean is_short = prepared == NULL || strlen (prepared) < STUN_EXT_PLAIN_PASSWORD_MIN;

  if (prepared != NULL)
    free_secret (prepared);
  return is_short;
}

gboolean
stun_ext_key_short_term (StunExtKey *key, const char *password, GError **error)
{
  char *prepared = stun_ext_opaque_string (password, error);
  gsize length;

  if (prepared == NULL) {
    g_prefix_error (error, "password: ");
    return FALSE;
  }
  length = strlen (prepared);
  if (length > STUN_EXT_KEY_MAX_LENGTH) {
    free_secret (prepared);
    refuse (error, "password: the text is longer than 256 octets");
    return FALSE;
  }
  *key = (StunExtKey){ .length = length };
  memcpy (key->octets, prepared, length);
  free_secret (prepared);
  return TRUE;
}

static StunExtSpan
span (const char *text)
{
  return (StunExtSpan){ text, strlen (text) };
}

gboolean
stun_ext_key_long_term (StunExtKey *key,
                        StunExtPasswordAlgorithm algorithm,
                        const char *username,
                        const char *realm,
                        const char *password,
                        GError **error)
{
  static const char *const names[] = { "user name", "realm", "password" };
  const char *const texts[] = { username, realm, password };
  char *prepared[3] = { NULL };
  gboolean ok = TRUE;

  for (gsize i = 0; ok && i < G_N_ELEMENTS (texts); i++) {
    prepared[i] = stun_ext_opaque_string (texts[i], error);
    ok = prepared[i] != NULL;
    if (!ok)
      g_prefix_error (error, "%s: ", names[i]);
  }
  if (ok && !stun_ext_key_derive (key, algorithm, span (prepared[0]), span (prepared[1]),
                                  span (prepared[2]))) {
    g_set_error_literal (error, STUN_EXT_ERROR, STUN_EXT_ERROR_CRYPTO,
                         "the cryptographic library does not offer this password algorithm");
    ok = FALSE;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (prepared); i++)
    free_secret (prepared[i]);
  return ok;
}

gboolean
stun_ext_key_derive (StunExtKey *key,
                     StunExtPasswordAlgorithm algorithm,
                     StunExtSpan username,
                     StunExtSpan realm,
                     StunExtSpan password)
{
  const StunExtSpan parts[] = { username, { ":", 1 }, realm, { ":", 1 }, password };
  StunExtHash hash;

  *key = (StunExtKey){ 0 };
  switch (algorithm) {
  case STUN_EXT_PASSWORD_ALGORITHM_NONE:
  case STUN_EXT_PASSWORD_ALGORITHM_MD5:
    hash = STUN_EXT_HASH_MD5;
    break;
  case STUN_EXT_PASSWORD_ALGORITHM_SHA256:
    hash = STUN_EXT_HASH_SHA256;
    break;
  default:
    return FALSE;
  }
  if (!stun_ext_crypto_digest (hash, parts, G_N_ELEMENTS (parts), key->octets))
    return FALSE;
  key->length = stun_ext_hash_length (hash);
  return TRUE;
}

gboolean
stun_ext_key_dummy (StunExtKey *key, StunExtSpan secret, StunExtSpan username)
{
  const StunExtSpan parts[] = { { DUMMY_LABEL, sizeof DUMMY_LABEL }, username };

  *key = (StunExtKey){ 0 };
  if (!stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, secret.data, secret.length, parts,
                             G_N_ELEMENTS (parts), key->octets))
    return FALSE;
  key->length = STUN_EXT_SHA256_LENGTH;
  return TRUE;
}

gboolean
stun_ext_userhash (StunExtSpan username,
                   StunExtSpan realm,
                   guint8 userhash[STUN_EXT_USERHASH_LENGTH])
{
  const StunExtSpan parts[] = { username, { ":", 1 }, realm };

  return stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, parts, G_N_ELEMENTS (parts), userhash);
}

/* Digits up to a colon, without sign, spaces or leading zeros. */
static gboolean
read_expiry (StunExtReader *r, gint64 *expires_s)
{
  gint64 value = 0;

  for (guint digits = 0; digits <= EXPIRY_MAX_DIGITS; digits++) {
    guint8 c = stun_ext_reader_u8 (r);

    if (c == ':' && digits > 0) {
      *expires_s = value;
      return TRUE;
    }
    if (!g_ascii_isdigit ((char)c) || (value == 0 && c == '0'))
      return FALSE;
    value = value * 10 + (c - '0');
  }
  return FALSE;
}

StunExtRestVerdict
stun_ext_rest_check (
    StunExtSpan username, gint64 now_s, guint longest_s, gint64 *expires_s, StunExtSpan *user)
{
  gint64 expires = 0;
  StunExtReader r;

  stun_ext_reader_init (&r, username.data, username.length);
  if (username.length > STUN_EXT_USERNAME_MAX_LENGTH || !read_expiry (&r, &expires) ||
      stun_ext_reader_remaining (&r) == 0 ||
      !stun_ext_text_is_clean (username.data, username.length))
    return STUN_EXT_REST_MALFORMED;
  if (expires_s != NULL)
    *expires_s = expires;
  if (user != NULL) {
    user->length = stun_ext_reader_remaining (&r);
    user->data = stun_ext_reader_bytes (&r, user->length);
  }
  if (expires <= now_s)
    return STUN_EXT_REST_EXPIRED;
  /* now_s may be negative or huge on a machine with a wrong clock: compare without overflow. */
  if (now_s < 0 || expires - now_s > (gint64)longest_s)
    return STUN_EXT_REST_TOO_FAR;
  return STUN_EXT_REST_VALID;
}

gboolean
stun_ext_rest_password (StunExtHash hash,
                        StunExtSpan secret,
                        StunExtSpan username,
                        char password[STUN_EXT_REST_PASSWORD_LENGTH + 1])
{
  guint8 mac[STUN_EXT_HASH_MAX_LENGTH];
  int state = 0, save = 0;
  gsize length;

  password[0] = '\0';
  if (!stun_ext_crypto_hmac (hash, secret.data, secret.length, &username, 1, mac))
    return FALSE;
  length = g_base64_encode_step (mac, stun_ext_hash_length (hash), FALSE, password, &state, &save);
  length += g_base64_encode_close (FALSE, password + length, &state, &save);
  password[length] = '\0';
  stun_ext_crypto_cleanse (mac, sizeof mac);
  return TRUE;
}
