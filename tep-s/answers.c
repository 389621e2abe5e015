/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STUN messages that the server sends: answers in frames, and plain STUN for whoever asks for an address. What goes to
 * somebody unknown is kept so short that nobody is flooded through it.
 */
#include "stun-ext/attribute.h"
#include "stun-ext/classic.h"
#include "stun-ext/octets.h"
#include "tep-s/messages-private.h"

/* ---- answers ---- */

void
tep_server_answer (TepServerConnection *connection, guint8 *frame, gsize length)
{
  stun_ext_octets_set_u16 (frame, 0, (guint16)length);
  tep_server_connection_write (connection, frame, STUN_EXT_FRAME_LENGTH_SIZE + length, NULL, 0,
                               FALSE);
}

void
tep_server_refuse (TepServerConnection *connection,
                   const StunExtMessage *message,
                   const StunExtTepFailure *failure,
                   StunExtSpan key)
{
  guint8 frame[STUN_EXT_FRAME_LENGTH_SIZE + STUN_EXT_TEP_MESSAGE_MAX];
  gsize length;

  if (message->message_class == STUN_EXT_CLASS_REQUEST &&
      stun_ext_tep_write_failure (failure, message, key, frame + STUN_EXT_FRAME_LENGTH_SIZE,
                                  STUN_EXT_TEP_MESSAGE_MAX, &length))
    tep_server_answer (connection, frame, length);
}

void
tep_server_refuse_code (TepServerConnection *connection,
                        const StunExtMessage *message,
                        guint code,
                        StunExtSpan key)
{
  const StunExtTepFailure failure = { .code = code };

  tep_server_refuse (connection, message, &failure, key);
}

void
tep_server_mismatch (TepServerConnection *connection, const StunExtMessage *message)
{
  const StunExtSpan no_key = { NULL, 0 };

  COUNT (connection->core, MISMATCHES);
  tep_server_refuse_code (connection, message, STUN_EXT_CODE_ALLOCATION_MISMATCH, no_key);
}

void
tep_server_grant (TepServerConnection *connection,
                  const StunExtMessage *message,
                  const StunExtTepSuccess *success,
                  StunExtSpan key)
{
  guint8 frame[STUN_EXT_FRAME_LENGTH_SIZE + STUN_EXT_TEP_MESSAGE_MAX];
  gsize length;

  if (stun_ext_tep_write_success (success, message, key, frame + STUN_EXT_FRAME_LENGTH_SIZE,
                                  STUN_EXT_TEP_MESSAGE_MAX, &length))
    tep_server_answer (connection, frame, length);
  else
    tep_server_refuse_code (connection, message, STUN_EXT_CODE_SERVER_ERROR, key);
}

/* ---- plain STUN ---- */

static gsize
build_stun_answer (const StunExtMessage *request,
                   const StunExtAddress *source,
                   guint8 *answer,
                   gsize capacity)
{
  static const guint16 known[] = {
    STUN_EXT_ATTRIBUTE_USERNAME,
    STUN_EXT_ATTRIBUTE_REALM,
    STUN_EXT_ATTRIBUTE_NONCE,
    STUN_EXT_ATTRIBUTE_USERHASH,
    STUN_EXT_ATTRIBUTE_PRIORITY,
    STUN_EXT_ATTRIBUTE_USE_CANDIDATE,
    STUN_EXT_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256,
    STUN_EXT_ATTRIBUTE_PASSWORD_ALGORITHM,
  };
  guint16 unknown[STUN_EXT_UNKNOWN_MAX];
  guint n = stun_ext_message_unknown (request, known, G_N_ELEMENTS (known), unknown);
  const StunExtSpan no_key = { NULL, 0 };
  StunExtBuilder builder;
  gsize length;

  if (n > 0) {
    /* Without a phrase, so that the answer stays shorter than 1.6 times the request. */
    stun_ext_builder_begin (&builder, answer, capacity, STUN_EXT_CLASS_ERROR, request->method,
                            request->transaction_id);
    stun_ext_builder_add_error (&builder, STUN_EXT_CODE_UNKNOWN_ATTRIBUTE, "");
    stun_ext_builder_add_unknown_attributes (&builder, unknown, n);
  } else {
    stun_ext_builder_begin_success (&builder, answer, capacity, request);
    stun_ext_builder_add_xor_address (&builder, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS, source);
  }
  if (!stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, no_key,
                                request->fingerprint_offset != 0, &length))
    return 0;
  return length;
}

gsize
tep_server_stun_answer (TepServerCore *core,
                        const StunExtAddress *source,
                        const guint8 *data,
                        gsize length,
                        guint8 *answer,
                        gsize capacity)
{
  StunExtMessage request;
  StunExtParse parse = stun_ext_message_parse (&request, data, length);

  if (parse == STUN_EXT_PARSE_NOT_STUN)
    return stun_ext_classic_answer (source, data, length, answer, capacity);
  if (parse != STUN_EXT_PARSE_OK || request.method != STUN_EXT_METHOD_BINDING ||
      request.message_class != STUN_EXT_CLASS_REQUEST ||
      stun_ext_fingerprint_verify (&request) == STUN_EXT_VERDICT_WRONG)
    return 0;
  return build_stun_answer (&request, source, answer, capacity);
}

gsize
tep_server_core_datagram (TepServerCore *core,
                          const StunExtAddress *source,
                          const guint8 *data,
                          gsize length,
                          guint8 *answer,
                          gsize capacity)
{
  gsize n = tep_server_stun_answer (core, source, data, length, answer, capacity);

  if (n == 0 || source->port == 0) {
    COUNT (core, STUN_IGNORED);
    return 0;
  }
  if (!tep_server_reply_limit_may_reply (core->reply_limit, source, core->now_us, NULL)) {
    COUNT (core, STUN_LIMITED);
    return 0;
  }
  COUNT (core, STUN_ANSWERS_UDP);
  return n;
}

void
tep_server_answer_plain (TepServerConnection *connection, const StunExtMessage *message)
{
  guint8 frame[STUN_EXT_FRAME_LENGTH_SIZE + 128];
  gsize length =
      build_stun_answer (message, &connection->source, frame + STUN_EXT_FRAME_LENGTH_SIZE, 128);

  if (length == 0)
    return;
  COUNT (connection->core, STUN_ANSWERS_TCP);
  tep_server_answer (connection, frame, length);
}
