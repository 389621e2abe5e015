/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/network.h"

#include <string.h>

#define ROUTES                                                                                     \
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"          \
  "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"                                \
  "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"                                 \
  "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"                                 \
  "wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"
#define ROUTES6                                                                                    \
  "20010db8000100000000000000000000 40 00000000000000000000000000000000 00 "                       \
  "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"                \
  "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "                       \
  "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"                \
  "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "                       \
  "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"                \
  "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "                       \
  "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
#define NEIGHBOURS                                                                                 \
  "IP address       HW type     Flags       HW address            Mask     Device\n"               \
  "192.168.2.1      0x1         0x0         00:00:00:00:00:00     *        eth0\n"                 \
  "192.168.2.1      0x1         0x2         02:00:00:00:00:07     *        wlan0\n"                \
  "192.168.2.1      0x1         0x2         02:00:00:00:00:01     *        eth0\n"

static void
test_the_best_default_route_of_each_family_names_the_network (void)
{
  g_auto (TurnConnectNetwork) network = { 0 };

  turn_connect_network_read (&network, NULL, ROUTES, ROUTES6, NEIGHBOURS);
  g_assert_cmpstr (network.place, ==,
                   "eth0 via 192.168.2.1 192.168.2.0/ffffff00; eth0 via "
                   "fe800000000000000000000000000001 20010db8000100000000000000000000/64");
  g_assert_cmpstr (network.hardware, ==, "02:00:00:00:00:01");
}

static void
test_who_goes_by_one_interface_is_in_its_network (void)
{
  static const char *const rows[][2] = {
    { "wlan0", "wlan0 via 192.168.1.1 192.168.1.0/ffffff00" },
    { "eth0", "eth0 via 192.168.2.1 192.168.2.0/ffffff00; eth0 via "
              "fe800000000000000000000000000001 20010db8000100000000000000000000/64" },
    { "eth", "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (TurnConnectNetwork) network = { 0 };

    turn_connect_network_read (&network, rows[i][0], ROUTES, ROUTES6, NEIGHBOURS);
    g_assert_cmpstr (network.place, ==, rows[i][1]);
  }
}

static void
test_without_a_route_it_has_no_name (void)
{
  g_auto (TurnConnectNetwork) network = { 0 };

  turn_connect_network_read (&network, NULL, "", "", NEIGHBOURS);
  g_assert_cmpstr (network.place, ==, "");
  g_assert_null (network.hardware);
}

static void
test_the_order_of_the_tables_does_not_matter (void)
{
  g_auto (TurnConnectNetwork) one = { 0 };
  g_auto (TurnConnectNetwork) other = { 0 };
  g_auto (GStrv) lines = g_strsplit (ROUTES, "\n", -1);
  GString *turned = g_string_new (NULL);

  for (guint i = g_strv_length (lines); i > 0; i--)
    g_string_append_printf (turned, "%s\n", lines[i - 1]);
  turn_connect_network_read (&one, NULL, ROUTES, ROUTES6, NEIGHBOURS);
  turn_connect_network_read (&other, NULL, turned->str, ROUTES6, NEIGHBOURS);
  g_assert_cmpstr (one.place, ==, other.place);
  g_string_free (turned, TRUE);
}

static void
test_a_link_address_not_yet_known_tells_nothing_apart (void)
{
  TurnConnectNetwork one = { (char *)"a", (char *)"02:1" };
  TurnConnectNetwork same = { (char *)"a", NULL };
  TurnConnectNetwork other = { (char *)"a", (char *)"02:2" };
  TurnConnectNetwork elsewhere = { (char *)"b", (char *)"02:1" };

  g_assert_true (turn_connect_network_equal (&one, &same));
  g_assert_true (turn_connect_network_equal (&same, &other));
  g_assert_false (turn_connect_network_equal (&one, &other));
  g_assert_false (turn_connect_network_equal (&one, &elsewhere));
}

/* The tables are the kernel's, but what is cut or odd must not end anything. */
static void
test_tables_cut_anywhere_are_read (void)
{
  static const char *const odd[] = {
    "x 1 2 3",
    "eth0 zz zz zz zz zz zz zz zz",
    "eth0 \xff\xfe 0 1",
    "eth0\t00000000\t0101A8C0\t0003\t0\t0\t999999999999999999\t00000000",
  };

  for (gsize n = 0; n <= strlen (ROUTES6); n++) {
    g_autofree char *routes = g_strndup (ROUTES, n);
    g_autofree char *routes6 = g_strndup (ROUTES6, n);
    g_autofree char *neighbours = g_strndup (NEIGHBOURS, n);
    g_auto (TurnConnectNetwork) network = { 0 };

    turn_connect_network_read (&network, NULL, routes, routes6, neighbours);
    g_assert_nonnull (network.place);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (odd); i++) {
    g_auto (TurnConnectNetwork) network = { 0 };

    turn_connect_network_read (&network, NULL, odd[i], odd[i], odd[i]);
    g_assert_nonnull (network.place);
  }
}

static void
test_this_machine_can_be_asked (void)
{
  g_auto (TurnConnectNetwork) network = { 0 };

  turn_connect_network_look (&network, NULL);
  g_assert_nonnull (network.place);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define TEST(name, func) g_test_add_func ("/turn-connect/network/" name, func)
  TEST ("best-default-route-of-each-family-names-the-network",
        test_the_best_default_route_of_each_family_names_the_network);
  TEST ("who-goes-by-one-interface-is-in-its-network",
        test_who_goes_by_one_interface_is_in_its_network);
  TEST ("without-a-route-it-has-no-name", test_without_a_route_it_has_no_name);
  TEST ("order-of-the-tables-does-not-matter", test_the_order_of_the_tables_does_not_matter);
  TEST ("link-address-not-yet-known-tells-nothing-apart",
        test_a_link_address_not_yet_known_tells_nothing_apart);
  TEST ("tables-cut-anywhere-are-read", test_tables_cut_anywhere_are_read);
  TEST ("this-machine-can-be-asked", test_this_machine_can_be_asked);
  return g_test_run ();
}
