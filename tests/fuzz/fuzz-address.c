/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses survive being printed and read, and no encoding of an address is judged more kindly
 * than the address. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/address.h"

static void
check_address (const StunExtAddress *address)
{
  static const guint8 id[12] = "transaction";
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress again, canonical, embedded[STUN_EXT_ADDRESS_EMBEDDED_MAX];
  struct sockaddr_storage storage;
  gsize n;

  g_assert_true (stun_ext_address_parse (stun_ext_address_print (address, text), &again));
  g_assert_true (stun_ext_address_equal (address, &again));
  stun_ext_address_print_host (address, text);

  again = stun_ext_address_xor (address, id);
  again = stun_ext_address_xor (&again, id);
  g_assert_true (stun_ext_address_equal (address, &again));

  canonical = stun_ext_address_canonical (address);
  again = stun_ext_address_canonical (&canonical);
  g_assert_true (stun_ext_address_equal (&canonical, &again));
  n = stun_ext_address_to_sockaddr (address, &storage);
  g_assert_true (stun_ext_address_from_sockaddr (&again, (const struct sockaddr *)&storage, n));
  g_assert_true (stun_ext_address_equal (&canonical, &again));

  n = stun_ext_address_embedded (address, embedded);
  g_assert_cmpuint (n, <=, STUN_EXT_ADDRESS_EMBEDDED_MAX);
  for (gsize i = 0; i < n; i++) {
    g_assert_cmpuint (embedded[i].family, ==, 4);
    if (stun_ext_address_special_purpose (&embedded[i]) != NULL)
      g_assert_nonnull (stun_ext_address_special_purpose (address));
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autofree char *text = g_strndup ((const char *)data, length);
  StunExtAddress address;
  StunExtPrefix prefix;

  if (length >= 18) {
    stun_ext_address_init (&address, length % 2 == 0 ? 4 : 6, data,
                           (guint16)(data[16] * 256u + data[17]));
    check_address (&address);
  }
  if (stun_ext_address_parse (text, &address))
    check_address (&address);
  if (stun_ext_prefix_parse (text, &prefix, NULL)) {
    char printed[STUN_EXT_ADDRESS_TEXT_LENGTH];
    StunExtPrefix again;

    g_assert_true (stun_ext_prefix_parse (stun_ext_prefix_print (&prefix, printed), &again, NULL));
    g_assert_cmpmem (&prefix, sizeof prefix, &again, sizeof again);
    g_assert_true (stun_ext_prefix_overlaps (&prefix, &again));
    stun_ext_address_init (&address, prefix.family, prefix.octets, 0);
    g_assert_true (stun_ext_prefix_contains (&prefix, &address));
  }
  return 0;
}
