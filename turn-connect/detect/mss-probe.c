/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which segments TCP agreed on, at both ends: what this machine said in its SYN, and what arrived of
 * that. Routers that know of a smaller MTU further on write it in there.
 */
#include "turn-connect/detect/far-lines.h"
#include "turn-connect/detect/fetch.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define LIMIT_MS 3000
#define TIMESTAMPS 12 /* octets in each segment, which Linux takes off what it said */

typedef struct {
  TurnConnectRun *run;
  TurnConnectFetch *fetches[2];
  guint n_pending;
} MssProbe;

static void
set_number (TurnConnectProbe *probe, const char *key, guint number)
{
  g_autofree char *text = g_strdup_printf ("%u", number);

  if (number > 0)
    turn_connect_probe_set_fact (probe, key, text);
}

static void
note_here (TurnConnectProbe *probe, TurnConnectStream *stream)
{
  struct tcp_info info = { 0 };
  socklen_t length = sizeof info;

  if (getsockopt (turn_connect_stream_get_descriptor (stream), IPPROTO_TCP, TCP_INFO, &info,
                  &length) != 0)
    return;
  set_number (probe, "mss-said",
              info.tcpi_advmss + (info.tcpi_options & TCPI_OPT_TIMESTAMPS ? TIMESTAMPS : 0));
  set_number (probe, "mss-sends", info.tcpi_snd_mss);
}

/* The line of this very connection. */
static void
note_there (MssProbe *self, TurnConnectProbe *probe, const char *body, gsize length)
{
  guint number = turn_connect_run_get_number (self->run, probe);
  TurnConnectFarLines lines;
  StunExtDetectRecord record;

  turn_connect_far_lines_begin (&lines, body, length);
  while (turn_connect_far_lines_next_record (&lines, &record)) {
    if (!record.has_run || record.probe != number ||
        record.transport != STUN_EXT_DETECT_TRANSPORT_TCP)
      continue;
    set_number (probe, "mss-arrived", record.mss);
    return;
  }
}

static TurnConnectOutcome
fetched (TurnConnectProbe *probe,
         TurnConnectOutcome outcome,
         const char *body,
         gsize length,
         TurnConnectStream *stream,
         gpointer data)
{
  MssProbe *self = data;

  if (stream != NULL)
    note_here (probe, stream);
  if (body != NULL)
    note_there (self, probe, body, length);
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_MSS);
  return outcome;
}

/* A port that let something pass: 80 rather, for there HTTP is expected. */
static guint16
find_port (MssProbe *self, guint8 family)
{
  const GPtrArray *probes = turn_connect_run_get_observations (self->run)->probes;
  guint16 port = 0;

  for (guint i = 0; i < probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PORT && probe->family == family &&
        turn_connect_probe_passed (probe) && (port == 0 || probe->target.port == 80))
      port = probe->target.port;
  }
  return port;
}

static void
add_family (MssProbe *self, guint8 family)
{
  const TurnConnectFetchWay way = { .variant = "tcp-mss",
                                    .kind = TURN_CONNECT_PROBE_MTU,
                                    .what = STUN_EXT_DETECT_WHAT_RECORD,
                                    .family = family,
                                    .port = find_port (self, family),
                                    .limit_ms = LIMIT_MS };
  TurnConnectFetch **fetch = &self->fetches[family == 6];

  if (way.port != 0)
    *fetch = turn_connect_fetch_new (self->run, &way, fetched, self);
  self->n_pending += *fetch != NULL;
}

gpointer
turn_connect_mss_probe_start (TurnConnectRun *run)
{
  MssProbe *self;

  if (!turn_connect_run_get_plan (run)->is_deep ||
      !turn_connect_run_get_observations (run)->is_far_end)
    return NULL;
  self = g_new0 (MssProbe, 1);
  self->run = run;
  add_family (self, 4);
  add_family (self, 6);
  if (self->n_pending > 0)
    return self;
  turn_connect_mss_probe_stop (self);
  return NULL;
}

void
turn_connect_mss_probe_stop (gpointer state)
{
  MssProbe *self = state;

  for (guint i = 0; i < G_N_ELEMENTS (self->fetches); i++)
    turn_connect_fetch_free (self->fetches[i]);
  g_free (self);
}
