/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/turn/resolve-private.h"

#include "support.h"
#include "zone.h"

#include <string.h>

static const TurnConnectTransport all[] = { TURN_CONNECT_TRANSPORT_UDP, TURN_CONNECT_TRANSPORT_TCP,
                                            TURN_CONNECT_TRANSPORT_TLS,
                                            TURN_CONNECT_TRANSPORT_DTLS };

typedef struct {
  gboolean is_done;
  GPtrArray *servers;
  GError *error;
} Outcome;

static void
done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  outcome->servers = turn_connect_resolve_finish (result, &outcome->error);
  outcome->is_done = TRUE;
}

static void
outcome_clear (Outcome *outcome)
{
  g_clear_pointer (&outcome->servers, g_ptr_array_unref);
  g_clear_error (&outcome->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
begin (const char *text,
       const char *dns,
       TurnConnectResolveFlags flags,
       GCancellable *cancellable,
       Outcome *outcome)
{
  g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (text, NULL);

  turn_connect_resolve_with_async (dns, uri, all, 4, flags, cancellable, done, outcome);
  g_assert_false (outcome->is_done);
}

static char *
say (const Outcome *outcome)
{
  GString *said = g_string_new (NULL);

  g_assert_no_error (outcome->error);
  for (guint i = 0; i < outcome->servers->len; i++) {
    const TurnConnectServer *server = g_ptr_array_index (outcome->servers, i);

    g_string_append_printf (said, "%s%s:%s:%u", i == 0 ? "" : " ",
                            turn_connect_transport_to_string (server->transport), server->host,
                            server->port);
  }
  return g_string_free (said, FALSE);
}

static void
test_records_are_read_from_the_wire (void)
{
  g_autoptr (Zone) zone = zone_new ("a.test NAPTR 10 1 - RELAY:turn.tls - n.a.test\n"
                                    "a.test NAPTR 20 1 S RELAY:turn.udp - _turn._udp.a.test\n"
                                    "n.a.test NAPTR 1 1 S RELAY:turn.tls - _turns._tcp.a.test\n"
                                    "n.a.test NAPTR 2 1 A RELAY:turn.tls - last.a.test\n"
                                    "_turn._udp.a.test SRV 0 0 3000 udp.a.test\n"
                                    "_turns._tcp.a.test SRV 2 0 443 two.a.test\n"
                                    "_turns._tcp.a.test SRV 1 0 443 one.a.test\n");
  const char *dns = zone_serve (zone);
  g_auto (Outcome) outcome = { 0 };
  g_autofree char *said = NULL;

  begin ("turn:a.test", dns, 0, NULL, &outcome);
  support_run_until (&outcome.is_done);
  said = say (&outcome);
  g_assert_cmpstr (said, ==,
                   "tls:one.a.test:443 tls:two.a.test:443 tls:last.a.test:5349 "
                   "udp:udp.a.test:3000");
}

static void
test_answers_that_are_none_count_as_no_records (void)
{
  static const char *const zones[] = { "", "_turn._udp.a.test fails\na.test fails\n",
                                       "_turn._udp.a.test garbage\na.test garbage\n",
                                       "_turn._udp.a.test truncated\na.test truncated\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (zones); i++) {
    g_autoptr (Zone) zone = zone_new (zones[i]);
    const char *dns = zone_serve (zone);
    g_auto (Outcome) outcome = { 0 };
    g_autofree char *said = NULL;

    g_test_message ("row %" G_GSIZE_FORMAT, i);
    begin ("turn:a.test", dns, 0, NULL, &outcome);
    support_run_until (&outcome.is_done);
    said = say (&outcome);
    g_assert_cmpstr (said, ==, "udp:a.test:3478 tcp:a.test:3478");
    g_assert_cmpuint (zone_count_questions (zone), >=, 3);
  }
}

/* What was answered stays, what was not is as if it did not exist. */
static void
test_silence_ends_in_time (void)
{
  g_autoptr (Zone) zone =
      zone_new ("a.test silent\n_turn._udp.a.test SRV 0 0 1 u.test\n_turn._tcp.a.test silent\n");
  const char *dns = zone_serve (zone);
  g_auto (Outcome) outcome = { 0 };
  g_autofree char *said = NULL;
  gint64 began = g_get_monotonic_time ();

  begin ("turn:a.test", dns, 0, NULL, &outcome);
  support_run_until (&outcome.is_done);
  g_assert_cmpint (g_get_monotonic_time () - began, <, 8 * G_USEC_PER_SEC);
  said = say (&outcome);
  g_assert_cmpstr (said, ==, "udp:u.test:1 tcp:a.test:3478");
}

static void
test_no_name_server_is_no_obstacle (void)
{
  static const char *const nobody[] = { "127.0.0.1:1", "not an address" };

  for (gsize i = 0; i < G_N_ELEMENTS (nobody); i++) {
    g_auto (Outcome) outcome = { 0 };
    g_autofree char *said = NULL;

    begin ("turns:a.test?transport=tcp", nobody[i], 0, NULL, &outcome);
    support_run_until (&outcome.is_done);
    said = say (&outcome);
    g_assert_cmpstr (said, ==, "tls:a.test:5349");
  }
}

static void
test_a_proxy_leaves_dns_alone (void)
{
  g_autoptr (Zone) zone = zone_new ("_turns._tcp.a.test SRV 0 0 1 evil.test\n");
  const char *dns = zone_serve (zone);
  g_auto (Outcome) outcome = { 0 };
  g_auto (Outcome) refused = { 0 };
  g_autofree char *said = NULL;

  begin ("turns:a.test", dns, TURN_CONNECT_RESOLVE_BY_PROXY, NULL, &outcome);
  begin ("turn:a.test?transport=udp", dns, TURN_CONNECT_RESOLVE_BY_PROXY, NULL, &refused);
  support_run_until (&outcome.is_done);
  support_run_until (&refused.is_done);
  said = say (&outcome);
  g_assert_cmpstr (said, ==, "tls:a.test:5349");
  g_assert_error (refused.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED);
  g_assert_cmpuint (zone_count_questions (zone), ==, 0);
}

/* Before it begins, and after each turn of the loop until it would have ended by itself. */
static void
test_it_can_be_cancelled_at_every_turn (void)
{
  g_autoptr (Zone) zone = zone_new ("a.test NAPTR 1 1 - RELAY:turn.udp - b.test\n"
                                    "b.test NAPTR 1 1 s RELAY:turn.udp - _turn._udp.b.test\n"
                                    "_turn._udp.b.test SRV 0 0 1 c.test\n");
  const char *dns = zone_serve (zone);
  gboolean ended_by_itself = FALSE;

  for (guint turns = 0; !ended_by_itself; turns++) {
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    g_auto (Outcome) outcome = { 0 };

    begin ("turn:a.test", dns, 0, cancellable, &outcome);
    for (guint i = 0; i < turns && !outcome.is_done; i++)
      g_main_context_iteration (NULL, TRUE);
    ended_by_itself = outcome.is_done;
    g_cancellable_cancel (cancellable);
    support_run_until (&outcome.is_done);
    if (ended_by_itself)
      g_assert_no_error (outcome.error);
    else
      g_assert_error (outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpuint (turns, <, 1000);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/turn-resolve/records-are-read-from-the-wire",
                   test_records_are_read_from_the_wire);
  g_test_add_func ("/turn-connect/turn-resolve/answers-that-are-none-count-as-no-records",
                   test_answers_that_are_none_count_as_no_records);
  g_test_add_func ("/turn-connect/turn-resolve/silence-ends-in-time", test_silence_ends_in_time);
  g_test_add_func ("/turn-connect/turn-resolve/no-name-server-is-no-obstacle",
                   test_no_name_server_is_no_obstacle);
  g_test_add_func ("/turn-connect/turn-resolve/a-proxy-leaves-dns-alone",
                   test_a_proxy_leaves_dns_alone);
  g_test_add_func ("/turn-connect/turn-resolve/it-can-be-cancelled-at-every-turn",
                   test_it_can_be_cancelled_at_every_turn);
  return g_test_run ();
}
