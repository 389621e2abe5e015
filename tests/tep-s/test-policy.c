/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-s/policy.h"

#include <string.h>

#include "tep-s/error.h"

/* One or more of every range of the registries. */
static const char *const denied[] = {
  "0.0.0.0",
  "0.0.0.1",
  "0.255.255.255",
  "10.0.0.0",
  "10.255.255.255",
  "100.64.0.1",
  "100.127.255.255",
  "127.0.0.1",
  "127.0.0.2",
  "127.255.255.255",
  "169.254.0.1",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.1",
  "192.0.0.170",
  "192.0.2.1",
  "192.31.196.1",
  "192.52.193.1",
  "192.88.99.1",
  "192.168.0.1",
  "192.168.255.255",
  "192.175.48.1",
  "198.18.0.1",
  "198.19.255.255",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "239.255.255.250",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::7f00:1",
  "64:ff9b::1",
  "64:ff9b:1::1",
  "100::1",
  "100:0:0:1::1",
  "2001::1",
  "2001:1ff::1",
  "2001:db8::1",
  "2002::1",
  "2620:4f:8000::1",
  "3fff::1",
  "5f00::1",
  "fc00::1",
  "fdff::1",
  "fe80::1",
  "febf::1",
  "fec0::1",
  "ff02::1",
  "ff0e::1",
};

static const char *const public[] = { "1.1.1.1",        "9.255.255.255",   "11.0.0.0",
                                      "100.63.255.255", "100.128.0.0",     "126.255.255.255",
                                      "128.0.0.1",      "172.15.255.255",  "172.32.0.0",
                                      "192.0.1.1",      "223.255.255.255", "2606:4700::1111",
                                      "2a00::1",        "2003::1" };

static const TepServerDirection directions[] = { TEP_SERVER_TO_REMOTE, TEP_SERVER_FROM_REMOTE };

static TepServerPolicy *
policy_of (const char *allow, const char *deny)
{
  g_auto (GStrv) allowed = allow != NULL ? g_strsplit (allow, ";", -1) : NULL;
  g_auto (GStrv) refused = deny != NULL ? g_strsplit (deny, ";", -1) : NULL;
  TepServerPolicyRules rules = { .allow = (const char *const *)allowed,
                                 .deny = (const char *const *)refused };
  g_autoptr (GError) error = NULL;
  TepServerPolicy *policy = tep_server_policy_new (&rules, &error);

  g_assert_no_error (error);
  return policy;
}

static StunExtAddress
address (const char *text, guint16 port)
{
  StunExtAddress result = { 0 };

  g_assert_true (stun_ext_address_parse (text, &result));
  if (result.port == 0)
    result.port = port;
  return result;
}

static TepServerVerdict
verdict (const TepServerPolicy *policy, const char *text)
{
  StunExtAddress remote = address (text, 20000);
  TepServerVerdict out = tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, &remote);

  g_assert_cmpint (tep_server_policy_check (policy, TEP_SERVER_FROM_REMOTE, &remote), ==, out);
  return out;
}

/* Every way to write an IPv4 address as an IPv6 one that some system would follow. */
static const struct {
  const char *name;
  guint8 begin[12];
  guint8 at[4];
  guint8 invert;
} encodings[] = {
  { "mapped", { [10] = 0xff, 0xff }, { 12, 13, 14, 15 }, 0 },
  { "compatible", { 0 }, { 12, 13, 14, 15 }, 0 },
  { "translated", { [8] = 0xff, 0xff }, { 12, 13, 14, 15 }, 0 },
  { "nat64", { 0x00, 0x64, 0xff, 0x9b }, { 12, 13, 14, 15 }, 0 },
  { "nat64-local-48", { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, { 6, 7, 9, 10 }, 0 },
  { "nat64-local-96", { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, { 12, 13, 14, 15 }, 0 },
  { "6to4", { 0x20, 0x02 }, { 2, 3, 4, 5 }, 0 },
  { "teredo-server", { 0x20, 0x01 }, { 4, 5, 6, 7 }, 0 },
  { "teredo-client", { 0x20, 0x01, 0, 0, 8, 8, 8, 8 }, { 12, 13, 14, 15 }, 0xff },
  { "isatap", { 0x2a, 0x00, [10] = 0x5e, 0xfe }, { 12, 13, 14, 15 }, 0 },
  { "isatap-universal", { 0x2a, 0x00, [8] = 0x02, 0x00, 0x5e, 0xfe }, { 12, 13, 14, 15 }, 0 },
};

static StunExtAddress
encode (gsize encoding, const guint8 v4[4], guint16 port)
{
  StunExtAddress result = { .family = 6, .port = port };

  memcpy (result.octets, encodings[encoding].begin, sizeof encodings[encoding].begin);
  for (gsize i = 0; i < 4; i++)
    result.octets[encodings[encoding].at[i]] = v4[i] ^ encodings[encoding].invert;
  return result;
}

static void
test_special_ranges_are_denied_in_every_encoding (void)
{
  g_autoptr (TepServerPolicy) policy = policy_of (NULL, NULL);

  g_assert_cmpuint (G_N_ELEMENTS (denied), >=, 45);
  for (gsize i = 0; i < G_N_ELEMENTS (denied); i++) {
    StunExtAddress plain = address (denied[i], 20000);

    g_test_message ("%s", denied[i]);
    g_assert_cmpint (verdict (policy, denied[i]), ==, TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE);
    for (gsize j = 0; plain.family == 4 && j < G_N_ELEMENTS (encodings); j++)
      for (gsize k = 0; k < G_N_ELEMENTS (directions); k++) {
        StunExtAddress encoded = encode (j, plain.octets, 20000);

        g_assert_cmpint (tep_server_policy_check (policy, directions[k], &encoded), !=,
                         TEP_SERVER_VERDICT_ALLOW);
      }
  }
}

static void
test_public_addresses_are_open_on_media_ports (void)
{
  g_autoptr (TepServerPolicy) policy = policy_of (NULL, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (public); i++) {
    g_test_message ("%s", public[i]);
    g_assert_cmpint (verdict (policy, public[i]), ==, TEP_SERVER_VERDICT_ALLOW);
  }
}

/* 10,000 random addresses of denied ranges, with gateways opened in the midst of them. */
static void
test_encodings_never_say_more_than_the_address (void)
{
  g_autoptr (TepServerPolicy) policy = policy_of (
      "10.1.0.0/16;2002::/16;64:ff9b::/96;64:ff9b:1::/48;2001::/32;::ffff:0:0:0/96", "10.1.2.0/24");
  guint allowed = 0;

  for (guint i = 0; i < 10000; i++) {
    StunExtAddress plain = address (denied[g_test_rand_int_range (0, 31)], 20000);
    gboolean is_denied;

    for (gsize j = plain.octets[0] == 10 ? 1 : 2; j < 4; j++)
      plain.octets[j] = (guint8)g_test_rand_int_range (0, i % 3 == 0 ? 4 : 256);
    is_denied =
        tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, &plain) != TEP_SERVER_VERDICT_ALLOW;
    allowed += !is_denied;
    for (gsize j = 0; is_denied && j < G_N_ELEMENTS (encodings); j++) {
      StunExtAddress encoded = encode (j, plain.octets, 20000);

      g_assert_cmpint (tep_server_policy_check (policy, TEP_SERVER_FROM_REMOTE, &encoded), !=,
                       TEP_SERVER_VERDICT_ALLOW);
    }
  }
  g_test_message ("%u of 10000 were allowed as they are", allowed);
}

static void
test_embedded_address_is_judged_too (void)
{
  g_autoptr (TepServerPolicy) policy = policy_of ("64:ff9b::/96;10.0.0.0/8", NULL);

  g_assert_cmpint (verdict (policy, "64:ff9b::7f00:1"), ==, TEP_SERVER_VERDICT_DENY_EMBEDDED);
  g_assert_cmpint (verdict (policy, "64:ff9b::a00:1"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "64:ff9b::808:808"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "2a00::5efe:7f00:1"), ==,
                   TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE);
  g_assert_cmpint (verdict (policy, "::ffff:10.0.0.1"), ==, TEP_SERVER_VERDICT_ALLOW);
}

static void
test_loopback_can_be_opened_on_purpose (void)
{
  g_autoptr (TepServerPolicy) policy = policy_of ("127.0.0.0/8;::1", NULL);

  g_assert_cmpint (verdict (policy, "127.0.0.1"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "::1"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "::2"), ==, TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE);
}

static void
test_ports_outside_media_need_a_name (void)
{
  static const guint16 refused[] = { 1, 22, 53, 123, 161, 443, 1023, 1900, 5060, 5061, 11211 };
  g_autoptr (TepServerPolicy) policy = policy_of ("10.0.0.0/8;10.0.0.5:5060;10.0.0.5:53", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++) {
    StunExtAddress any = address ("10.9.9.9", refused[i]);
    StunExtAddress far = address ("1.1.1.1", refused[i]);

    g_assert_cmpint (tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, &any), ==,
                     TEP_SERVER_VERDICT_DENY_PORT);
    g_assert_cmpint (tep_server_policy_check (policy, TEP_SERVER_FROM_REMOTE, &far), ==,
                     TEP_SERVER_VERDICT_DENY_PORT);
  }
  g_assert_cmpint (verdict (policy, "10.0.0.5:5060"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "10.0.0.5:53"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "10.0.0.5:20000"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "10.0.0.4:5060"), ==, TEP_SERVER_VERDICT_DENY_PORT);
}

static void
test_rule_with_ports_opens_these_alone (void)
{
  g_autoptr (TepServerPolicy) policy =
      policy_of ("10.0.0.1:16384-32767;[fd00::/64]:5004;10.0.0.2:40000", NULL);

  g_assert_cmpint (verdict (policy, "10.0.0.1:16384"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "10.0.0.1:32767"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "10.0.0.1:16383"), ==, TEP_SERVER_VERDICT_DENY_PORT);
  g_assert_cmpint (verdict (policy, "10.0.0.1:32768"), ==, TEP_SERVER_VERDICT_DENY_PORT);
  g_assert_cmpint (verdict (policy, "[fd00::9]:5004"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "[fd00::9]:5006"), ==, TEP_SERVER_VERDICT_DENY_PORT);
  g_assert_cmpint (verdict (policy, "[fd00:0:0:1::9]:5004"), ==,
                   TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE);
}

static void
test_deny_rules_win (void)
{
  g_autoptr (TepServerPolicy) policy =
      policy_of ("10.0.0.0/8", "10.1.0.0/16;10.2.0.1:30000-30001;8.8.8.0/24");

  g_assert_cmpint (verdict (policy, "10.0.0.1"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "10.1.0.1"), ==, TEP_SERVER_VERDICT_DENY_RULE);
  g_assert_cmpint (verdict (policy, "10.2.0.1:30001"), ==, TEP_SERVER_VERDICT_DENY_RULE);
  g_assert_cmpint (verdict (policy, "10.2.0.1:30002"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "8.8.8.8"), ==, TEP_SERVER_VERDICT_DENY_RULE);
}

static void
test_own_addresses_are_denied_inside_an_open_range (void)
{
  static const char *const allow[] = { "10.0.0.0/8", "127.0.0.0/8", "10.0.0.9:443", NULL };
  TepServerOwnRange own[] = {
    { .address = address ("10.0.0.9", 1), .first_port = 443, .last_port = 443 },
    { .address = address ("10.0.0.9", 1), .first_port = 49152, .last_port = 65535 },
    { .address = address ("10.0.0.8", 1) },
  };
  TepServerOwnRange later = { .address = address ("0.0.0.0", 1), .first_port = 7000 };
  TepServerPolicyRules rules = { .allow = allow, .own = own, .n_own = G_N_ELEMENTS (own) };
  g_autoptr (TepServerPolicy) policy = tep_server_policy_new (&rules, NULL);
  g_autoptr (TepServerPolicy) grown = NULL;

  later.last_port = 7000;
  grown = tep_server_policy_new_with_own (policy, &later, 1);
  g_assert_cmpint (verdict (policy, "10.0.0.9:443"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (policy, "10.0.0.9:50000"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (policy, "10.0.0.9:40000"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "::ffff:10.0.0.8"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (policy, "127.0.0.1:7000"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (grown, "127.0.0.1:7000"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (grown, "10.0.0.9:443"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_true (tep_server_policy_get_generation (grown) !=
                 tep_server_policy_get_generation (policy));
}

static void
test_public_can_be_shut (void)
{
  static const char *const allow[] = { "1.1.1.0/24", "2.2.2.2:5004", NULL };
  TepServerPolicyRules rules = { .allow = allow, .is_public_denied = TRUE };
  g_autoptr (TepServerPolicy) policy = tep_server_policy_new (&rules, NULL);

  g_assert_cmpint (verdict (policy, "1.1.1.1"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "1.1.2.1"), ==, TEP_SERVER_VERDICT_DENY_NOT_LISTED);
  g_assert_cmpint (verdict (policy, "2.2.2.2:5004"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (policy, "2.2.2.2:5006"), ==, TEP_SERVER_VERDICT_DENY_PORT);
  g_assert_cmpint (verdict (policy, "2a00::1"), ==, TEP_SERVER_VERDICT_DENY_NOT_LISTED);
  g_assert_cmpint (verdict (policy, "10.0.0.1"), ==, TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE);
}

static void
test_nothing_is_no_address (void)
{
  g_autoptr (TepServerPolicy) policy = policy_of ("10.0.0.0/8", NULL);
  StunExtAddress none = { 0 };
  StunExtAddress odd = { .family = 5, .port = 20000 };
  StunExtAddress no_port = address ("10.0.0.1", 0);

  for (gsize i = 0; i < G_N_ELEMENTS (directions); i++) {
    g_assert_cmpint (tep_server_policy_check (policy, directions[i], &none), ==,
                     TEP_SERVER_VERDICT_DENY_MALFORMED);
    g_assert_cmpint (tep_server_policy_check (policy, directions[i], &odd), ==,
                     TEP_SERVER_VERDICT_DENY_MALFORMED);
    g_assert_cmpint (tep_server_policy_check (policy, directions[i], &no_port), ==,
                     TEP_SERVER_VERDICT_DENY_MALFORMED);
  }
  g_assert_false (tep_server_policy_is_core (policy, &none));
}

static void
test_core_is_its_own_list (void)
{
  static const char *const core[] = { "10.7.0.0/16", "2a00:1::/32", NULL };
  TepServerPolicyRules rules = { .core = core };
  g_autoptr (TepServerPolicy) policy = tep_server_policy_new (&rules, NULL);
  StunExtAddress inside = address ("10.7.255.255", 5);
  StunExtAddress mapped = address ("::ffff:10.7.0.1", 5);
  StunExtAddress outside = address ("10.8.0.0", 5);
  StunExtAddress six = address ("2a00:1:ffff::", 5);

  g_assert_true (tep_server_policy_is_core (policy, &inside));
  g_assert_true (tep_server_policy_is_core (policy, &mapped));
  g_assert_true (tep_server_policy_is_core (policy, &six));
  g_assert_false (tep_server_policy_is_core (policy, &outside));
  g_assert_cmpint (verdict (policy, "10.7.0.1"), ==, TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE);
}

static const struct {
  const char *allow;
  const char *deny;
  const char *says;
} bad[] = {
  { "", NULL, "allow: rule \"\" is empty" },
  { "10.0.0.0/8; ", NULL, "allow: rule \"\" is empty" },
  { "10.0.0.0/33", NULL, "\"10.0.0.0/33\"" },
  { "10.0.0.1/8", NULL, "\"10.0.0.1/8\"" },
  { "example.net", NULL, "\"example.net\"" },
  { "10.0.0.0/8:", NULL, "has no valid port" },
  { "10.0.0.0/8:0", NULL, "has no valid port" },
  { "10.0.0.0/8:65536", NULL, "has no valid port" },
  { "10.0.0.0/8:5-", NULL, "has no valid port" },
  { "10.0.0.0/8:9-5", NULL, "has no valid port" },
  { "10.0.0.0/8:5-5-5", NULL, "has no valid port" },
  { "10.0.0.0/8:+5", NULL, "has no valid port" },
  { "[10.0.0.0/8]:5", NULL, "brackets" },
  { "[fd00::/8", NULL, "brackets" },
  { "[fd00::/8]5", NULL, "brackets" },
  { "fd00::1%eth0", NULL, "fd00::1%eth0" },
  { "0.0.0.0/0", NULL, "reaches into 0.0.0.0/8" },
  { "::/0", NULL, "reaches into ::/128" },
  { "224.0.0.0/8", NULL, "reaches into 224.0.0.0/4" },
  { "255.255.255.255", NULL, "reaches into 240.0.0.0/4" },
  { "ff02::1", NULL, "reaches into ff00::/8" },
  { "10.0.0.0/7", NULL, "reaches across the border" },
  { "96.0.0.0/4", NULL, "" },
  { "10.0.0.0/8;10.1.0.0/16", NULL, "\"10.1.0.0/16\" overlaps \"10.0.0.0/8\"" },
  { "10.0.0.1;10.0.0.1", NULL, "overlaps" },
  { "10.0.0.1:5-9;10.0.0.1:9-10", NULL, "overlaps" },
  { "10.0.0.0/8;10.0.0.1:20000", NULL, "overlaps" },
  { NULL, "10.0.0.0/8;10.0.0.1:5", "deny: rule \"10.0.0.1:5\" overlaps" },
  { NULL, "nonsense", "deny: rule \"nonsense\"" },
};

static void
test_bad_rules_are_named (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_auto (GStrv) allow = bad[i].allow != NULL ? g_strsplit (bad[i].allow, ";", -1) : NULL;
    g_auto (GStrv) deny = bad[i].deny != NULL ? g_strsplit (bad[i].deny, ";", -1) : NULL;
    static const char *const empty[] = { "", NULL };
    TepServerPolicyRules rules = { .allow = (const char *const *)allow,
                                   .deny = (const char *const *)deny };
    g_autoptr (GError) error = NULL;
    g_autoptr (TepServerPolicy) policy = NULL;

    if (bad[i].allow != NULL && bad[i].allow[0] == '\0')
      rules.allow = empty;
    policy = tep_server_policy_new (&rules, &error);
    if (bad[i].says[0] == '\0') {
      /* From one public address to another: it opens nothing special in between. */
      g_assert_no_error (error);
      g_assert_cmpint (verdict (policy, "100.64.0.1"), ==, TEP_SERVER_VERDICT_DENY_SPECIAL_PURPOSE);
      continue;
    }
    g_assert_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, bad[i].says));
  }
}

static gboolean
reference_contains (const StunExtPrefix *prefixes, gsize n, const StunExtAddress *remote)
{
  for (gsize i = 0; i < n; i++)
    if (stun_ext_prefix_contains (&prefixes[i], remote))
      return TRUE;
  return FALSE;
}

/* The compiled table says what a plain walk over the rules says, at every border. */
static void
test_table_agrees_with_a_plain_walk (void)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  StunExtPrefix prefixes[300];
  gsize n = 0;

  for (guint i = 0; i < 300; i++) {
    guint length = (guint)g_test_rand_int_range (12, 33);
    guint32 value =
        (guint32)g_test_rand_int () & (length == 32 ? 0xffffffff : ~(0xffffffffU >> length));
    g_autofree char *text = g_strdup_printf ("10.%u.%u.%u/%u", value >> 16 & 255, value >> 8 & 255,
                                             value & 255, MAX (length, 8));
    StunExtPrefix prefix;
    gboolean is_new = stun_ext_prefix_parse (text, &prefix, NULL);

    for (gsize j = 0; is_new && j < n; j++)
      is_new = !stun_ext_prefix_overlaps (&prefix, &prefixes[j]);
    if (!is_new)
      continue;
    prefixes[n++] = prefix;
    g_ptr_array_add (texts, g_steal_pointer (&text));
  }
  g_ptr_array_add (texts, NULL);
  {
    TepServerPolicyRules rules = { .allow = (const char *const *)texts->pdata };
    g_autoptr (TepServerPolicy) policy = tep_server_policy_new (&rules, NULL);

    g_assert_nonnull (policy);
    for (guint i = 0; i < 20000; i++) {
      StunExtAddress remote = { .family = 4, .port = 20000, .octets = { 10 } };
      gboolean is_allowed;

      memcpy (remote.octets, prefixes[i % n].octets, 4);
      remote.octets[3] = (guint8)(remote.octets[3] + g_test_rand_int_range (-1, 2));
      if (i % 4 == 0)
        remote.octets[2] = (guint8)g_test_rand_int_range (0, 256);
      is_allowed = tep_server_policy_check (policy, TEP_SERVER_TO_REMOTE, &remote) ==
                   TEP_SERVER_VERDICT_ALLOW;
      g_assert_cmpint (is_allowed, ==, reference_contains (prefixes, n, &remote));
    }
  }
}

static void
test_verdicts_have_names (void)
{
  for (int i = 0; i < TEP_SERVER_N_VERDICTS; i++)
    g_assert_nonnull (tep_server_verdict_name ((TepServerVerdict)i));
  g_assert_cmpstr (tep_server_verdict_name (TEP_SERVER_N_VERDICTS), ==, "unknown");
}

#define ADD(name, function) g_test_add_func ("/tep-s/policy/" name, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("special-ranges-are-denied-in-every-encoding",
       test_special_ranges_are_denied_in_every_encoding);
  ADD ("public-addresses-are-open-on-media-ports", test_public_addresses_are_open_on_media_ports);
  ADD ("encodings-never-say-more-than-the-address", test_encodings_never_say_more_than_the_address);
  ADD ("embedded-address-is-judged-too", test_embedded_address_is_judged_too);
  ADD ("loopback-can-be-opened-on-purpose", test_loopback_can_be_opened_on_purpose);
  ADD ("ports-outside-media-need-a-name", test_ports_outside_media_need_a_name);
  ADD ("rule-with-ports-opens-these-alone", test_rule_with_ports_opens_these_alone);
  ADD ("deny-rules-win", test_deny_rules_win);
  ADD ("own-addresses-are-denied-inside-an-open-range",
       test_own_addresses_are_denied_inside_an_open_range);
  ADD ("public-can-be-shut", test_public_can_be_shut);
  ADD ("nothing-is-no-address", test_nothing_is_no_address);
  ADD ("core-is-its-own-list", test_core_is_its_own_list);
  ADD ("bad-rules-are-named", test_bad_rules_are_named);
  ADD ("table-agrees-with-a-plain-walk", test_table_agrees_with_a_plain_walk);
  ADD ("verdicts-have-names", test_verdicts_have_names);
  return g_test_run ();
}
