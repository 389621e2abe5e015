/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-s/throttle.h"

#include <pthread.h>

#include "tep-s/quota.h"

#define SECOND G_GINT64_CONSTANT (1000000)
#define START (G_GINT64_CONSTANT (1000) * SECOND)

static StunExtAddress
address (const char *text)
{
  StunExtAddress result = { 0 };

  g_assert_true (stun_ext_address_parse (text, &result));
  return result;
}

/* Tries at a steady pace and fails each time; tells how many were looked at. */
static guint
guess (TepServerThrottle *throttle,
       const StunExtAddress *source,
       guint64 identity,
       gint64 from_us,
       gint64 to_us,
       gint64 step_us)
{
  guint n = 0;

  for (gint64 now = from_us; now < to_us; now += step_us)
    if (tep_server_throttle_may_try (throttle, source, identity, now)) {
      n++;
      tep_server_throttle_failed (throttle, source, identity, now);
    }
  return n;
}

static void
test_thousand_guesses_become_ten (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 1);
  StunExtAddress guesser = address ("198.51.100.1:1000");
  StunExtAddress other = address ("198.51.100.2:1000");

  g_assert_cmpuint (guess (throttle, &guesser, 7, START, START + 60 * SECOND, 60 * SECOND / 1000),
                    <=, 10);
  g_assert_true (tep_server_throttle_may_try (throttle, &other, 7, START + 60 * SECOND));
}

static void
test_penalty_grows (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 1);
  StunExtAddress source = address ("198.51.100.1:1000");
  gint64 hour = 3600 * SECOND;
  guint first = guess (throttle, &source, 7, START, START + 60 * SECOND, SECOND);
  guint later;

  guess (throttle, &source, 7, START + 60 * SECOND, START + hour, SECOND);
  later = guess (throttle, &source, 7, START + hour, START + hour + 600 * SECOND, SECOND);
  g_assert_cmpuint (first, >=, 5);
  g_assert_cmpuint (later, <=, 4);
  g_assert_cmpuint (later, >=, 1);
}

static void
test_other_users_of_a_known_source_go_on (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 1);
  StunExtAddress proxy = address ("198.51.100.1:1000");

  g_assert_true (tep_server_throttle_may_try (throttle, &proxy, 1, START));
  tep_server_throttle_succeeded (throttle, &proxy, 1, START);
  g_assert_cmpuint (guess (throttle, &proxy, 2, START, START + 60 * SECOND, SECOND / 10), <=, 10);
  for (guint64 user = 100; user < 1100; user++)
    g_assert_true (tep_server_throttle_may_try (throttle, &proxy, user, START + 60 * SECOND));
}

static void
test_unknown_source_is_one_guesser_whatever_the_names (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 1);
  StunExtAddress source = address ("198.51.100.1:1000");
  guint n = 0;

  for (guint64 user = 0; user < 1000; user++)
    if (tep_server_throttle_may_try (throttle, &source, user, START)) {
      tep_server_throttle_failed (throttle, &source, user, START);
      n++;
    }
  g_assert_cmpuint (n, <=, 10);
}

static void
test_ipv6_counts_by_64 (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 1);
  guint n = 0;

  for (guint i = 0; i < 1000; i++) {
    g_autofree char *text = g_strdup_printf ("[2001:db8:1:2::%x]:%u", i + 1, i + 1);
    StunExtAddress source = address (text);

    n += guess (throttle, &source, 7, START, START + 1, 1);
  }
  g_assert_cmpuint (n, <=, 10);
}

static void
test_success_forgives (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 1);
  StunExtAddress source = address ("198.51.100.1:1000");

  for (guint i = 0; i < 1000; i++) {
    g_assert_true (tep_server_throttle_may_try (throttle, &source, 7, START + i));
    tep_server_throttle_succeeded (throttle, &source, 7, START + i);
  }
}

/* A guesser cannot have his own count forgotten by naming other users. */
/* After a restart everybody's first request is stale, and a thousand phones may stand behind one proxy. */
static void
test_right_key_costs_nothing_and_forgives_nothing (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 1);
  StunExtAddress proxy = address ("198.51.100.1:1000");
  guint n = 0;

  for (guint64 user = 0; user < 1000; user++) {
    g_assert_true (tep_server_throttle_may_try (throttle, &proxy, user, START));
    tep_server_throttle_verified (throttle, &proxy, user, START);
  }
  for (; tep_server_throttle_may_try (throttle, &proxy, 7, START); n++) {
    tep_server_throttle_failed (throttle, &proxy, 7, START);
    g_assert_cmpuint (n, <, 10);
  }
  g_assert_cmpuint (n, <=, 10);
}

static void
test_eviction_spares_the_punished (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 99);
  StunExtAddress source = address ("198.51.100.1:1000");
  guint n = 0;

  tep_server_throttle_succeeded (throttle, &source, 1, START);
  for (guint round = 0; round < 50; round++) {
    n += guess (throttle, &source, 7, START + round, START + round + 1, 1);
    for (guint64 user = 0; user < 2000; user++)
      guess (throttle, &source, 1000 + round * 2000 + user, START + round, START + round + 1, 1);
  }
  g_assert_cmpuint (n, <=, 10);
}

static gpointer
guess_in_thread (gpointer data)
{
  StunExtAddress source = address ("198.51.100.1:1000");

  return GUINT_TO_POINTER (guess (data, &source, 7, START, START + 10000, 1));
}

static void *
guess_thread (void *data)
{
  return guess_in_thread (data);
}

static void
test_many_threads_share_one_count (void)
{
  g_autoptr (TepServerThrottle) throttle = tep_server_throttle_new (10, 1);
  pthread_t threads[4];
  guint n = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_assert_cmpint (pthread_create (&threads[i], NULL, guess_thread, throttle), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    void *result;

    g_assert_cmpint (pthread_join (threads[i], &result), ==, 0);
    n += GPOINTER_TO_UINT (result);
  }
  g_assert_cmpuint (n, <=, 10);
}

static void
test_replies_end_at_the_limit_whatever_the_port (void)
{
  g_autoptr (TepServerReplyLimit) limit = tep_server_reply_limit_new (10, 5);
  guint sent = 0;
  guint lines = 0;

  for (guint i = 0; i < 30000; i++) {
    StunExtAddress source = address ("198.51.100.1:1");
    gboolean is_first;

    source.port = (guint16)(i + 1);
    sent += tep_server_reply_limit_may_reply (limit, &source, START + i * 100, &is_first);
    lines += is_first;
  }
  g_assert_cmpuint (sent, ==, 30);
  g_assert_cmpuint (lines, ==, 1);
}

static void
test_replies_to_others_go_on (void)
{
  g_autoptr (TepServerReplyLimit) limit = tep_server_reply_limit_new (10, 5);
  StunExtAddress flooder = address ("198.51.100.1:1");
  guint refused = 0;

  for (guint i = 0; i < 1000; i++)
    tep_server_reply_limit_may_reply (limit, &flooder, START, NULL);
  for (guint i = 0; i < 256; i++) {
    g_autofree char *text = g_strdup_printf ("203.0.113.%u:5", i);
    StunExtAddress source = address (text);

    refused += !tep_server_reply_limit_may_reply (limit, &source, START, NULL);
  }
  g_assert_cmpuint (refused, <=, 1);
}

static void
test_quota_holds_until_given_back (void)
{
  g_autoptr (TepServerQuota) quota = tep_server_quota_new ();

  for (guint i = 0; i < 1000; i++) {
    g_assert_true (tep_server_quota_take (quota, 42, 1));
    g_assert_false (tep_server_quota_take (quota, 42, 1));
    g_assert_cmpuint (tep_server_quota_total (quota), ==, 1);
    tep_server_quota_give (quota, 42);
  }
  g_assert_cmpuint (tep_server_quota_count (quota, 42), ==, 0);
  tep_server_quota_give (quota, 42);
  g_assert_cmpuint (tep_server_quota_total (quota), ==, 0);
  g_assert_false (tep_server_quota_take (quota, 42, 0));
}

static void
test_quota_of_a_source_ignores_port_and_host_half (void)
{
  StunExtAddress a = address ("[2001:db8::1]:5");
  StunExtAddress b = address ("[2001:db8::2]:6");
  StunExtAddress c = address ("[2001:db8:0:1::1]:5");
  StunExtAddress four = address ("192.0.2.1:5");
  StunExtAddress mapped = address ("[::ffff:192.0.2.1]:7");

  g_assert_true (tep_server_quota_source_key (&a) == tep_server_quota_source_key (&b));
  g_assert_true (tep_server_quota_source_key (&a) != tep_server_quota_source_key (&c));
  g_assert_true (tep_server_quota_source_key (&four) == tep_server_quota_source_key (&mapped));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tep-s/throttle/thousand-guesses-become-ten", test_thousand_guesses_become_ten);
  g_test_add_func ("/tep-s/throttle/penalty-grows", test_penalty_grows);
  g_test_add_func ("/tep-s/throttle/other-users-of-a-known-source-go-on",
                   test_other_users_of_a_known_source_go_on);
  g_test_add_func ("/tep-s/throttle/unknown-source-is-one-guesser-whatever-the-names",
                   test_unknown_source_is_one_guesser_whatever_the_names);
  g_test_add_func ("/tep-s/throttle/ipv6-counts-by-64", test_ipv6_counts_by_64);
  g_test_add_func ("/tep-s/throttle/success-forgives", test_success_forgives);
  g_test_add_func ("/tep-s/throttle/right-key-costs-nothing-and-forgives-nothing",
                   test_right_key_costs_nothing_and_forgives_nothing);
  g_test_add_func ("/tep-s/throttle/eviction-spares-the-punished",
                   test_eviction_spares_the_punished);
  g_test_add_func ("/tep-s/throttle/many-threads-share-one-count",
                   test_many_threads_share_one_count);
  g_test_add_func ("/tep-s/throttle/replies-end-at-the-limit-whatever-the-port",
                   test_replies_end_at_the_limit_whatever_the_port);
  g_test_add_func ("/tep-s/throttle/replies-to-others-go-on", test_replies_to_others_go_on);
  g_test_add_func ("/tep-s/quota/holds-until-given-back", test_quota_holds_until_given_back);
  g_test_add_func ("/tep-s/quota/of-a-source-ignores-port-and-host-half",
                   test_quota_of_a_source_ignores_port_and_host_half);
  return g_test_run ();
}
