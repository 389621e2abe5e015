/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stun-ext/challenge.h"

#include <string.h>

#include "stun-ext/credentials.h"

#define NOW_MS G_GUINT64_CONSTANT (1800000000000)
#define BOTH ((StunExtAlgorithms)(STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256))
#define SHA256_ONLY STUN_EXT_ALGORITHMS_SHA256
#define MD5_ONLY STUN_EXT_ALGORITHMS_MD5

static const guint8 id[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const guint8 salt[STUN_EXT_NONCE_SALT_LENGTH] = { 9, 8, 7, 6, 5, 4 };
static const StunExtNonceMaker maker = { .key = "a key of thirty-two secret octet" };

typedef struct {
  guint8 octets[2048];
  gsize length;
  StunExtMessage message;
} Packet;

static StunExtSpan
span (const char *text)
{
  return (StunExtSpan){ text, strlen (text) };
}

static void
begin (StunExtBuilder *b, Packet *p, StunExtClass message_class)
{
  stun_ext_builder_begin (b, p->octets, sizeof p->octets, message_class, STUN_EXT_METHOD_ALLOCATE,
                          id);
}

static void
finish (StunExtBuilder *b, Packet *p, StunExtIntegrity integrity, StunExtSpan key)
{
  g_assert_true (stun_ext_builder_finish (b, integrity, key, FALSE, &p->length));
  g_assert_cmpint (stun_ext_message_parse (&p->message, p->octets, p->length), ==,
                   STUN_EXT_PARSE_OK);
}

/* Somebody on the way: copies a message without the attributes of one type, or with another value
 * for it. */
static void
tamper (const Packet *in, Packet *out, guint16 type, const void *value, gsize length)
{
  StunExtBuilder b;

  begin (&b, out, in->message.message_class);
  for (guint i = 0; i < in->message.n_attributes; i++) {
    const StunExtAttribute *a = &in->message.attributes[i];

    if (a->type != type)
      stun_ext_builder_add_data (&b, a->type, in->octets + a->offset, a->length);
    else if (value != NULL)
      stun_ext_builder_add_data (&b, a->type, value, length);
  }
  if (in->message.integrity_offset > 0)
    stun_ext_builder_add_data (&b, STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY,
                               in->octets + in->message.integrity_offset + 4,
                               STUN_EXT_INTEGRITY_LENGTH);
  if (in->message.integrity_sha256_offset > 0)
    stun_ext_builder_add_data (&b, STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256,
                               in->octets + in->message.integrity_sha256_offset + 4,
                               in->message.integrity_sha256_length);
  finish (&b, out, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 });
}

/* What a server does with a request: 0 for yes, else the code of its answer. */
static guint
serve (const StunExtRealm *realm, const StunExtMessage *request, StunExtLogin *login)
{
  StunExtKey key;
  guint8 userhash[STUN_EXT_USERHASH_LENGTH];

  switch (stun_ext_login_read (request, realm, login)) {
  case STUN_EXT_LOGIN_CHALLENGE:
    return 401;
  case STUN_EXT_LOGIN_BAD_REQUEST:
    return 400;
  default:
    break;
  }
  if (stun_ext_nonce_check (&maker, login->nonce, NOW_MS, (StunExtSpan){ 0 }, NULL) !=
      STUN_EXT_NONCE_VALID)
    return 438;
  g_assert_true (stun_ext_userhash (span ("alice"), realm->realm, userhash));
  if (login->username.length > 0)
    g_assert_cmpmem (login->username.data, login->username.length, "alice", 5);
  else
    g_assert_cmpmem (login->userhash.data, login->userhash.length, userhash, 32);
  g_assert_true (
      stun_ext_key_derive (&key, login->algorithm, span ("alice"), realm->realm, span ("pass")));
  return stun_ext_integrity_verify (request, STUN_EXT_INTEGRITY_BOTH, 32,
                                    stun_ext_key_span (&key)) == STUN_EXT_VERDICT_VALID
             ? 0
             : 401;
}

static void
make_challenge (const StunExtRealm *realm, guint code, Packet *p)
{
  char nonce[STUN_EXT_NONCE_LENGTH + 1];
  StunExtBuilder b;

  g_assert_true (stun_ext_nonce_make (&maker, stun_ext_realm_features (realm), NOW_MS, salt,
                                      (StunExtSpan){ 0 }, nonce));
  begin (&b, p, STUN_EXT_CLASS_ERROR);
  stun_ext_builder_add_error (&b, code, NULL);
  stun_ext_builder_add_challenge (&b, realm, nonce);
  finish (&b, p, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 });
}

static void
make_login (const StunExtChallenge *challenge, Packet *p)
{
  StunExtBuilder b;
  StunExtKey key;

  g_assert_true (stun_ext_key_derive (&key, challenge->algorithm, span ("alice"),
                                      span (challenge->realm), span ("pass")));
  begin (&b, p, STUN_EXT_CLASS_REQUEST);
  stun_ext_builder_add_login (&b, challenge, "alice");
  finish (&b, p, challenge->integrity, stun_ext_key_span (&key));
}

static void
test_client_and_server_agree (void)
{
  static const struct {
    StunExtAlgorithms offered;
    StunExtAlgorithms allowed;
    gboolean is_anonymous;
    StunExtPasswordAlgorithm algorithm;
    StunExtIntegrity integrity;
  } rows[] = {
    { SHA256_ONLY, SHA256_ONLY, FALSE, STUN_EXT_PASSWORD_ALGORITHM_SHA256,
      STUN_EXT_INTEGRITY_SHA256 },
    { SHA256_ONLY, SHA256_ONLY, TRUE, STUN_EXT_PASSWORD_ALGORITHM_SHA256,
      STUN_EXT_INTEGRITY_SHA256 },
    { BOTH, SHA256_ONLY, FALSE, STUN_EXT_PASSWORD_ALGORITHM_SHA256, STUN_EXT_INTEGRITY_SHA256 },
    { BOTH, BOTH, FALSE, STUN_EXT_PASSWORD_ALGORITHM_SHA256, STUN_EXT_INTEGRITY_SHA256 },
    { BOTH, MD5_ONLY, FALSE, STUN_EXT_PASSWORD_ALGORITHM_MD5, STUN_EXT_INTEGRITY_SHA256 },
    { MD5_ONLY, BOTH, TRUE, STUN_EXT_PASSWORD_ALGORITHM_MD5, STUN_EXT_INTEGRITY_SHA256 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint code = 401; code <= 438; code += 37) {
      const StunExtRealm realm = { span ("example.org"), rows[i].offered, rows[i].is_anonymous };
      StunExtChallenge challenge;
      StunExtLogin login;
      Packet answer, request;

      make_challenge (&realm, code, &answer);
      g_assert_cmpint (stun_ext_challenge_read (&answer.message, rows[i].allowed, &challenge), ==,
                       STUN_EXT_CHALLENGE_ANSWER);
      g_assert_cmpuint (challenge.code, ==, code);
      g_assert_cmpstr (challenge.realm, ==, "example.org");
      g_assert_cmpint (challenge.is_anonymous, ==, rows[i].is_anonymous);
      g_assert_cmpint (challenge.algorithm, ==, rows[i].algorithm);
      g_assert_cmpint (challenge.integrity, ==, rows[i].integrity);
      make_login (&challenge, &request);
      g_assert_cmpuint (serve (&realm, &request.message, &login), ==, 0);
      g_assert_cmpint (login.answer_integrity, ==, STUN_EXT_INTEGRITY_SHA256);
      g_assert_cmpint (login.algorithm, ==, rows[i].algorithm);
    }
}

static void
test_client_of_rfc_5389_is_served_only_where_md5_is_allowed (void)
{
  for (guint is_allowed = 0; is_allowed < 2; is_allowed++) {
    const StunExtRealm realm = { span ("example.org"), is_allowed ? BOTH : SHA256_ONLY, FALSE };
    StunExtChallenge challenge;
    StunExtLogin login;
    Packet answer, request;

    make_challenge (&realm, 401, &answer);
    g_assert_cmpint (
        stun_ext_challenge_read (&answer.message, is_allowed ? MD5_ONLY : SHA256_ONLY, &challenge),
        ==, STUN_EXT_CHALLENGE_ANSWER);
    challenge.offered_length = 0; /* an old client does not know the attribute */
    challenge.algorithm = STUN_EXT_PASSWORD_ALGORITHM_NONE;
    challenge.integrity = STUN_EXT_INTEGRITY_SHA1;
    make_login (&challenge, &request);
    g_assert_cmpuint (serve (&realm, &request.message, &login), ==, is_allowed ? 0 : 401);
    if (is_allowed)
      g_assert_cmpint (login.answer_integrity, ==, STUN_EXT_INTEGRITY_SHA1);
  }
}

static void
test_server_of_rfc_5389_is_used_only_where_md5_is_allowed (void)
{
  StunExtChallenge challenge;
  StunExtBuilder b;
  Packet p;

  begin (&b, &p, STUN_EXT_CLASS_ERROR);
  stun_ext_builder_add_error (&b, 401, NULL);
  stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_REALM, "example.org");
  stun_ext_builder_add_text (&b, STUN_EXT_ATTRIBUTE_NONCE, "f//499k954d6OL34oL9FSTvy64sA");
  finish (&b, &p, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 });
  g_assert_cmpint (stun_ext_challenge_read (&p.message, SHA256_ONLY, &challenge), ==,
                   STUN_EXT_CHALLENGE_UNSUPPORTED);
  g_assert_cmpint (stun_ext_challenge_read (&p.message, BOTH, &challenge), ==,
                   STUN_EXT_CHALLENGE_ANSWER);
  g_assert_cmpint (challenge.algorithm, ==, STUN_EXT_PASSWORD_ALGORITHM_NONE);
  g_assert_cmpint (challenge.integrity, ==, STUN_EXT_INTEGRITY_SHA1);
}

static void
test_stripped_offer_is_noticed_by_the_client (void)
{
  const StunExtRealm realm = { span ("example.org"), BOTH, FALSE };
  StunExtChallenge challenge = { .code = 77 };
  Packet answer, stripped;

  make_challenge (&realm, 401, &answer);
  g_assert_false (stun_ext_message_is_bid_down (&answer.message));
  tamper (&answer, &stripped, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, NULL, 0);
  g_assert_true (stun_ext_message_is_bid_down (&stripped.message));
  g_assert_cmpint (stun_ext_challenge_read (&stripped.message, BOTH, &challenge), ==,
                   STUN_EXT_CHALLENGE_BID_DOWN);
  g_assert_cmpuint (challenge.code, ==, 77);
}

static void
test_shortened_offer_is_noticed_by_the_server (void)
{
  static const guint8 md5_alone[] = { 0, 1, 0, 0 };
  const StunExtRealm realm = { span ("example.org"), BOTH, FALSE };
  StunExtChallenge challenge;
  StunExtLogin login;
  Packet answer, shortened, request, restored;

  make_challenge (&realm, 401, &answer);
  tamper (&answer, &shortened, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, md5_alone, sizeof md5_alone);
  g_assert_cmpint (stun_ext_challenge_read (&shortened.message, BOTH, &challenge), ==,
                   STUN_EXT_CHALLENGE_ANSWER);
  make_login (&challenge, &request);
  g_assert_cmpuint (serve (&realm, &request.message, &login), ==, 400);
  /* putting the list back on the way does not help: it is signed */
  tamper (&request, &restored, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, "\0\2\0\0\0\1\0\0", 8);
  g_assert_cmpuint (serve (&realm, &restored.message, &login), ==, 401);
}

static void
test_stripped_offer_with_a_rewritten_nonce_is_noticed_by_the_server (void)
{
  const StunExtRealm realm = { span ("example.org"), BOTH, FALSE };
  StunExtChallenge challenge;
  StunExtLogin login;
  Packet answer, stripped, rewritten, request;
  StunExtSpan nonce = { 0 };
  g_autofree char *plain = NULL;

  make_challenge (&realm, 401, &answer);
  tamper (&answer, &stripped, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, NULL, 0);
  g_assert_cmpint (stun_ext_message_get_text (&stripped.message, STUN_EXT_ATTRIBUTE_NONCE, &nonce),
                   ==, STUN_EXT_GET_OK);
  plain = g_strndup (nonce.data, nonce.length);
  memcpy (plain + 9, "AAAA", 4);
  tamper (&stripped, &rewritten, STUN_EXT_ATTRIBUTE_NONCE, plain, strlen (plain));
  g_assert_cmpint (stun_ext_challenge_read (&rewritten.message, SHA256_ONLY, &challenge), ==,
                   STUN_EXT_CHALLENGE_UNSUPPORTED);
  g_assert_cmpint (stun_ext_challenge_read (&rewritten.message, BOTH, &challenge), ==,
                   STUN_EXT_CHALLENGE_ANSWER);
  make_login (&challenge, &request);
  g_assert_cmpuint (serve (&realm, &request.message, &login), ==, 438);
}

static void
test_success_with_a_stripped_offer_is_to_be_ignored (void)
{
  const StunExtRealm realm = { span ("example.org"), SHA256_ONLY, FALSE };
  char nonce[STUN_EXT_NONCE_LENGTH + 1];
  StunExtBuilder b;
  Packet success, stripped;

  g_assert_true (stun_ext_nonce_make (&maker, stun_ext_realm_features (&realm), NOW_MS, salt,
                                      (StunExtSpan){ 0 }, nonce));
  begin (&b, &success, STUN_EXT_CLASS_SUCCESS);
  stun_ext_builder_add_challenge (&b, &realm, nonce);
  finish (&b, &success, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 });
  g_assert_false (stun_ext_message_is_bid_down (&success.message));
  tamper (&success, &stripped, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, NULL, 0);
  g_assert_true (stun_ext_message_is_bid_down (&stripped.message));
}

/* Letters: n USERNAME, h USERHASH, r REALM, R another realm, o NONCE, l PASSWORD-ALGORITHMS of
 * SHA-256, L of both, E an empty one, a PASSWORD-ALGORITHM SHA-256, m MD5, x one that nobody knows,
 * i MESSAGE-INTEGRITY-SHA256. */
static void
add_by_letter (StunExtBuilder *b, char letter)
{
  static const guint8 zeros[32];

  switch (letter) {
  case 'n':
    stun_ext_builder_add_text (b, STUN_EXT_ATTRIBUTE_USERNAME, "alice");
    break;
  case 'h':
    stun_ext_builder_add_data (b, STUN_EXT_ATTRIBUTE_USERHASH, zeros, 32);
    break;
  case 'H':
    stun_ext_builder_add_data (b, STUN_EXT_ATTRIBUTE_USERHASH, zeros, 31);
    break;
  case 'r':
    stun_ext_builder_add_text (b, STUN_EXT_ATTRIBUTE_REALM, "example.org");
    break;
  case 'R':
    stun_ext_builder_add_text (b, STUN_EXT_ATTRIBUTE_REALM, "example.com");
    break;
  case 'o':
    stun_ext_builder_add_text (b, STUN_EXT_ATTRIBUTE_NONCE, "obMatJos2gAAAx");
    break;
  case 'l':
    stun_ext_builder_add_password_algorithms (b, SHA256_ONLY);
    break;
  case 'L':
    stun_ext_builder_add_password_algorithms (b, BOTH);
    break;
  case 'E':
    stun_ext_builder_add_flag (b, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS);
    break;
  case 'a':
    stun_ext_builder_add_u16 (b, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM, 2);
    break;
  case 'm':
    stun_ext_builder_add_u16 (b, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM, 1);
    break;
  case 'x':
    stun_ext_builder_add_u16 (b, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM, 3);
    break;
  default:
    stun_ext_builder_add_data (b, STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256, zeros, 32);
    break;
  }
}

static void
test_each_incomplete_login_gets_its_answer (void)
{
  static const struct {
    const char *letters;
    StunExtLoginVerdict expected;
  } rows[] = {
    { "", STUN_EXT_LOGIN_CHALLENGE },         { "nrola", STUN_EXT_LOGIN_CHALLENGE },
    { "nrolai", STUN_EXT_LOGIN_COMPLETE },    { "hrolai", STUN_EXT_LOGIN_COMPLETE },
    { "rolai", STUN_EXT_LOGIN_BAD_REQUEST },  { "nolai", STUN_EXT_LOGIN_BAD_REQUEST },
    { "nrlai", STUN_EXT_LOGIN_BAD_REQUEST },  { "nhrolai", STUN_EXT_LOGIN_BAD_REQUEST },
    { "i", STUN_EXT_LOGIN_BAD_REQUEST },      { "Hrolai", STUN_EXT_LOGIN_BAD_REQUEST },
    { "nroli", STUN_EXT_LOGIN_BAD_REQUEST },  { "nroai", STUN_EXT_LOGIN_BAD_REQUEST },
    { "nroLai", STUN_EXT_LOGIN_BAD_REQUEST }, { "nroEai", STUN_EXT_LOGIN_BAD_REQUEST },
    { "nrolmi", STUN_EXT_LOGIN_BAD_REQUEST }, { "nrolxi", STUN_EXT_LOGIN_BAD_REQUEST },
    { "nroi", STUN_EXT_LOGIN_CHALLENGE },     { "nRolai", STUN_EXT_LOGIN_CHALLENGE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const StunExtRealm realm = { span ("example.org"), SHA256_ONLY, TRUE };
    StunExtLogin login = { .algorithm = STUN_EXT_PASSWORD_ALGORITHM_NONE };
    StunExtBuilder b;
    Packet p;

    g_test_message ("%s", rows[i].letters);
    begin (&b, &p, STUN_EXT_CLASS_REQUEST);
    for (const char *l = rows[i].letters; *l != '\0'; l++)
      add_by_letter (&b, *l);
    finish (&b, &p, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 });
    g_assert_cmpint (stun_ext_login_read (&p.message, &realm, &login), ==, rows[i].expected);
    if (rows[i].expected != STUN_EXT_LOGIN_COMPLETE)
      g_assert_cmpuint (login.nonce.length, ==, 0);
  }
}

static void
test_userhash_is_challenged_where_it_is_not_offered (void)
{
  const StunExtRealm realm = { span ("example.org"), SHA256_ONLY, FALSE };
  StunExtLogin login;
  StunExtBuilder b;
  Packet p;

  begin (&b, &p, STUN_EXT_CLASS_REQUEST);
  for (const char *l = "hrolai"; *l != '\0'; l++)
    add_by_letter (&b, *l);
  finish (&b, &p, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 });
  g_assert_cmpint (stun_ext_login_read (&p.message, &realm, &login), ==, STUN_EXT_LOGIN_CHALLENGE);
}

static void
test_each_unusable_challenge_is_told_apart (void)
{
  static const struct {
    guint code;
    const char *letters;
    StunExtChallengeVerdict expected;
  } rows[] = {
    { 401, "rol", STUN_EXT_CHALLENGE_ANSWER },  { 438, "rol", STUN_EXT_CHALLENGE_ANSWER },
    { 438, "ol", STUN_EXT_CHALLENGE_ANSWER },   { 401, "ol", STUN_EXT_CHALLENGE_INVALID },
    { 401, "rl", STUN_EXT_CHALLENGE_INVALID },  { 438, "rl", STUN_EXT_CHALLENGE_INVALID },
    { 401, "ro", STUN_EXT_CHALLENGE_BID_DOWN }, { 438, "ro", STUN_EXT_CHALLENGE_BID_DOWN },
    { 401, "roE", STUN_EXT_CHALLENGE_INVALID }, { 400, "rol", STUN_EXT_CHALLENGE_INVALID },
    { 0, "rol", STUN_EXT_CHALLENGE_INVALID },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtChallenge challenge;
    StunExtBuilder b;
    Packet p;

    begin (&b, &p, STUN_EXT_CLASS_ERROR);
    if (rows[i].code != 0)
      stun_ext_builder_add_error (&b, rows[i].code, NULL);
    for (const char *l = rows[i].letters; *l != '\0'; l++)
      add_by_letter (&b, *l);
    finish (&b, &p, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 });
    g_assert_cmpint (stun_ext_challenge_read (&p.message, SHA256_ONLY, &challenge), ==,
                     rows[i].expected);
    p.message.message_class = STUN_EXT_CLASS_SUCCESS;
    g_assert_cmpint (stun_ext_challenge_read (&p.message, SHA256_ONLY, &challenge), ==,
                     STUN_EXT_CHALLENGE_INVALID);
  }
}

static void
test_lists_of_algorithms_are_read_with_care (void)
{
  static const struct {
    const char *octets;
    gsize length;
    StunExtGet expected;
    guint algorithms;
  } rows[] = {
    { "\0\2\0\0\0\1\0\0", 8, STUN_EXT_GET_OK, 3 },
    { "\0\1\0\0\0\2\0\0", 8, STUN_EXT_GET_OK, 3 },
    { "\0\1\0\0", 4, STUN_EXT_GET_OK, 1 },
    { "\x12\x34\0\5abcde\0\0\0\0\2\0\0", 16, STUN_EXT_GET_OK, 2 },
    { "\0\2\0\0\x12\x34\0\5abcde", 13, STUN_EXT_GET_OK, 2 }, /* padding not counted */
    { "\0\2\0\4abcd", 8, STUN_EXT_GET_OK, 0 },               /* SHA-256 has no parameters */
    { "\x12\x34\0\0", 4, STUN_EXT_GET_OK, 0 },
    { "", 0, STUN_EXT_GET_INVALID, 0 },
    { "\0\2\0", 3, STUN_EXT_GET_INVALID, 0 },
    { "\0\2\0\0\0", 5, STUN_EXT_GET_INVALID, 0 },
    { "\0\2\0\1", 4, STUN_EXT_GET_INVALID, 0 },
    { "\0\2\xff\xff", 4, STUN_EXT_GET_INVALID, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAlgorithms algorithms = STUN_EXT_ALGORITHMS_NONE;
    StunExtSpan value;
    StunExtBuilder b;
    Packet p;

    begin (&b, &p, STUN_EXT_CLASS_ERROR);
    stun_ext_builder_add_data (&b, STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHMS, rows[i].octets,
                               rows[i].length);
    finish (&b, &p, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 });
    g_assert_cmpint (stun_ext_message_get_password_algorithms (&p.message, &algorithms, &value), ==,
                     rows[i].expected);
    g_assert_cmpuint (algorithms, ==, rows[i].algorithms);
  }
}

static void
test_unknown_user_and_wrong_password_cannot_be_told_apart (void)
{
  const StunExtRealm realm = { span ("example.org"), SHA256_ONLY, FALSE };
  StunExtChallenge challenge;
  StunExtLogin login;
  StunExtKey wrong, dummy;
  Packet answer, request;

  make_challenge (&realm, 401, &answer);
  g_assert_cmpint (stun_ext_challenge_read (&answer.message, SHA256_ONLY, &challenge), ==,
                   STUN_EXT_CHALLENGE_ANSWER);
  make_login (&challenge, &request);
  g_assert_cmpint (stun_ext_login_read (&request.message, &realm, &login), ==,
                   STUN_EXT_LOGIN_COMPLETE);
  g_assert_true (
      stun_ext_key_derive (&wrong, login.algorithm, login.username, realm.realm, span ("wrong")));
  g_assert_true (stun_ext_key_dummy (&dummy, span ("server secret"), login.username));
  /* keys of the same length, so the same work, and the same verdict */
  g_assert_cmpuint (wrong.length, ==, dummy.length);
  g_assert_cmpint (stun_ext_integrity_verify (&request.message, STUN_EXT_INTEGRITY_BOTH, 32,
                                              stun_ext_key_span (&wrong)),
                   ==, STUN_EXT_VERDICT_WRONG);
  g_assert_cmpint (stun_ext_integrity_verify (&request.message, STUN_EXT_INTEGRITY_BOTH, 32,
                                              stun_ext_key_span (&dummy)),
                   ==, STUN_EXT_VERDICT_WRONG);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func ("/stun-ext/challenge/" name, function)
  ADD ("client-and-server-agree", test_client_and_server_agree);
  ADD ("client-of-rfc-5389-is-served-only-where-md5-is-allowed",
       test_client_of_rfc_5389_is_served_only_where_md5_is_allowed);
  ADD ("server-of-rfc-5389-is-used-only-where-md5-is-allowed",
       test_server_of_rfc_5389_is_used_only_where_md5_is_allowed);
  ADD ("stripped-offer-is-noticed-by-the-client", test_stripped_offer_is_noticed_by_the_client);
  ADD ("shortened-offer-is-noticed-by-the-server", test_shortened_offer_is_noticed_by_the_server);
  ADD ("stripped-offer-with-a-rewritten-nonce-is-noticed-by-the-server",
       test_stripped_offer_with_a_rewritten_nonce_is_noticed_by_the_server);
  ADD ("success-with-a-stripped-offer-is-to-be-ignored",
       test_success_with_a_stripped_offer_is_to_be_ignored);
  ADD ("each-incomplete-login-gets-its-answer", test_each_incomplete_login_gets_its_answer);
  ADD ("userhash-is-challenged-where-it-is-not-offered",
       test_userhash_is_challenged_where_it_is_not_offered);
  ADD ("each-unusable-challenge-is-told-apart", test_each_unusable_challenge_is_told_apart);
  ADD ("lists-of-algorithms-are-read-with-care", test_lists_of_algorithms_are_read_with_care);
  ADD ("unknown-user-and-wrong-password-cannot-be-told-apart",
       test_unknown_user_and_wrong_password_cannot_be_told_apart);
  return g_test_run ();
}
