/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leases and flows of programs behind a TUN device, without the device, against a real TEP-S. */
#include "tep-c/tun-table.h"

#include <string.h>

#include "core.h"

#define SECOND ((gint64)G_USEC_PER_SEC)
#define IN_USE 16 /* as many bindings as a tunnel has */

typedef struct {
  Core core;
  gint64 now_us; /* when the test began, or what it says since */
  TepClientSession *session;
  TepClientTunTable *table;
  GString *heard;      /* payloads, each with a space behind it */
  GString *heard_from; /* addresses likewise */
  guint n_leases;
  guint n_refused;
  StunExtAddress local, leased; /* of the last lease */
  GError *error;
} Device;

static void
on_packet (gpointer user,
           const StunExtAddress *source,
           const StunExtAddress *local,
           const guint8 *payload,
           gsize length)
{
  Device *device = user;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_string_append_len (device->heard, (const char *)payload, (gssize)length);
  g_string_append_c (device->heard, ' ');
  g_string_append_printf (device->heard_from, "%s ", stun_ext_address_print (source, text));
}

static void
on_lease (gpointer user,
          const StunExtAddress *local,
          const StunExtAddress *leased,
          const GError *error)
{
  Device *device = user;

  device->local = *local;
  if (leased != NULL) {
    device->leased = *leased;
    device->n_leases++;
  } else {
    g_clear_error (&device->error);
    device->error = g_error_copy (error);
    device->n_refused++;
  }
}

static void
device_up (Device *device, gconstpointer data)
{
  static const TepClientTunTableEvents events = { .packet = on_packet, .lease = on_lease };
  g_autoptr (TepClientOptions) options = tep_client_options_new ();

  core_up (&device->core, NULL);
  device->now_us = g_get_monotonic_time ();
  options->host = g_strdup ("127.0.0.1");
  options->port = device->core.address.port;
  options->user = g_strdup ("alice");
  options->password = g_strdup (CORE_PASSWORD);
  options->stays = TRUE;
  device->session = tep_client_session_new (options);
  device->heard = g_string_new (NULL);
  device->heard_from = g_string_new (NULL);
  device->table = tep_client_tun_table_new (device->session, &events, device);
  tep_client_session_open (device->session);
}

static void
device_down (Device *device, gconstpointer data)
{
  g_clear_pointer (&device->table, tep_client_tun_table_free);
  g_clear_object (&device->session);
  g_clear_error (&device->error);
  g_string_free (device->heard, TRUE);
  g_string_free (device->heard_from, TRUE);
  core_down (&device->core, NULL);
}

static TepClientTunVerdict
say_to (Device *device,
        const char *local_text,
        const char *remote_text,
        const char *text,
        gint64 now_us)
{
  StunExtAddress local, remote;

  g_assert_true (stun_ext_address_parse (local_text, &local));
  g_assert_true (stun_ext_address_parse (remote_text, &remote));
  return tep_client_tun_table_send (device->table, &local, &remote, (const guint8 *)text,
                                    strlen (text), now_us);
}

static TepClientTunVerdict
say (Device *device, guint port, const char *text, gint64 now_us)
{
  g_autofree char *local = g_strdup_printf ("192.0.0.4:%u", port);

  return say_to (device, local, "198.18.0.9:4000", text, now_us);
}

static void
the_first_packets_wait_and_arrive_in_order (Device *device, gconstpointer data)
{
  for (guint i = 0; i < 20; i++) {
    g_autofree char *text = g_strdup_printf ("%u", i);

    g_assert_cmpint (say (device, 5000, text, device->now_us), ==, TEP_CLIENT_TUN_TAKEN);
  }
  WAIT_FOR (g_str_has_suffix (device->heard->str, " 19 "));
  /* The oldest gave way. */
  g_assert_cmpstr (device->heard->str, ==, "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 ");
  g_assert_cmpuint (device->n_leases, ==, 1);
  g_assert_cmpuint (device->local.port, ==, 5000);
}

static void
one_port_has_one_lease_and_a_flow_to_each_remote (Device *device, gconstpointer data)
{
  say_to (device, "192.0.0.4:5000", "198.18.0.9:4000", "a", device->now_us);
  say_to (device, "192.0.0.4:5000", "198.18.0.9:4001", "b", device->now_us);
  WAIT_FOR (device->heard->len == 4);
  g_assert_cmpuint (device->n_leases, ==, 1);
  g_assert_nonnull (strstr (device->heard_from->str, "198.18.0.9:4000 "));
  g_assert_nonnull (strstr (device->heard_from->str, "198.18.0.9:4001 "));
  say_to (device, "192.0.0.5:5000", "198.18.0.9:4000", "c", device->now_us);
  WAIT_FOR (device->n_leases == 2);
  WAIT_FOR (device->heard->len == 6);
}

static void
what_is_given_up_while_it_is_asked_for_is_given_back (Device *device, gconstpointer data)
{
  WAIT_FOR (tep_client_session_get_state (device->session) == TEP_CLIENT_STATE_OPEN);
  say (device, 5000, "a", device->now_us);
  tep_client_tun_table_sweep (device->table, device->now_us + 301 * SECOND);
  say (device, 5001, "b", device->now_us);
  WAIT_FOR (g_str_equal (device->heard->str, "b "));
  WAIT_FOR (core_count (&device->core, TEP_SERVER_COUNTER_BINDINGS) == 1);
  g_assert_cmpuint (device->n_leases, ==, 1);
  /* Now while the flow is asked for, and the whole table. */
  say_to (device, "192.0.0.4:5001", "198.18.0.9:4001", "c", device->now_us);
  g_clear_pointer (&device->table, tep_client_tun_table_free);
  WAIT_FOR (core_count (&device->core, TEP_SERVER_COUNTER_BINDINGS) == 0);
  WAIT_FOR (core_count (&device->core, TEP_SERVER_COUNTER_FLOWS) == 0);
}

static void
what_is_silent_is_given_back_flows_first (Device *device, gconstpointer data)
{
  say (device, 5000, "a", device->now_us);
  WAIT_FOR (device->heard->len == 2);
  tep_client_tun_table_sweep (device->table, device->now_us + 100 * SECOND);
  g_assert_cmpint (core_count (&device->core, TEP_SERVER_COUNTER_FLOWS), ==, 1);
  tep_client_tun_table_sweep (device->table, device->now_us + 200 * SECOND);
  WAIT_FOR (core_count (&device->core, TEP_SERVER_COUNTER_FLOWS) == 0);
  g_assert_cmpint (core_count (&device->core, TEP_SERVER_COUNTER_BINDINGS), ==, 1);
  tep_client_tun_table_sweep (device->table, device->now_us + 310 * SECOND);
  WAIT_FOR (core_count (&device->core, TEP_SERVER_COUNTER_BINDINGS) == 0);
  say (device, 5000, "b", device->now_us);
  WAIT_FOR (g_str_has_suffix (device->heard->str, "b "));
}

static void
ports_in_use_are_not_displaced_silent_ones_are (Device *device, gconstpointer data)
{
  for (guint i = 0; i < IN_USE; i++)
    g_assert_cmpint (say (device, 5000 + i, "x", device->now_us), ==, TEP_CLIENT_TUN_TAKEN);
  WAIT_FOR (device->n_leases == IN_USE);
  WAIT_FOR (device->heard->len == 2 * IN_USE);
  for (guint i = 0; i < 50; i++)
    g_assert_cmpint (say (device, 6000, "y", device->now_us), ==, TEP_CLIENT_TUN_REFUSED);
  g_assert_cmpuint (device->n_refused, ==, 1); /* said once, not with every packet */
  g_assert_error (device->error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_QUOTA);
  device->now_us += 60 * SECOND;
  for (guint i = 1; i < IN_USE; i++)
    g_assert_cmpint (say (device, 5000 + i, "x", device->now_us), ==, TEP_CLIENT_TUN_TAKEN);
  g_assert_cmpint (say (device, 6000, "y", device->now_us), ==, TEP_CLIENT_TUN_TAKEN);
  WAIT_FOR (strchr (device->heard->str, 'y') != NULL);
  g_assert_cmpint (core_count (&device->core, TEP_SERVER_COUNTER_BINDINGS), ==, IN_USE);
}

/* No IPv6 address is to be had of a server on 127.0.0.1. */
static void
a_refused_lease_is_not_asked_for_with_every_packet (Device *device, gconstpointer data)
{
  say_to (device, "[fd00::1]:5000", "[2001:db8::1]:4000", "x", device->now_us);
  WAIT_FOR (device->n_refused == 1);
  device->now_us = g_get_monotonic_time ();
  for (guint i = 0; i < 50; i++)
    g_assert_cmpint (say_to (device, "[fd00::1]:5000", "[2001:db8::1]:4000", "x", device->now_us),
                     ==, TEP_CLIENT_TUN_REFUSED);
  say (device, 5000, "goes on", device->now_us);
  WAIT_FOR (device->heard->len > 0);
  g_assert_cmpuint (device->n_refused, ==, 1);
  say_to (device, "[fd00::1]:5000", "[2001:db8::1]:4000", "x", device->now_us + 20 * SECOND);
  WAIT_FOR (device->n_refused == 2);
}

/* The server answers nothing there, but the packet goes out whole and harms nobody. */
static void
a_remote_without_a_flow_gets_whole_packets (Device *device, gconstpointer data)
{
  TepClientStatistics statistics;

  say_to (device, "192.0.0.4:5000", "198.18.0.8:4000", "x", device->now_us);
  WAIT_FOR ((tep_client_session_get_statistics (device->session, &statistics),
             statistics.packets_sent == 1));
  say (device, 5000, "allowed", device->now_us);
  WAIT_FOR (device->heard->len > 0);
  g_assert_cmpint (core_count (&device->core, TEP_SERVER_COUNTER_FLOWS), ==, 1);
}

static void
what_a_restarted_server_refuses_is_noticed (Device *device, gconstpointer data)
{
  say (device, 5000, "before", device->now_us);
  WAIT_FOR (device->heard->len > 0);
  core_stop (&device->core);
  device->core.allow = "198.18.0.8:4000";
  core_start (&device->core);
  WAIT_FOR (core_count (&device->core, TEP_SERVER_COUNTER_FLOWS_REFUSED) > 0);
  core_stop (&device->core);
  device->core.allow = NULL;
  core_start (&device->core);
  WAIT_FOR (core_count (&device->core, TEP_SERVER_COUNTER_BINDINGS) == 1);
  g_string_truncate (device->heard, 0);
  /* Within the time that whole packets go on, a flow is not asked for again. */
  WAIT_FOR (
      (say (device, 5000, "after", g_get_monotonic_time () + 30 * SECOND), device->heard->len > 0));
  g_assert_true (g_str_has_prefix (device->heard->str, "after "));
}

#define TEST(name, function)                                                                       \
  g_test_add ("/tep-c/tun-table/" name, Device, NULL, device_up, function, device_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("the-first-packets-wait-and-arrive-in-order", the_first_packets_wait_and_arrive_in_order);
  TEST ("one-port-has-one-lease-and-a-flow-to-each-remote",
        one_port_has_one_lease_and_a_flow_to_each_remote);
  TEST ("what-is-given-up-while-it-is-asked-for-is-given-back",
        what_is_given_up_while_it_is_asked_for_is_given_back);
  TEST ("what-is-silent-is-given-back-flows-first", what_is_silent_is_given_back_flows_first);
  TEST ("ports-in-use-are-not-displaced-silent-ones-are",
        ports_in_use_are_not_displaced_silent_ones_are);
  TEST ("a-refused-lease-is-not-asked-for-with-every-packet",
        a_refused_lease_is_not_asked_for_with_every_packet);
  TEST ("a-remote-without-a-flow-gets-whole-packets", a_remote_without_a_flow_gets_whole_packets);
  TEST ("what-a-restarted-server-refuses-is-noticed", what_a_restarted_server_refuses_is_noticed);
  return g_test_run ();
}
