/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STUN servers that find out about NATs for anybody: RFC 5780, and RFC 3489 for the clients that stayed with it. What they must
 * answer is longer than what they are asked, so how much longer is bounded here, to what every STUN server does.
 */
#include <string.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/reader.h"
#include "stun-ext/writer.h"
#include "tep-s/detect-private.h"

#define HEADERS_4 28 /* IP and UDP */
#define HEADERS_6 48
#define ATTRIBUTE_HEADER 4

/* RFC 3489 section 11.2 */
#define CLASSIC_SOURCE_ADDRESS 0x0004
#define CLASSIC_CHANGED_ADDRESS 0x0005
#define CLASSIC_REQUEST 0x0001
#define CLASSIC_SUCCESS 0x0101

typedef struct {
  guint32 change;
  guint16 response_port;
  gsize padding; /* octets of PADDING */
  gboolean has_padding;
} Wishes;

/* Octets that an answer may have: with headers at most 7/4 of the request over IPv4, 11/5 over IPv6. On a stream nobody else is
 * hit by it. */
static gsize
largest_answer (const TepServerDetectAsker *asker, gsize length)
{
  gsize largest;

  if (asker->is_stream)
    return TEP_SERVER_DETECT_DATAGRAM_MAX;
  largest = asker->source->family == 4 ? (length + HEADERS_4) * 7 / 4 - HEADERS_4
                                       : (length + HEADERS_6) * 11 / 5 - HEADERS_6;
  return MIN (largest, TEP_SERVER_DETECT_DATAGRAM_MAX);
}

/* FALSE if the far end cannot do that: it has one address, or the request came where there is no other port. */
static gboolean
grant_change (TepServerDetectCore *core,
              const TepServerDetectAsker *asker,
              guint32 change,
              TepServerDetectReply *reply)
{
  const TepServerDetectConfig *config = &core->detect;

  if (change == 0)
    return TRUE;
  if (asker->is_stream || asker->place->address == TEP_SERVER_DETECT_NO_ADDRESS ||
      ((change & STUN_EXT_CHANGE_IP) != 0 &&
       tep_server_detect_other_address (config, asker->place->address) ==
           TEP_SERVER_DETECT_NO_ADDRESS))
    return FALSE;
  reply->is_address_changed = (change & STUN_EXT_CHANGE_IP) != 0;
  reply->is_port_changed = (change & STUN_EXT_CHANGE_PORT) != 0;
  return TRUE;
}

static StunExtAddress
origin_of (TepServerDetectCore *core,
           const TepServerDetectAsker *asker,
           const TepServerDetectReply *reply)
{
  const TepServerDetectConfig *config = &core->detect;
  StunExtAddress origin = asker->place->local;
  guint16 port = origin.port;

  if (reply->is_port_changed)
    port = tep_server_detect_other_port (config, port);
  if (reply->is_address_changed)
    origin =
        config->public_addresses[tep_server_detect_other_address (config, asker->place->address)];
  origin.port = port;
  return origin;
}

/* ---- RFC 5780 ---- */

static gboolean
read_wishes (const StunExtMessage *request, Wishes *wishes)
{
  StunExtSpan padding;

  *wishes = (Wishes){ 0 };
  if (stun_ext_message_get_u32 (request, STUN_EXT_ATTRIBUTE_CHANGE_REQUEST, &wishes->change) ==
          STUN_EXT_GET_INVALID ||
      stun_ext_message_get_u16 (request, STUN_EXT_ATTRIBUTE_RESPONSE_PORT,
                                &wishes->response_port) == STUN_EXT_GET_INVALID)
    return FALSE;
  wishes->change &= STUN_EXT_CHANGE_IP | STUN_EXT_CHANGE_PORT;
  wishes->has_padding =
      stun_ext_message_get_data (request, STUN_EXT_ATTRIBUTE_PADDING, &padding) == STUN_EXT_GET_OK;
  wishes->padding = wishes->has_padding ? padding.length : 0;
  /* RFC 5780 section 7.6. */
  return !(wishes->has_padding && wishes->response_port != 0);
}

static void
add_if_fits (StunExtBuilder *builder, guint16 type, const StunExtAddress *address, gsize largest)
{
  if (address->family != 0 &&
      builder->writer.length + ATTRIBUTE_HEADER + 4 + stun_ext_address_length (address) <= largest)
    stun_ext_builder_add_address (builder, type, address);
}

static void
add_padding (StunExtBuilder *builder, gsize padding, gsize largest)
{
  gsize slot;

  if (builder->writer.failed || builder->writer.length + ATTRIBUTE_HEADER > largest)
    return;
  slot = stun_ext_writer_open (&builder->writer, STUN_EXT_ATTRIBUTE_PADDING);
  stun_ext_writer_zeros (&builder->writer,
                         MIN (padding, largest - builder->writer.length) & ~(gsize)3);
  stun_ext_writer_close (&builder->writer, slot);
}

static void
finish (StunExtBuilder *builder, gboolean has_fingerprint, TepServerDetectReply *reply)
{
  const StunExtSpan no_key = { NULL, 0 };

  if (!stun_ext_builder_finish (builder, STUN_EXT_INTEGRITY_NONE, no_key, has_fingerprint,
                                &reply->length))
    reply->length = 0;
}

static void
refuse (const StunExtMessage *request,
        guint code,
        const guint16 *unknown,
        guint n_unknown,
        gsize largest,
        TepServerDetectReply *reply)
{
  StunExtBuilder builder;

  reply->is_address_changed = reply->is_port_changed = FALSE;
  stun_ext_builder_begin (&builder, reply->octets, MIN (largest, sizeof reply->octets),
                          STUN_EXT_CLASS_ERROR, request->method, request->transaction_id);
  stun_ext_builder_add_error (&builder, code, "");
  if (n_unknown > 0)
    stun_ext_builder_add_unknown_attributes (&builder, unknown, n_unknown);
  finish (&builder, request->fingerprint_offset != 0, reply);
}

static void
answer_modern (TepServerDetectCore *core,
               const TepServerDetectAsker *asker,
               const StunExtMessage *request,
               TepServerDetectReply *reply)
{
  static const guint16 known[] = {
    STUN_EXT_ATTRIBUTE_CHANGE_REQUEST,
    STUN_EXT_ATTRIBUTE_RESPONSE_PORT,
    STUN_EXT_ATTRIBUTE_PADDING,
    STUN_EXT_ATTRIBUTE_USERNAME,
    STUN_EXT_ATTRIBUTE_REALM,
    STUN_EXT_ATTRIBUTE_NONCE,
    STUN_EXT_ATTRIBUTE_USERHASH,
    STUN_EXT_ATTRIBUTE_PRIORITY,
    STUN_EXT_ATTRIBUTE_USE_CANDIDATE,
    STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM,
    STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256,
  };
  static const guint16 change_request[] = { STUN_EXT_ATTRIBUTE_CHANGE_REQUEST };
  gsize largest = largest_answer (asker, request->length);
  gsize fingerprint = request->fingerprint_offset != 0 ? 8 : 0;
  guint16 unknown[STUN_EXT_UNKNOWN_MAX];
  guint n = stun_ext_message_unknown (request, known, G_N_ELEMENTS (known), unknown);
  StunExtAddress other = tep_server_detect_other (&core->detect, asker->place), origin;
  StunExtBuilder builder;
  Wishes wishes;

  if (n > 0 || !read_wishes (request, &wishes)) {
    refuse (request, n > 0 ? STUN_EXT_CODE_UNKNOWN_ATTRIBUTE : STUN_EXT_CODE_BAD_REQUEST, unknown,
            n, largest, reply);
    return;
  }
  if (!grant_change (core, asker, wishes.change, reply)) {
    refuse (request, STUN_EXT_CODE_UNKNOWN_ATTRIBUTE, change_request, 1, largest, reply);
    return;
  }
  if (wishes.response_port != 0 && !asker->is_stream)
    reply->destination.port = wishes.response_port;
  origin = origin_of (core, asker, reply);
  stun_ext_builder_begin_success (&builder, reply->octets, sizeof reply->octets, request);
  stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, asker->source);
  largest -= MIN (largest, fingerprint);
  add_if_fits (&builder, STUN_EXT_ATTRIBUTE_OTHER_ADDRESS, &other, largest);
  add_if_fits (&builder, STUN_EXT_ATTRIBUTE_RESPONSE_ORIGIN, &origin, largest);
  add_if_fits (&builder, STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS, asker->source, largest);
  if (wishes.has_padding)
    add_padding (&builder, wishes.padding, MIN (largest, request->length));
  finish (&builder, fingerprint > 0, reply);
}

/* ---- RFC 3489 ---- */

static void
add_classic (StunExtWriter *writer, guint16 type, const StunExtAddress *address, gsize largest)
{
  gsize n = stun_ext_address_length (address), slot;

  if (n == 0 || writer->length + ATTRIBUTE_HEADER + 4 + n > largest)
    return;
  slot = stun_ext_writer_open (writer, type);
  stun_ext_writer_u8 (writer, 0);
  stun_ext_writer_u8 (writer, address->family == 4 ? 1 : 2);
  stun_ext_writer_u16 (writer, address->port);
  stun_ext_writer_bytes (writer, address->octets, n);
  stun_ext_writer_close (writer, slot);
}

/* FALSE if it gets no answer: it wants it to go to somebody else, or something that is not understood. */
static gboolean
read_classic (const guint8 *data, gsize length, const guint8 **transaction_id, guint32 *change)
{
  StunExtReader reader;
  guint16 type, total;

  *change = 0;
  stun_ext_reader_init (&reader, data, length);
  type = stun_ext_reader_u16 (&reader);
  total = stun_ext_reader_u16 (&reader);
  *transaction_id = stun_ext_reader_bytes (&reader, 16);
  if (reader.failed || type != CLASSIC_REQUEST || (gsize)total + STUN_EXT_HEADER_LENGTH != length)
    return FALSE;
  while (stun_ext_reader_remaining (&reader) > 0) {
    guint16 attribute = stun_ext_reader_u16 (&reader);
    guint16 size = stun_ext_reader_u16 (&reader);
    StunExtReader value = stun_ext_reader_slice (&reader, size);

    if (reader.failed || size % 4 != 0)
      return FALSE;
    if (attribute == STUN_EXT_ATTRIBUTE_CHANGE_REQUEST && size == 4)
      *change = stun_ext_reader_u32 (&value) & (STUN_EXT_CHANGE_IP | STUN_EXT_CHANGE_PORT);
    else if (attribute < STUN_EXT_ATTRIBUTE_COMPREHENSION_OPTIONAL &&
             attribute != STUN_EXT_ATTRIBUTE_USERNAME)
      return FALSE; /* RESPONSE-ADDRESS above all */
  }
  return !reader.failed;
}

static void
answer_classic (TepServerDetectCore *core,
                const TepServerDetectAsker *asker,
                const guint8 *data,
                gsize length,
                TepServerDetectReply *reply)
{
  StunExtAddress other = tep_server_detect_other (&core->detect, asker->place), origin;
  gsize largest = largest_answer (asker, length);
  const guint8 *transaction_id;
  StunExtWriter writer;
  guint32 change;

  if (asker->is_stream || !read_classic (data, length, &transaction_id, &change) ||
      !grant_change (core, asker, change, reply))
    return;
  origin = origin_of (core, asker, reply);
  stun_ext_writer_init (&writer, reply->octets, MIN (largest, sizeof reply->octets));
  stun_ext_writer_u16 (&writer, CLASSIC_SUCCESS);
  stun_ext_writer_u16 (&writer, 0);
  stun_ext_writer_bytes (&writer, transaction_id, 16);
  add_classic (&writer, STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS, asker->source, largest);
  add_classic (&writer, CLASSIC_CHANGED_ADDRESS, &other, largest);
  add_classic (&writer, CLASSIC_SOURCE_ADDRESS, &origin, largest);
  stun_ext_writer_patch_u16 (&writer, 2, (guint16)(writer.length - STUN_EXT_HEADER_LENGTH));
  reply->length = writer.failed ? 0 : writer.length;
}

void
tep_server_detect_plain (TepServerDetectCore *core,
                         const TepServerDetectAsker *asker,
                         const guint8 *data,
                         gsize length,
                         TepServerDetectReply *reply)
{
  StunExtMessage request;
  StunExtParse parse = stun_ext_message_parse (&request, data, length);

  if (!core->detect.is_plain_answered)
    return;
  if (parse == STUN_EXT_PARSE_NOT_STUN)
    answer_classic (core, asker, data, length, reply);
  else if (parse == STUN_EXT_PARSE_OK && request.method == STUN_EXT_METHOD_BINDING &&
           request.message_class == STUN_EXT_CLASS_REQUEST &&
           stun_ext_fingerprint_verify (&request) != STUN_EXT_VERDICT_WRONG)
    answer_modern (core, asker, &request, reply);
}
