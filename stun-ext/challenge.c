/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The long-term mechanism as questions and answers, for both sides. What either side must notice is
 * somebody on the way who takes the better algorithm out of the offer: the nonce says that there
 * was an offer, the client sends the offer back under its signature, and the server compares. */
#include "stun-ext/challenge.h"

#include <string.h>

#include "stun-ext/credentials.h"

/* Algorithms from the strongest to the weakest. Neither has parameters (RFC 8489 section 18.5.1).
 */
static const struct {
  StunExtPasswordAlgorithm number;
  StunExtAlgorithms flag;
} known[] = {
  { STUN_EXT_PASSWORD_ALGORITHM_SHA256, STUN_EXT_ALGORITHMS_SHA256 },
  { STUN_EXT_PASSWORD_ALGORITHM_MD5, STUN_EXT_ALGORITHMS_MD5 },
};

static StunExtAlgorithms
flag_of (guint16 number)
{
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i].number == number)
      return known[i].flag;
  return STUN_EXT_ALGORITHMS_NONE;
}

/* Reads one entry, and its padding as far as it is there: that of the last one need not be counted.
 */
static guint16
read_entry (StunExtReader *r)
{
  guint16 number = stun_ext_reader_u16 (r);
  gsize length = stun_ext_reader_u16 (r);
  gsize padding = (4 - length % 4) % 4;

  stun_ext_reader_skip (r, length);
  stun_ext_reader_skip (r, MIN (padding, stun_ext_reader_remaining (r)));
  return length == 0 ? number : (guint16)STUN_EXT_PASSWORD_ALGORITHM_NONE;
}

StunExtGet
stun_ext_message_get_password_algorithms (const StunExtMessage *message,
                                          StunExtAlgorithms *algorithms,
                                          StunExtSpan *value)
{
  guint found = STUN_EXT_ALGORITHMS_NONE;
  StunExtSpan span = { 0 };
  StunExtReader r;
  StunExtGet result =
      stun_ext_message_get_data (message, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, &span);

  if (result != STUN_EXT_GET_OK)
    return result;
  stun_ext_reader_init (&r, span.data, span.length);
  if (span.length == 0)
    return STUN_EXT_GET_INVALID;
  while (!r.failed && !stun_ext_reader_done (&r))
    found |= flag_of (read_entry (&r));
  if (r.failed)
    return STUN_EXT_GET_INVALID;
  *algorithms = (StunExtAlgorithms)found;
  *value = span;
  return STUN_EXT_GET_OK;
}

StunExtGet
stun_ext_message_get_password_algorithm (const StunExtMessage *message,
                                         StunExtPasswordAlgorithm *algorithm)
{
  StunExtSpan span = { 0 };
  StunExtReader r;
  guint16 number;
  StunExtGet result =
      stun_ext_message_get_data (message, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM, &span);

  if (result != STUN_EXT_GET_OK)
    return result;
  stun_ext_reader_init (&r, span.data, span.length);
  number = read_entry (&r);
  if (!stun_ext_reader_done (&r))
    return STUN_EXT_GET_INVALID;
  *algorithm = flag_of (number) != STUN_EXT_ALGORITHMS_NONE ? (StunExtPasswordAlgorithm)number
                                                            : STUN_EXT_PASSWORD_ALGORITHM_NONE;
  return STUN_EXT_GET_OK;
}

static void
write_algorithms (StunExtWriter *w, StunExtAlgorithms algorithms)
{
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if ((algorithms & known[i].flag) != 0) {
      stun_ext_writer_u16 (w, (guint16)known[i].number);
      stun_ext_writer_u16 (w, 0);
    }
}

void
stun_ext_builder_add_password_algorithms (StunExtBuilder *builder, StunExtAlgorithms algorithms)
{
  gsize slot = stun_ext_writer_open (&builder->writer, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS);

  write_algorithms (&builder->writer, algorithms);
  stun_ext_writer_close (&builder->writer, slot);
}

StunExtFeatures
stun_ext_realm_features (const StunExtRealm *realm)
{
  guint features = STUN_EXT_FEATURE_NONE;

  if (realm->algorithms != STUN_EXT_ALGORITHMS_NONE)
    features |= STUN_EXT_FEATURE_PASSWORD_ALGORITHMS;
  if (realm->is_anonymous)
    features |= STUN_EXT_FEATURE_USERNAME_ANONYMITY;
  return (StunExtFeatures)features;
}

void
stun_ext_builder_add_challenge (StunExtBuilder *builder,
                                const StunExtRealm *realm,
                                const char *nonce)
{
  stun_ext_builder_add_data (builder, STUN_EXT_ATTRIBUTE_REALM, realm->realm.data,
                             realm->realm.length);
  stun_ext_builder_add_text (builder, STUN_EXT_ATTRIBUTE_NONCE, nonce);
  if (realm->algorithms != STUN_EXT_ALGORITHMS_NONE)
    stun_ext_builder_add_password_algorithms (builder, realm->algorithms);
}

/* Who logs in, and where. */
static StunExtLoginVerdict
read_identity (const StunExtMessage *message, const StunExtRealm *realm, StunExtLogin *login)
{
  StunExtSpan asked = { 0 };
  StunExtGet by_name =
      stun_ext_message_get_text (message, STUN_EXT_ATTRIBUTE_USERNAME, &login->username);
  StunExtGet by_hash =
      stun_ext_message_get_data (message, STUN_EXT_ATTRIBUTE_USERHASH, &login->userhash);

  if (by_hash == STUN_EXT_GET_OK && login->userhash.length != STUN_EXT_USERHASH_LENGTH)
    by_hash = STUN_EXT_GET_INVALID;
  if (by_name == STUN_EXT_GET_INVALID || by_hash == STUN_EXT_GET_INVALID ||
      (by_name == STUN_EXT_GET_OK) == (by_hash == STUN_EXT_GET_OK))
    return STUN_EXT_LOGIN_BAD_REQUEST;
  if (stun_ext_message_get_text (message, STUN_EXT_ATTRIBUTE_REALM, &asked) != STUN_EXT_GET_OK ||
      stun_ext_message_get_text (message, STUN_EXT_ATTRIBUTE_NONCE, &login->nonce) !=
          STUN_EXT_GET_OK)
    return STUN_EXT_LOGIN_BAD_REQUEST;
  if (asked.length != realm->realm.length ||
      memcmp (asked.data, realm->realm.data, asked.length) != 0 ||
      (by_hash == STUN_EXT_GET_OK && !realm->is_anonymous))
    return STUN_EXT_LOGIN_CHALLENGE;
  return STUN_EXT_LOGIN_COMPLETE;
}

/* TRUE if the list in the request is the one that this server sends. */
static gboolean
is_own_list (StunExtSpan value, StunExtAlgorithms algorithms)
{
  guint8 buffer[4 * G_N_ELEMENTS (known)];
  StunExtWriter w;

  stun_ext_writer_init (&w, buffer, sizeof buffer);
  write_algorithms (&w, algorithms);
  return !w.failed && w.length == value.length && memcmp (buffer, value.data, w.length) == 0;
}

StunExtLoginVerdict
stun_ext_login_read (const StunExtMessage *message, const StunExtRealm *realm, StunExtLogin *login)
{
  StunExtLogin result = { 0 };
  StunExtAlgorithms listed = STUN_EXT_ALGORITHMS_NONE;
  StunExtSpan value = { 0 };
  StunExtLoginVerdict verdict;
  StunExtGet list, choice;

  if (stun_ext_message_integrity (message) == STUN_EXT_INTEGRITY_NONE)
    return STUN_EXT_LOGIN_CHALLENGE;
  verdict = read_identity (message, realm, &result);
  if (verdict != STUN_EXT_LOGIN_COMPLETE)
    return verdict;
  list = stun_ext_message_get_password_algorithms (message, &listed, &value);
  choice = stun_ext_message_get_password_algorithm (message, &result.algorithm);
  if (list == STUN_EXT_GET_ABSENT && choice == STUN_EXT_GET_ABSENT) {
    /* "as though PASSWORD-ALGORITHM were MD5" */
    if ((realm->algorithms & STUN_EXT_ALGORITHMS_MD5) == 0)
      return STUN_EXT_LOGIN_CHALLENGE;
    result.algorithm = STUN_EXT_PASSWORD_ALGORITHM_MD5;
    result.answer_integrity = STUN_EXT_INTEGRITY_SHA1;
  } else {
    if (list != STUN_EXT_GET_OK || choice != STUN_EXT_GET_OK ||
        !is_own_list (value, realm->algorithms) ||
        (realm->algorithms & flag_of ((guint16)result.algorithm)) == 0)
      return STUN_EXT_LOGIN_BAD_REQUEST;
    result.answer_integrity = STUN_EXT_INTEGRITY_SHA256;
  }
  *login = result;
  return STUN_EXT_LOGIN_COMPLETE;
}

gboolean
stun_ext_message_is_bid_down (const StunExtMessage *message)
{
  StunExtFeatures features = STUN_EXT_FEATURE_NONE;
  StunExtSpan nonce = { 0 };

  return stun_ext_message_get_data (message, STUN_EXT_ATTRIBUTE_NONCE, &nonce) == STUN_EXT_GET_OK &&
         stun_ext_nonce_features (nonce, &features) &&
         (features & STUN_EXT_FEATURE_PASSWORD_ALGORITHMS) != 0 &&
         stun_ext_message_find (message, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS) == NULL;
}

/* Takes the strongest algorithm that both sides have. */
static StunExtChallengeVerdict
choose_algorithm (const StunExtMessage *message,
                  StunExtAlgorithms allowed,
                  StunExtChallenge *challenge)
{
  StunExtAlgorithms offered = STUN_EXT_ALGORITHMS_NONE;
  StunExtSpan value = { 0 };

  switch (stun_ext_message_get_password_algorithms (message, &offered, &value)) {
  case STUN_EXT_GET_ABSENT:
    challenge->algorithm = STUN_EXT_PASSWORD_ALGORITHM_NONE;
    challenge->integrity = STUN_EXT_INTEGRITY_SHA1;
    return (allowed & STUN_EXT_ALGORITHMS_MD5) != 0 ? STUN_EXT_CHALLENGE_ANSWER
                                                    : STUN_EXT_CHALLENGE_UNSUPPORTED;
  case STUN_EXT_GET_OK:
    break;
  default:
    return STUN_EXT_CHALLENGE_INVALID;
  }
  if (value.length > sizeof challenge->offered)
    return STUN_EXT_CHALLENGE_INVALID;
  memcpy (challenge->offered, value.data, value.length);
  challenge->offered_length = value.length;
  challenge->integrity = STUN_EXT_INTEGRITY_SHA256;
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if ((offered & allowed & known[i].flag) != 0) {
      challenge->algorithm = known[i].number;
      return STUN_EXT_CHALLENGE_ANSWER;
    }
  return STUN_EXT_CHALLENGE_UNSUPPORTED;
}

static void
copy_text (char *text, StunExtSpan span)
{
  if (span.length > 0)
    memcpy (text, span.data, span.length);
  text[span.length] = '\0';
}

StunExtChallengeVerdict
stun_ext_challenge_read (const StunExtMessage *message,
                         StunExtAlgorithms allowed,
                         StunExtChallenge *challenge)
{
  StunExtChallenge result = { 0 };
  StunExtFeatures features = STUN_EXT_FEATURE_NONE;
  StunExtSpan realm = { 0 }, nonce = { 0 }, reason = { 0 };
  StunExtChallengeVerdict verdict;
  StunExtGet has_realm;

  if (message->message_class != STUN_EXT_CLASS_ERROR ||
      stun_ext_message_get_error (message, &result.code, &reason) != STUN_EXT_GET_OK ||
      (result.code != STUN_EXT_CODE_UNAUTHENTICATED && result.code != STUN_EXT_CODE_STALE_NONCE))
    return STUN_EXT_CHALLENGE_INVALID;
  has_realm = stun_ext_message_get_text (message, STUN_EXT_ATTRIBUTE_REALM, &realm);
  if (has_realm == STUN_EXT_GET_INVALID ||
      (has_realm == STUN_EXT_GET_ABSENT && result.code == STUN_EXT_CODE_UNAUTHENTICATED) ||
      stun_ext_message_get_text (message, STUN_EXT_ATTRIBUTE_NONCE, &nonce) != STUN_EXT_GET_OK)
    return STUN_EXT_CHALLENGE_INVALID;
  if (stun_ext_message_is_bid_down (message))
    return STUN_EXT_CHALLENGE_BID_DOWN;
  stun_ext_nonce_features (nonce, &features);
  result.is_anonymous = (features & STUN_EXT_FEATURE_USERNAME_ANONYMITY) != 0;
  copy_text (result.realm, realm);
  copy_text (result.nonce, nonce);
  verdict = choose_algorithm (message, allowed, &result);
  if (verdict == STUN_EXT_CHALLENGE_ANSWER)
    *challenge = result;
  return verdict;
}

void
stun_ext_builder_add_login (StunExtBuilder *builder,
                            const StunExtChallenge *challenge,
                            const char *username)
{
  guint8 userhash[STUN_EXT_USERHASH_LENGTH];

  if (challenge->is_anonymous) {
    if (!stun_ext_userhash ((StunExtSpan){ username, strlen (username) },
                            (StunExtSpan){ challenge->realm, strlen (challenge->realm) }, userhash))
      builder->writer.failed = TRUE;
    stun_ext_builder_add_data (builder, STUN_EXT_ATTRIBUTE_USERHASH, userhash, sizeof userhash);
  } else {
    stun_ext_builder_add_text (builder, STUN_EXT_ATTRIBUTE_USERNAME, username);
  }
  stun_ext_builder_add_text (builder, STUN_EXT_ATTRIBUTE_REALM, challenge->realm);
  stun_ext_builder_add_text (builder, STUN_EXT_ATTRIBUTE_NONCE, challenge->nonce);
  if (challenge->offered_length == 0)
    return;
  stun_ext_builder_add_data (builder, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, challenge->offered,
                             challenge->offered_length);
  stun_ext_builder_add_u16 (builder, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM,
                            (guint16)challenge->algorithm);
}
