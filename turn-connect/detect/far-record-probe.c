/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When all else is over, the far end is asked what arrived, by ways that have proven to lead there,
 * one after the other.
 */
#include "turn-connect/detect/far-record.h"
#include "turn-connect/detect/fetch.h"

#define LIMIT_MS 1200 /* each; the run is to end soon */
#define WAYS_MAX 3

typedef struct {
  TurnConnectRun *run;
  TurnConnectFetchWay ways[WAYS_MAX];
  guint n_ways, n_tried;
  GPtrArray *fetches;
  GSource *next;
} FarRecordProbe;

static gboolean ask (gpointer data);

static TurnConnectOutcome
fetched (TurnConnectProbe *probe,
         TurnConnectOutcome outcome,
         const char *body,
         gsize length,
         TurnConnectStream *stream,
         gpointer data)
{
  FarRecordProbe *self = data;
  char text[16];

  if (body != NULL) {
    g_snprintf (
        text, sizeof text, "%u",
        turn_connect_far_record_note (turn_connect_run_get_observations (self->run), body, length));
    turn_connect_probe_set_fact (probe, "lines", text);
    self->n_tried = self->n_ways;
  }
  self->next = turn_connect_run_add_timer (self->run, 0, ask, self);
  return outcome;
}

static gboolean
ask (gpointer data)
{
  FarRecordProbe *self = data;

  turn_connect_run_clear_source (&self->next);
  while (self->n_tried < self->n_ways) {
    TurnConnectFetch *fetch =
        turn_connect_fetch_new (self->run, &self->ways[self->n_tried++], fetched, self);

    if (fetch == NULL)
      continue;
    g_ptr_array_add (self->fetches, fetch);
    return G_SOURCE_REMOVE;
  }
  turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_FAR_RECORD);
  return G_SOURCE_REMOVE;
}

/* Ways by which the far end said something of itself. */
static void
find_ways (FarRecordProbe *self)
{
  const GPtrArray *probes = turn_connect_run_get_observations (self->run)->probes;

  for (guint i = 0; i < probes->len && self->n_ways < WAYS_MAX; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_RECORD || probe->outcome != TURN_CONNECT_OUTCOME_PROOF)
      continue;
    self->ways[self->n_ways++] = (TurnConnectFetchWay){
      .variant = "record",
      .kind = TURN_CONNECT_PROBE_RECORD,
      .what = STUN_EXT_DETECT_WHAT_RECORD,
      .family = probe->via == NULL ? probe->family : 0,
      .port = probe->target.port,
      .is_tls = probe->carry == TURN_CONNECT_CARRY_TLS,
      .limit_ms = LIMIT_MS,
    };
  }
}

gpointer
turn_connect_far_record_probe_start (TurnConnectRun *run)
{
  FarRecordProbe *self = g_new0 (FarRecordProbe, 1);

  self->run = run;
  self->fetches = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_fetch_free);
  find_ways (self);
  if (self->n_ways > 0) {
    self->next = turn_connect_run_add_timer (run, 0, ask, self);
    return self;
  }
  turn_connect_far_record_probe_stop (self);
  return NULL;
}

void
turn_connect_far_record_probe_stop (gpointer state)
{
  FarRecordProbe *self = state;

  turn_connect_run_clear_source (&self->next);
  g_ptr_array_unref (self->fetches);
  g_free (self);
}
