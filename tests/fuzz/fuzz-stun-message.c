/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A message that was read is written and read again with the same attributes; every accessor stands
 * every value. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/attribute.h"
#include "stun-ext/classic.h"
#include "stun-ext/integrity.h"
#include "stun-ext/message.h"

static void
read_values (const StunExtMessage *message, guint16 type)
{
  StunExtSpan span;
  StunExtAddress address;
  StunExtAddress addresses[STUN_EXT_PEERS_MAX];
  guint8 octets[32], u8;
  guint16 u16;
  guint32 u32;
  guint n;

  stun_ext_message_get_data (message, type, &span);
  stun_ext_message_get_text (message, type, &span);
  stun_ext_message_get_fixed (message, type, octets, sizeof octets);
  stun_ext_message_get_flag (message, type);
  stun_ext_message_get_u8 (message, type, &u8);
  stun_ext_message_get_u16 (message, type, &u16);
  stun_ext_message_get_u32 (message, type, &u32);
  stun_ext_message_get_family (message, type, &u8);
  stun_ext_message_get_address (message, type, &address);
  stun_ext_message_get_xor_address (message, type, &address);
  if (stun_ext_message_get_xor_addresses (message, type, addresses, &n) == STUN_EXT_GET_OK)
    g_assert_cmpuint (n, <=, STUN_EXT_PEERS_MAX);
}

static void
read_all (const StunExtMessage *message)
{
  static const guint8 key[32] = "a key that nobody else has heard";
  guint16 types[STUN_EXT_UNKNOWN_MAX];
  StunExtSpan reason;
  guint code, n;
  StunExtVerdict verdict;

  for (guint i = 0; i < message->n_attributes; i++) {
    const StunExtAttribute *attribute = &message->attributes[i];

    g_assert_cmpuint (attribute->offset + attribute->length, <=, message->length);
    read_values (message, attribute->type);
  }
  stun_ext_message_get_error (message, &code, &reason);
  stun_ext_message_get_unknown_attributes (message, types, &n);
  g_assert_cmpuint (stun_ext_message_unknown (message, NULL, 0, types), <=, STUN_EXT_UNKNOWN_MAX);
  verdict = stun_ext_fingerprint_verify (message);
  verdict = stun_ext_integrity_verify (message, STUN_EXT_INTEGRITY_BOTH, 16,
                                       (StunExtSpan){ key, sizeof key });
  g_assert_cmpint (verdict, !=, STUN_EXT_VERDICT_VALID);
}

static void
write_again (const StunExtMessage *message)
{
  static const guint8 key[] = "key";
  const StunExtSpan span = { key, sizeof key };
  g_autofree guint8 *buffer = g_malloc (message->length + 100);
  StunExtBuilder builder;
  StunExtMessage again;
  gsize length;

  if (message->n_attributes + 2 > STUN_EXT_ATTRIBUTES_MAX) /* integrity and fingerprint count too */
    return;
  stun_ext_builder_begin (&builder, buffer, message->length + 100, message->message_class,
                          message->method, message->transaction_id);
  for (guint i = 0; i < message->n_attributes; i++)
    stun_ext_builder_add_data (&builder, message->attributes[i].type,
                               &message->data[message->attributes[i].offset],
                               message->attributes[i].length);
  if (!stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_SHA256, span, TRUE, &length))
    return; /* longer than a message can be */
  g_assert_cmpint (stun_ext_message_parse (&again, buffer, length), ==, STUN_EXT_PARSE_OK);
  g_assert_cmpuint (again.method, ==, message->method);
  g_assert_cmpuint (again.message_class, ==, message->message_class);
  g_assert_cmpmem (again.transaction_id, 12, message->transaction_id, 12);
  g_assert_cmpuint (again.n_attributes, ==, message->n_attributes);
  for (guint i = 0; i < again.n_attributes; i++) {
    g_assert_cmpuint (again.attributes[i].type, ==, message->attributes[i].type);
    g_assert_cmpmem (&again.data[again.attributes[i].offset], again.attributes[i].length,
                     &message->data[message->attributes[i].offset], message->attributes[i].length);
  }
  g_assert_cmpint (stun_ext_fingerprint_verify (&again), ==, STUN_EXT_VERDICT_VALID);
  g_assert_cmpint (stun_ext_integrity_verify (&again, STUN_EXT_INTEGRITY_SHA256, 32, span), ==,
                   STUN_EXT_VERDICT_VALID);
}

/* Whatever is answered gets its own transaction id, and little more than it sent. */
static void
answer_classic (const guint8 *data, gsize length)
{
  const StunExtAddress source = { .family = 6, .port = 1 };
  guint8 answer[64];
  gsize n = stun_ext_classic_answer (&source, data, length, answer, sizeof answer);

  g_assert_cmpuint (n, <=, length + 24);
  if (n > 0)
    g_assert_cmpmem (answer + 4, 16, data + 4, 16);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  StunExtMessage message;
  gsize total;
  StunExtParse measured = stun_ext_message_measure (data, length, &total);
  StunExtParse parsed = stun_ext_message_parse (&message, data, length);

  if (parsed == STUN_EXT_PARSE_OK || parsed == STUN_EXT_PARSE_MALFORMED) {
    g_assert_cmpint (measured, ==, STUN_EXT_PARSE_OK);
    g_assert_cmpuint (total, ==, length);
  }
  answer_classic (data, length);
  if (parsed != STUN_EXT_PARSE_OK)
    return 0;
  read_all (&message);
  write_again (&message);
  return 0;
}
