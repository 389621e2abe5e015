/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support.h"
#include "turn-connect/local/pump.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A pump between two socket pairs; the test holds the outer ends. */
typedef struct {
  TurnConnectWatcher *watcher;
  TurnConnectPump *pump;
  TurnConnectStream *left, *right;
  int client, server;
  GByteArray *kept;
  guint n_answers;
  gboolean has_ended;
  GError *error;
} World;

static void
answered (gpointer data)
{
  ((World *)data)->n_answers++;
}

static void
ended (const GError *error, gpointer data)
{
  World *world = data;

  g_assert_false (world->has_ended);
  world->has_ended = TRUE;
  world->error = error != NULL ? g_error_copy (error) : NULL;
}

static const TurnConnectPumpFuncs funcs = { answered, ended };

static TurnConnectStream *
open_side (int *outer)
{
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM, 0, ends));
  *outer = ends[1];
  return turn_connect_stream_new_for_descriptor (ends[0]);
}

static void
world_open (World *world, gboolean keeps)
{
  g_autoptr (GError) error = NULL;

  memset (world, 0, sizeof *world);
  world->left = open_side (&world->client);
  world->right = open_side (&world->server);
  world->kept = keeps ? g_byte_array_new () : NULL;
  world->watcher = turn_connect_watcher_new (NULL, &error);
  g_assert_no_error (error);
  world->pump = turn_connect_pump_new (world->watcher, world->left, world->right, world->kept,
                                       &funcs, world, &error);
  g_assert_no_error (error);
}

static void
hang_up (int *descriptor)
{
  if (*descriptor >= 0)
    close (*descriptor);
  *descriptor = -1;
}

static void
world_close (World *world)
{
  turn_connect_pump_free (world->pump);
  turn_connect_watcher_free (world->watcher);
  g_object_unref (world->left);
  g_object_unref (world->right);
  hang_up (&world->client);
  hang_up (&world->server);
  g_clear_pointer (&world->kept, g_byte_array_unref);
  g_clear_error (&world->error);
}

static void
say (int descriptor, const char *text)
{
  g_assert_cmpint (send (descriptor, text, strlen (text), MSG_NOSIGNAL), ==, strlen (text));
}

/* Until so many octets are there, or the end. */
static char *
hear (int descriptor, gsize n)
{
  GString *heard = g_string_new (NULL);
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  char buffer[4096];

  while (heard->len < n && g_get_monotonic_time () < deadline) {
    gssize got = recv (descriptor, buffer, MIN (sizeof buffer, n - heard->len), MSG_DONTWAIT);

    if (got == 0)
      break;
    if (got > 0)
      g_string_append_len (heard, buffer, got);
    else
      support_run_for (1);
  }
  return g_string_free (heard, FALSE);
}

static void
assert_hears (int descriptor, const char *text)
{
  g_autofree char *heard = hear (descriptor, strlen (text));

  g_assert_cmpstr (heard, ==, text);
}

static void
assert_hears_the_end (int descriptor)
{
  g_autofree char *heard = hear (descriptor, 1);
  char octet;

  g_assert_cmpstr (heard, ==, "");
  g_assert_cmpint (recv (descriptor, &octet, 1, MSG_DONTWAIT), ==, 0);
}

static void
test_octets_pass_both_ways (void)
{
  World world;

  world_open (&world, FALSE);
  say (world.client, "\r\n\r\n");
  assert_hears (world.server, "\r\n\r\n");
  say (world.server, "\r\n");
  assert_hears (world.client, "\r\n");
  g_assert_cmpuint (turn_connect_pump_get_rightward (world.pump), ==, 4);
  g_assert_cmpuint (turn_connect_pump_get_leftward (world.pump), ==, 2);
  g_assert_cmpuint (world.n_answers, ==, 1);
  g_assert_false (world.has_ended);
  world_close (&world);
}

static void
test_each_direction_ends_by_itself (void)
{
  World world;

  world_open (&world, FALSE);
  say (world.client, "question");
  g_assert_no_errno (shutdown (world.client, SHUT_WR));
  assert_hears (world.server, "question");
  assert_hears_the_end (world.server);
  say (world.server, "answer");
  assert_hears (world.client, "answer");
  g_assert_false (world.has_ended);
  g_assert_no_errno (shutdown (world.server, SHUT_WR));
  assert_hears_the_end (world.client);
  support_run_until (&world.has_ended);
  g_assert_no_error (world.error);
  world_close (&world);
}

/* Neither memory nor the writer runs away from a reader that does not read. */
static void
test_a_slow_reader_slows_the_writer_down (void)
{
  static char block[65536];
  World world;
  gsize sent = 0, heard = 0;
  gssize n;

  world_open (&world, FALSE);
  memset (block, 'x', sizeof block);
  for (guint i = 0; i < 200; i++) {
    n = send (world.client, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
    sent += n > 0 ? (gsize)n : 0;
    support_run_for (1);
  }
  g_assert_cmpuint (sent, <, 4 * 1024 * 1024);
  hang_up (&world.client);
  while (heard < sent) {
    n = recv (world.server, block, sizeof block, MSG_DONTWAIT);
    g_assert_cmpint (n, !=, 0);
    heard += n > 0 ? (gsize)n : 0;
    support_run_for (1);
  }
  assert_hears_the_end (world.server);
  world_close (&world);
}

static double
processor_time (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / G_USEC_PER_SEC;
}

/* The client is gone while the server takes nothing: nothing can be done, and nothing is. */
static void
test_a_dead_side_costs_no_time (void)
{
  static char block[65536];
  World world;
  double begin;

  world_open (&world, FALSE);
  for (guint i = 0; i < 100; i++) {
    send (world.client, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
    support_run_for (1);
  }
  say (world.server, "what nobody will read");
  hang_up (&world.client);
  support_run_for (20);
  begin = processor_time ();
  support_run_for (300);
  g_assert_cmpfloat (processor_time () - begin, <, 0.15);
  world_close (&world);
}

static void
test_an_answer_before_a_hang_up_arrives (void)
{
  World world;

  world_open (&world, FALSE);
  say (world.server, "503 go away");
  hang_up (&world.server);
  say (world.client, "much to say");
  assert_hears (world.client, "503 go away");
  assert_hears_the_end (world.client);
  hang_up (&world.client);
  support_run_until (&world.has_ended);
  world_close (&world);
}

static void
test_what_is_not_answered_is_kept (void)
{
  World world;

  world_open (&world, TRUE);
  say (world.client, "REGISTER");
  assert_hears (world.server, "REGISTER");
  g_assert_cmpmem (world.kept->data, world.kept->len, "REGISTER", 8);
  hang_up (&world.server);
  support_run_until (&world.has_ended);
  g_assert_error (world.error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED);
  g_assert_true (turn_connect_pump_can_repeat (world.pump));
  world_close (&world);
}

static void
test_what_is_answered_is_kept_no_longer (void)
{
  World world;

  world_open (&world, TRUE);
  say (world.client, "REGISTER");
  assert_hears (world.server, "REGISTER");
  say (world.server, "200");
  assert_hears (world.client, "200");
  g_assert_false (turn_connect_pump_can_repeat (world.pump));
  hang_up (&world.server);
  assert_hears_the_end (world.client);
  g_assert_false (world.has_ended);
  world_close (&world);
}

static void
test_keeping_is_bounded (void)
{
  World world;
  g_autofree char *much = g_strnfill (TURN_CONNECT_PUMP_KEPT_MAX + 1, 'x');

  world_open (&world, TRUE);
  say (world.client, much);
  assert_hears (world.server, much);
  g_assert_false (turn_connect_pump_can_repeat (world.pump));
  g_assert_cmpuint (world.kept->len, <=, TURN_CONNECT_PUMP_KEPT_MAX);
  world_close (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define TEST(name, func) g_test_add_func ("/turn-connect/pump/" name, func)
  TEST ("octets-pass-both-ways", test_octets_pass_both_ways);
  TEST ("each-direction-ends-by-itself", test_each_direction_ends_by_itself);
  TEST ("a-slow-reader-slows-the-writer-down", test_a_slow_reader_slows_the_writer_down);
  TEST ("a-dead-side-costs-no-time", test_a_dead_side_costs_no_time);
  TEST ("an-answer-before-a-hang-up-arrives", test_an_answer_before_a_hang_up_arrives);
  TEST ("what-is-not-answered-is-kept", test_what_is_not_answered_is_kept);
  TEST ("what-is-answered-is-kept-no-longer", test_what_is_answered_is_kept_no_longer);
  TEST ("keeping-is-bounded", test_keeping_is_bounded);
  return g_test_run ();
}
