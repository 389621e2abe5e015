/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/proxy/lease.h"

#include <glib/gstdio.h>
#include <string.h>

#define NOW 1790000000 /* 2026-09-21 14:13:20 UTC */
#define URL "http://wpad.corp.example/wpad.dat"
#define HEX "687474703a2f2f777061642e636f72702e6578616d706c652f777061642e646174"
#define LEASE(option, expire) "lease {\n  interface \"eth0\";\n" option "  expire " expire ";\n}\n"
#define OLD "1 2026/09/21 14:00:00"
#define FRESH "1 2026/09/21 15:00:00"
#define WPAD(text) "  option wpad-url \"" text "\";\n"

typedef struct {
  const char *name, *text, *url;
} Row;

static const Row networkd[] = {
  { "nothing-is-none", "", NULL },
  { "another-option", "OPTION_249=" HEX "\n", NULL },
  { "option-252", "ADDRESS=10.0.0.2\nOPTION_252=" HEX "\nDNS=10.0.0.1\n", URL },
  { "with-a-zero-behind", "OPTION_252=" HEX "00\n", URL },
  { "with-a-line-feed-behind", "OPTION_252=" HEX "0a", URL },
  { "half-an-octet", "OPTION_252=" HEX "0", URL },
  { "no-digits", "OPTION_252=http://x/\n", NULL },
  { "a-file-of-ours", "OPTION_252=66696c653a2f2f2f6574632f706173737764\n", NULL },
  { "control-characters", "OPTION_252=687474703a2f2f611b5b6d2f78\n", NULL },
};

static const Row dhclient[] = {
  { "nothing-is-none", "", NULL },
  { "by-its-name", LEASE (WPAD (URL), FRESH), URL },
  { "by-its-number", LEASE ("  option unknown-252 \"" URL "\\000\";\n", FRESH), URL },
  { "one-that-never-ends", LEASE (WPAD (URL), "never"), URL },
  { "one-that-is-over", LEASE (WPAD (URL), OLD), NULL },
  { "the-last-one-counts", LEASE (WPAD ("http://old.example/"), FRESH) LEASE (WPAD (URL), FRESH),
    URL },
  { "a-network-left-says-nothing", LEASE (WPAD (URL), OLD) LEASE ("", FRESH), NULL },
  { "an-end-in-seconds", LEASE (WPAD (URL), "epoch 1790000001; # Monday"), URL },
  { "an-end-in-seconds-that-has-been", LEASE (WPAD (URL), "epoch 1789999999; # Monday"), NULL },
  { "an-end-that-cannot-be-read", LEASE (WPAD (URL), "soon"), NULL },
  { "a-lease-that-does-not-end", "lease {\n" WPAD (URL), NULL },
  { "no-end-of-the-text", "lease {\n  option wpad-url \"http://x/\n}\n", NULL },
  { "a-file-of-ours", LEASE (WPAD ("file:///etc/passwd"), FRESH), NULL },
};

static void
test_tables (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (networkd); i++) {
    g_autofree char *url = turn_connect_lease_read_networkd (networkd[i].text);

    g_test_message ("networkd: %s", networkd[i].name);
    g_assert_cmpstr (url, ==, networkd[i].url);
  }
  for (guint i = 0; i < G_N_ELEMENTS (dhclient); i++) {
    g_autofree char *url = turn_connect_lease_read_dhclient (dhclient[i].text, NULL, NOW);

    g_test_message ("dhclient: %s", dhclient[i].name);
    g_assert_cmpstr (url, ==, dhclient[i].url);
  }
}

static void
test_an_interface_has_its_own_leases (void)
{
  static const char text[] = LEASE (WPAD (URL), FRESH) "lease {\n  interface \"wlan0\";\n" WPAD (
      "http://wlan/") "  expire " FRESH ";\n}\n";
  static const struct {
    const char *interface, *url;
  } cases[] = {
    { "eth0", URL }, { "wlan0", "http://wlan/" }, { "eth", NULL }, { NULL, "http://wlan/" }
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *url = turn_connect_lease_read_dhclient (text, cases[i].interface, NOW);

    g_assert_cmpstr (url, ==, cases[i].url);
  }
}

static void
test_every_beginning_is_read (void)
{
  static const char text[] = LEASE (WPAD (URL), OLD) LEASE (WPAD (URL), FRESH);
  static const char hex[] = "OPTION_252=" HEX HEX HEX HEX HEX HEX HEX HEX HEX;

  for (gsize n = 0; n < sizeof text; n++) {
    g_autofree char *beginning = g_strndup (text, n);
    g_autofree char *url = turn_connect_lease_read_dhclient (beginning, NULL, NOW);

    g_assert_true (url == NULL || strcmp (url, URL) == 0);
  }
  for (gsize n = 0; n < sizeof hex; n++) {
    g_autofree char *beginning = g_strndup (hex, n);
    g_autofree char *url = turn_connect_lease_read_networkd (beginning);

    g_assert_true (url == NULL || strlen (url) <= 255);
  }
}

static void
write_file (const char *root, const char *folder, const char *name, const char *text)
{
  g_autofree char *place = g_build_filename (root, folder, NULL);
  g_autofree char *path = g_build_filename (place, name, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (place, 0700), ==, 0);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
assert_found (const char *root, const char *expected)
{
  g_autofree char *url = turn_connect_lease_find_pac (root, NULL, NOW);

  g_assert_cmpstr (url, ==, expected);
}

static void
test_the_machines_files_are_read (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *root = g_dir_make_tmp ("lease-XXXXXX", &error);
  g_autofree char *big = g_strnfill (300 * 1024, '\n');
  g_autofree char *leases = g_build_filename (root, "run/systemd/netif/leases", NULL);
  g_autofree char *lease = g_build_filename (leases, "2", NULL);

  g_assert_no_error (error);
  assert_found (root, NULL);
  write_file (root, "var/lib/dhcp", "other.leases", LEASE (WPAD ("http://other/"), FRESH));
  assert_found (root, NULL);
  write_file (root, "var/lib/dhcp", "dhclient.eth0.leases", LEASE (WPAD (URL), FRESH));
  assert_found (root, URL);
  write_file (root, "run/systemd/netif/leases", "2", "OPTION_252=687474703a2f2f622f78\n");
  assert_found (root, "http://b/x");
  write_file (root, "run/systemd/netif/leases", "2", big);
  assert_found (root, URL);
  g_assert_cmpint (g_remove (lease), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/proxy-lease/tables", test_tables);
  g_test_add_func ("/turn-connect/proxy-lease/an-interface-has-its-own-leases",
                   test_an_interface_has_its_own_leases);
  g_test_add_func ("/turn-connect/proxy-lease/every-beginning-is-read",
                   test_every_beginning_is_read);
  g_test_add_func ("/turn-connect/proxy-lease/the-machines-files-are-read",
                   test_the_machines_files_are_read);
  return g_test_run ();
}
