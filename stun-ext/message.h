/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/protocol.h"
#include "stun-ext/version.h"
#include "stun-ext/writer.h"

G_BEGIN_DECLS

/**
 * StunExtParse:
 * @STUN_EXT_PARSE_OK: a well-formed message
 * @STUN_EXT_PARSE_INCOMPLETE: what is there may be the beginning of a message
 * @STUN_EXT_PARSE_NOT_STUN: it is something else; no answer
 * @STUN_EXT_PARSE_MALFORMED: header of a STUN message, but its attributes break a rule or a limit.
 * The header fields are valid, so that a request can be answered with 400
 *
 * What octets turned out to be.
 */
typedef enum {
  STUN_EXT_PARSE_OK,
  STUN_EXT_PARSE_INCOMPLETE,
  STUN_EXT_PARSE_NOT_STUN,
  STUN_EXT_PARSE_MALFORMED,
} StunExtParse;

/**
 * StunExtAttribute:
 * @type: type of the attribute
 * @length: octets of its value, without padding
 * @offset: where the value begins, from the first octet of the message
 */
typedef struct {
  guint16 type;
  guint16 length;
  guint32 offset;
} StunExtAttribute;

/**
 * StunExtMessage:
 * @data: the octets of the message, borrowed
 * @length: number of octets, header included
 * @method: method, such as %STUN_EXT_METHOD_BINDING
 * @message_class: class
 * @transaction_id: transaction id
 * @n_attributes: number of entries in @attributes
 * @attributes: the attributes that count, in order; MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and
 * FINGERPRINT are not among them, nor are those that RFC 8489 section 9 has receivers ignore
 * @integrity_offset: where the header of MESSAGE-INTEGRITY begins; 0 without one
 * @integrity_sha256_offset: where the header of MESSAGE-INTEGRITY-SHA256 begins; 0 without one
 * @integrity_sha256_length: octets in its value
 * @fingerprint_offset: where the header of FINGERPRINT begins; 0 without one
 *
 * An index into a message. It copies nothing and allocates nothing; it dies with the buffer it was
 * parsed from. Read values with attribute.h.
 */
typedef struct {
  const guint8 *data;
  gsize length;
  guint16 method;
  StunExtClass message_class;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  guint n_attributes;
  StunExtAttribute attributes[STUN_EXT_ATTRIBUTES_MAX];
  gsize integrity_offset;
  gsize integrity_sha256_offset;
  gsize integrity_sha256_length;
  gsize fingerprint_offset;
} StunExtMessage;

/**
 * StunExtBuilder:
 * @writer: where the message goes; its length is that of the message so far. Change its padding
 * octet, if at all, before the first attribute
 * @transaction_id: transaction id of the message
 *
 * Writes one message into a buffer of the caller. Lives on the stack. Begin it with one of the
 * functions below, add attributes with attribute.h, and end it with stun_ext_builder_finish() of
 * integrity.h.
 */
typedef struct {
  StunExtWriter writer;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
} StunExtBuilder;

/**
 * stun_ext_message_measure:
 * @data: (array length=length): octets from the beginning of what may be a message
 * @length: how many are there
 * @total: (out): octets of the whole message, 20 to 65552; set only on %STUN_EXT_PARSE_OK
 *
 * For streams without framing: tells from the first 8 octets how long a message is.
 *
 * Returns: %STUN_EXT_PARSE_OK if the length is known, whether or not all of it is there; else
 *   %STUN_EXT_PARSE_INCOMPLETE or %STUN_EXT_PARSE_NOT_STUN, the latter as soon as one octet cannot
 * be STUN's
 */
STUN_EXT_API StunExtParse stun_ext_message_measure (const guint8 *data, gsize length, gsize *total);

/**
 * stun_ext_message_parse:
 * @message: (out): the index; on anything but %STUN_EXT_PARSE_OK it has no attributes, and only on
 *   %STUN_EXT_PARSE_MALFORMED a method, class and transaction id
 * @data: (array length=length): exactly one datagram or frame
 * @length: octets in it
 *
 * Finds everything in a message, proving each length first. Octets behind the message's own length
 * make it %STUN_EXT_PARSE_NOT_STUN. Messages without magic cookie (RFC 3489) are not STUN here.
 *
 * More than 64 attributes, integrity of a wrong length, and anything behind FINGERPRINT are
 * %STUN_EXT_PARSE_MALFORMED.
 *
 * Returns: what it is
 */
STUN_EXT_API StunExtParse stun_ext_message_parse (StunExtMessage *message,
                                                  const guint8 *data,
                                                  gsize length);

/**
 * stun_ext_message_find:
 * @message: a parsed message
 * @type: type of attribute
 *
 * Returns: (transfer none) (nullable): the first attribute of that type, which is the one that
 * counts (RFC 8489 section 14), or %NULL
 */
STUN_EXT_API const StunExtAttribute *stun_ext_message_find (const StunExtMessage *message,
                                                            guint16 type);

/**
 * stun_ext_message_is_answer_to:
 * @message: a parsed message
 * @request: a request of ours
 *
 * Returns: %TRUE if @message is a success or error response with the method and transaction id of
 * @request
 */
STUN_EXT_API gboolean stun_ext_message_is_answer_to (const StunExtMessage *message,
                                                     const StunExtMessage *request);

/**
 * stun_ext_message_unknown:
 * @message: a parsed message
 * @known: (array length=n_known): types the caller understands; those of integrity need not be
 * listed
 * @n_known: how many
 * @unknown: (out caller-allocates): types it does not understand, without repetition
 *
 * Lists the attributes that must be understood and are not, for an answer with 420 and
 * UNKNOWN-ATTRIBUTES.
 *
 * Returns: how many were listed, at most 16
 */
STUN_EXT_API guint stun_ext_message_unknown (const StunExtMessage *message,
                                             const guint16 *known,
                                             gsize n_known,
                                             guint16 unknown[STUN_EXT_UNKNOWN_MAX]);

/**
 * stun_ext_builder_begin:
 * @builder: (out): the builder to set up
 * @buffer: (array length=capacity): where the message goes; must outlive the builder
 * @capacity: octets in @buffer
 * @message_class: class
 * @method: method, up to 0xfff
 * @transaction_id: (array fixed-size=12): 96 random bits of the caller
 *
 * Begins a message, as a rule a request or an indication.
 */
STUN_EXT_API void stun_ext_builder_begin (StunExtBuilder *builder,
                                          guint8 *buffer,
                                          gsize capacity,
                                          StunExtClass message_class,
                                          guint16 method,
                                          const guint8 transaction_id[12]);

/**
 * stun_ext_builder_begin_success:
 * @builder: (out): the builder to set up
 * @buffer: (array length=capacity): where the message goes; must outlive the builder
 * @capacity: octets in @buffer
 * @request: the request to answer
 *
 * Begins a success response with method and transaction id of @request.
 */
STUN_EXT_API void stun_ext_builder_begin_success (StunExtBuilder *builder,
                                                  guint8 *buffer,
                                                  gsize capacity,
                                                  const StunExtMessage *request);

/**
 * stun_ext_builder_begin_error:
 * @builder: (out): the builder to set up
 * @buffer: (array length=capacity): where the message goes; must outlive the builder
 * @capacity: octets in @buffer
 * @request: the request to answer
 * @code: 300 to 699
 *
 * Begins an error response with method and transaction id of @request, and adds ERROR-CODE with the
 * registered phrase.
 */
STUN_EXT_API void stun_ext_builder_begin_error (StunExtBuilder *builder,
                                                guint8 *buffer,
                                                gsize capacity,
                                                const StunExtMessage *request,
                                                guint code);

/**
 * stun_ext_reason_phrase:
 * @code: a code of ERROR-CODE
 *
 * Returns: (transfer none): the phrase that is registered for it, or "Error"
 */
STUN_EXT_API const char *stun_ext_reason_phrase (guint code);

G_END_DECLS
