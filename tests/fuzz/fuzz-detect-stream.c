/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to the far end: any octets in any pieces, flights that it knows, time, and ends. It never says more than it may,
 * always knows when it is due, and time alone ends it. */
#include <glib/gstdio.h>
#include <string.h>

#include "fuzz.h"
#include "stun-ext/detect-payload.h"
#include "tep-s/detect-stream.h"

#define STEPS 200
#define OUTPUT_MAX (1024 * 1024)

static const StunExtDetectRun run = { { 7 } };

static TepServerConfig *
load (void)
{
  static TepServerConfig *config;
  g_autofree char *folder = NULL;
  g_autofree char *users = NULL;
  g_autofree char *text = NULL;

  if (config != NULL)
    return config;
  folder = g_dir_make_tmp ("tepkit-fuzz-XXXXXX", NULL);
  users = g_build_filename (folder, "users", NULL);
  text =
      g_strdup_printf ("[server]\nlisten=127.0.0.1:0\n[credentials]\nusers=%s\n[detect]\n", users);
  g_assert_true (g_file_set_contents (users, "alice:correct horse battery staple\n", -1, NULL));
  g_chmod (users, 0600);
  config = tep_server_config_load_from_data (text, -1, "fuzz", NULL);
  g_assert_nonnull (config);
  g_unlink (users);
  g_rmdir (folder);
  return config;
}

static void
give_octets (TepServerDetectStream *stream, FuzzInput *input, gboolean is_plain)
{
  gsize wanted = fuzz_u8 (input), n = MIN (wanted, input->length);
  g_autofree guint8 *octets = g_memdup2 (input->data, n);

  input->data += n;
  input->length -= n;
  if (is_plain)
    tep_server_detect_stream_plain (stream, octets, n);
  else
    tep_server_detect_stream_input (stream, octets, n);
}

static void
give_flight (TepServerDetectStream *stream, FuzzInput *input)
{
  guint8 buffer[STUN_EXT_DETECT_FLIGHT_MAX];
  guint8 what = fuzz_u8 (input), damage = fuzz_u8 (input);
  StunExtDetectFlight flight = { .payload = what % (STUN_EXT_DETECT_PAYLOAD_QUIC + 1),
                                 .twin = (what >> 5) % STUN_EXT_DETECT_N_TWINS,
                                 .run = run,
                                 .host = "far.example" };
  gsize n = stun_ext_detect_flight_write (&flight, buffer, sizeof buffer);

  if (n == 0)
    return;
  if (damage != 0)
    buffer[damage * n / 256] ^= damage;
  tep_server_detect_stream_input (stream, buffer, n / 2);
  tep_server_detect_stream_input (stream, buffer + n / 2, n - n / 2);
}

/* A request that is to be answered after a while, and may be over. */
static void
give_delayed (TepServerDetectStream *stream, FuzzInput *input)
{
  StunExtDetectRequest request = { .mark = { .run = run, .delay_s = fuzz_u16 (input) } };
  guint8 buffer[512];
  gsize n;

  request.length = (gsize)fuzz_u8 (input) * 4;
  if (stun_ext_detect_request_write (&request, NULL, buffer, sizeof buffer, &n))
    tep_server_detect_stream_input (stream, buffer, n);
}

static void
pass_time (TepServerDetectCore *core, TepServerDetectStream *stream, gint64 us)
{
  core->now_us += us;
  core->now_ms += us / 1000;
  tep_server_detect_stream_advance (stream);
  g_assert_true (tep_server_detect_stream_is_over (stream) ||
                 tep_server_detect_stream_deadline (stream) > core->now_us);
}

static void
send_some (TepServerDetectStream *stream, FuzzInput *input)
{
  gsize length, n = fuzz_u16 (input);

  tep_server_detect_stream_output (stream, &length);
  if (length > 0)
    tep_server_detect_stream_written (stream, MIN (n + 1, length));
}

static void
step (TepServerDetectCore *core, TepServerDetectStream *stream, FuzzInput *input)
{
  guint8 what = fuzz_u8 (input);
  gsize length;

  switch (what & 7) {
  case 0:
  case 1:
    give_octets (stream, input, FALSE);
    break;
  case 2:
    give_flight (stream, input);
    break;
  case 3:
    give_delayed (stream, input);
    break;
  case 4:
    pass_time (core, stream, fuzz_u16 (input) * G_GINT64_CONSTANT (1000));
    break;
  case 5:
    pass_time (core, stream, MAX (tep_server_detect_stream_deadline (stream) - core->now_us, 0));
    break;
  case 6:
    send_some (stream, input);
    break;
  default:
    if (what == 0xff)
      tep_server_detect_stream_end (stream, STUN_EXT_DETECT_END_RESET, what);
    else
      give_octets (stream, input, TRUE);
  }
  tep_server_detect_stream_output (stream, &length);
  g_assert_cmpuint (length, <=, OUTPUT_MAX);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  static const guint8 secret[TEP_SERVER_DETECT_SECRET_LENGTH] = { 5 };
  FuzzInput input = { data, length };
  guint8 how = fuzz_u8 (&input);
  TepServerDetectArrival arrival = { .is_front_door = how & 1, .layers = how >> 1 & 3 };
  TepServerDetectCore core;
  TepServerDetectStream *stream;

  tep_server_detect_core_init (&core, load (), 7, secret);
  core.now_us = 1000 * G_USEC_PER_SEC;
  core.now_ms = G_GINT64_CONSTANT (1795000000000);
  stun_ext_address_parse ("198.51.100.7:4000", &arrival.source);
  stun_ext_address_parse ("192.0.2.1:443", &arrival.place.local);
  arrival.place.address = TEP_SERVER_DETECT_NO_ADDRESS;
  stream = tep_server_detect_stream_new (&core, &arrival);
  for (guint i = 0; i < STEPS && input.length > 0; i++)
    step (&core, stream, &input);
  for (guint i = 0; !tep_server_detect_stream_is_over (stream); i++) {
    g_assert_cmpuint (i, <, 16);
    pass_time (&core, stream, tep_server_detect_stream_deadline (stream) - core.now_us);
  }
  tep_server_detect_stream_free (stream);
  g_assert_cmpuint (core.n_waiting, ==, 0);
  tep_server_detect_core_clear (&core);
  return 0;
}
