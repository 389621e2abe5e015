/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TURN server's words without a server: each function writes one message. What the client makes
 * of it is for the tests to say.
 */
#include "turn-mock.h"

#include <string.h>

#include "stun-ext/channel-data.h"

const MockAllocated mock_usual = {
  .relayed = "192.0.2.1:50000",
  .mapped = "198.51.100.7:4000",
  .lifetime_s = 600,
};

StunExtAddress
mock_address (const char *text)
{
  StunExtAddress address;

  g_assert_true (stun_ext_address_parse (text, &address));
  return address;
}

void
mock_key (StunExtKey *key, const char *user, const char *password)
{
  g_assert_true (stun_ext_key_long_term (key, STUN_EXT_PASSWORD_ALGORITHM_MD5, user, MOCK_REALM,
                                         password, NULL));
}

void
mock_finish (MockMessage *message, StunExtBuilder *builder, MockProof proof, const char *user)
{
  StunExtKey key;

  mock_key (&key, user != NULL ? user : MOCK_USER,
            proof == MOCK_FORGED ? "guessed" : MOCK_PASSWORD);
  g_assert_true (stun_ext_builder_finish (
      builder, proof == MOCK_UNSIGNED ? STUN_EXT_INTEGRITY_NONE : STUN_EXT_INTEGRITY_SHA1,
      stun_ext_key_span (&key), TRUE, &message->length));
}

static void
begin_success (MockMessage *message, StunExtBuilder *builder, const StunExtMessage *request)
{
  stun_ext_builder_begin_success (builder, message->octets, sizeof message->octets, request);
}

void
mock_challenge (MockMessage *message, const StunExtMessage *request, guint code, const char *nonce)
{
  StunExtBuilder builder;

  stun_ext_builder_begin_error (&builder, message->octets, sizeof message->octets, request, code);
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_REALM, MOCK_REALM);
  stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_NONCE, nonce);
  mock_finish (message, &builder, MOCK_UNSIGNED, NULL);
}

void
mock_error (MockMessage *message, const StunExtMessage *request, guint code, MockProof proof)
{
  static const guint16 unknown[] = { STUN_EXT_ATTRIBUTE_DONT_FRAGMENT };
  StunExtBuilder builder;

  stun_ext_builder_begin_error (&builder, message->octets, sizeof message->octets, request, code);
  if (code == STUN_EXT_CODE_UNKNOWN_ATTRIBUTE)
    stun_ext_builder_add_unknown_attributes (&builder, unknown, G_N_ELEMENTS (unknown));
  mock_finish (message, &builder, proof, NULL);
}

void
mock_success (MockMessage *message, const StunExtMessage *request, MockProof proof)
{
  StunExtBuilder builder;

  begin_success (message, &builder, request);
  mock_finish (message, &builder, proof, NULL);
}

void
mock_lifetime (MockMessage *message,
               const StunExtMessage *request,
               guint lifetime_s,
               const char *ticket)
{
  StunExtBuilder builder;

  begin_success (message, &builder, request);
  stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_LIFETIME, lifetime_s);
  if (ticket != NULL)
    stun_ext_builder_add_data (&builder, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET, ticket,
                               strlen (ticket));
  mock_finish (message, &builder, MOCK_SIGNED, NULL);
}

static void
add_address (StunExtBuilder *builder, guint16 type, const char *text)
{
  StunExtAddress address;

  if (text == NULL)
    return;
  address = mock_address (text);
  stun_ext_builder_add_xor_address (builder, type, &address);
}

void
mock_allocated (MockMessage *message,
                const StunExtMessage *request,
                const MockAllocated *allocated,
                MockProof proof)
{
  guint8 family_error[4] = { 2, 0, (guint8)(allocated->family_error / 100),
                             (guint8)(allocated->family_error % 100) };
  StunExtBuilder builder;

  begin_success (message, &builder, request);
  add_address (&builder, STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS, allocated->relayed);
  add_address (&builder, STUN_EXT_ATTRIBUTE_XOR_RELAYED_ADDRESS, allocated->relayed_also);
  add_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, allocated->mapped);
  if (allocated->lifetime_s >= 0)
    stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_LIFETIME,
                              (guint32)allocated->lifetime_s);
  if (allocated->ticket != NULL)
    stun_ext_builder_add_data (&builder, STUN_EXT_ATTRIBUTE_MOBILITY_TICKET, allocated->ticket,
                               strlen (allocated->ticket));
  if (allocated->reservation != NULL)
    stun_ext_builder_add_data (&builder, STUN_EXT_ATTRIBUTE_RESERVATION_TOKEN,
                               allocated->reservation, 8);
  if (allocated->family_error != 0)
    stun_ext_builder_add_data (&builder, STUN_EXT_ATTRIBUTE_ADDRESS_ERROR_CODE, family_error,
                               sizeof family_error);
  mock_finish (message, &builder, proof, NULL);
}

void
mock_redirect (MockMessage *message,
               const StunExtMessage *request,
               const StunExtAddress *server,
               const char *domain,
               MockProof proof)
{
  StunExtBuilder builder;

  stun_ext_builder_begin_error (&builder, message->octets, sizeof message->octets, request,
                                STUN_EXT_CODE_TRY_ALTERNATE);
  stun_ext_builder_add_address (&builder, STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER, server);
  if (domain != NULL)
    stun_ext_builder_add_text (&builder, STUN_EXT_ATTRIBUTE_ALTERNATE_DOMAIN, domain);
  mock_finish (message, &builder, proof, NULL);
}

void
mock_connection (MockMessage *message, const StunExtMessage *request, guint32 id)
{
  StunExtBuilder builder;

  begin_success (message, &builder, request);
  stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_CONNECTION_ID, id);
  mock_finish (message, &builder, MOCK_SIGNED, NULL);
}

static void
begin_indication (MockMessage *message, StunExtBuilder *builder, guint16 method, const char *peer)
{
  static const guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH] = "indication";

  stun_ext_builder_begin (builder, message->octets, sizeof message->octets,
                          STUN_EXT_CLASS_INDICATION, method, id);
  add_address (builder, STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS, peer);
}

void
mock_data (MockMessage *message, const char *peer, const char *text)
{
  StunExtBuilder builder;

  begin_indication (message, &builder, STUN_EXT_METHOD_DATA, peer);
  stun_ext_builder_add_data (&builder, STUN_EXT_ATTRIBUTE_DATA, text, strlen (text));
  mock_finish (message, &builder, MOCK_UNSIGNED, NULL);
}

void
mock_icmp (MockMessage *message, const char *peer, guint8 type, guint16 code, guint32 data)
{
  guint16 both = (guint16)(type << 9 | code);
  guint8 value[8] = { 0,
                      0,
                      (guint8)(both >> 8),
                      (guint8)both,
                      (guint8)(data >> 24),
                      (guint8)(data >> 16),
                      (guint8)(data >> 8),
                      (guint8)data };
  StunExtBuilder builder;

  begin_indication (message, &builder, STUN_EXT_METHOD_DATA, peer);
  stun_ext_builder_add_data (&builder, STUN_EXT_ATTRIBUTE_ICMP, value, sizeof value);
  mock_finish (message, &builder, MOCK_UNSIGNED, NULL);
}

void
mock_attempt (MockMessage *message, const char *peer, guint32 id)
{
  StunExtBuilder builder;

  begin_indication (message, &builder, STUN_EXT_METHOD_CONNECTION_ATTEMPT, peer);
  stun_ext_builder_add_u32 (&builder, STUN_EXT_ATTRIBUTE_CONNECTION_ID, id);
  mock_finish (message, &builder, MOCK_UNSIGNED, NULL);
}

void
mock_channel_data (MockMessage *message, guint16 channel, const char *text)
{
  StunExtWriter writer;

  stun_ext_writer_init (&writer, message->octets, sizeof message->octets);
  stun_ext_channel_data_write (&writer, channel, text, strlen (text), TRUE);
  g_assert_false (writer.failed);
  message->length = writer.length;
}

gboolean
mock_is_signed (const StunExtMessage *request)
{
  StunExtKey key;

  mock_key (&key, MOCK_USER, MOCK_PASSWORD);
  return stun_ext_integrity_verify (request, STUN_EXT_INTEGRITY_BOTH, 32,
                                    stun_ext_key_span (&key)) == STUN_EXT_VERDICT_VALID;
}
