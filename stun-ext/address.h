/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netinet/in.h>

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

/**
 * StunExtAddress:
 * @family: 4 or 6; 0 for no address
 * @zero: always 0
 * @port: port, in host order; 0 where there is none
 * @octets: the address in network order; an IPv4 address uses the first four and the others are 0
 *
 * An IP address with a port. A plain value without padding: copy it by assignment, compare it with
 * memcmp() or stun_ext_address_equal(). All zeros is "no address".
 */
typedef struct {
  guint8 family;
  guint8 zero;
  guint16 port;
  guint8 octets[16];
} StunExtAddress;

G_STATIC_ASSERT (sizeof (StunExtAddress) == 20);

/* Room for the longest printed form, "[...]:65535" with its terminating zero. */
#define STUN_EXT_ADDRESS_TEXT_LENGTH 64

/* The most that stun_ext_address_embedded() finds in one address. */
#define STUN_EXT_ADDRESS_EMBEDDED_MAX 6

/**
 * StunExtPrefix:
 * @family: 4 or 6
 * @length: significant bits, up to 32 or 128
 * @octets: the network, host bits 0
 *
 * A range of addresses, such as 10.0.0.0/8.
 */
typedef struct {
  guint8 family;
  guint8 length;
  guint8 octets[16];
} StunExtPrefix;

/**
 * stun_ext_address_init:
 * @address: (out): the address to set
 * @family: 4 or 6; anything else yields "no address"
 * @octets: (array): 4 or 16 octets in network order
 * @port: port in host order
 */
STUN_EXT_API void
stun_ext_address_init (StunExtAddress *address, guint8 family, const guint8 *octets, guint16 port);

/**
 * stun_ext_address_length:
 * @address: an address
 *
 * Returns: octets of the address proper: 4, 16, or 0 for no address
 */
STUN_EXT_API gsize stun_ext_address_length (const StunExtAddress *address);

/**
 * stun_ext_address_parse:
 * @text: (nullable): "192.0.2.1:443", "[2001:db8::1]:443", or the address alone, IPv6 then with or
 * without brackets
 * @address: (out): the address; port 0 where the text names none. Untouched on failure
 *
 * Reads literals only, never names. No spaces, zones, or numbers with leading zeros.
 *
 * Returns: %FALSE if the text is nothing like that
 */
STUN_EXT_API gboolean stun_ext_address_parse (const char *text, StunExtAddress *address);

/**
 * stun_ext_address_print:
 * @address: an address
 * @buffer: (out caller-allocates): where the text goes, terminated
 *
 * Prints "192.0.2.1:443" or "[2001:db8::1]:443", also with port 0; "none" for no address.
 *
 * Returns: (transfer none): @buffer
 */
STUN_EXT_API const char *stun_ext_address_print (const StunExtAddress *address,
                                                 char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH]);

/**
 * stun_ext_address_print_host:
 * @address: an address
 * @buffer: (out caller-allocates): where the text goes, terminated
 *
 * Prints the address without port and brackets.
 *
 * Returns: (transfer none): @buffer
 */
STUN_EXT_API const char *stun_ext_address_print_host (const StunExtAddress *address,
                                                      char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH]);

/**
 * stun_ext_address_from_sockaddr:
 * @address: (out): the address; "no address" on failure
 * @sockaddr: a socket address; need not be aligned
 * @length: its size in octets
 *
 * An IPv4-mapped address, which a socket for both families reports, becomes the IPv4 address it
 * stands for.
 *
 * Returns: %FALSE if it is neither IPv4 nor IPv6, or cut short
 */
STUN_EXT_API gboolean stun_ext_address_from_sockaddr (StunExtAddress *address,
                                                      const struct sockaddr *sockaddr,
                                                      gsize length);

/**
 * stun_ext_address_to_sockaddr:
 * @address: an address
 * @storage: (out): the socket address, all other octets 0
 *
 * Returns: size of the socket address in octets; 0 for no address
 */
STUN_EXT_API gsize stun_ext_address_to_sockaddr (const StunExtAddress *address,
                                                 struct sockaddr_storage *storage);

/**
 * stun_ext_address_equal:
 * @a: an address
 * @b: another
 *
 * Returns: %TRUE if family, address and port are the same
 */
STUN_EXT_API gboolean stun_ext_address_equal (const StunExtAddress *a, const StunExtAddress *b);

/**
 * stun_ext_address_equal_host:
 * @a: an address
 * @b: another
 *
 * Returns: %TRUE if family and address are the same, whatever the ports
 */
STUN_EXT_API gboolean stun_ext_address_equal_host (const StunExtAddress *a,
                                                   const StunExtAddress *b);

/**
 * stun_ext_address_hash:
 * @address: an address
 * @seed: a secret random number of the table
 *
 * SipHash-1-3 over address and port, so that a stranger who chooses addresses cannot choose
 * buckets.
 *
 * Returns: 64 bits, all of them usable
 */
STUN_EXT_API guint64 stun_ext_address_hash (const StunExtAddress *address, guint64 seed);

/**
 * stun_ext_address_xor:
 * @address: an address
 * @transaction_id: (array fixed-size=12): transaction id of the message
 *
 * XORs port and address with magic cookie and transaction id (RFC 8489 section 14.2). Applied twice
 * it gives the address back.
 *
 * Returns: the other form
 */
STUN_EXT_API StunExtAddress stun_ext_address_xor (const StunExtAddress *address,
                                                  const guint8 transaction_id[12]);

/**
 * stun_ext_address_canonical:
 * @address: an address
 *
 * Replaces an IPv4-mapped address (::ffff:0:0/96) by the IPv4 address, which is the same host to
 * every system. The other encodings of stun_ext_address_embedded() stay, for a packet to them takes
 * another way.
 *
 * Returns: the form in which addresses are to be compared
 */
STUN_EXT_API StunExtAddress stun_ext_address_canonical (const StunExtAddress *address);

/**
 * stun_ext_address_embedded:
 * @address: an address
 * @embedded: (out caller-allocates): the IPv4 addresses inside, with the port of @address
 *
 * Finds every IPv4 address that a packet to an IPv6 address could end up at: mapped and compatible
 * (RFC 4291), translated ::ffff:0:0:0/96 (RFC 2765), NAT64 under 64:ff9b::/96 and in each layout of
 * RFC 6052 under 64:ff9b:1::/48, 6to4, Teredo server and client, ISATAP. Whoever judges an address
 * judges these too.
 *
 * Returns: how many were found; 0 for an IPv4 address
 */
STUN_EXT_API gsize stun_ext_address_embedded (
    const StunExtAddress *address, StunExtAddress embedded[STUN_EXT_ADDRESS_EMBEDDED_MAX]);

/**
 * stun_ext_address_special_purpose:
 * @address: an address
 *
 * Looks the address, and every IPv4 address inside it, up in the registries of special-purpose
 * ranges (IANA; RFC 6890 and its updates). These are denied unless a list allows them.
 *
 * Returns: (transfer none) (nullable): prefix and name of the range, such as "10.0.0.0/8 private
 * use"; %NULL for an ordinary public address. "no address" counts as special
 */
STUN_EXT_API const char *stun_ext_address_special_purpose (const StunExtAddress *address);

/**
 * stun_ext_prefix_parse:
 * @text: (nullable): such as "10.0.0.0/8" or "2001:db8::/32"; an address alone is a range of one
 * @prefix: (out): the range. Untouched on failure
 * @error: return location
 *
 * Host bits that are set, lengths out of range and IPv4 networks written as IPv6 ones are errors:
 * each of them means that the writer had another range in mind.
 *
 * Returns: %FALSE with %STUN_EXT_ERROR_SYNTAX if the text is no range
 */
STUN_EXT_API gboolean stun_ext_prefix_parse (const char *text,
                                             StunExtPrefix *prefix,
                                             GError **error);

/**
 * stun_ext_prefix_print:
 * @prefix: a range
 * @buffer: (out caller-allocates): where the text goes, terminated
 *
 * Returns: (transfer none): @buffer
 */
STUN_EXT_API const char *stun_ext_prefix_print (const StunExtPrefix *prefix,
                                                char buffer[STUN_EXT_ADDRESS_TEXT_LENGTH]);

/**
 * stun_ext_prefix_contains:
 * @prefix: a range
 * @address: an address; its port does not matter
 *
 * Families are kept apart: ::/0 contains no IPv4 address. Compare stun_ext_address_canonical()
 * forms.
 *
 * Returns: %TRUE if the address lies in the range
 */
STUN_EXT_API gboolean stun_ext_prefix_contains (const StunExtPrefix *prefix,
                                                const StunExtAddress *address);

/**
 * stun_ext_prefix_overlaps:
 * @a: a range
 * @b: another
 *
 * Returns: %TRUE if one lies inside the other
 */
STUN_EXT_API gboolean stun_ext_prefix_overlaps (const StunExtPrefix *a, const StunExtPrefix *b);

G_END_DECLS
