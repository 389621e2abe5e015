/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static TurnConnectTarget *
make_target (const char *host, guint port)
{
  g_autoptr (GError) error = NULL;
  TurnConnectTarget *target = turn_connect_target_new (host, port, &error);

  g_assert_no_error (error);
  return target;
}

static char *
remote_of (TurnConnectStream *stream)
{
  GSocketAddress *address = turn_connect_stream_get_remote_address (stream);
  GInetAddress *ip = g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address));

  return g_inet_address_to_string (ip);
}

/* Dials until it was quick enough, since other tests may have the processors; gives up after five.
 */
static void
dial_quickly (SupportDial *dial, TurnConnectTarget *target, gint64 limit_us)
{
  for (int i = 0; i < 5; i++) {
    support_dial_clear (dial);
    support_dial (dial, target);
    if (dial->took_us < limit_us)
      return;
  }
  g_assert_cmpint (dial->took_us, <, limit_us);
}

static void
test_bad_targets_are_refused (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (turn_connect_target_new ("a b", 1, &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (turn_connect_target_new ("a", 0, &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (turn_connect_target_new ("a", 65536, &error));
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID);
}

static void
test_address_is_connected_to (void)
{
  guint16 port = 0;
  int listener = support_listen ("127.0.0.1", 4, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("127.0.0.1", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *steps = NULL;
  const TurnConnectTimings *timings;
  GOutputVector vector = { "ping", 4 };
  gsize accepted;
  char text[5] = { 0 };
  int peer;

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  steps = g_strdup_printf ("resolve:127.0.0.1 connect:127.0.0.1:%u ready", port);
  g_assert_cmpstr (dial.steps->str, ==, steps);
  timings = turn_connect_stream_get_timings (dial.stream);
  g_assert_cmpint (timings->total_us, >=, timings->resolve_us + timings->connect_us);
  g_assert_cmpint (timings->connect_us, >, 0);
  g_assert_null (turn_connect_stream_get_proxy (dial.stream));
  g_assert_null (turn_connect_stream_get_tls_info (dial.stream));
  peer = support_accept (listener);
  g_assert_cmpint (turn_connect_stream_try_write (dial.stream, &vector, 1, &accepted, NULL), ==,
                   TURN_CONNECT_IO_OK);
  support_read_exactly (peer, text, 4);
  g_assert_cmpstr (text, ==, "ping");
  close (peer);
  close (listener);
}

static void
test_refused_ipv6_gives_way_to_ipv4_at_once (void)
{
  guint16 port = 0;
  int listener = support_listen ("127.0.0.1", 4, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("both.test", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *remote = NULL;

  support_resolver_set ("both.test", "::1,127.0.0.1");
  dial_quickly (&dial, target, 200 * 1000);
  g_assert_no_error (dial.error);
  remote = remote_of (dial.stream);
  g_assert_cmpstr (remote, ==, "127.0.0.1");
  close (listener);
}

static void
test_silent_address_costs_a_quarter_second (void)
{
  guint16 port = 0;
  int listener = support_listen ("127.0.0.2", 4, &port);
  SupportBlackHole hole;
  g_autoptr (TurnConnectTarget) target = make_target ("dark.test", port);
  g_auto (SupportDial) dial = { 0 };
  g_autofree char *remote = NULL;

  support_black_hole_open (&hole, "127.0.0.1", port);
  support_resolver_set ("dark.test", "127.0.0.1,127.0.0.2");
  dial_quickly (&dial, target, 500 * 1000);
  g_assert_no_error (dial.error);
  remote = remote_of (dial.stream);
  g_assert_cmpstr (remote, ==, "127.0.0.2");
  g_assert_cmpint (dial.took_us, >=, 245 * 1000);
  g_assert_nonnull (strstr (dial.steps->str, "connect:127.0.0.1"));
  support_black_hole_close (&hole);
  close (listener);
}

static void
test_hanging_ipv6_lookup_costs_fifty_milliseconds (void)
{
  guint16 port = 0;
  int listener = support_listen ("127.0.0.1", 4, &port);
  g_autoptr (TurnConnectTarget) target = make_target ("half.test", port);
  g_auto (SupportDial) dial = { 0 };

  support_resolver_set ("half.test", "hang6,127.0.0.1");
  dial_quickly (&dial, target, 200 * 1000);
  g_assert_no_error (dial.error);
  g_assert_cmpint (dial.took_us, >=, 49 * 1000);
  close (listener);
}

static const struct {
  const char *name;
  const char *addresses;
  guint timeout_ms;
  TurnConnectError code;
  TurnConnectStep step;
  const char *words;
} failures[] = {
  { "nowhere.test", "", 5000, TURN_CONNECT_ERROR_NAME_NOT_FOUND, TURN_CONNECT_STEP_RESOLVE,
    "nowhere.test has no address" },
  { "broken.test", "fail", 5000, TURN_CONNECT_ERROR_NAME_FAILED, TURN_CONNECT_STEP_RESOLVE,
    "name service is down" },
  { "mute.test", "hang4,hang6", 60, TURN_CONNECT_ERROR_NAME_FAILED, TURN_CONNECT_STEP_RESOLVE,
    "no answer within" },
  { "closed.test", "127.0.0.1,::1", 5000, TURN_CONNECT_ERROR_REFUSED, TURN_CONNECT_STEP_CONNECT,
    "127.0.0.1:1 Connection refused" },
};

static void
test_failures_name_step_and_cause (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autoptr (TurnConnectTarget) target = make_target (failures[i].name, 1);
    g_auto (SupportDial) dial = { 0 };

    support_resolver_set (failures[i].name, failures[i].addresses);
    turn_connect_target_set_timeout (target, failures[i].timeout_ms);
    support_dial (&dial, target);
    g_assert_error (dial.error, TURN_CONNECT_ERROR, (gint)failures[i].code);
    g_assert_cmpint (turn_connect_error_get_step (dial.error), ==, failures[i].step);
    g_assert_nonnull (strstr (dial.error->message, failures[i].words));
    g_assert_true (turn_connect_error_may_pass (dial.error));
  }
}

static void
test_silence_ends_at_the_deadline (void)
{
  SupportBlackHole hole;
  g_autoptr (TurnConnectTarget) target = NULL;
  g_auto (SupportDial) dial = { 0 };

  support_black_hole_open (&hole, "127.0.0.1", 0);
  target = make_target ("127.0.0.1", hole.port);
  turn_connect_target_set_timeout (target, 100);
  support_dial (&dial, target);
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT);
  g_assert_cmpint (turn_connect_error_get_step (dial.error), ==, TURN_CONNECT_STEP_CONNECT);
  g_assert_nonnull (strstr (dial.error->message, "did not answer"));
  g_assert_cmpint (dial.took_us, <, 1000 * 1000);
  support_black_hole_close (&hole);
}

static void
over (GObject *target, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (turn_connect_dial_finish (TURN_CONNECT_TARGET (target), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  *(gboolean *)user_data = TRUE;
}

static void
cancel_at_connect (const TurnConnectProgress *progress, gpointer cancellable)
{
  if (progress->step == TURN_CONNECT_STEP_CONNECT)
    g_cancellable_cancel (cancellable);
}

static void
test_cancelled_dial_ends_at_every_stage (void)
{
  SupportBlackHole hole;
  g_autoptr (TurnConnectTarget) target = NULL;

  support_black_hole_open (&hole, "127.0.0.1", 0);
  target = make_target ("127.0.0.1", hole.port);
  for (int stage = 0; stage < 3; stage++) {
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    gboolean is_over = FALSE;

    if (stage == 0)
      g_cancellable_cancel (cancellable);
    turn_connect_dial_async (target, stage == 1 ? cancel_at_connect : NULL, cancellable,
                             cancellable, over, &is_over);
    g_assert_false (is_over);
    if (stage == 2) {
      support_run_for (20);
      g_cancellable_cancel (cancellable);
    }
    support_run_until (&is_over);
  }
  support_black_hole_close (&hole);
}

static void
test_full_descriptor_table_is_told (void)
{
  struct rlimit before, none;
  g_autoptr (TurnConnectTarget) target = make_target ("127.0.0.1", 1);
  g_auto (SupportDial) dial = { 0 };

  support_run_for (1); /* the context has its own descriptors by now */
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &before));
  none = before;
  none.rlim_cur = 3;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &none));
  support_dial (&dial, target);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &before));
  g_assert_error (dial.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_RESOURCES);
  g_assert_true (turn_connect_error_may_pass (dial.error));
}

typedef struct {
  GMainContext *context;
  guint16 port;
  gboolean is_over;
} Elsewhere;

static void
over_elsewhere (GObject *target, GAsyncResult *result, gpointer user_data)
{
  Elsewhere *elsewhere = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectStream) stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (target), result, &error);

  g_assert_no_error (error);
  g_assert_true (g_main_context_is_owner (elsewhere->context));
  elsewhere->is_over = TRUE;
}

static gpointer
dial_elsewhere (gpointer data)
{
  Elsewhere *elsewhere = data;
  g_autoptr (TurnConnectTarget) target = make_target ("elsewhere.test", elsewhere->port);

  elsewhere->context = g_main_context_new ();
  g_main_context_push_thread_default (elsewhere->context);
  turn_connect_dial_async (target, NULL, NULL, NULL, over_elsewhere, elsewhere);
  while (!elsewhere->is_over)
    g_main_context_iteration (elsewhere->context, TRUE);
  g_main_context_pop_thread_default (elsewhere->context);
  g_main_context_unref (elsewhere->context);
  return NULL;
}

/* Nobody runs the default context meanwhile. */
static void
test_dial_stays_in_its_own_context (void)
{
  Elsewhere elsewhere = { 0 };
  int listener = support_listen ("127.0.0.1", 4, &elsewhere.port);

  support_resolver_set ("elsewhere.test", "127.0.0.1");
  g_thread_join (g_thread_new ("elsewhere", dial_elsewhere, &elsewhere));
  g_assert_true (elsewhere.is_over);
  close (listener);
}

static guint
count_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
test_hundred_dials_leave_no_descriptor (void)
{
  guint16 port = 0;
  int listener = support_listen ("127.0.0.1", 200, &port);
  guint before;

  support_resolver_set ("many.test", "::1,127.0.0.1,127.0.0.3");
  before = count_descriptors ();
  for (int i = 0; i < 100; i++) {
    g_autoptr (TurnConnectTarget) target = make_target ("many.test", i % 2 == 0 ? port : 1);
    g_auto (SupportDial) dial = { 0 };

    support_dial (&dial, target);
    g_assert_true ((dial.error == NULL) == (i % 2 == 0));
  }
  support_run_for (10);
  g_assert_cmpuint (count_descriptors (), ==, before);
  close (listener);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
  g_test_add_func ("/turn-connect/dial/bad-targets-are-refused", test_bad_targets_are_refused);
  g_test_add_func ("/turn-connect/dial/address-is-connected-to", test_address_is_connected_to);
  g_test_add_func ("/turn-connect/dial/refused-ipv6-gives-way-to-ipv4-at-once",
                   test_refused_ipv6_gives_way_to_ipv4_at_once);
  g_test_add_func ("/turn-connect/dial/silent-address-costs-a-quarter-second",
                   test_silent_address_costs_a_quarter_second);
  g_test_add_func ("/turn-connect/dial/hanging-ipv6-lookup-costs-fifty-milliseconds",
                   test_hanging_ipv6_lookup_costs_fifty_milliseconds);
  g_test_add_func ("/turn-connect/dial/failures-name-step-and-cause",
                   test_failures_name_step_and_cause);
  g_test_add_func ("/turn-connect/dial/silence-ends-at-the-deadline",
                   test_silence_ends_at_the_deadline);
  g_test_add_func ("/turn-connect/dial/cancelled-dial-ends-at-every-stage",
                   test_cancelled_dial_ends_at_every_stage);
  g_test_add_func ("/turn-connect/dial/full-descriptor-table-is-told",
                   test_full_descriptor_table_is_told);
  g_test_add_func ("/turn-connect/dial/dial-stays-in-its-own-context",
                   test_dial_stays_in_its_own_context);
  g_test_add_func ("/turn-connect/dial/hundred-dials-leave-no-descriptor",
                   test_hundred_dials_leave_no_descriptor);
  return g_test_run ();
}
