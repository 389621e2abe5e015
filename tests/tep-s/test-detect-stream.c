/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "tep-s/detect-stream.h"

static const StunExtDetectRun run = { { 3, 1, 4 } };

static TepServerConfig *config;

static void
core_init (TepServerDetectCore *core)
{
  static const guint8 secret[TEP_SERVER_DETECT_SECRET_LENGTH] = { 5 };

  tep_server_detect_core_init (core, config, 7, secret);
  core->now_us = 1000 * G_USEC_PER_SEC;
  core->now_ms = G_GINT64_CONSTANT (1795000000000);
}

static TepServerDetectStream *
stream_new (TepServerDetectCore *core, gboolean is_front_door)
{
  TepServerDetectArrival arrival = { .is_front_door = is_front_door };

  stun_ext_address_parse ("198.51.100.7:4000", &arrival.source);
  stun_ext_address_parse ("192.0.2.1:443", &arrival.place.local);
  return tep_server_detect_stream_new (core, &arrival);
}

static gsize
write_flight (guint payload, guint twin, guint8 *buffer)
{
  StunExtDetectFlight flight = {
    .payload = payload, .twin = twin, .run = run, .host = "far.example"
  };

  return stun_ext_detect_flight_write (&flight, buffer, STUN_EXT_DETECT_FLIGHT_MAX);
}

static gsize
unsent (const TepServerDetectStream *stream)
{
  gsize length;

  tep_server_detect_stream_output (stream, &length);
  return length;
}

/* However a flight is cut, and wherever it ends, the answer is the same or none. */
static void
test_cuts_change_nothing (void)
{
  guint8 buffer[STUN_EXT_DETECT_FLIGHT_MAX];

  for (guint payload = STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER;
       payload <= STUN_EXT_DETECT_PAYLOAD_PRINTABLE; payload++)
    for (guint twin = 0; twin < STUN_EXT_DETECT_N_TWINS; twin++) {
      gsize n = write_flight (payload, twin, buffer), expected = 0;

      for (gsize step = n; n > 0 && step > 0; step = step > 1 ? step / 5 : 0) {
        TepServerDetectCore core;
        TepServerDetectStream *stream;

        core_init (&core);
        stream = stream_new (&core, TRUE);
        for (gsize at = 0; at < n; at += step)
          tep_server_detect_stream_input (stream, buffer + at, MIN (step, n - at));
        g_test_message ("%s %s in pieces of %" G_GSIZE_FORMAT,
                        stun_ext_detect_payload_name (payload), stun_ext_detect_twin_name (twin),
                        step);
        if (step == n)
          expected = unsent (stream);
        g_assert_cmpuint (unsent (stream), >=, STUN_EXT_DETECT_ANSWER_LENGTH);
        g_assert_cmpuint (unsent (stream), ==, expected);
        tep_server_detect_stream_free (stream);
        tep_server_detect_core_clear (&core);
      }
    }
}

/* A telephone that registered goes on, in pieces of any size; what is no request of a run is a block. */
static void
test_sip_goes_on_with_requests_and_others_with_blocks (void)
{
  guint8 request[STUN_EXT_DETECT_FLIGHT_MAX], more[STUN_EXT_DETECT_FLIGHT_MAX];
  guint8 block[STUN_EXT_DETECT_BLOCK_LENGTH] = "OPTIONS nobody SIP/2.0";
  gsize n = write_flight (STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER, 0, request);
  gsize m = write_flight (STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS, 0, more);

  for (gsize step = 1; step <= m; step += 13) {
    TepServerDetectCore core;
    TepServerDetectStream *stream;
    gsize one, two;

    core_init (&core);
    stream = stream_new (&core, TRUE);
    tep_server_detect_stream_input (stream, request, n);
    one = unsent (stream);
    g_assert_cmpuint (one, >, 0);
    for (gsize at = 0; at < m; at += step)
      tep_server_detect_stream_input (stream, more + at, MIN (step, m - at));
    two = unsent (stream) - one;
    g_assert_cmpuint (two, >, 200);
    tep_server_detect_stream_input (stream, more, m);
    g_assert_cmpuint (unsent (stream), ==, one + 2 * two);
    tep_server_detect_stream_input (stream, block, sizeof block);
    g_assert_cmpuint (unsent (stream), ==, one + 2 * two + STUN_EXT_DETECT_BLOCK_LENGTH);
    tep_server_detect_stream_free (stream);
    tep_server_detect_core_clear (&core);
  }
}

static void
test_any_end_is_an_end (void)
{
  guint8 buffer[STUN_EXT_DETECT_FLIGHT_MAX];
  TepServerDetectCore core;

  core_init (&core);
  for (guint payload = STUN_EXT_DETECT_PAYLOAD_TLS; payload <= STUN_EXT_DETECT_PAYLOAD_PRINTABLE;
       payload++) {
    gsize n = write_flight (payload, STUN_EXT_DETECT_TWIN_NONE, buffer);

    for (gsize at = 0; at <= n; at += 13) {
      TepServerDetectStream *stream = stream_new (&core, FALSE);

      tep_server_detect_stream_input (stream, buffer, at);
      if (at % 2 == 0) {
        tep_server_detect_stream_end (stream, STUN_EXT_DETECT_END_RESET, 5);
        g_assert_true (tep_server_detect_stream_is_over (stream));
        tep_server_detect_stream_input (stream, buffer, n);
      } else {
        core.now_us = tep_server_detect_stream_deadline (stream);
        tep_server_detect_stream_advance (stream);
      }
      tep_server_detect_stream_free (stream);
    }
  }
  tep_server_detect_core_clear (&core);
}

static void
test_time_always_ends_it (void)
{
  for (guint is_door = 0; is_door < 2; is_door++) {
    TepServerDetectCore core;
    TepServerDetectStream *stream;
    guint n = 0;

    core_init (&core);
    stream = stream_new (&core, is_door);
    while (!tep_server_detect_stream_is_over (stream)) {
      gint64 due_us = tep_server_detect_stream_deadline (stream);

      g_assert_cmpint (due_us, >, core.now_us);
      core.now_us = due_us;
      tep_server_detect_stream_advance (stream);
      g_assert_cmpuint (++n, <, 10);
    }
    /* Only an own port speaks first. */
    g_assert_cmpuint (unsent (stream), ==, is_door ? 0 : STUN_EXT_DETECT_ANSWER_LENGTH);
    tep_server_detect_stream_free (stream);
    tep_server_detect_core_clear (&core);
  }
}

static void
test_who_sends_too_much_is_heard_no_more (void)
{
  static const guint8 zeros[4096];
  TepServerDetectCore core;
  TepServerDetectStream *stream;
  guint n = 0;

  core_init (&core);
  stream = stream_new (&core, TRUE);
  while (!tep_server_detect_stream_is_over (stream)) {
    tep_server_detect_stream_input (stream, zeros, sizeof zeros);
    g_assert_cmpuint (++n, <=, 17);
  }
  tep_server_detect_stream_free (stream);
  tep_server_detect_core_clear (&core);
}

static void
test_a_delayed_answer_on_a_stream_comes_when_it_is_due (void)
{
  StunExtDetectRequest request = { .mark = { .run = run, .delay_s = 120 } };
  TepServerDetectCore core;
  TepServerDetectStream *stream;
  guint8 buffer[512];
  gint64 began_us;
  gsize n;

  core_init (&core);
  began_us = core.now_us;
  stream = stream_new (&core, TRUE);
  g_assert_true (stun_ext_detect_request_write (&request, NULL, buffer, sizeof buffer, &n));
  tep_server_detect_stream_input (stream, buffer, n);
  g_assert_cmpuint (unsent (stream), ==, 0);
  core.now_us = tep_server_detect_stream_deadline (stream);
  g_assert_cmpint (core.now_us - began_us, ==, 120 * G_USEC_PER_SEC);
  tep_server_detect_stream_advance (stream);
  g_assert_cmpuint (unsent (stream), >, 0);
  g_assert_cmpuint (core.n_waiting, ==, 0);
  g_assert_false (tep_server_detect_stream_is_over (stream));
  tep_server_detect_stream_free (stream);
  tep_server_detect_core_clear (&core);
}

static void
test_a_syn_is_read_whole_or_not (void)
{
  static const guint8 syn[] = { 0x45, 0, 0, 60, 1,   2, 0x40, 0,    57,   6, 0,    0,
                                192,  0, 2, 1,  192, 0, 2,    2,    0x10, 0, 1,    0xbb,
                                0,    0, 0, 1,  0,   0, 0,    0,    0xa0, 2, 0xfa, 0xf0,
                                0,    0, 0, 0,  2,   4, 5,    0xb4, 4,    2, 8,    10,
                                0,    0, 0, 1,  0,   0, 0,    0,    1,    3, 3,    7 };
  StunExtDetectRecord record = { 0 };

  g_assert_true (tep_server_detect_read_syn (syn, sizeof syn, &record));
  g_assert_cmpuint (record.ttl, ==, 57);
  g_assert_cmpuint (record.mss, ==, 1460);
  g_assert_cmpuint (record.window, ==, 64240);
  g_assert_cmpstr (record.syn, ==, "mss,sackOK,ts,nop,ws7");
  for (gsize n = 0; n < sizeof syn; n++) {
    g_autofree guint8 *exact = g_memdup2 (syn, n);

    tep_server_detect_read_syn (exact, n, &record);
    g_assert_cmpuint (strlen (record.syn), <=, STUN_EXT_DETECT_SYN_MAX);
  }
  for (gsize n = 0; n < sizeof syn * 256; n++) {
    g_autofree guint8 *exact = g_memdup2 (syn, sizeof syn);

    exact[n / 256] = (guint8)n;
    tep_server_detect_read_syn (exact, sizeof syn, &record);
    g_assert_cmpuint (strlen (record.syn), <=, STUN_EXT_DETECT_SYN_MAX);
  }
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("tepkit-XXXXXX", NULL);
  g_autofree char *users = g_build_filename (folder, "users", NULL);
  g_autofree char *text =
      g_strdup_printf ("[server]\nlisten=127.0.0.1:0\n[credentials]\nusers=%s\n[detect]\n", users);
  int status;

  g_test_init (&argc, &argv, NULL);
  g_assert_true (g_file_set_contents (users, "alice:correct horse battery staple\n", -1, NULL));
  g_chmod (users, 0600);
  config = tep_server_config_load_from_data (text, -1, "test", NULL);
  g_assert_nonnull (config);
#define ADD(name, func) g_test_add_func ("/tep-s/detect-stream/" name, func)
  ADD ("cuts-change-nothing", test_cuts_change_nothing);
  ADD ("sip-goes-on-with-requests-and-others-with-blocks",
       test_sip_goes_on_with_requests_and_others_with_blocks);
  ADD ("any-end-is-an-end", test_any_end_is_an_end);
  ADD ("time-always-ends-it", test_time_always_ends_it);
  ADD ("who-sends-too-much-is-heard-no-more", test_who_sends_too_much_is_heard_no_more);
  ADD ("a-delayed-answer-on-a-stream-comes-when-it-is-due",
       test_a_delayed_answer_on_a_stream_comes_when_it_is_due);
  ADD ("a-syn-is-read-whole-or-not", test_a_syn_is_read_whole_or_not);
  status = g_test_run ();
  tep_server_config_unref (config);
  g_unlink (users);
  g_rmdir (folder);
  return status;
}
