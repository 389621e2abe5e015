/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The compiled policy says what a plain reading of its rules says, for any rules and any address, in every form of the
 * address. The input: addresses, a line each as octets, then rules, a line each as text. */
#include <string.h>

#include "fuzz.h"
#include "tep-s/policy.h"

#define MAX_RULES 24
#define MAX_ADDRESSES 16

static void
check_address (const TepServerPolicy *policy, const StunExtAddress *address)
{
  TepServerVerdict verdict = tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, address);
  StunExtAddress canonical = stun_ext_address_canonical (address);
  StunExtAddress embedded[STUN_EXT_ADDRESS_EMBEDDED_MAX];
  StunExtAddress mapped = { .family = 6, .port = address->port, .octets = { [10] = 0xff, 0xff } };
  gsize n = stun_ext_address_embedded (address, embedded);

  g_assert_cmpint (tep_server_policy_check (policy, TEP_SERVER_FROM_REMOTE, address), ==, verdict);
  g_assert_cmpint (tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, &canonical), ==, verdict);
  if (address->family == 4) {
    memcpy (mapped.octets + 12, address->octets, 4);
    g_assert_cmpint (tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, &mapped), ==, verdict);
  }
  if (verdict != TEP_SERVER_VERDICT_ALLOW)
    return;
  /* ::1 has the form of a compatible address, but is none. */
  if (g_strcmp0 (stun_ext_address_special_purpose (address), "::1/128 loopback") == 0)
    return;
  for (gsize i = 0; i < n; i++)
    g_assert_cmpint (tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, &embedded[i]), ==,
                     TEP_SERVER_VERDICT_ALLOW);
}

/* Whether some rule without ports holds the address: what a reader of the list would expect. */
static gboolean
is_listed (char **rules, const StunExtAddress *address)
{
  for (guint i = 0; rules[i] != NULL; i++) {
    g_autofree char *text = g_strstrip (g_strdup (rules[i]));
    StunExtPrefix prefix;

    if (stun_ext_prefix_parse (text, &prefix, NULL) && stun_ext_prefix_contains (&prefix, address))
      return TRUE;
  }
  return FALSE;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  FuzzInput input = { data, length };
  guint n = fuzz_u8 (&input) % MAX_ADDRESSES;
  gboolean is_public_denied = n % 2 != 0;
  StunExtAddress addresses[MAX_ADDRESSES];
  g_autofree char *text = NULL;
  g_auto (GStrv) rules = NULL;
  g_autoptr (TepServerPolicy) policy = NULL;
  TepServerPolicyRules parts = { .is_public_denied = is_public_denied };

  for (guint i = 0; i < n; i++) {
    guint8 octets[16];
    guint8 family = fuzz_u8 (&input) % 2 == 0 ? 4 : 6;
    guint16 port = fuzz_u16 (&input);

    for (gsize j = 0; j < (family == 4 ? 4 : 16); j++)
      octets[j] = fuzz_u8 (&input);
    stun_ext_address_init (&addresses[i], family, octets, port);
  }
  text = g_strndup ((const char *)input.data, input.length);
  rules = g_strsplit (text, "\n", MAX_RULES);
  parts.allow = (const char *const *)rules;
  policy = tep_server_policy_new (&parts, NULL);
  for (guint i = 0; policy != NULL && i < n; i++) {
    StunExtAddress canonical = stun_ext_address_canonical (&addresses[i]);
    TepServerVerdict verdict =
        tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, &addresses[i]);

    check_address (policy, &addresses[i]);
    if (verdict == TEP_SERVER_VERDICT_DENY_NOT_LISTED)
      g_assert_false (is_listed (rules, &canonical));
  }
  return 0;
}
