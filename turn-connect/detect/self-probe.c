/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where does the far end listen? Without that no silence of a port means anything. It is asked at
 * once by the ways that firewalls leave open most, and, if none of these leads there, by the ports
 * that turned out to. It must not be asked by a way that inspection would hold against us later:
 * plain HTTP goes to port 80 alone, and TLS to 443.
 */
#include "turn-connect/detect/far-lines.h"
#include "turn-connect/detect/fetch.h"

#define LIMIT_MS 3300 /* SYNs at 0, 1 and 3 s; what was silent on UDP takes as long */
#define LATE_LIMIT_MS 2000
#define LATE_US 450000
#define LISTENERS_MAX 128 /* arbitrary */
#define LATE_WAYS_MAX 4

typedef struct {
  TurnConnectRun *run;
  TurnConnectFamilyId id;
  GPtrArray *fetches;
  guint n_pending;
} SelfProbe;

static void
add_listener (TurnConnectObservations *observations, const TurnConnectListener *listener)
{
  for (guint i = 0; i < observations->listeners->len; i++) {
    TurnConnectListener *known = &g_array_index (observations->listeners, TurnConnectListener, i);

    if (known->carry != listener->carry || known->port != listener->port)
      continue;
    known->is_front_door |= listener->is_front_door;
    if (known->heard_ago_s < 0 ||
        (listener->heard_ago_s >= 0 && listener->heard_ago_s < known->heard_ago_s))
      known->heard_ago_s = listener->heard_ago_s;
    return;
  }
  if (observations->listeners->len < LISTENERS_MAX)
    g_array_append_vals (observations->listeners, listener, 1);
}

static void
take_body (TurnConnectObservations *observations, const char *body, gsize length)
{
  TurnConnectFarLines lines;
  TurnConnectListener listener;

  turn_connect_far_lines_begin (&lines, body, length);
  while (turn_connect_far_lines_next_listener (&lines, &listener))
    add_listener (observations, &listener);
}

static TurnConnectOutcome
fetched (TurnConnectProbe *probe,
         TurnConnectOutcome outcome,
         const char *body,
         gsize length,
         TurnConnectStream *stream,
         gpointer data)
{
  SelfProbe *self = data;

  self->n_pending--;
  if (body != NULL)
    take_body (turn_connect_run_get_observations (self->run), body, length);
  /* The first answer is enough. The others are not ended: that they pass is worth knowing. */
  if (self->n_pending == 0)
    turn_connect_run_done (self->run, self->id);
  return outcome;
}

static void
fetch (SelfProbe *self, guint8 family, guint16 port, gboolean is_tls, guint limit_ms)
{
  const TurnConnectFetchWay way = { .variant = "self",
                                    .kind = TURN_CONNECT_PROBE_RECORD,
                                    .what = STUN_EXT_DETECT_WHAT_SELF,
                                    .family = family,
                                    .port = port,
                                    .is_tls = is_tls,
                                    .limit_ms = limit_ms };
  TurnConnectFetch *one = turn_connect_fetch_new (self->run, &way, fetched, self);

  if (one == NULL)
    return;
  g_ptr_array_add (self->fetches, one);
  self->n_pending++;
}

static SelfProbe *
self_probe_new (TurnConnectRun *run, TurnConnectFamilyId id)
{
  SelfProbe *self = g_new0 (SelfProbe, 1);

  self->run = run;
  self->id = id;
  self->fetches = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_fetch_free);
  return self;
}

static gpointer
at_work (SelfProbe *self)
{
  if (self->n_pending > 0)
    return self;
  turn_connect_self_probe_stop (self);
  return NULL;
}

gpointer
turn_connect_self_probe_start (TurnConnectRun *run)
{
  SelfProbe *self = self_probe_new (run, TURN_CONNECT_FAMILY_SELF);

  for (guint8 family = 4; family <= 6; family += 2) {
    fetch (self, family, 80, FALSE, LIMIT_MS);
    fetch (self, family, 443, TRUE, LIMIT_MS);
  }
  return at_work (self);
}

gpointer
turn_connect_self_probe_start_proxied (TurnConnectRun *run)
{
  SelfProbe *self = self_probe_new (run, TURN_CONNECT_FAMILY_SELF_PROXY);

  if (turn_connect_run_has_proxy (run) && !turn_connect_run_is_proxy_login_wrong (run))
    fetch (self, 0, 443, TRUE, LIMIT_MS);
  return at_work (self);
}

gboolean
turn_connect_self_probe_is_known (TurnConnectRun *run)
{
  return turn_connect_run_get_observations (run)->listeners->len > 0;
}

/* The usual ways had their time, and another port has proven to lead there; a packet lost must not
 * bring the other way about. */
gboolean
turn_connect_self_probe_is_late (TurnConnectRun *run)
{
  const GPtrArray *probes = turn_connect_run_get_observations (run)->probes;
  gboolean has_way = FALSE;

  for (guint i = 0; i < probes->len && !has_way; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    has_way =
        probe->kind == TURN_CONNECT_PROBE_PORT && probe->outcome == TURN_CONNECT_OUTCOME_PROOF;
  }
  return turn_connect_self_probe_is_known (run) ||
         (has_way && turn_connect_run_get_now (run) > LATE_US);
}

/* By ports that proved to lead there, if the usual ways did not. */
gpointer
turn_connect_self_probe_start_late (TurnConnectRun *run)
{
  SelfProbe *self = self_probe_new (run, TURN_CONNECT_FAMILY_SELF_LATE);
  const GPtrArray *probes = turn_connect_run_get_observations (run)->probes;
  guint n = probes->len;

  for (guint i = 0; i < n && !turn_connect_self_probe_is_known (run); i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PORT && probe->outcome == TURN_CONNECT_OUTCOME_PROOF &&
        self->n_pending < LATE_WAYS_MAX)
      fetch (self, probe->family, probe->target.port, FALSE, LATE_LIMIT_MS);
  }
  return at_work (self);
}

void
turn_connect_self_probe_stop (gpointer state)
{
  SelfProbe *self = state;

  g_ptr_array_unref (self->fetches);
  g_free (self);
}
