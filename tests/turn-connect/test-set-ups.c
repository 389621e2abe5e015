/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What many set-ups leave behind, and what they cost while nothing happens. Servers and proxies are
 * reached through a middle man of the test's own loop, who cuts connections after any number of
 * octets.
 */
#include "peers.h"
#include "tls-peer.h"

#include "turn-connect/datagram.h"

#include <dirent.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#define N_SET_UPS 1500 /* each takes several times as long there */
#else
#define N_SET_UPS 10000
#endif
#define N_AT_ONCE 8 /* what the servers' queues hold */

/* The middle man. */

typedef struct {
  int listener;
  guint16 onward;    /* 0: he answers himself */
  const char *reply; /* with this, to whatever is said first */
  gsize budget_max;  /* octets passed before he may cut */
  guint source;
} Middle;

typedef struct {
  const Middle *middle;
  int ends[2]; /* client, server or -1 */
  guint sources[2];
  gsize budget;
} Passage;

static guint n_passages;

static void
passage_end (Passage *passage)
{
  struct linger hard = { .l_onoff = g_test_rand_bit () };

  for (int i = 0; i < 2; i++) {
    if (passage->ends[i] < 0)
      continue;
    g_source_remove (passage->sources[i]);
    setsockopt (passage->ends[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close (passage->ends[i]);
  }
  g_free (passage);
  n_passages--;
}

static gboolean
pass (gint descriptor, GIOCondition condition, gpointer user_data)
{
  Passage *passage = user_data;
  int side = descriptor == passage->ends[1];
  const char *reply = passage->middle->reply;
  char buffer[16384];
  ssize_t n = recv (descriptor, buffer, sizeof buffer, 0);
  gsize passed;

  if (n <= 0) {
    passage_end (passage);
    return G_SOURCE_REMOVE;
  }
  passed = MIN (reply != NULL ? strlen (reply) : (gsize)n, passage->budget);
  send (passage->ends[reply != NULL ? 0 : 1 - side], reply != NULL ? reply : buffer, passed,
        MSG_NOSIGNAL);
  passage->budget -= passed;
  if (passage->budget == 0)
    passage_end (passage);
  return G_SOURCE_CONTINUE;
}

static int
connect_to (guint16 port)
{
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string (peers_address (), port);
  struct sockaddr_storage native;
  int descriptor = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_socket_address_to_native (address, &native, sizeof native, NULL);
  g_assert_no_errno (connect (descriptor, (struct sockaddr *)&native,
                              (socklen_t)g_socket_address_get_native_size (address)));
  return descriptor;
}

static gboolean
visited (gint listener, GIOCondition condition, gpointer user_data)
{
  const Middle *middle = user_data;
  Passage *passage = g_new0 (Passage, 1);

  n_passages++;
  passage->middle = middle;
  passage->ends[0] = support_accept (listener);
  passage->ends[1] = middle->onward != 0 ? connect_to (middle->onward) : -1;
  passage->budget =
      g_test_rand_bit () ? (gsize)g_test_rand_int_range (1, (gint32)middle->budget_max) : G_MAXSIZE;
  for (int i = 0; i < 2; i++) {
    if (passage->ends[i] >= 0)
      passage->sources[i] = g_unix_fd_add (passage->ends[i], G_IO_IN, pass, passage);
  }
  return G_SOURCE_CONTINUE;
}

static guint16
middle_open (Middle *middle)
{
  guint16 port = 0;

  middle->listener = support_listen (peers_address (), 64, &port);
  middle->source = g_unix_fd_add (middle->listener, G_IO_IN, visited, middle);
  return port;
}

static void
middle_close (Middle *middle)
{
  g_source_remove (middle->source);
  close (middle->listener);
}

/* Set-ups. */

typedef struct {
  TurnConnectTarget *target;
  gboolean is_datagram;
} Kind;

typedef struct {
  gboolean runs;
  gboolean is_datagram;
  GCancellable *cancellable;
  int turns_left; /* until it is cancelled; -1: never */
} Slot;

static guint n_begun, n_over, n_up, n_failed, n_cancelled;

static void
over (GObject *target, GAsyncResult *result, gpointer user_data)
{
  Slot *slot = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GObject) thing = NULL;

  if (slot->is_datagram)
    thing =
        (GObject *)turn_connect_datagram_dial_finish (TURN_CONNECT_TARGET (target), result, &error);
  else
    thing = (GObject *)turn_connect_dial_finish (TURN_CONNECT_TARGET (target), result, &error);
  if (thing != NULL) {
    n_up++;
    if (!slot->is_datagram && g_test_rand_bit ())
      g_io_stream_close (G_IO_STREAM (thing), NULL, NULL);
  } else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    n_cancelled++;
    g_assert_cmpint (slot->turns_left, ==, 0);
  } else {
    n_failed++;
    g_assert_cmpint (error->domain, ==, TURN_CONNECT_ERROR);
    g_assert_cmpint (turn_connect_error_get_step (error), !=, TURN_CONNECT_STEP_NONE);
  }
  g_clear_object (&slot->cancellable);
  slot->runs = FALSE;
  n_over++;
}

static void
begin (Slot *slot, const Kind *kind, gboolean must_be_cancelled)
{
  slot->runs = TRUE;
  slot->is_datagram = kind->is_datagram;
  slot->cancellable = g_cancellable_new ();
  slot->turns_left =
      must_be_cancelled || g_test_rand_int_range (0, 3) == 0 ? g_test_rand_int_range (1, 20) : -1;
  n_begun++;
  if (kind->is_datagram)
    turn_connect_datagram_dial_async (kind->target, slot->cancellable, over, slot);
  else
    turn_connect_dial_async (kind->target, NULL, NULL, slot->cancellable, over, slot);
}

static gboolean
count_down (Slot *slots)
{
  gboolean waits_for_turns = FALSE;

  for (guint i = 0; i < N_AT_ONCE; i++) {
    if (!slots[i].runs || slots[i].turns_left <= 0)
      continue;
    if (--slots[i].turns_left == 0)
      g_cancellable_cancel (slots[i].cancellable);
    else
      waits_for_turns = TRUE;
  }
  return waits_for_turns;
}

static guint
count_descriptors (void)
{
  DIR *directory = opendir ("/proc/self/fd");
  guint n = 0;

  while (readdir (directory) != NULL)
    n++;
  closedir (directory);
  return n;
}

/* The servers' threads may still be closing theirs. */
static guint
count_descriptors_at_rest (guint wanted)
{
  gint64 until = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (count_descriptors () > wanted && g_get_monotonic_time () < until)
    support_run_for (5);
  return count_descriptors ();
}

static TurnConnectTarget *
make_target (const char *host, guint16 port, TurnConnectTlsOptions *tls)
{
  TurnConnectTarget *target = turn_connect_target_new (host, port, NULL);

  turn_connect_target_set_tls (target, tls);
  turn_connect_target_set_timeout (target, 10000);
  return target;
}

static TurnConnectTarget *
through (TurnConnectTarget *target, const char *scheme, guint16 port, TurnConnectTlsOptions *tls)
{
  g_autofree char *url = g_strdup_printf ("%s://ann:secret@server.test:%u", scheme, port);

  g_assert_true (turn_connect_target_set_proxy (target, url, NULL));
  turn_connect_target_set_proxy_tls (target, tls);
  return target;
}

static void
run_set_ups (const Kind *kinds, guint n_kinds, guint n, const Kind *endless)
{
  Slot slots[N_AT_ONCE] = { 0 };
  guint end = n_over + n;
  guint begun_end = n_begun + n;

  while (n_over < end) {
    gboolean waits_for_turns;

    for (guint i = 0; i < N_AT_ONCE && n_begun < begun_end; i++) {
      const Kind *kind = &kinds[g_test_rand_int_range (0, (gint32)n_kinds)];

      if (!slots[i].runs)
        begin (&slots[i], kind, kind >= endless);
    }
    waits_for_turns = count_down (slots);
    g_main_context_iteration (NULL, !waits_for_turns);
  }
  while (n_passages > 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_thousands_leave_no_descriptor (void)
{
  g_autoptr (TlsPeerIdentity) identity = tls_peer_identity_signed ("DNS:server.test", 0);
  g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();
  guint16 tls_port = 0, proxy_port = 0, port = 0, silent_port;
  TlsPeerServer *server = tls_peer_server_new (identity, TLS_PEER_NORMAL, &tls_port);
  TlsPeerServer *proxy = tls_peer_server_new_proxy (identity, tls_port, &proxy_port);
  Middle to_tls = { .onward = tls_port, .budget_max = 3000 };
  Middle to_proxy = { .onward = proxy_port, .budget_max = 6000 };
  Middle accepting = { .reply = "HTTP/1.1 200 OK\r\n\r\n", .budget_max = 25 };
  Middle asking = { .reply = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                             "Content-Length: 0\r\n\r\n",
                    .budget_max = 100 };
  Middle babbling = { .reply = "220 mail.example ready\r\n", .budget_max = 25 };
  int silent = support_bind_datagrams (peers_address (), &silent_port);
  guint16 refusing = peers_free_port ();
  guint before;

  support_resolver_set ("server.test", peers_address ());
  support_resolver_set ("none.test", "");
  support_resolver_set ("down.test", "fail");
  support_resolver_set ("silent.test", "hang4,hang6");
  g_assert_true (turn_connect_tls_options_set_ca_file (tls, tls_peer_authority_path (), NULL));
  port = middle_open (&accepting);
  {
    guint16 asking_port = middle_open (&asking), babbling_port = middle_open (&babbling);
    /* Cheap kinds stand several times: a TLS handshake costs as much as twenty of them. */
    Kind kinds[] = {
      { make_target ("server.test", port, NULL), FALSE },
      { make_target ("server.test", refusing, NULL), FALSE },
      { make_target (peers_address (), refusing, tls), FALSE },
      { make_target ("none.test", 443, tls), FALSE },
      { make_target ("down.test", 443, tls), FALSE },
      { through (make_target ("far.test", 443, NULL), "http", port, NULL), FALSE },
      { through (make_target ("far.test", 443, NULL), "http", port, NULL), FALSE },
      { through (make_target ("far.test", 443, NULL), "http", asking_port, NULL), FALSE },
      { through (make_target ("far.test", 443, NULL), "http", refusing, NULL), FALSE },
      { through (make_target ("far.test", 443, tls), "http", babbling_port, NULL), FALSE },
      { make_target ("server.test", babbling_port, tls), FALSE },
      { make_target ("server.test", middle_open (&to_tls), tls), FALSE },
      { through (make_target ("server.test", 443, tls), "https", middle_open (&to_proxy), tls),
        FALSE },
      { make_target ("server.test", port, NULL), TRUE },
      { make_target ("server.test", refusing, tls), TRUE },
      /* From here on only the end of patience ends it. */
      { make_target ("silent.test", 443, tls), FALSE },
      { make_target ("silent.test", 443, tls), TRUE },
      { make_target ("server.test", silent_port, tls), TRUE },
    };

    run_set_ups (kinds, G_N_ELEMENTS (kinds), 200, &kinds[15]); /* what is made once, is */
    support_run_for (50);
    before = count_descriptors ();
    run_set_ups (kinds, G_N_ELEMENTS (kinds), N_SET_UPS, &kinds[15]);
    g_assert_cmpuint (count_descriptors_at_rest (before), <=, before);
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
      g_object_unref (kinds[i].target);
  }
  g_test_message ("%u set-ups: %u up, %u failed, %u cancelled", n_over, n_up, n_failed,
                  n_cancelled);
  g_assert_cmpuint (n_over, ==, N_SET_UPS + 200);
  g_assert_cmpuint (n_up, >, n_over / 10);
  g_assert_cmpuint (n_failed, >, n_over / 10);
  g_assert_cmpuint (n_cancelled, >, n_over / 10);
  middle_close (&accepting);
  middle_close (&asking);
  middle_close (&babbling);
  middle_close (&to_tls);
  middle_close (&to_proxy);
  close (silent);
  tls_peer_server_free (proxy, NULL);
  tls_peer_server_free (server, NULL);
}

/* Whatever a dial waits for, it waits: the loop turns when time or the other side makes it. */

static guint n_polls;

static gint
count_poll (GPollFD *descriptors, guint n, gint timeout_ms)
{
  n_polls++;
  return g_poll (descriptors, n, timeout_ms);
}

static gint64
cpu_time_us (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * G_USEC_PER_SEC + usage.ru_utime.tv_usec +
         usage.ru_stime.tv_usec;
}

static void
test_waiting_dials_take_no_turns (void)
{
  g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  SupportBlackHole hole = { 0 };
  guint16 silent_port = 0, udp_port;
  int silent = support_listen (peers_address (), 64, &silent_port);
  int udp = support_bind_datagrams (peers_address (), &udp_port);
  Slot slots[6] = { 0 };
  gint64 cpu;

  support_resolver_set ("server.test", peers_address ());
  support_resolver_set ("silent.test", "hang4,hang6");
  support_black_hole_open (&hole, peers_address (), 0);
  {
    Kind kinds[] = {
      { make_target ("silent.test", 443, NULL), FALSE },
      { make_target ("server.test", hole.port, NULL), FALSE },
      { make_target ("server.test", silent_port, tls), FALSE },
      { through (make_target ("far.test", 443, tls), "http", silent_port, NULL), FALSE },
      { through (make_target ("far.test", 443, tls), "https", silent_port, tls), FALSE },
      { make_target ("server.test", udp_port, tls), TRUE },
    };
    guint done = n_over;

    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
      begin (&slots[i], &kinds[i], FALSE);
    support_run_for (100); /* what there is to do at first */
    g_main_context_set_poll_func (NULL, count_poll);
    cpu = cpu_time_us ();
    support_run_for (500);
    cpu = cpu_time_us () - cpu;
    g_main_context_set_poll_func (NULL, NULL);
    g_test_message ("%u polls and %" G_GINT64_FORMAT " us of processor time in 500 ms", n_polls,
                    cpu);
    g_assert_cmpuint (n_polls, <, 30); /* DTLS may repeat itself, IPv4 may be tried */
    g_assert_cmpint (cpu, <, 100 * 1000);
    g_assert_cmpuint (n_over, ==, done);
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
      slots[i].turns_left = 0;
      g_cancellable_cancel (slots[i].cancellable);
    }
    while (n_over < done + G_N_ELEMENTS (kinds))
      g_main_context_iteration (NULL, TRUE);
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
      g_object_unref (kinds[i].target);
  }
  support_black_hole_close (&hole);
  close (silent);
  close (udp);
}

/* A proxy goes and comes back: the stream says so, the dial meanwhile says why, the next works. */
static void
test_restarted_proxy_is_told_and_found_again (void)
{
  static const PeersAct dies[] = { { "HTTP/1.1 200 OK\r\n\r\n", PEERS_THEN_RESET } };
  static const PeersAct lives[] = { { "HTTP/1.1 200 OK\r\n\r\n", PEERS_THEN_ECHO } };
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("far.test", 443, NULL);
  g_auto (SupportDial) before = { 0 };
  g_auto (SupportDial) between = { 0 };
  g_auto (SupportDial) after = { 0 };
  g_autoptr (GError) error = NULL;
  guint16 port = 0;
  PeersScript *proxy = peers_script_new (dies, 1, NULL, &port);
  char buffer[10] = "";
  TurnConnectIo io;
  gsize got;

  support_resolver_set ("server.test", peers_address ());
  through (target, "http", port, NULL);
  support_dial (&before, target);
  g_assert_no_error (before.error);
  while ((io = turn_connect_stream_try_read (before.stream, buffer, sizeof buffer, &got, &error)) ==
         TURN_CONNECT_IO_BLOCKED)
    support_run_for (1);
  g_assert_cmpint (io, ==, TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
  g_free (peers_script_free (proxy, NULL));
  support_dial (&between, target);
  g_assert_error (between.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_REFUSED);
  g_assert_nonnull (strstr (between.error->message, "proxy"));
  g_assert_true (turn_connect_error_may_pass (between.error));
  proxy = peers_script_new (lives, 1, NULL, &port);
  support_dial (&after, target);
  g_assert_no_error (after.error);
  g_assert_true (g_output_stream_write_all (
      g_io_stream_get_output_stream (G_IO_STREAM (after.stream)), "again", 5, NULL, NULL, NULL));
  g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (after.stream)),
                                          buffer, 5, NULL, NULL, NULL));
  g_assert_cmpstr (buffer, ==, "again");
  g_io_stream_close (G_IO_STREAM (after.stream), NULL, NULL);
  g_free (peers_script_free (proxy, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  support_resolver_install ();
#define ADD(name, function) g_test_add_func ("/turn-connect/set-ups/" name, function)
  ADD ("thousands-leave-no-descriptor", test_thousands_leave_no_descriptor);
  ADD ("waiting-dials-take-no-turns", test_waiting_dials_take_no_turns);
  ADD ("restarted-proxy-is-told-and-found-again", test_restarted_proxy_is_told_and_found_again);
  return g_test_run ();
}
