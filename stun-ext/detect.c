/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is between a client and its far end may drop, answer in the far end's place, or change what passes. So each probe
 * carries the run it belongs to, each answer a proof, and both ends need the same idea of every octet: that idea is here,
 * once, for both.
 */
#include "stun-ext/detect.h"

#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/detect-private.h"
#include "stun-ext/integrity.h"
#include "stun-ext/reader.h"
#include "stun-ext/writer.h"

#define MARK_LENGTH 24
#define PARTS_MAX 8
#define ATTRIBUTE_HEADER 4
#define INTEGRITY_ATTRIBUTE (ATTRIBUTE_HEADER + STUN_EXT_INTEGRITY_SHA256_LENGTH)
#define FINGERPRINT_ATTRIBUTE 8
#define HEX_MAX 64
#define TOKEN_FIELDS 7 /* octets of number, length and payload in a token */
#define TOKEN_MAC (STUN_EXT_DETECT_TOKEN_LENGTH - STUN_EXT_DETECT_RUN_LENGTH - TOKEN_FIELDS)
#define ECHO_PROVEN (STUN_EXT_DETECT_ANSWER_LENGTH - STUN_EXT_DETECT_PROOF_LENGTH)
#define SURVIVAL_HEAD 44

static const char echo_magic[4] = { 'T', 'E', 'P', 'D' };
static const char survival_magic[4] = { 'T', 'E', 'P', 'S' };

/* ---- text, keys, proofs ---- */

const char *
stun_ext_detect_hex_print (const guint8 *octets, gsize length, char *text)
{
  static const char digits[] = "0123456789abcdef";

  for (gsize i = 0; i < length; i++) {
    text[2 * i] = digits[octets[i] >> 4];
    text[2 * i + 1] = digits[octets[i] & 15];
  }
  text[2 * length] = '\0';
  return text;
}

gboolean
stun_ext_detect_hex_parse (const char *text, gsize text_length, guint8 *octets, gsize length)
{
  if (length > HEX_MAX || text_length != 2 * length)
    return FALSE;
  for (gsize i = 0; i < text_length; i++)
    if (!g_ascii_isxdigit (text[i]))
      return FALSE;
  for (gsize i = 0; i < length; i++)
    octets[i] =
        (guint8)(g_ascii_xdigit_value (text[2 * i]) << 4 | g_ascii_xdigit_value (text[2 * i + 1]));
  return TRUE;
}

const char *
stun_ext_detect_run_print (const StunExtDetectRun *run, char text[STUN_EXT_DETECT_RUN_TEXT_LENGTH])
{
  return stun_ext_detect_hex_print (run->octets, sizeof run->octets, text);
}

gboolean
stun_ext_detect_key_derive (StunExtDetectKey *key,
                            StunExtSpan user_key,
                            const StunExtDetectRun *run)
{
  static const char label[] = "tep-detect/1 key";
  const StunExtSpan parts[] = { { label, sizeof label }, { run->octets, sizeof run->octets } };

  key->is_keyed = user_key.length > 0;
  return stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, user_key.data, user_key.length, parts,
                               G_N_ELEMENTS (parts), key->octets);
}

/* Each piece is preceded by its length, so that octets cannot move from one into the next. */
gboolean
stun_ext_detect_prove (const StunExtDetectKey *key,
                       const char *label,
                       const StunExtSpan *parts,
                       gsize n_parts,
                       guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH])
{
  StunExtSpan spans[1 + 2 * PARTS_MAX];
  guint8 lengths[PARTS_MAX][4];

  memset (proof, 0, STUN_EXT_DETECT_PROOF_LENGTH);
  if (n_parts > PARTS_MAX)
    return FALSE;
  spans[0] = (StunExtSpan){ label, strlen (label) + 1 };
  for (gsize i = 0; i < n_parts; i++) {
    StunExtWriter writer;

    stun_ext_writer_init (&writer, lengths[i], sizeof lengths[i]);
    stun_ext_writer_u32 (&writer, (guint32)parts[i].length);
    spans[1 + 2 * i] = (StunExtSpan){ lengths[i], sizeof lengths[i] };
    spans[2 + 2 * i] = parts[i];
  }
  return stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, key->octets, sizeof key->octets, spans,
                               1 + 2 * n_parts, proof);
}

/* The key that an answer says it was proven with; FALSE if the client has none such. */
static gboolean
choose_key (const StunExtDetectRun *run,
            const StunExtDetectKey *user,
            gboolean is_keyed,
            StunExtDetectKey *key)
{
  const StunExtSpan no_key = { NULL, 0 };

  if (!is_keyed)
    return stun_ext_detect_key_derive (key, no_key, run);
  if (user == NULL || !user->is_keyed)
    return FALSE;
  *key = *user;
  return TRUE;
}

StunExtDetectProof
stun_ext_detect_check (const StunExtDetectRun *run,
                       const StunExtDetectKey *user,
                       gboolean is_keyed,
                       const char *label,
                       const StunExtSpan *parts,
                       gsize n_parts,
                       const guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH])
{
  StunExtDetectKey key;
  guint8 expected[STUN_EXT_DETECT_PROOF_LENGTH];

  if (!choose_key (run, user, is_keyed, &key) ||
      !stun_ext_detect_prove (&key, label, parts, n_parts, expected) ||
      !stun_ext_crypto_equal (expected, proof, sizeof expected))
    return STUN_EXT_DETECT_PROOF_NONE;
  return is_keyed ? STUN_EXT_DETECT_PROOF_KEYED : STUN_EXT_DETECT_PROOF_UNKEYED;
}

/* ---- STUN ---- */

void
stun_ext_detect_add_mark (StunExtBuilder *builder, const StunExtDetectMark *mark)
{
  guint8 value[MARK_LENGTH];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, value, sizeof value);
  stun_ext_writer_u8 (&writer, STUN_EXT_DETECT_VERSION);
  stun_ext_writer_u8 (&writer, mark->flags);
  stun_ext_writer_u16 (&writer, mark->delay_s);
  stun_ext_writer_u32 (&writer, mark->probe);
  stun_ext_writer_bytes (&writer, mark->run.octets, sizeof mark->run.octets);
  stun_ext_builder_add_data (builder, STUN_EXT_TEP_ATTRIBUTE_DETECT, value, sizeof value);
}

gboolean
stun_ext_message_get_detect (const StunExtMessage *message, StunExtDetectMark *mark)
{
  guint8 value[MARK_LENGTH];
  StunExtReader reader;

  if (stun_ext_message_get_fixed (message, STUN_EXT_TEP_ATTRIBUTE_DETECT, value, sizeof value) !=
      STUN_EXT_GET_OK)
    return FALSE;
  stun_ext_reader_init (&reader, value, sizeof value);
  if (stun_ext_reader_u8 (&reader) != STUN_EXT_DETECT_VERSION)
    return FALSE;
  mark->flags = stun_ext_reader_u8 (&reader);
  mark->delay_s = stun_ext_reader_u16 (&reader);
  mark->probe = stun_ext_reader_u32 (&reader);
  memcpy (mark->run.octets, stun_ext_reader_bytes (&reader, sizeof mark->run.octets),
          sizeof mark->run.octets);
  return TRUE;
}

gboolean
stun_ext_detect_fill (StunExtBuilder *builder, gsize length, gsize to_come)
{
  StunExtWriter *writer = &builder->writer;
  gsize slot, left;

  if (writer->failed || length % 4 != 0 || writer->length + to_come > length)
    return FALSE;
  left = length - writer->length - to_come;
  if (left == 0)
    return TRUE;
  slot = stun_ext_writer_open (writer, STUN_EXT_TEP_ATTRIBUTE_DETECT_FILL);
  stun_ext_writer_zeros (writer, left - ATTRIBUTE_HEADER);
  stun_ext_writer_close (writer, slot);
  return !writer->failed;
}

gboolean
stun_ext_detect_request_write (const StunExtDetectRequest *request,
                               const StunExtDetectKey *user,
                               guint8 *buffer,
                               gsize capacity,
                               gsize *length)
{
  gsize wanted = request->length > 0 ? request->length : STUN_EXT_DETECT_REQUEST_LENGTH;
  gboolean is_signed = user != NULL && request->username != NULL;
  StunExtSpan key = { is_signed ? user->octets : NULL, is_signed ? sizeof user->octets : 0 };
  StunExtBuilder builder;

  if (request->mark.delay_s > STUN_EXT_DETECT_DELAY_MAX_S ||
      request->cookie.length > STUN_EXT_DETECT_COOKIE_MAX_LENGTH)
    return FALSE;
  stun_ext_builder_begin (&builder, buffer, capacity, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_BINDING, request->transaction_id);
  stun_ext_detect_add_mark (&builder, &request->mark);
  if (request->change != 0)
    stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_CHANGE_REQUEST, request->change);
  if (request->response_port != 0)
    stun_ext_builder_add_u16 (&builder, STUN_EXT_ATTRIBUTE_RESPONSE_PORT, request->response_port);
  if (request->cookie.length > 0)
    stun_ext_builder_add_data (&builder, STUN_EXT_TEP_ATTRIBUTE_DETECT_COOKIE, request->cookie.data,
                               request->cookie.length);
  if (request->username != NULL)
    stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_USERNAME, request->username);
  if (request->username != NULL && request->realm != NULL)
    stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_REALM, request->realm);
  if (!stun_ext_detect_fill (&builder, wanted,
                             FINGERPRINT_ATTRIBUTE + (is_signed ? INTEGRITY_ATTRIBUTE : 0)))
    return FALSE;
  return stun_ext_builder_finish (
      &builder, is_signed ? STUN_EXT_INTEGRITY_SHA256 : STUN_EXT_INTEGRITY_NONE, key, TRUE, length);
}

/* What is left out of an answer when it has to be short, the last first. */
typedef enum {
  SHORTER_WHOLE,
  SHORTER_NO_COOKIE,
  SHORTER_NO_MAPPED,
  SHORTER_NO_OTHER,
  SHORTER_NO_ORIGIN,
  N_SHORTER,
} Shorter;

static void
add_address (StunExtBuilder *builder, guint16 type, const StunExtAddress *address, gboolean wanted)
{
  if (wanted && address->family != 0)
    stun_ext_builder_add_address (builder, type, address);
}

static void
add_answer (StunExtBuilder *builder, const StunExtDetectAnswer *answer, Shorter shorter)
{
  if (answer->mapped.family != 0)
    stun_ext_builder_add_xor_address (builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS,
                                      &answer->mapped);
  add_address (builder, STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS, &answer->mapped_plain,
               shorter < SHORTER_NO_MAPPED);
  add_address (builder, STUN_EXT_ATTRIBUTE_RESPONSE_ORIGIN, &answer->origin,
               shorter < SHORTER_NO_ORIGIN);
  add_address (builder, STUN_EXT_ATTRIBUTE_OTHER_ADDRESS, &answer->other,
               shorter < SHORTER_NO_OTHER);
  if (answer->cookie.length > 0 && shorter < SHORTER_NO_COOKIE)
    stun_ext_builder_add_data (builder, STUN_EXT_TEP_ATTRIBUTE_DETECT_COOKIE, answer->cookie.data,
                               answer->cookie.length);
  stun_ext_detect_add_mark (builder, &answer->mark);
}

static gboolean
write_answer (const StunExtDetectAnswer *answer,
              const StunExtMessage *request,
              const StunExtDetectKey *key,
              Shorter shorter,
              gsize largest,
              guint8 *buffer,
              gsize capacity,
              gsize *length)
{
  const StunExtSpan span = { key->octets, sizeof key->octets };
  const gsize to_come = INTEGRITY_ATTRIBUTE + FINGERPRINT_ATTRIBUTE;
  StunExtBuilder builder;

  stun_ext_builder_begin (&builder, buffer, capacity,
                          answer->code != 0 ? STUN_EXT_CLASS_ERROR : STUN_EXT_CLASS_SUCCESS,
                          request->method, request->transaction_id);
  if (answer->code != 0)
    stun_ext_builder_add_error (&builder, answer->code, "");
  add_answer (&builder, answer, shorter);
  if (builder.writer.failed || builder.writer.length + to_come > largest)
    return FALSE;
  if ((answer->mark.flags & STUN_EXT_DETECT_FLAG_FILL) != 0 &&
      !stun_ext_detect_fill (&builder, largest - largest % 4, to_come))
    return FALSE;
  return stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_SHA256, span, TRUE, length);
}

gboolean
stun_ext_detect_answer_write (const StunExtDetectAnswer *answer,
                              const StunExtMessage *request,
                              const StunExtDetectKey *key,
                              gsize largest,
                              guint8 *buffer,
                              gsize capacity,
                              gsize *length)
{
  for (guint i = SHORTER_WHOLE; i < N_SHORTER; i++)
    if (write_answer (answer, request, key, (Shorter)i, MIN (largest, capacity), buffer, capacity,
                      length))
      return TRUE;
  return FALSE;
}

static gboolean
read_plain_address (const StunExtMessage *message, guint16 type, StunExtAddress *address)
{
  return stun_ext_message_get_address (message, type, address) != STUN_EXT_GET_INVALID;
}

static gboolean
read_answer (const StunExtMessage *message, StunExtDetectAnswer *answer)
{
  StunExtSpan reason;
  gboolean is_sound = TRUE;

  answer->has_mark = stun_ext_message_get_detect (message, &answer->mark);
  if (message->message_class == STUN_EXT_CLASS_ERROR)
    is_sound &= stun_ext_message_get_error (message, &answer->code, &reason) == STUN_EXT_GET_OK;
  is_sound &= stun_ext_message_get_xor_address (message, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS,
                                                &answer->mapped) != STUN_EXT_GET_INVALID;
  is_sound &=
      read_plain_address (message, STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS, &answer->mapped_plain);
  is_sound &= read_plain_address (message, STUN_EXT_ATTRIBUTE_RESPONSE_ORIGIN, &answer->origin);
  is_sound &= read_plain_address (message, STUN_EXT_ATTRIBUTE_OTHER_ADDRESS, &answer->other);
  if (stun_ext_message_get_data (message, STUN_EXT_TEP_ATTRIBUTE_DETECT_COOKIE, &answer->cookie) ==
          STUN_EXT_GET_OK &&
      answer->cookie.length > STUN_EXT_DETECT_COOKIE_MAX_LENGTH) {
    answer->cookie = (StunExtSpan){ NULL, 0 };
    is_sound = FALSE;
  }
  if (message->message_class == STUN_EXT_CLASS_ERROR && answer->code == 0)
    answer->code = STUN_EXT_CODE_SERVER_ERROR;
  return is_sound;
}

StunExtDetectProof
stun_ext_detect_answer_read (const StunExtMessage *message,
                             const StunExtDetectRun *run,
                             const StunExtDetectKey *user,
                             StunExtDetectAnswer *answer)
{
  StunExtDetectKey key;
  gboolean is_keyed;

  *answer = (StunExtDetectAnswer){ .length = message->length };
  if (!read_answer (message, answer) || !answer->has_mark ||
      stun_ext_fingerprint_verify (message) != STUN_EXT_VERDICT_VALID ||
      memcmp (answer->mark.run.octets, run->octets, sizeof run->octets) != 0)
    return STUN_EXT_DETECT_PROOF_NONE;
  is_keyed = (answer->mark.flags & STUN_EXT_DETECT_FLAG_KEYED) != 0;
  if (!choose_key (run, user, is_keyed, &key) ||
      stun_ext_integrity_verify (
          message, STUN_EXT_INTEGRITY_SHA256, STUN_EXT_INTEGRITY_SHA256_LENGTH,
          (StunExtSpan){ key.octets, sizeof key.octets }) != STUN_EXT_VERDICT_VALID)
    return STUN_EXT_DETECT_PROOF_NONE;
  return is_keyed ? STUN_EXT_DETECT_PROOF_KEYED : STUN_EXT_DETECT_PROOF_UNKEYED;
}

/* ---- tokens ---- */

/* The second half of a token: number and length under a mask, and what shows that they were not found by chance. */
static gboolean
token_half (const StunExtDetectRun *run,
            const guint8 fields[TOKEN_FIELDS],
            guint8 mask[STUN_EXT_DETECT_PROOF_LENGTH],
            guint8 mac[STUN_EXT_DETECT_PROOF_LENGTH])
{
  const StunExtSpan no_key = { NULL, 0 };
  const StunExtSpan part = { fields, TOKEN_FIELDS };
  StunExtDetectKey key;

  return stun_ext_detect_key_derive (&key, no_key, run) &&
         stun_ext_detect_prove (&key, "tep-detect/1 mask", NULL, 0, mask) &&
         (fields == NULL || stun_ext_detect_prove (&key, "tep-detect/1 token", &part, 1, mac));
}

gboolean
stun_ext_detect_token_write (const StunExtDetectToken *token,
                             guint8 octets[STUN_EXT_DETECT_TOKEN_LENGTH])
{
  guint8 fields[TOKEN_FIELDS];
  guint8 mask[STUN_EXT_DETECT_PROOF_LENGTH], mac[STUN_EXT_DETECT_PROOF_LENGTH];
  StunExtWriter writer;

  stun_ext_writer_init (&writer, fields, sizeof fields);
  stun_ext_writer_u32 (&writer, token->probe);
  stun_ext_writer_u16 (&writer, token->length);
  stun_ext_writer_u8 (&writer, token->payload);
  if (!token_half (&token->run, fields, mask, mac))
    return FALSE;
  for (gsize i = 0; i < TOKEN_FIELDS; i++)
    fields[i] ^= mask[i];
  stun_ext_writer_init (&writer, octets, STUN_EXT_DETECT_TOKEN_LENGTH);
  stun_ext_writer_bytes (&writer, token->run.octets, sizeof token->run.octets);
  stun_ext_writer_bytes (&writer, fields, sizeof fields);
  stun_ext_writer_bytes (&writer, mac, TOKEN_MAC);
  return !writer.failed;
}

gboolean
stun_ext_detect_token_read (const guint8 octets[STUN_EXT_DETECT_TOKEN_LENGTH],
                            StunExtDetectToken *token)
{
  guint8 fields[TOKEN_FIELDS];
  guint8 mask[STUN_EXT_DETECT_PROOF_LENGTH], mac[STUN_EXT_DETECT_PROOF_LENGTH];
  StunExtDetectRun run;
  StunExtReader reader;

  memcpy (run.octets, octets, sizeof run.octets);
  if (!token_half (&run, NULL, mask, NULL))
    return FALSE;
  for (gsize i = 0; i < TOKEN_FIELDS; i++)
    fields[i] = octets[sizeof run.octets + i] ^ mask[i];
  if (!token_half (&run, fields, mask, mac) ||
      !stun_ext_crypto_equal (mac, octets + sizeof run.octets + TOKEN_FIELDS, TOKEN_MAC))
    return FALSE;
  stun_ext_reader_init (&reader, fields, sizeof fields);
  token->run = run;
  token->probe = stun_ext_reader_u32 (&reader);
  token->length = stun_ext_reader_u16 (&reader);
  token->payload = stun_ext_reader_u8 (&reader);
  return TRUE;
}

/* ---- digest answers ---- */

#define ECHO_KEYED 0x40
#define ECHO_HAS_RUN 0x80

/* Boxes that rewrite addresses look for them in clear. */
static void
mask_source (guint8 *octets, gsize length, const guint8 digest[STUN_EXT_DETECT_DIGEST_LENGTH])
{
  for (gsize i = 0; i < length; i++)
    octets[i] ^= digest[i] ^ 0xa5;
}

gboolean
stun_ext_detect_echo_write (const StunExtDetectEcho *echo,
                            const StunExtDetectKey *key,
                            guint8 octets[STUN_EXT_DETECT_ANSWER_LENGTH])
{
  const StunExtSpan part = { octets, ECHO_PROVEN };
  guint8 source[20] = { echo->source.family, 0, (guint8)(echo->source.port >> 8),
                        (guint8)echo->source.port };
  guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH] = { 0 };
  StunExtWriter writer;

  memcpy (source + 4, echo->source.octets, stun_ext_address_length (&echo->source));
  mask_source (source, sizeof source, echo->digest);
  stun_ext_writer_init (&writer, octets, STUN_EXT_DETECT_ANSWER_LENGTH);
  stun_ext_writer_bytes (&writer, echo_magic, sizeof echo_magic);
  stun_ext_writer_u8 (&writer, STUN_EXT_DETECT_VERSION);
  stun_ext_writer_u8 (&writer, echo->payload);
  stun_ext_writer_u8 (&writer, echo->twin);
  stun_ext_writer_u8 (&writer, (guint8)((key != NULL && key->is_keyed ? ECHO_KEYED : 0) |
                                        (echo->has_run ? ECHO_HAS_RUN : 0)));
  stun_ext_writer_u32 (&writer, echo->probe);
  stun_ext_writer_u32 (&writer, echo->octets);
  stun_ext_writer_bytes (&writer, echo->digest, sizeof echo->digest);
  stun_ext_writer_bytes (&writer, source, sizeof source);
  if (key != NULL && !stun_ext_detect_prove (key, "tep-detect/1 echo", &part, 1, proof))
    return FALSE;
  stun_ext_writer_bytes (&writer, proof, sizeof proof);
  return !writer.failed;
}

gboolean
stun_ext_detect_echo_read (const guint8 *octets,
                           gsize length,
                           const StunExtDetectRun *run,
                           const StunExtDetectKey *user,
                           StunExtDetectEcho *echo,
                           StunExtDetectProof *proof)
{
  const StunExtSpan part = { octets, ECHO_PROVEN };
  StunExtDetectEcho read = { .run = *run };
  StunExtReader reader;
  const guint8 *magic, *digest, *field, *received;
  guint8 source[20], version, flags;

  stun_ext_reader_init (&reader, octets, MIN (length, STUN_EXT_DETECT_ANSWER_LENGTH));
  magic = stun_ext_reader_bytes (&reader, sizeof echo_magic);
  version = stun_ext_reader_u8 (&reader);
  read.payload = stun_ext_reader_u8 (&reader);
  read.twin = stun_ext_reader_u8 (&reader);
  flags = stun_ext_reader_u8 (&reader);
  read.probe = stun_ext_reader_u32 (&reader);
  read.octets = stun_ext_reader_u32 (&reader);
  digest = stun_ext_reader_bytes (&reader, sizeof read.digest);
  field = stun_ext_reader_bytes (&reader, sizeof source);
  received = stun_ext_reader_bytes (&reader, STUN_EXT_DETECT_PROOF_LENGTH);
  if (!stun_ext_reader_done (&reader) || memcmp (magic, echo_magic, sizeof echo_magic) != 0 ||
      version != STUN_EXT_DETECT_VERSION)
    return FALSE;
  memcpy (read.digest, digest, sizeof read.digest);
  memcpy (source, field, sizeof source);
  mask_source (source, sizeof source, read.digest);
  if (source[0] == 4 || source[0] == 6)
    stun_ext_address_init (&read.source, source[0], source + 4,
                           (guint16)(source[2] << 8 | source[3]));
  read.has_run = (flags & ECHO_HAS_RUN) != 0;
  read.is_keyed = (flags & ECHO_KEYED) != 0;
  *proof = read.has_run ? stun_ext_detect_check (run, user, read.is_keyed, "tep-detect/1 echo",
                                                 &part, 1, received)
                        : STUN_EXT_DETECT_PROOF_NONE;
  *echo = read;
  return TRUE;
}

/* ---- survival ---- */

gboolean
stun_ext_detect_survival_begin (StunExtDetectSurvival *survival, const guint8 *first, gsize length)
{
  const StunExtSpan part = { first, length };

  survival->total = 0;
  return stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, survival->digest);
}

gboolean
stun_ext_detect_survival_block (StunExtDetectSurvival *survival,
                                const guint8 block[STUN_EXT_DETECT_BLOCK_LENGTH],
                                guint8 answer[STUN_EXT_DETECT_BLOCK_LENGTH])
{
  guint8 before[STUN_EXT_DETECT_DIGEST_LENGTH];
  const StunExtSpan parts[] = { { before, sizeof before },
                                { block, STUN_EXT_DETECT_BLOCK_LENGTH } };
  StunExtWriter writer;

  memcpy (before, survival->digest, sizeof before);
  if (!stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, parts, G_N_ELEMENTS (parts), survival->digest))
    return FALSE;
  survival->total += STUN_EXT_DETECT_BLOCK_LENGTH;
  stun_ext_writer_init (&writer, answer, STUN_EXT_DETECT_BLOCK_LENGTH);
  stun_ext_writer_bytes (&writer, survival_magic, sizeof survival_magic);
  stun_ext_writer_u64 (&writer, survival->total);
  stun_ext_writer_bytes (&writer, survival->digest, sizeof survival->digest);
  for (gsize i = SURVIVAL_HEAD; i < STUN_EXT_DETECT_BLOCK_LENGTH; i++)
    stun_ext_writer_u8 (&writer, (guint8)~block[i]);
  return !writer.failed;
}
