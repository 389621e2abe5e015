/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/turn/plan.h"

#include "zone.h"

#include <string.h>

static const TurnConnectTransport all[] = { TURN_CONNECT_TRANSPORT_UDP, TURN_CONNECT_TRANSPORT_TCP,
                                            TURN_CONNECT_TRANSPORT_TLS,
                                            TURN_CONNECT_TRANSPORT_DTLS };

static guint32
first (guint32 most, gpointer user_data)
{
  return 0;
}

/* Runs a plan against a zone; questions of another manner fail. Says "udp:host:port ..." or the
 * code of the error. */
static char *
run (const char *text,
     const char *zone_text,
     const TurnConnectTransport *transports,
     guint n_transports,
     TurnConnectResolveFlags flags,
     guint *n_questions)
{
  g_autoptr (TurnConnectUri) uri = turn_connect_uri_new (text, NULL);
  g_autoptr (Zone) zone = zone_new (zone_text);
  g_autoptr (TurnConnectPlan) plan =
      turn_connect_plan_new (uri, transports, n_transports, flags, first, NULL);
  g_autoptr (GPtrArray) servers = NULL;
  g_autoptr (GError) error = NULL;
  GString *said = g_string_new (NULL);

  *n_questions = 0;
  while (!turn_connect_plan_step (plan, &servers, &error)) {
    TurnConnectDnsType type;
    const char *name;
    guint before = *n_questions;

    while (turn_connect_plan_take_question (plan, &type, &name)) {
      g_autoptr (GPtrArray) records = zone_find (zone, type, name);
      g_autoptr (GPtrArray) none = g_ptr_array_new ();

      ++*n_questions;
      turn_connect_plan_answer (plan, type, name,
                                records == NULL     ? TURN_CONNECT_DNS_FAILED
                                : records->len == 0 ? TURN_CONNECT_DNS_NONE
                                                    : TURN_CONNECT_DNS_FOUND,
                                records != NULL ? records : none);
    }
    g_assert_cmpuint (*n_questions, >, before);
  }
  g_assert_true ((servers == NULL) == (error != NULL));
  if (error != NULL) {
    g_assert_true (error->domain == TURN_CONNECT_ERROR);
    g_assert_cmpint (turn_connect_error_get_step (error), ==, TURN_CONNECT_STEP_RESOLVE);
    g_string_append_printf (said, "error %d", error->code);
    return g_string_free (said, FALSE);
  }
  for (guint i = 0; i < servers->len; i++) {
    const TurnConnectServer *server = g_ptr_array_index (servers, i);

    g_string_append_printf (said, "%s%s:%s:%u", i == 0 ? "" : " ",
                            turn_connect_transport_to_string (server->transport), server->host,
                            server->port);
  }
  return g_string_free (said, FALSE);
}

static char *
error_text (TurnConnectError code)
{
  return g_strdup_printf ("error %d", (gint)code);
}

/* Zones of the appendix of RFC 5928, and of people who mean no good. */
#define SRVS                                                                                       \
  "_turn._udp.a.test SRV 0 0 3000 u.a.test\n_turn._tcp.a.test SRV 0 0 3001 t.a.test\n"             \
  "_turns._tcp.a.test SRV 0 0 5000 s.a.test\n"
#define REMOTE                                                                                     \
  "a.test NAPTR 100 10 - RELAY:turn.udp - datagram.a.test\n"                                       \
  "a.test NAPTR 200 10 - RELAY:turn.tcp:turn.tls - stream.a.test\n"                                \
  "datagram.a.test NAPTR 100 10 S RELAY:turn.udp - _turn._udp.a.test\n"                            \
  "stream.a.test NAPTR 100 10 S RELAY:turn.tcp - _turn._tcp.a.test\n"                              \
  "stream.a.test NAPTR 200 10 A RELAY:turn.tls - a.a.test\n"
#define LOOP                                                                                       \
  "a.test NAPTR 1 1 - RELAY:turn.udp - b.test\nb.test NAPTR 1 1 - RELAY:turn.udp - a.test\n"

static const struct {
  const char *uri;
  const char *zone;
  const char *said; /* NULL: see error */
  TurnConnectError error;
} rows[] = {
  /* Item 1 and 2: nothing is asked. */
  { "turn:192.0.2.1", SRVS, "udp:192.0.2.1:3478 tcp:192.0.2.1:3478" },
  { "turns:[2001:db8::1]", SRVS, "tls:2001:db8::1:5349 dtls:2001:db8::1:5349" },
  { "turns:192.0.2.1:443?transport=tcp", SRVS, "tls:192.0.2.1:443" },
  { "turns:a.test:443", SRVS, "tls:a.test:443 dtls:a.test:443" },
  { "turn:a.test:80?transport=tcp", SRVS, "tcp:a.test:80" },
  { "turn:a.test?transport=quic", SRVS, NULL, TURN_CONNECT_ERROR_UNSUPPORTED },
  { "turn:localhost", "localhost silent\n", "udp:localhost:3478 tcp:localhost:3478" },
  { "turn:x.local", SRVS, "udp:x.local:3478 tcp:x.local:3478" },
  /* Item 3. */
  { "turn:a.test?transport=udp", SRVS, "udp:u.a.test:3000" },
  { "turns:a.test?transport=tcp", SRVS, "tls:s.a.test:5000" },
  { "turn:a.test?transport=tcp", "", "tcp:a.test:3478" },
  { "turns:a.test?transport=tcp", "_turns._tcp.a.test fails\n", "tls:a.test:5349" },
  { "turn:a.test?transport=udp",
    "_turn._udp.a.test SRV 20 0 3 c.test\n_turn._udp.a.test SRV 10 0 1 a.test\n"
    "_turn._udp.a.test SRV 10 9 2 b.test",
    "udp:a.test:1 udp:b.test:2 udp:c.test:3" },
  { "turn:a.test?transport=udp", "_turn._udp.a.test SRV 0 0 0 .", NULL,
    TURN_CONNECT_ERROR_NAME_NOT_FOUND },
  /* Item 5. */
  { "turn:a.test", SRVS, "udp:u.a.test:3000 tcp:t.a.test:3001" },
  { "turns:a.test", SRVS, "tls:s.a.test:5000 dtls:a.test:5349" },
  { "turn:a.test", "", "udp:a.test:3478 tcp:a.test:3478" },
  { "turn:a.test", "_turn._tcp.a.test SRV 0 0 443 b.test\n_turn._udp.a.test SRV 0 0 0 .\n",
    "tcp:b.test:443" },
  { "turn:a.test", "a.test NAPTR 1 1 s SIP+D2U - _sip._udp.a.test\n" SRVS,
    "udp:u.a.test:3000 tcp:t.a.test:3001" },
  { "turn:a.test", "a.test silent\n" SRVS, "udp:u.a.test:3000 tcp:t.a.test:3001" },
  { "stun:a.test", "_stun._udp.a.test SRV 0 0 19302 s.test\n" REMOTE,
    "udp:s.test:19302 tcp:a.test:3478" },
  { "stuns:a.test:443", SRVS, "tls:a.test:443 dtls:a.test:443" },
  /* Item 4: the records' order, flags "", S and A, and TLS where the domain offers it. */
  { "turn:a.test", REMOTE SRVS, "udp:u.a.test:3000 tcp:t.a.test:3001 tls:a.a.test:5349" },
  { "turns:a.test", REMOTE SRVS, "tls:a.a.test:5349" },
  { "turn:a.test",
    "a.test NAPTR 5 1 A RELAY:turn.udp - u.test\na.test NAPTR 1 9 A relay:TURN.TLS - s.test\n"
    "a.test NAPTR 1 8 a RELAY:turn.tcp - t.test\n",
    "tcp:t.test:3478 tls:s.test:5349 udp:u.test:3478" },
  { "turn:a.test", "a.test NAPTR 1 1 A RELAY:turn.tls:turn.tcp:turn.udp - x.test\n",
    "udp:x.test:3478 tcp:x.test:3478 tls:x.test:5349" },
  { "turns:a.test", "a.test NAPTR 1 1 A RELAY:turn.udp - x.test\n", NULL,
    TURN_CONNECT_ERROR_NAME_NOT_FOUND },
  { "turn:a.test", "a.test NAPTR 1 1 S RELAY:turn.udp - _turn._udp.b.test\n", NULL,
    TURN_CONNECT_ERROR_NAME_NOT_FOUND },
  { "turn:a.test",
    "a.test NAPTR 1 1 S RELAY:turn.udp - _turn._udp.b.test\n_turn._udp.b.test silent\n", NULL,
    TURN_CONNECT_ERROR_NAME_FAILED },
  /* The first branch is a dead end. */
  { "turn:a.test",
    "a.test NAPTR 1 1 S RELAY:turn.udp - _turn._udp.b.test\n"
    "a.test NAPTR 2 1 A RELAY:turn.udp - c.test\n",
    "udp:c.test:3478" },
  /* No rewriting, unknown flags, other protocols. */
  { "turn:a.test", "a.test NAPTR 1 1 A RELAY:turn.udp !x!y! b.test\n" SRVS,
    "udp:u.a.test:3000 tcp:t.a.test:3001" },
  { "turn:a.test",
    "a.test NAPTR 1 1 U RELAY:turn.udp - b.test\na.test NAPTR 2 1 A RELAY:turn.sctp:turn.udp - "
    "c.test\n",
    "udp:c.test:3478" },
  /* Circles end. */
  { "turn:a.test", LOOP, NULL, TURN_CONNECT_ERROR_NAME_NOT_FOUND },
  { "turn:a.test", "a.test NAPTR 1 1 - RELAY:turn.udp - a.test\n", NULL,
    TURN_CONNECT_ERROR_NAME_NOT_FOUND },
  { "turn:a.test", LOOP "b.test NAPTR 9 9 A RELAY:turn.udp - c.test\n", "udp:c.test:3478" },
  /* Names that are none do not get anywhere. */
  { "turn:a.test?transport=udp",
    "_turn._udp.a.test SRV 0 0 1 127.0.0.1\n_turn._udp.a.test SRV 0 0 1 ::1\n"
    "_turn._udp.a.test SRV 0 0 1 [::1]\n_turn._udp.a.test SRV 0 0 1 127.1\n"
    "_turn._udp.a.test SRV 0 0 1 a/b.test\n_turn._udp.a.test SRV 0 0 1 a\\032b.test\n"
    "_turn._udp.a.test SRV 0 0 1 a@b.test\n_turn._udp.a.test SRV 0 0 0 port.test\n"
    "_turn._udp.a.test SRV 9 0 1 good.test\n",
    "udp:good.test:1" },
};

static void
test_servers_come_in_the_order_of_the_rfc (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    guint n;
    g_autofree char *said =
        run (rows[i].uri, rows[i].zone, all, 4, TURN_CONNECT_RESOLVE_DIRECT, &n);
    g_autofree char *wanted =
        rows[i].said != NULL ? g_strdup (rows[i].said) : error_text (rows[i].error);

    g_test_message ("row %" G_GSIZE_FORMAT ": %s", i, rows[i].uri);
    g_assert_cmpstr (said, ==, wanted);
    g_assert_cmpuint (n, <=, TURN_CONNECT_PLAN_QUESTIONS_MAX);
  }
}

static void
test_a_proxy_gets_the_host_and_dns_no_question (void)
{
  static const struct {
    const char *uri;
    const char *said;
  } through[] = {
    { "turns:a.test:443", "tls:a.test:443" },
    { "turns:a.test", "tls:a.test:5349" },
    { "turns:[2001:db8::1]", "tls:2001:db8::1:5349" },
    { "turn:a.test", "tcp:a.test:3478" },
    { "turn:a.test?transport=tcp", "tcp:a.test:3478" },
    { "turn:a.test?transport=udp", NULL },
    { "turns:a.test?transport=udp", NULL },
    { "stuns:a.test", "tls:a.test:5349" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (through); i++) {
    guint n;
    g_autofree char *said =
        run (through[i].uri, REMOTE SRVS, all, 4, TURN_CONNECT_RESOLVE_BY_PROXY, &n);
    g_autofree char *refused = error_text (TURN_CONNECT_ERROR_UNSUPPORTED);

    g_assert_cmpstr (said, ==, through[i].said != NULL ? through[i].said : refused);
    g_assert_cmpuint (n, ==, 0);
  }
}

/* Figures 1 and 2. Section 4.2 has the order of table 2 for both; but the only record of figure 2
 * ranks all protocols alike, and then section 3 item 4 leaves the order to the caller. */
#define FIGURE_1                                                                                   \
  "example.net NAPTR 100 10 - RELAY:turn.udp - datagram.example.net\n"                             \
  "example.net NAPTR 200 10 - RELAY:turn.tcp:turn.tls - stream.example.net\n"                      \
  "datagram.example.net NAPTR 100 10 S RELAY:turn.udp - _turn._udp.example.net\n"                  \
  "stream.example.net NAPTR 100 10 S RELAY:turn.tcp - _turn._tcp.example.net\n"                    \
  "stream.example.net NAPTR 200 10 A RELAY:turn.tls - a.example.net\n"                             \
  "_turn._udp.example.net SRV 0 0 3478 a.example.net\n"                                            \
  "_turn._tcp.example.net SRV 0 0 5000 a.example.net\n"
#define FIGURE_2 "example.com NAPTR 100 10 - RELAY:turn.udp:turn.tcp:turn.tls - example.net\n"

static void
test_the_examples_of_rfc_5928_come_out_as_its_rules_say (void)
{
  const TurnConnectTransport preferred[] = { TURN_CONNECT_TRANSPORT_TLS, TURN_CONNECT_TRANSPORT_TCP,
                                             TURN_CONNECT_TRANSPORT_UDP };
  guint n;
  g_autofree char *local = run ("turn:example.net", FIGURE_1, preferred, 3, 0, &n);
  g_autofree char *remote = run ("turn:example.com", FIGURE_2 FIGURE_1, preferred, 3, 0, &n);

  g_assert_cmpstr (local, ==,
                   "udp:a.example.net:3478 tls:a.example.net:5349 tcp:a.example.net:5000");
  g_assert_cmpstr (remote, ==,
                   "tls:a.example.net:5349 tcp:a.example.net:5000 udp:a.example.net:3478");
}

static void
test_the_caller_s_transports_and_preference_count (void)
{
  const TurnConnectTransport tls[] = { TURN_CONNECT_TRANSPORT_TLS };
  const TurnConnectTransport streams[] = { TURN_CONNECT_TRANSPORT_TCP, TURN_CONNECT_TRANSPORT_UDP };
  g_autofree char *refused = error_text (TURN_CONNECT_ERROR_UNSUPPORTED);
  guint n;

  {
    g_autofree char *said = run ("turns:a.test", SRVS, tls, 1, 0, &n);

    g_assert_cmpstr (said, ==, "tls:s.a.test:5000");
  }
  {
    g_autofree char *said = run ("turn:a.test:1", SRVS, streams, 2, 0, &n);

    g_assert_cmpstr (said, ==, "tcp:a.test:1 udp:a.test:1");
  }
  {
    g_autofree char *said = run ("turn:a.test:1", SRVS, tls, 1, 0, &n);

    g_assert_cmpstr (said, ==, refused);
  }
  {
    g_autofree char *said = run (
        "turn:a.test", "a.test NAPTR 1 1 A RELAY:turn.udp:turn.tcp - x.test", streams, 2, 0, &n);

    g_assert_cmpstr (said, ==, "tcp:x.test:3478 udp:x.test:3478");
  }
}

/* Every name points to every other one, 40 times over. */
static void
test_a_flood_of_records_meets_limits (void)
{
  GString *zone = g_string_new (NULL);
  g_autofree char *said = NULL;
  g_auto (GStrv) servers = NULL;
  guint n;

  for (guint from = 0; from < 40; from++)
    for (guint to = 0; to < 40; to++) {
      g_string_append_printf (zone, "n%u.test NAPTR %u 1 - RELAY:turn.udp:turn.tls - n%u.test\n",
                              from, to, to);
      g_string_append_printf (zone, "n%u.test NAPTR %u 1 A RELAY:turn.udp - h%u-%u.test\n", from,
                              100 + to, from, to);
    }
  said = run ("turn:n0.test", zone->str, all, 4, 0, &n);
  servers = g_strsplit (said, " ", -1);
  g_assert_cmpuint (g_strv_length (servers), ==, TURN_CONNECT_SERVERS_MAX);
  g_assert_cmpuint (n, ==, TURN_CONNECT_PLAN_QUESTIONS_MAX);
  g_string_free (zone, TRUE);
}

static guint32
from_rand (guint32 most, gpointer rand)
{
  return (guint32)g_rand_int_range (rand, 0, (gint32)most + 1);
}

/* How often a server of weight 1 comes before one of 3, and how often 0 before 4. */
static void
test_weights_say_how_often_who_is_first (void)
{
  g_autoptr (TurnConnectUri) uri = turn_connect_uri_new ("turn:a.test?transport=udp", NULL);
  g_autoptr (Zone) zone = zone_new ("_turn._udp.a.test SRV 1 0 1 zero.test\n"
                                    "_turn._udp.a.test SRV 1 30 1 heavy.test\n"
                                    "_turn._udp.a.test SRV 1 10 1 light.test\n"
                                    "_turn._udp.a.test SRV 0 0 1 first.test\n");
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint heavy = 0, light = 0, zero = 0;

  for (guint i = 0; i < 4000; i++) {
    g_autoptr (TurnConnectPlan) plan =
        turn_connect_plan_new (uri, all, 4, TURN_CONNECT_RESOLVE_DIRECT, from_rand, rand);
    g_autoptr (GPtrArray) records = zone_find (zone, TURN_CONNECT_DNS_SRV, "_turn._udp.a.test");
    g_autoptr (GPtrArray) servers = NULL;
    const TurnConnectServer *second;

    g_assert_false (turn_connect_plan_step (plan, &servers, NULL));
    turn_connect_plan_answer (plan, TURN_CONNECT_DNS_SRV, "_turn._udp.a.test",
                              TURN_CONNECT_DNS_FOUND, records);
    g_assert_true (turn_connect_plan_step (plan, &servers, NULL));
    g_assert_cmpuint (servers->len, ==, 4);
    g_assert_cmpstr (((TurnConnectServer *)g_ptr_array_index (servers, 0))->host, ==, "first.test");
    second = g_ptr_array_index (servers, 1);
    heavy += strcmp (second->host, "heavy.test") == 0;
    light += strcmp (second->host, "light.test") == 0;
    zero += strcmp (second->host, "zero.test") == 0;
  }
  g_assert_cmpuint (heavy, >, 2700); /* 2927 expected of 4000: 30 of 41 */
  g_assert_cmpuint (light, >, 850);  /* 976: 10 of 41 */
  g_assert_cmpuint (zero, >, 50);    /* 98: 1 of 41 */
}

static void
test_answers_nobody_asked_for_are_ignored (void)
{
  g_autoptr (TurnConnectUri) uri = turn_connect_uri_new ("turn:a.test?transport=udp", NULL);
  g_autoptr (Zone) zone = zone_new ("x.test SRV 0 0 1 evil.test");
  g_autoptr (TurnConnectPlan) plan =
      turn_connect_plan_new (uri, all, 4, TURN_CONNECT_RESOLVE_DIRECT, first, NULL);
  g_autoptr (GPtrArray) records = zone_find (zone, TURN_CONNECT_DNS_SRV, "x.test");
  g_autoptr (GPtrArray) servers = NULL;

  g_assert_false (turn_connect_plan_step (plan, &servers, NULL));
  turn_connect_plan_answer (plan, TURN_CONNECT_DNS_SRV, "_turn._tcp.a.test", TURN_CONNECT_DNS_FOUND,
                            records);
  turn_connect_plan_answer (plan, TURN_CONNECT_DNS_NAPTR, "_turn._udp.a.test",
                            TURN_CONNECT_DNS_FOUND, records);
  g_assert_false (turn_connect_plan_step (plan, &servers, NULL));
  turn_connect_plan_answer_rest (plan);
  g_assert_true (turn_connect_plan_step (plan, &servers, NULL));
  g_assert_cmpuint (servers->len, ==, 1);
  g_assert_cmpstr (((TurnConnectServer *)g_ptr_array_index (servers, 0))->host, ==, "a.test");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/turn-plan/servers-come-in-the-order-of-the-rfc",
                   test_servers_come_in_the_order_of_the_rfc);
  g_test_add_func ("/turn-connect/turn-plan/a-proxy-gets-the-host-and-dns-no-question",
                   test_a_proxy_gets_the_host_and_dns_no_question);
  g_test_add_func ("/turn-connect/turn-plan/the-examples-of-rfc-5928-come-out-as-its-rules-say",
                   test_the_examples_of_rfc_5928_come_out_as_its_rules_say);
  g_test_add_func ("/turn-connect/turn-plan/the-caller-s-transports-and-preference-count",
                   test_the_caller_s_transports_and_preference_count);
  g_test_add_func ("/turn-connect/turn-plan/a-flood-of-records-meets-limits",
                   test_a_flood_of_records_meets_limits);
  g_test_add_func ("/turn-connect/turn-plan/weights-say-how-often-who-is-first",
                   test_weights_say_how_often_who_is_first);
  g_test_add_func ("/turn-connect/turn-plan/answers-nobody-asked-for-are-ignored",
                   test_answers_nobody_asked_for_are_ignored);
  return g_test_run ();
}
