/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/detect/gateway-wire.h"
#include "turn-connect/nat64.h"

#include <string.h>

#define PCP TURN_CONNECT_GATEWAY_PCP
#define PMP TURN_CONNECT_GATEWAY_NAT_PMP
#define SSDP TURN_CONNECT_GATEWAY_SSDP
#define OCTETS(text) text, sizeof text - 1

static const struct {
  const char *name;
  TurnConnectGatewayProtocol protocol;
  const char *octets;
  gsize length;
  TurnConnectOutcome outcome;
  guint code;
  const char *mapped;
} answers[] = {
  { "pmp-tells-its-address", PMP, OCTETS ("\0\x80\0\0\0\0\0\x07\xc6\x33\x64\x02"),
    TURN_CONNECT_OUTCOME_ANSWER, 0, "198.51.100.2" },
  { "pmp-has-none", PMP, OCTETS ("\0\x80\0\3\0\0\0\x07\0\0\0\0"), TURN_CONNECT_OUTCOME_DENIED, 3,
    NULL },
  { "pmp-answered-by-pcp-alone", PMP, OCTETS ("\2\x80\0\1\0\0\0\0\0\0\0\0"),
    TURN_CONNECT_OUTCOME_UNSUPPORTED, 1, NULL },
  { "pmp-cut-short", PMP, OCTETS ("\0\x80\0\0\0\0\0\x07\xc6"), TURN_CONNECT_OUTCOME_WRONG_ANSWER, 0,
    NULL },
  { "pmp-is-asked", PMP, OCTETS ("\0\0"), TURN_CONNECT_OUTCOME_PENDING, 0, NULL },
  { "pmp-nothing", PMP, OCTETS (""), TURN_CONNECT_OUTCOME_PENDING, 0, NULL },
  { "pcp-is-there", PCP, OCTETS ("\2\x80\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0"),
    TURN_CONNECT_OUTCOME_ANSWER, 0, NULL },
  { "pcp-not-authorized", PCP, OCTETS ("\2\x80\0\2\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0"),
    TURN_CONNECT_OUTCOME_DENIED, 2, NULL },
  { "pcp-answered-by-pmp-alone", PCP, OCTETS ("\0\x80\0\1\0\0\0\x07"),
    TURN_CONNECT_OUTCOME_UNSUPPORTED, 1, NULL },
  { "ssdp-describes-itself", SSDP,
    OCTETS ("HTTP/1.1 200 OK\r\nlocation: http://192.168.1.1:5000/x\r\nSERVER:router\r\n\r\n"),
    TURN_CONNECT_OUTCOME_ANSWER, 0, NULL },
  { "ssdp-notifies", SSDP, OCTETS ("NOTIFY * HTTP/1.1\r\n\r\n"), TURN_CONNECT_OUTCOME_PENDING, 0,
    NULL },
};

static void
test_answers_say_what_they_say (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
    TurnConnectProbe *probe =
        turn_connect_observations_add (observations, TURN_CONNECT_PROBE_GATEWAY, NULL);
    char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

    g_test_message ("%s", answers[i].name);
    g_assert_cmpint (turn_connect_gateway_read (answers[i].protocol, probe,
                                                (const guint8 *)answers[i].octets,
                                                answers[i].length),
                     ==, answers[i].outcome);
    g_assert_cmpuint (probe->code, ==, answers[i].code);
    g_assert_cmpstr (probe->mapped.family != 0 ? stun_ext_address_print_host (&probe->mapped, text)
                                               : NULL,
                     ==, answers[i].mapped);
    if (answers[i].protocol == SSDP && answers[i].outcome == TURN_CONNECT_OUTCOME_ANSWER) {
      g_assert_cmpstr (turn_connect_probe_get_fact (probe, "location"), ==,
                       "http://192.168.1.1:5000/x");
      g_assert_cmpstr (turn_connect_probe_get_fact (probe, "server"), ==, "router");
    }
  }
}

static void
test_every_truncation_is_survived (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++) {
    for (gsize length = 0; length <= answers[i].length; length++) {
      g_autoptr (TurnConnectObservations) observations = turn_connect_observations_new ();
      g_autofree guint8 *copy = g_memdup2 (answers[i].octets, MAX (length, 1));

      for (guint protocol = 0; protocol < TURN_CONNECT_N_GATEWAY_PROTOCOLS; protocol++)
        turn_connect_gateway_read (
            (TurnConnectGatewayProtocol)protocol,
            turn_connect_observations_add (observations, TURN_CONNECT_PROBE_GATEWAY, NULL), copy,
            length);
    }
  }
}

static void
test_requests_are_those_of_the_specifications (void)
{
  guint8 buffer[TURN_CONNECT_GATEWAY_REQUEST_MAX];
  StunExtAddress local;

  g_assert_true (stun_ext_address_parse ("192.168.1.10", &local));
  g_assert_cmpmem (buffer, turn_connect_gateway_write (PMP, &local, buffer), "\0\0", 2);
  g_assert_cmpmem (buffer, turn_connect_gateway_write (PCP, &local, buffer),
                   "\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\1\x0a", 24);
  g_assert_cmpuint (turn_connect_gateway_write (SSDP, &local, buffer), >, 40);
  g_assert_cmpmem (buffer, 10, "M-SEARCH *", 10);
}

static void
test_the_router_is_found_in_the_place (void)
{
  static const struct {
    const char *place, *gateway;
  } rows[] = {
    { "eth0 via 192.168.1.1 192.168.1.0/ffffff00; eth0 via fe800000000000000000000000000001",
      "192.168.1.1" },
    { "eth0 via 10.0.0.1; ", "10.0.0.1" },
    { "; eth0 via fe800000000000000000000000000001 20010db8/64", NULL },
    { "", NULL },
    { "eth0 via ", NULL },
    { "ppp0 via 0.0.0.0 10.64.0.1/ffffffff", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress gateway;
    char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
    gboolean is_found = turn_connect_gateway_find (rows[i].place, &gateway);

    g_assert_cmpstr (is_found ? stun_ext_address_print_host (&gateway, text) : NULL, ==,
                     rows[i].gateway);
  }
}

static void
test_the_prefix_of_nat64_is_found_in_every_layout (void)
{
  static const struct {
    const char *address, *prefix;
  } rows[] = {
    { "64:ff9b::192.0.0.170", "64:ff9b::/96" },
    { "2001:db8:1:2:c0:0:ab00:0", "2001:db8:1:2::/64" },
    { "2001:db8:1:2c0:0:aa::", "2001:db8:1:200::/56" },
    { "2001:db8:1:c000:0:aa00::", "2001:db8:1::/48" },
    { "2001:db8:1c0:0:aa::", "2001:db8:100::/40" },
    { "2001:db8:c000:aa::", "2001:db8::/32" },
    { "2001:db8::1", NULL },
    { "192.0.0.170", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress address;
    StunExtPrefix prefix;
    char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

    g_test_message ("%s", rows[i].address);
    g_assert_true (stun_ext_address_parse (rows[i].address, &address));
    g_assert_cmpstr (turn_connect_nat64_find_prefix (&address, &prefix)
                         ? stun_ext_prefix_print (&prefix, text)
                         : NULL,
                     ==, rows[i].prefix);
  }
}

/* Whatever shows the prefix, what is made under it is what the name server would have made. */
static void
test_addresses_are_made_under_the_prefix_in_every_layout (void)
{
  static const struct {
    const char *shown, *made;
  } rows[] = {
    { "64:ff9b::192.0.0.170", "64:ff9b::192.0.2.33" },
    { "2001:db8:1:2:c0:0:ab00:0", "2001:db8:1:2:c0:2:2100:0" },
    { "2001:db8:1:2c0:0:aa::", "2001:db8:1:2c0:0:221::" },
    { "2001:db8:1:c000:0:aa00::", "2001:db8:1:c000:2:2100::" },
    { "2001:db8:1c0:0:aa::", "2001:db8:1c0:2:21::" },
    { "2001:db8:c000:aa::", "2001:db8:c000:221::" },
  };
  StunExtAddress ipv4, other;

  g_assert_true (stun_ext_address_parse ("192.0.2.33", &ipv4));
  g_assert_true (stun_ext_address_parse ("192.0.2.34", &other));
  ipv4.port = 3478;
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    StunExtAddress shown, made;
    StunExtPrefix prefix, again;
    char text[STUN_EXT_ADDRESS_TEXT_LENGTH], expected[STUN_EXT_ADDRESS_TEXT_LENGTH];

    g_assert_true (stun_ext_address_parse (rows[i].shown, &shown));
    g_assert_true (turn_connect_nat64_find_prefix (&shown, &prefix));
    turn_connect_nat64_make (&prefix, &ipv4, &made);
    g_assert_cmpuint (made.port, ==, 3478);
    g_assert_true (stun_ext_address_parse (rows[i].made, &shown));
    g_assert_cmpstr (stun_ext_address_print_host (&made, text), ==,
                     stun_ext_address_print_host (&shown, expected));
    g_assert_true (turn_connect_nat64_find_prefix_of (&made, &ipv4, &again));
    g_assert_cmpstr (stun_ext_prefix_print (&again, text), ==,
                     stun_ext_prefix_print (&prefix, expected));
    g_assert_false (turn_connect_nat64_find_prefix_of (&made, &other, &again));
    g_assert_false (turn_connect_nat64_find_prefix_of (&ipv4, &ipv4, &again));
    g_assert_false (turn_connect_nat64_find_prefix_of (&made, &made, &again));
  }
}

static void
test_what_this_machine_reaches_itself_is_not_translated (void)
{
  static const char *const literals[] = { "127.0.0.1", "127.1.2.3", "::1", "2001:db8::1" };

  for (gsize i = 0; i < G_N_ELEMENTS (literals); i++) {
    StunExtAddress address;

    g_assert_true (stun_ext_address_parse (literals[i], &address));
    g_assert_false (turn_connect_nat64_is_wanted (&address));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/detect-gateway/answers-say-what-they-say",
                   test_answers_say_what_they_say);
  g_test_add_func ("/turn-connect/detect-gateway/every-truncation-is-survived",
                   test_every_truncation_is_survived);
  g_test_add_func ("/turn-connect/detect-gateway/requests-are-those-of-the-specifications",
                   test_requests_are_those_of_the_specifications);
  g_test_add_func ("/turn-connect/detect-gateway/the-router-is-found-in-the-place",
                   test_the_router_is_found_in_the_place);
  g_test_add_func ("/turn-connect/detect-gateway/the-prefix-of-nat64-is-found-in-every-layout",
                   test_the_prefix_of_nat64_is_found_in_every_layout);
  g_test_add_func (
      "/turn-connect/detect-gateway/addresses-are-made-under-the-prefix-in-every-layout",
      test_addresses_are_made_under_the_prefix_in_every_layout);
  g_test_add_func (
      "/turn-connect/detect-gateway/what-this-machine-reaches-itself-is-not-translated",
      test_what_this_machine_reaches_itself_is_not_translated);
  return g_test_run ();
}
