/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which proxies are known here and from where, which ports each lets CONNECT through to, whom it wants
 * to know for that, and whether TLS inside ends at the far end. A proxy that does not take our password
 * is asked no more: some lock a user out who was wrong a few times.
 */
#include "turn-connect/detect/exporter.h"
#include "turn-connect/detect/proxy-ask.h"
#include "turn-connect/error-private.h"
#include "turn-connect/proxy/finder.h"
#include "turn-connect/proxy/lease.h"
#include "turn-connect/target-private.h"

#include <string.h>

#define FIND_US 2500000 /* the system's settings may have to be asked over a bus */
#define EXPORTER_MS 3500
#define PROXIES_MAX 3
#define FIRST_PORT 443 /* the one that proxies allow */
#define ROUNDS 5       /* as classify-content.c wants them */

static const guint16 further_ports[] = { 80, 3478, 5349, 5060, 5061, 40000 };

typedef struct _ProxyProbe ProxyProbe;

/* One proxy. */
typedef struct {
  ProxyProbe *owner;
  TurnConnectTarget *target;
  const TurnConnectProbe *first; /* CONNECT to the first port, once it ended */
  TurnConnectOutcome tls;        /* the exporters' comparison, once it ended */
  gboolean is_compared;
} Candidate;

struct _ProxyProbe {
  TurnConnectRun *run;
  TurnConnectProbe *source; /* where proxies are named */
  GCancellable *cancellable;
  GSource *limit;
  GPtrArray *candidates; /* Candidate */
  GPtrArray *asks;       /* TurnConnectProxyAsk */
  GPtrArray *exporters;  /* TurnConnectExporter */
  GPtrArray *fetches;    /* TurnConnectFetch */
  guint n_pending;
  gboolean is_stopped;
};

static void
one_is_over (ProxyProbe *self)
{
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_PROXY);
}

static void
candidate_free (gpointer data)
{
  Candidate *candidate = data;

  g_object_unref (candidate->target);
  g_free (candidate);
}

/* Asking one */

static void
ask (Candidate *candidate,
     TurnConnectProbeKind kind,
     const char *variant,
     guint16 port,
     TurnConnectProxyAskedFunc asked)
{
  const TurnConnectProxyQuestion question = { .variant = variant,
                                              .kind = kind,
                                              .target = candidate->target,
                                              .port = port,
                                              .is_anonymous = strcmp (variant, "anonymous") == 0 };

  candidate->owner->n_pending++;
  g_ptr_array_add (candidate->owner->asks,
                   turn_connect_proxy_ask_new (candidate->owner->run, &question, asked, candidate));
}

static void
asked_further (const TurnConnectProbe *probe, gpointer data)
{
  one_is_over (((Candidate *)data)->owner);
}

static TurnConnectOutcome
fetched (TurnConnectProbe *probe,
         TurnConnectOutcome outcome,
         const char *body,
         gsize length,
         TurnConnectStream *stream,
         gpointer data)
{
  one_is_over (data);
  return outcome;
}

/* TLS passes inside, and STUN does not: repeated side by side, so that chance is no explanation. */
static void
compare_contents (Candidate *candidate)
{
  ProxyProbe *self = candidate->owner;
  const TurnConnectFetchWay way = { .variant = "tls",
                                    .kind = TURN_CONNECT_PROBE_PAYLOAD,
                                    .what = STUN_EXT_DETECT_WHAT_ECHO,
                                    .port = FIRST_PORT,
                                    .is_tls = TRUE,
                                    .is_blind = TRUE,
                                    .limit_ms = EXPORTER_MS };

  for (guint i = 0; i < ROUNDS; i++) {
    TurnConnectFetch *fetch = turn_connect_fetch_new (self->run, &way, fetched, self);

    if (fetch == NULL)
      return;
    g_ptr_array_add (self->fetches, fetch);
    self->n_pending++;
    ask (candidate, TURN_CONNECT_PROBE_PAYLOAD, "stun", FIRST_PORT, asked_further);
  }
}

static gboolean
is_let_through (const TurnConnectProbe *probe)
{
  return g_strcmp0 (turn_connect_probe_get_fact (probe, "connect"), "allowed") == 0;
}

static void
both_are_over (Candidate *candidate)
{
  if (candidate->first == NULL || !candidate->is_compared)
    return;
  if (candidate->tls == TURN_CONNECT_OUTCOME_PROOF && is_let_through (candidate->first) &&
      !turn_connect_probe_passed (candidate->first) &&
      candidate == g_ptr_array_index (candidate->owner->candidates, 0))
    compare_contents (candidate);
}

static void
compared (const TurnConnectProbe *probe, TurnConnectOutcome outcome, gpointer data)
{
  Candidate *candidate = data;

  candidate->is_compared = TRUE;
  candidate->tls = outcome;
  both_are_over (candidate);
  one_is_over (candidate->owner);
}

static void
compare_keys (Candidate *candidate)
{
  ProxyProbe *self = candidate->owner;
  TurnConnectExporter *exporter;

  candidate->is_compared = TRUE;
  /* What is fetched through a proxy goes through the first. */
  if (candidate != g_ptr_array_index (self->candidates, 0))
    return;
  exporter = turn_connect_exporter_new (self->run, 0, FIRST_PORT, EXPORTER_MS, compared, candidate);
  if (exporter == NULL)
    return;
  candidate->is_compared = FALSE;
  g_ptr_array_add (self->exporters, exporter);
  self->n_pending++;
}

/* Whether the proxy is worth asking for other ports. */
static gboolean
goes_on (const TurnConnectProbe *probe)
{
  static const char *const words[] = { "allowed", "refused", "upstream", "closed" };
  const char *said = turn_connect_probe_get_fact (probe, "connect");

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    if (g_strcmp0 (said, words[i]) == 0)
      return TRUE;
  }
  return FALSE;
}

static void
asked_first (const TurnConnectProbe *probe, gpointer data)
{
  Candidate *candidate = data;
  guint16 named = turn_connect_target_get_port (candidate->target);

  candidate->first = probe;
  if (goes_on (probe)) {
    gboolean is_new = named != FIRST_PORT;

    for (guint i = 0; i < G_N_ELEMENTS (further_ports); i++) {
      is_new = is_new && named != further_ports[i];
      ask (candidate, TURN_CONNECT_PROBE_PROXY, "connect", further_ports[i], asked_further);
    }
    if (is_new)
      ask (candidate, TURN_CONNECT_PROBE_PROXY, "connect", named, asked_further);
  }
  if (is_let_through (probe))
    compare_keys (candidate);
  else
    candidate->is_compared = TRUE;
  both_are_over (candidate);
  one_is_over (candidate->owner);
}

/* Which there are */

static void
add_candidate (ProxyProbe *self, TurnConnectTarget *target)
{
  Candidate *candidate = g_new0 (Candidate, 1);

  candidate->owner = self;
  candidate->target = target;
  g_ptr_array_add (self->candidates, candidate);
}

static void
ask_all (ProxyProbe *self)
{
  for (guint i = 0; i < self->candidates->len; i++) {
    Candidate *candidate = g_ptr_array_index (self->candidates, i);

    ask (candidate, TURN_CONNECT_PROBE_PROXY, "anonymous", FIRST_PORT, asked_further);
    ask (candidate, TURN_CONNECT_PROBE_PROXY, "connect", FIRST_PORT, asked_first);
  }
}

static void
end_source (ProxyProbe *self, TurnConnectOutcome outcome, const char *detail)
{
  turn_connect_run_clear_source (&self->limit);
  if (self->candidates->len == 0)
    turn_connect_run_set_proxy (self->run, NULL, FALSE);
  if (detail != NULL)
    self->source->detail = turn_connect_error_quote (detail, strlen (detail), 240);
  if (self->candidates->len > 0) {
    const Candidate *first = g_ptr_array_index (self->candidates, 0);

    self->source->via = g_strdup (first->target->proxy->url);
  }
  ask_all (self);
  turn_connect_run_end (self->run, self->source, outcome);
  one_is_over (self);
}

static gboolean
has_candidate (ProxyProbe *self, const TurnConnectProxy *proxy)
{
  for (guint i = 0; i < self->candidates->len; i++) {
    const Candidate *candidate = g_ptr_array_index (self->candidates, i);

    if (strcmp (candidate->target->proxy->url, proxy->url) == 0)
      return TRUE;
  }
  return FALSE;
}

/* The network itself may have named a configuration file when it gave out the address. Here it is only
 * said that it is the one @used, or that there is one where nobody names a proxy: who wants it to be
 * used asks proxy/learn.h before a run. */
static void
note_lease (ProxyProbe *self, const char *used)
{
  g_autofree char *url = turn_connect_lease_find_pac (
      "/", turn_connect_run_get_plan (self->run)->interface, g_get_real_time () / G_USEC_PER_SEC);
  g_autofree char *quoted = NULL;

  if (url == NULL || (used != NULL && strcmp (url, used) != 0))
    return;
  quoted = turn_connect_error_quote (url, strlen (url), strlen (url));
  turn_connect_probe_set_fact (self->source, "dhcp-pac", quoted);
}

static void
take_ways (ProxyProbe *self, GPtrArray *ways, gboolean is_told)
{
  TurnConnectTarget *model = turn_connect_run_get_plan (self->run)->target;
  gboolean is_direct_first = ways->len > 0 && g_ptr_array_index (ways, 0) == NULL;

  for (guint i = 0; i < ways->len && self->candidates->len < PROXIES_MAX; i++) {
    TurnConnectProxy *proxy = g_ptr_array_index (ways, i);
    TurnConnectTarget *target;

    if (proxy == NULL || has_candidate (self, proxy))
      continue;
    if (self->candidates->len == 0)
      turn_connect_run_set_proxy (self->run, proxy, is_told);
    target = turn_connect_target_copy (model);
    turn_connect_target_take_way (target, proxy, is_told);
    add_candidate (self, target);
  }
  if (self->candidates->len == 0) {
    if (model->pac_url == NULL)
      note_lease (self, NULL);
    end_source (self, TURN_CONNECT_OUTCOME_SKIPPED, "no proxy is named");
  } else
    end_source (self, TURN_CONNECT_OUTCOME_ANSWER,
                is_direct_first ? "the direct way is named before it" : NULL);
}

static void
found (GObject *object, GAsyncResult *result, gpointer data)
{
  ProxyProbe *self = data;
  g_autoptr (GError) error = NULL;
  gboolean is_told = FALSE;
  g_autoptr (GPtrArray) ways = turn_connect_find_ways_finish (result, &is_told, &error);

  if (self->is_stopped || self->source->outcome != TURN_CONNECT_OUTCOME_PENDING) {
    /* too late */
  } else if (ways == NULL)
    end_source (self, TURN_CONNECT_OUTCOME_FAILED, error->message);
  else {
    if (turn_connect_probe_get_fact (self->source, "source") == NULL)
      turn_connect_probe_set_fact (self->source, "source", is_told ? "system" : "environment");
    take_ways (self, ways, is_told);
  }
  g_rc_box_release (self);
}

static gboolean
found_nothing_in_time (gpointer data)
{
  ProxyProbe *self = data;

  g_cancellable_cancel (self->cancellable);
  end_source (self, TURN_CONNECT_OUTCOME_SILENCE, "who knows the proxies did not say in time");
  return G_SOURCE_REMOVE;
}

static void
find (ProxyProbe *self)
{
  TurnConnectTarget *target = turn_connect_run_get_plan (self->run)->target;
  const TurnConnectFinderRequest request = {
    .source = target->source,
    .pac_url = target->pac_url,
    .tls = target->proxy_tls,
    .host = target->host,
    .port = FIRST_PORT,
    .deadline = g_get_monotonic_time () + FIND_US,
  };

  self->limit = turn_connect_run_add_timer (self->run, FIND_US, found_nothing_in_time, self);
  turn_connect_find_ways_async (&request, self->cancellable, found, g_rc_box_acquire (self));
}

gboolean
turn_connect_proxy_probe_is_tried (TurnConnectRun *run)
{
  const GPtrArray *probes = turn_connect_run_get_observations (run)->probes;

  for (guint i = 0; i < probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (probe->kind == TURN_CONNECT_PROBE_PROXY && g_strcmp0 (probe->variant, "connect") == 0 &&
        (probe->connect_us >= 0 || probe->outcome != TURN_CONNECT_OUTCOME_PENDING))
      return TRUE;
  }
  return FALSE;
}

gpointer
turn_connect_proxy_probe_start (TurnConnectRun *run)
{
  /* By TurnConnectProxySource. */
  static const char *const sources[] = { NULL, "explicit", "environment", "system", "pac", NULL };
  TurnConnectTarget *target = turn_connect_run_get_plan (run)->target;
  ProxyProbe *self;

  if (target->source == TURN_CONNECT_PROXY_SOURCE_NONE)
    return NULL;
  self = g_rc_box_new0 (ProxyProbe);
  self->run = run;
  self->cancellable = g_cancellable_new ();
  self->candidates = g_ptr_array_new_with_free_func (candidate_free);
  self->asks = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_proxy_ask_free);
  self->exporters = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_exporter_free);
  self->fetches = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_fetch_free);
  self->n_pending = 1;
  self->source = turn_connect_run_begin (run, TURN_CONNECT_PROBE_PROXY, "source",
                                         TURN_CONNECT_CARRY_NONE, NULL);
  self->source->deadline_us += FIND_US;
  turn_connect_probe_set_fact (self->source, "source", sources[target->source]);
  if (target->pac_url != NULL)
    note_lease (self, target->pac_url);
  if (target->proxy != NULL) {
    add_candidate (self, turn_connect_target_copy (target));
    end_source (self, TURN_CONNECT_OUTCOME_ANSWER, NULL);
  } else
    find (self);
  return self;
}

void
turn_connect_proxy_probe_stop (gpointer state)
{
  ProxyProbe *self = state;

  self->is_stopped = TRUE;
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  turn_connect_run_clear_source (&self->limit);
  g_clear_pointer (&self->asks, g_ptr_array_unref);
  g_clear_pointer (&self->exporters, g_ptr_array_unref);
  g_clear_pointer (&self->fetches, g_ptr_array_unref);
  g_clear_pointer (&self->candidates, g_ptr_array_unref);
  g_rc_box_release (self);
}
