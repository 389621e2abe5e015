/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a flight says of itself that could not be sent, or got lost. */
#include "support.h"
#include "turn-connect/detect/flight.h"
#include "turn-connect/detect/payload-class.h"

/* A name that there may be, and no request has room for. */
#define LABEL "a-name-of-which-nobody-knows-who-would-have-it"
#define HOST LABEL "." LABEL "." LABEL ".example"

static void
goes_on (const char *doing, const TurnConnectProbe *probe, gpointer data)
{
}

static void
is_done (gpointer data)
{
}

static void
works (const TurnConnectProbe *probe, gpointer data)
{
}

static void
ended (TurnConnectProbe *probe, gpointer data)
{
  *(gboolean *)data = TRUE;
}

static TurnConnectPlan
make_plan (const char *host)
{
  /* None of the families is asked for; the name is never found. */
  TurnConnectPlan plan = { .sets = 1u << 31, .facts = g_hash_table_new (g_str_hash, g_str_equal) };

  support_resolver_set (host, "hang4,hang6");
  plan.target = turn_connect_target_new (host, 9, NULL);
  plan.ladder = g_array_new (FALSE, FALSE, sizeof (guint));
  plan.udp_ports = g_array_new (FALSE, FALSE, sizeof (guint16));
  plan.tcp_ports = g_array_new (FALSE, FALSE, sizeof (guint16));
  return plan;
}

static void
plan_clear (TurnConnectPlan *plan)
{
  g_array_unref (plan->tcp_ports);
  g_array_unref (plan->udp_ports);
  g_array_unref (plan->ladder);
  g_hash_table_unref (plan->facts);
  g_object_unref (plan->target);
}

static void
test_what_cannot_be_made_says_why (void)
{
  TurnConnectPlan plan = make_plan (HOST);
  TurnConnectRun *run = turn_connect_run_new (&plan, goes_on, works, is_done, NULL);
  TurnConnectFlightWay way = { .payload = STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER,
                               .is_datagram = TRUE };
  g_autoptr (TurnConnectFlight) flight = NULL;
  const TurnConnectProbe *probe;
  gboolean has_ended = FALSE;
  guint16 port;
  int listener = support_bind_datagrams ("127.0.0.1", &port);

  g_assert_true (stun_ext_address_parse ("127.0.0.1", &way.target));
  way.target.port = port;
  flight = turn_connect_flight_new (run, &way, ended, &has_ended);
  g_assert_false (has_ended);
  support_run_until (&has_ended);
  probe = g_ptr_array_index (turn_connect_run_get_observations (run)->probes, 0);
  g_assert_cmpint (probe->outcome, ==, TURN_CONNECT_OUTCOME_FAILED);
  g_assert_cmpstr (probe->detail, ==, "this cannot be made for a far end of this name");
  g_clear_pointer (&flight, turn_connect_flight_free);
  turn_connect_run_free (run);
  plan_clear (&plan);
  close (listener);
}

static void
test_noise_is_not_the_beginning_of_something (void)
{
  static const struct {
    const char *octets; /* 16 */
    gboolean is_noise;
  } rows[] = {
    { "\xa5\x5a\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e", TRUE },
    { "\x16\x04\x6b\x24\x5f\x94\x98\x00\xfd\xb2\x9b\xb5\x0b\xa4\xdd\xad", TRUE },
    { "\x16\x03\x6b\x24\x5f\x94\x98\x00\xfd\xb2\x9b\xb5\x0b\xa4\xdd\xad", FALSE },
    { "GET \xa5\x5a\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", FALSE },
    { "\x00\x01\x00\x08\x21\x12\xa4\x42\xa5\x5a\x01\x02\x03\x04\x05\x06", FALSE },
    { "\x00\x54\x00\x01\x00\x40\x21\x12\xa4\x42\xa5\x5a\x01\x02\x03\x04", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (turn_connect_payload_is_noise ((const guint8 *)rows[i].octets, 16), ==,
                     rows[i].is_noise);
}

/* The kernel would repeat the first packet after a second, and the octets that follow after three. */
static void
test_a_lost_connection_is_tried_anew_from_another_socket (void)
{
  TurnConnectPlan plan = make_plan ("nobody.example");
  TurnConnectRun *run = turn_connect_run_new (&plan, goes_on, works, is_done, NULL);
  TurnConnectFlightWay way = { .payload = STUN_EXT_DETECT_PAYLOAD_PRINTABLE };
  g_autoptr (TurnConnectFlight) flight = NULL;
  const TurnConnectProbe *probe;
  gboolean has_ended = FALSE;
  SupportBlackHole hole;

  support_black_hole_open (&hole, "127.83.0.7", 0);
  g_assert_true (stun_ext_address_parse ("127.83.0.7", &way.target));
  way.target.port = hole.port;
  flight = turn_connect_flight_new (run, &way, ended, &has_ended);
  probe = g_ptr_array_index (turn_connect_run_get_observations (run)->probes, 0);
  support_run_for (50);
  g_assert_cmpint (probe->connect_us, <, 0);
  close (support_accept (hole.listener));
  for (guint i = 0; i < 1000 && probe->connect_us < 0 && !has_ended; i++)
    support_run_for (10);
  g_assert_cmpuint (probe->attempts, >=, 2);
  g_assert_cmpint (probe->connect_us, >=, 0);
  g_assert_cmpint (probe->connect_us, <, 900000);
  g_clear_pointer (&flight, turn_connect_flight_free);
  turn_connect_run_free (run);
  plan_clear (&plan);
  support_black_hole_close (&hole);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  g_test_add_func ("/turn-connect/detect-flight/what-cannot-be-made-says-why",
                   test_what_cannot_be_made_says_why);
  g_test_add_func ("/turn-connect/detect-flight/noise-is-not-the-beginning-of-something",
                   test_noise_is_not_the_beginning_of_something);
  g_test_add_func (
      "/turn-connect/detect-flight/a-lost-connection-is-tried-anew-from-another-socket",
      test_a_lost_connection_is_tried_anew_from_another_socket);
  return g_test_run ();
}
