/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "stun-ext/crypto.h"
#include "stun-ext/message.h"
#include "stun-ext/reader.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

/**
 * StunExtGet:
 * @STUN_EXT_GET_OK: there, and as it should be
 * @STUN_EXT_GET_ABSENT: the message has no such attribute
 * @STUN_EXT_GET_INVALID: there, but its value breaks a rule or a limit; a request with it gets 400
 *
 * What came of looking for an attribute. Out parameters are set on %STUN_EXT_GET_OK alone. Nothing
 * here allocates, and everything may be called in any thread.
 */
typedef enum {
  STUN_EXT_GET_OK,
  STUN_EXT_GET_ABSENT,
  STUN_EXT_GET_INVALID,
} StunExtGet;

/**
 * stun_ext_attribute_reader:
 * @message: a parsed message
 * @attribute: one of its attributes
 *
 * Returns: a reader of the value, without padding
 */
STUN_EXT_API StunExtReader stun_ext_attribute_reader (const StunExtMessage *message,
                                                      const StunExtAttribute *attribute);

/**
 * stun_ext_attribute_xor_address:
 * @message: a parsed message
 * @attribute: one of its attributes, for those that may come more than once, as XOR-PEER-ADDRESS
 * @address: (out): the address
 *
 * Returns: %FALSE if the value is no address in XOR form
 */
STUN_EXT_API gboolean stun_ext_attribute_xor_address (const StunExtMessage *message,
                                                      const StunExtAttribute *attribute,
                                                      StunExtAddress *address);

/**
 * stun_ext_message_get_data:
 * @message: a parsed message
 * @type: type of attribute
 * @value: (out): its octets, inside the message
 *
 * Returns: %STUN_EXT_GET_OK or %STUN_EXT_GET_ABSENT
 */
STUN_EXT_API StunExtGet stun_ext_message_get_data (const StunExtMessage *message,
                                                   guint16 type,
                                                   StunExtSpan *value);

/**
 * stun_ext_message_get_fixed:
 * @message: a parsed message
 * @type: type of attribute
 * @value: (out caller-allocates) (array length=length): where its octets are copied
 * @length: how many it must have, exactly
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_fixed (const StunExtMessage *message,
                                                    guint16 type,
                                                    guint8 *value,
                                                    gsize length);

/**
 * stun_ext_message_get_flag:
 * @message: a parsed message
 * @type: type of attribute, such as %STUN_EXT_ATTRIBUTE_DONT_FRAGMENT
 *
 * Returns: %STUN_EXT_GET_OK if it is there with an empty value
 */
STUN_EXT_API StunExtGet stun_ext_message_get_flag (const StunExtMessage *message, guint16 type);

/**
 * stun_ext_message_get_u8:
 * @message: a parsed message
 * @type: type of attribute
 * @value: (out): the first octet
 *
 * For values of one octet alone (EVEN-PORT) or with three reserved ones, which are ignored
 * (REQUESTED-TRANSPORT, REQUESTED-ADDRESS-FAMILY).
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_u8 (const StunExtMessage *message,
                                                 guint16 type,
                                                 guint8 *value);

/**
 * stun_ext_message_get_u16:
 * @message: a parsed message
 * @type: type of attribute
 * @value: (out): the number
 *
 * For values of two octets alone or with two reserved ones, which are ignored (CHANNEL-NUMBER,
 * RESPONSE-PORT).
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_u16 (const StunExtMessage *message,
                                                  guint16 type,
                                                  guint16 *value);

/**
 * stun_ext_message_get_u32:
 * @message: a parsed message
 * @type: type of attribute, such as %STUN_EXT_ATTRIBUTE_LIFETIME
 * @value: (out): the number
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_u32 (const StunExtMessage *message,
                                                  guint16 type,
                                                  guint32 *value);

/**
 * stun_ext_message_get_u64:
 * @message: a parsed message
 * @type: type of attribute, such as %STUN_EXT_ATTRIBUTE_ICE_CONTROLLING
 * @value: (out): the number
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_u64 (const StunExtMessage *message,
                                                  guint16 type,
                                                  guint64 *value);

/**
 * stun_ext_message_get_text:
 * @message: a parsed message
 * @type: type of attribute: USERNAME, REALM, NONCE, SOFTWARE, ALTERNATE-DOMAIN or a text of TEP
 * @text: (out): its octets inside the message, not terminated
 *
 * Accepts UTF-8 without control characters (U+0000-001F, U+007F-009F), up to the length that the
 * type allows: 513 octets for USERNAME, 255 for ALTERNATE-DOMAIN, 763 for all others. USERNAME,
 * REALM and NONCE may not be empty.
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_text (const StunExtMessage *message,
                                                   guint16 type,
                                                   StunExtSpan *text);

/**
 * stun_ext_message_get_address:
 * @message: a parsed message
 * @type: type of attribute, such as %STUN_EXT_ATTRIBUTE_ALTERNATE_SERVER
 * @address: (out): the address
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_address (const StunExtMessage *message,
                                                      guint16 type,
                                                      StunExtAddress *address);

/**
 * stun_ext_message_get_xor_address:
 * @message: a parsed message
 * @type: type of attribute, such as %STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS
 * @address: (out): the address
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_xor_address (const StunExtMessage *message,
                                                          guint16 type,
                                                          StunExtAddress *address);

/**
 * stun_ext_message_get_xor_addresses:
 * @message: a parsed message
 * @type: type of attribute that may come more than once, such as
 * %STUN_EXT_ATTRIBUTE_XOR_PEER_ADDRESS
 * @addresses: (out caller-allocates): the addresses
 * @n_addresses: (out): how many, 1 to 8
 *
 * More than 8 are %STUN_EXT_GET_INVALID.
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet
stun_ext_message_get_xor_addresses (const StunExtMessage *message,
                                    guint16 type,
                                    StunExtAddress addresses[STUN_EXT_PEERS_MAX],
                                    guint *n_addresses);

/**
 * stun_ext_message_get_family:
 * @message: a parsed message
 * @type: %STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY or
 * %STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY
 * @family: (out): 4 or 6; 0 for a family that does not exist, which RFC 8656 answers with 440
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_family (const StunExtMessage *message,
                                                     guint16 type,
                                                     guint8 *family);

/**
 * stun_ext_message_get_error:
 * @message: a parsed message
 * @code: (out): 300 to 699
 * @reason: (out) (nullable): the phrase inside the message, not terminated; empty if it is no clean
 * text
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_error (const StunExtMessage *message,
                                                    guint *code,
                                                    StunExtSpan *reason);

/**
 * stun_ext_message_get_unknown_attributes:
 * @message: a parsed message
 * @types: (out caller-allocates): what the other side did not understand
 * @n_types: (out): how many; what goes beyond 16 is left out
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_unknown_attributes (
    const StunExtMessage *message, guint16 types[STUN_EXT_UNKNOWN_MAX], guint *n_types);

/**
 * stun_ext_text_is_clean:
 * @text: (nullable): octets
 * @length: how many
 *
 * Returns: %TRUE for UTF-8 without control characters
 */
STUN_EXT_API gboolean stun_ext_text_is_clean (const void *text, gsize length);

/**
 * stun_ext_builder_add_data:
 * @builder: a message being written
 * @type: type of attribute
 * @data: (nullable) (array length=length): its value
 * @length: octets in it
 *
 * As with all functions that add, what does not fit is noticed at the end, by
 * stun_ext_builder_finish().
 */
STUN_EXT_API void
stun_ext_builder_add_data (StunExtBuilder *builder, guint16 type, const void *data, gsize length);

/**
 * stun_ext_builder_add_flag:
 * @builder: a message being written
 * @type: type of attribute; its value is empty
 */
STUN_EXT_API void stun_ext_builder_add_flag (StunExtBuilder *builder, guint16 type);

/**
 * stun_ext_builder_add_octet:
 * @builder: a message being written
 * @type: type of attribute
 * @value: its one octet, as in EVEN-PORT
 */
STUN_EXT_API void stun_ext_builder_add_octet (StunExtBuilder *builder, guint16 type, guint8 value);

/**
 * stun_ext_builder_add_u8:
 * @builder: a message being written
 * @type: type of attribute
 * @value: its first octet; three zeros follow, as in REQUESTED-TRANSPORT
 */
STUN_EXT_API void stun_ext_builder_add_u8 (StunExtBuilder *builder, guint16 type, guint8 value);

/**
 * stun_ext_builder_add_u16:
 * @builder: a message being written
 * @type: type of attribute
 * @value: its first two octets; two zeros follow, as in CHANNEL-NUMBER
 */
STUN_EXT_API void stun_ext_builder_add_u16 (StunExtBuilder *builder, guint16 type, guint16 value);

/**
 * stun_ext_builder_add_u32:
 * @builder: a message being written
 * @type: type of attribute
 * @value: its value
 */
STUN_EXT_API void stun_ext_builder_add_u32 (StunExtBuilder *builder, guint16 type, guint32 value);

/**
 * stun_ext_builder_add_u64:
 * @builder: a message being written
 * @type: type of attribute
 * @value: its value
 */
STUN_EXT_API void stun_ext_builder_add_u64 (StunExtBuilder *builder, guint16 type, guint64 value);

/**
 * stun_ext_builder_add_text:
 * @builder: a message being written
 * @type: type of attribute
 * @text: its value, UTF-8
 *
 * A text longer than the type allows makes the message fail.
 */
STUN_EXT_API void
stun_ext_builder_add_text (StunExtBuilder *builder, guint16 type, const char *text);

/**
 * stun_ext_builder_add_address:
 * @builder: a message being written
 * @type: type of attribute, such as %STUN_EXT_ATTRIBUTE_RESPONSE_ORIGIN
 * @address: an address; "no address" makes the message fail
 */
STUN_EXT_API void
stun_ext_builder_add_address (StunExtBuilder *builder, guint16 type, const StunExtAddress *address);

/**
 * stun_ext_builder_add_xor_address:
 * @builder: a message being written
 * @type: type of attribute, such as %STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS
 * @address: an address; "no address" makes the message fail
 */
STUN_EXT_API void stun_ext_builder_add_xor_address (StunExtBuilder *builder,
                                                    guint16 type,
                                                    const StunExtAddress *address);

/**
 * stun_ext_builder_add_family:
 * @builder: a message being written
 * @type: %STUN_EXT_ATTRIBUTE_REQUESTED_ADDRESS_FAMILY or
 * %STUN_EXT_ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY
 * @family: 4 or 6
 */
STUN_EXT_API void
stun_ext_builder_add_family (StunExtBuilder *builder, guint16 type, guint8 family);

/**
 * stun_ext_builder_add_error:
 * @builder: a message being written
 * @code: 300 to 699; another one makes the message fail
 * @reason: (nullable): phrase for people, %NULL for the registered one
 *
 * Adds ERROR-CODE.
 */
STUN_EXT_API void
stun_ext_builder_add_error (StunExtBuilder *builder, guint code, const char *reason);

/**
 * stun_ext_builder_add_unknown_attributes:
 * @builder: a message being written
 * @types: (array length=n_types): what was not understood
 * @n_types: how many
 *
 * Adds UNKNOWN-ATTRIBUTES.
 */
STUN_EXT_API void stun_ext_builder_add_unknown_attributes (StunExtBuilder *builder,
                                                           const guint16 *types,
                                                           guint n_types);

/**
 * stun_ext_builder_end_before_payload:
 * @builder: an indication with all its other attributes
 * @type: type of the last attribute, as a rule %STUN_EXT_ATTRIBUTE_DATA
 * @payload_length: octets of its value, which is not copied but sent behind the head
 * @head_length: (out): octets of the head, from the beginning of the buffer. Set only on success
 * @padding: (out): zero octets to send behind the payload, 0 to 3
 *
 * Ends a message whose last attribute's value lies elsewhere, in place of
 * stun_ext_builder_finish(): without integrity and fingerprint, as Send indications go.
 *
 * Returns: %FALSE if it did not fit; then nothing of the buffer may be sent
 */
STUN_EXT_API gboolean stun_ext_builder_end_before_payload (
    StunExtBuilder *builder, guint16 type, gsize payload_length, gsize *head_length, gsize *padding)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_message_get_icmp:
 * @message: a parsed message
 * @icmp_type: (out): type of ICMP, or of ICMPv6 for an IPv6 peer
 * @icmp_code: (out): its code
 * @icmp_data: (out): its error data, such as the MTU
 *
 * Reads ICMP (RFC 8656 section 18.13).
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_icmp (const StunExtMessage *message,
                                                   guint8 *icmp_type,
                                                   guint16 *icmp_code,
                                                   guint32 *icmp_data);

/**
 * stun_ext_message_get_address_error:
 * @message: a parsed message
 * @family: (out): 4 or 6
 * @code: (out): 300 to 699
 *
 * Reads ADDRESS-ERROR-CODE (RFC 8656 section 18.12): why one of two families was not allocated.
 *
 * Returns: what came of it
 */
STUN_EXT_API StunExtGet stun_ext_message_get_address_error (const StunExtMessage *message,
                                                            guint8 *family,
                                                            guint *code);

G_END_DECLS
