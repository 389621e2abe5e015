/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"
#include "turn-connect/stream-private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  TurnConnectStream *stream;
  int peer;
} Pair;

static void
pair_open (Pair *pair)
{
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM, 0, ends));
  pair->stream = turn_connect_stream_new_for_descriptor (ends[0]);
  pair->peer = ends[1];
}

static void
pair_clear (Pair *pair)
{
  g_clear_object (&pair->stream);
  if (pair->peer >= 0)
    close (pair->peer);
}

static TurnConnectIo
read_text (TurnConnectStream *stream, char *text, gsize size)
{
  gsize got = 99;
  g_autoptr (GError) error = NULL;
  TurnConnectIo io = turn_connect_stream_try_read (stream, text, size - 1, &got, &error);

  g_assert_true ((io == TURN_CONNECT_IO_FAILED) == (error != NULL));
  g_assert_true ((io == TURN_CONNECT_IO_OK) == (got > 0));
  text[got] = '\0';
  return io;
}

static TurnConnectIo
write_text (TurnConnectStream *stream, const char *text, gsize *accepted)
{
  GOutputVector vector = { text, strlen (text) };
  g_autoptr (GError) error = NULL;
  TurnConnectIo io = turn_connect_stream_try_write (stream, &vector, 1, accepted, &error);

  g_assert_true ((io == TURN_CONNECT_IO_FAILED) == (error != NULL));
  return io;
}

static void
test_reads_what_is_there_and_never_waits (void)
{
  Pair pair;
  char text[8];

  pair_open (&pair);
  g_assert_cmpint (read_text (pair.stream, text, sizeof text), ==, TURN_CONNECT_IO_BLOCKED);
  support_write_all (pair.peer, "hello world", 11);
  g_assert_cmpint (read_text (pair.stream, text, sizeof text), ==, TURN_CONNECT_IO_OK);
  g_assert_cmpstr (text, ==, "hello w");
  g_assert_cmpint (read_text (pair.stream, text, sizeof text), ==, TURN_CONNECT_IO_OK);
  g_assert_cmpstr (text, ==, "orld");
  close (g_steal_fd (&pair.peer));
  g_assert_cmpint (read_text (pair.stream, text, sizeof text), ==, TURN_CONNECT_IO_END);
  pair_clear (&pair);
}

static void
test_full_socket_says_blocked_and_takes_nothing (void)
{
  Pair pair;
  g_autofree char *block = g_strnfill (16384, 'x');
  g_autofree char *sink = g_malloc (16384);
  gsize accepted, sent = 0, drained = 0;
  TurnConnectIo io;

  pair_open (&pair);
  while ((io = write_text (pair.stream, block, &accepted)) == TURN_CONNECT_IO_OK)
    sent += accepted;
  g_assert_cmpint (io, ==, TURN_CONNECT_IO_BLOCKED);
  g_assert_cmpuint (accepted, ==, 0);
  g_assert_cmpint (turn_connect_stream_get_ready (pair.stream) & G_IO_OUT, ==, 0);
  while (drained < sent) {
    gsize n = MIN (sent - drained, 16384);

    support_read_exactly (pair.peer, sink, n);
    drained += n;
  }
  g_assert_cmpint (turn_connect_stream_get_ready (pair.stream) & G_IO_OUT, ==, G_IO_OUT);
  pair_clear (&pair);
}

static void
test_vectors_go_out_in_order (void)
{
  Pair pair;
  GOutputVector vectors[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 }, { "f", 1 } };
  gsize accepted;
  char text[7] = { 0 };

  pair_open (&pair);
  g_assert_cmpint (turn_connect_stream_try_write (pair.stream, vectors, 4, &accepted, NULL), ==,
                   TURN_CONNECT_IO_OK);
  g_assert_cmpuint (accepted, ==, 6);
  support_read_exactly (pair.peer, text, 6);
  g_assert_cmpstr (text, ==, "abcdef");
  pair_clear (&pair);
}

static void
test_given_back_octets_come_first (void)
{
  Pair pair;
  char text[8];

  pair_open (&pair);
  support_write_all (pair.peer, "later", 5);
  turn_connect_stream_unread (pair.stream, (const guint8 *)"rest", 4);
  turn_connect_stream_unread (pair.stream, (const guint8 *)"first ", 6);
  g_assert_cmpint (turn_connect_stream_ready (pair.stream, 0), ==, G_IO_IN);
  g_assert_cmpint (read_text (pair.stream, text, 5), ==, TURN_CONNECT_IO_OK);
  g_assert_cmpstr (text, ==, "firs");
  g_assert_cmpint (read_text (pair.stream, text, sizeof text), ==, TURN_CONNECT_IO_OK);
  g_assert_cmpstr (text, ==, "t rest");
  g_assert_cmpint (turn_connect_stream_ready (pair.stream, 0), ==, 0);
  g_assert_cmpint (read_text (pair.stream, text, sizeof text), ==, TURN_CONNECT_IO_OK);
  g_assert_cmpstr (text, ==, "later");
  pair_clear (&pair);
}

static void
test_closed_stream_refuses_everything (void)
{
  Pair pair;
  char text[8];
  gsize accepted;
  GOutputVector vector = { "x", 1 };
  g_autoptr (GError) error = NULL;

  pair_open (&pair);
  g_assert_true (g_io_stream_close (G_IO_STREAM (pair.stream), NULL, NULL));
  g_assert_true (g_io_stream_close (G_IO_STREAM (pair.stream), NULL, NULL));
  g_assert_cmpint (turn_connect_stream_get_descriptor (pair.stream), ==, -1);
  g_assert_cmpint (turn_connect_stream_get_ready (pair.stream), ==, G_IO_NVAL);
  g_assert_cmpint (read_text (pair.stream, text, sizeof text), ==, TURN_CONNECT_IO_FAILED);
  g_assert_cmpint (turn_connect_stream_try_write (pair.stream, &vector, 1, &accepted, &error), ==,
                   TURN_CONNECT_IO_FAILED);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_assert_cmpint (read (pair.peer, text, 1), ==, 0);
  pair_clear (&pair);
}

static void
test_vanished_peer_is_an_error_without_a_signal (void)
{
  Pair pair;
  gsize accepted;
  GOutputVector vector = { "x", 1 };
  g_autoptr (GError) error = NULL;

  pair_open (&pair);
  close (g_steal_fd (&pair.peer));
  g_assert_cmpint (turn_connect_stream_try_write (pair.stream, &vector, 1, &accepted, &error), ==,
                   TURN_CONNECT_IO_FAILED);
  g_assert_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
  pair_clear (&pair);
}

typedef struct {
  GIOCondition seen;
  guint calls;
  gboolean was_called;
} Watcher;

static gboolean
note_ready (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  Watcher *watcher = user_data;

  watcher->seen = condition;
  watcher->calls++;
  watcher->was_called = TRUE;
  return G_SOURCE_CONTINUE;
}

static GSource *
attach (TurnConnectStream *stream, GIOCondition condition, Watcher *watcher)
{
  GSource *source = turn_connect_stream_create_source (stream, condition, NULL);

  g_source_set_callback (source, G_SOURCE_FUNC (note_ready), watcher, NULL);
  g_source_attach (source, NULL);
  return source;
}

static void
test_source_waits_for_what_it_is_told (void)
{
  Pair pair;
  Watcher watcher = { 0 };
  g_autoptr (GSource) source = NULL;

  pair_open (&pair);
  source = attach (pair.stream, G_IO_IN, &watcher);
  support_run_for (20);
  g_assert_cmpuint (watcher.calls, ==, 0);
  turn_connect_stream_source_set_condition (source, G_IO_IN | G_IO_OUT);
  support_run_until (&watcher.was_called);
  g_assert_cmpint (watcher.seen, ==, G_IO_OUT);
  turn_connect_stream_source_set_condition (source, G_IO_IN);
  watcher.was_called = FALSE;
  support_write_all (pair.peer, "x", 1);
  support_run_until (&watcher.was_called);
  g_assert_cmpint (watcher.seen, ==, G_IO_IN);
  turn_connect_stream_source_set_condition (source, 0);
  watcher.calls = 0;
  support_run_for (20);
  g_assert_cmpuint (watcher.calls, ==, 0);
  g_source_destroy (source);
  pair_clear (&pair);
}

static void
test_source_tells_that_the_stream_was_closed (void)
{
  Pair pair;
  Watcher watcher = { 0 };
  g_autoptr (GSource) source = NULL;

  pair_open (&pair);
  source = attach (pair.stream, G_IO_IN, &watcher);
  g_io_stream_close (G_IO_STREAM (pair.stream), NULL, NULL);
  support_run_until (&watcher.was_called);
  g_assert_cmpint (watcher.seen, ==, G_IO_NVAL);
  g_source_destroy (source);
  pair_clear (&pair);
}

static void
copied (GObject *output, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_output_stream_splice_finish (G_OUTPUT_STREAM (output), result, &error);
  g_assert_no_error (error);
  *(gboolean *)user_data = TRUE;
}

/* Anything written for GIO works: a splice from one stream into another. */
static void
test_gio_splices_between_streams (void)
{
  Pair a, b;
  g_autofree char *sent = g_strnfill (50000, 'q');
  g_autofree char *got = g_malloc0 (50001);
  gboolean is_over = FALSE;

  pair_open (&a);
  pair_open (&b);
  support_write_all (a.peer, sent, 50000);
  shutdown (a.peer, SHUT_WR);
  g_output_stream_splice_async (g_io_stream_get_output_stream (G_IO_STREAM (b.stream)),
                                g_io_stream_get_input_stream (G_IO_STREAM (a.stream)),
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE, G_PRIORITY_DEFAULT, NULL,
                                copied, &is_over);
  support_run_until (&is_over);
  support_read_exactly (b.peer, got, 50000);
  g_assert_cmpstr (got, ==, sent);
  pair_clear (&a);
  pair_clear (&b);
}

static void
test_blocking_gio_calls_wait (void)
{
  Pair pair;
  GInputStream *input;
  char text[6] = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  pair_open (&pair);
  input = g_io_stream_get_input_stream (G_IO_STREAM (pair.stream));
  g_assert_cmpint (g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (input), text,
                                                             5, NULL, &error),
                   ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  support_write_all (pair.peer, "abcde", 5);
  g_assert_cmpint (g_input_stream_read (input, text, 5, cancellable, &error), ==, 5);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "abcde");
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (g_input_stream_read (input, text, 5, cancellable, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  pair_clear (&pair);
}

static void
test_half_that_outlives_its_stream_is_closed (void)
{
  Pair pair;
  g_autoptr (GInputStream) input = NULL;
  g_autoptr (GError) error = NULL;
  char text[1];

  pair_open (&pair);
  input = g_object_ref (g_io_stream_get_input_stream (G_IO_STREAM (pair.stream)));
  g_clear_object (&pair.stream);
  g_assert_cmpint (g_input_stream_read (input, text, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  pair_clear (&pair);
}

static int
get_tcp_option (TurnConnectStream *stream, int option)
{
  int value = -1;
  socklen_t length = sizeof value;

  g_assert_no_errno (getsockopt (turn_connect_stream_get_descriptor (stream), IPPROTO_TCP, option,
                                 &value, &length));
  return value;
}

static void
test_tcp_options_are_set (void)
{
  guint16 port = 0;
  int listener = support_listen ("127.0.0.1", 4, &port);
  g_autoptr (TurnConnectTarget) target = turn_connect_target_new ("127.0.0.1", port, NULL);
  g_auto (SupportDial) dial = { 0 };

  support_dial (&dial, target);
  g_assert_no_error (dial.error);
  g_assert_cmpint (get_tcp_option (dial.stream, TCP_NODELAY), !=, 0);
  g_assert_true (turn_connect_stream_set_user_timeout (dial.stream, 7000));
  g_assert_cmpint (get_tcp_option (dial.stream, TCP_USER_TIMEOUT), ==, 7000);
  g_assert_true (turn_connect_stream_set_notsent_lowat (dial.stream, 4096));
  g_assert_cmpint (get_tcp_option (dial.stream, TCP_NOTSENT_LOWAT), ==, 4096);
  g_io_stream_close (G_IO_STREAM (dial.stream), NULL, NULL);
  g_assert_false (turn_connect_stream_set_user_timeout (dial.stream, 7000));
  close (listener);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/stream/reads-what-is-there-and-never-waits",
                   test_reads_what_is_there_and_never_waits);
  g_test_add_func ("/turn-connect/stream/full-socket-says-blocked-and-takes-nothing",
                   test_full_socket_says_blocked_and_takes_nothing);
  g_test_add_func ("/turn-connect/stream/vectors-go-out-in-order", test_vectors_go_out_in_order);
  g_test_add_func ("/turn-connect/stream/given-back-octets-come-first",
                   test_given_back_octets_come_first);
  g_test_add_func ("/turn-connect/stream/closed-stream-refuses-everything",
                   test_closed_stream_refuses_everything);
  g_test_add_func ("/turn-connect/stream/vanished-peer-is-an-error-without-a-signal",
                   test_vanished_peer_is_an_error_without_a_signal);
  g_test_add_func ("/turn-connect/stream/source-waits-for-what-it-is-told",
                   test_source_waits_for_what_it_is_told);
  g_test_add_func ("/turn-connect/stream/source-tells-that-the-stream-was-closed",
                   test_source_tells_that_the_stream_was_closed);
  g_test_add_func ("/turn-connect/stream/gio-splices-between-streams",
                   test_gio_splices_between_streams);
  g_test_add_func ("/turn-connect/stream/blocking-gio-calls-wait", test_blocking_gio_calls_wait);
  g_test_add_func ("/turn-connect/stream/half-that-outlives-its-stream-is-closed",
                   test_half_that_outlives_its_stream_is_closed);
  g_test_add_func ("/turn-connect/stream/tcp-options-are-set", test_tcp_options_are_set);
  return g_test_run ();
}
