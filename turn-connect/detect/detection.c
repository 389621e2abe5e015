/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The front of detection: takes what is asked for, lets one run do it, and keeps what came of it.
 */
#include "turn-connect/detect/detection.h"

#include "turn-connect/detect/run-private.h"
#include "turn-connect/error.h"
#include "turn-connect/secret-file.h"
#include "turn-connect/target-private.h"

#include <net/if.h>

struct _TurnConnectDetection {
  GObject parent_instance;
  TurnConnectPlan plan;
  gboolean is_turn_named;
  TurnConnectRun *run; /* NULL: does not run */
  GTask *task;
  GSource *cancelled;
  TurnConnectObservations *observations;
  TurnConnectVerdict *verdict;
};

G_DEFINE_FINAL_TYPE (TurnConnectDetection, turn_connect_detection, G_TYPE_OBJECT)

enum {
  PROGRESS,
  METHOD_WORKS,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* What firewalls treat differently: STUN, the web and QUIC, DNS, SIP, and a port that nobody knows. */
static const guint16 udp_ports[] = { 3478, 443, 53, 5060, 40000 };
static const guint16 tcp_ports[] = { 80, 443, 3478, 5060, 5061, 5349, 40000 };
/* Keep-alive intervals in use, what RFC 4787 section 4.3 demands, and the longest of a far end. */
static const guint ladder_s[] = { 15, 30, 45, 60, 90, 120, 180, 300 };

static void
add_port (GArray *ports, guint16 port)
{
  for (guint i = 0; i < ports->len; i++) {
    if (g_array_index (ports, guint16, i) == port)
      return;
  }
  g_array_append_val (ports, port);
}

static GArray *
make_ports (guint16 named, const guint16 *usual, gsize n)
{
  GArray *ports = g_array_new (FALSE, FALSE, sizeof (guint16));

  add_port (ports, named);
  for (gsize i = 0; i < n; i++)
    add_port (ports, usual[i]);
  return ports;
}

static void
end_run (TurnConnectDetection *self)
{
  GHashTableIter iter;
  gpointer key, value;

  turn_connect_run_clear_source (&self->cancelled);
  self->observations = turn_connect_run_steal_observations (self->run);
  g_hash_table_iter_init (&iter, self->plan.facts);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (self->observations->facts, g_strdup (key), g_strdup (value));
  self->verdict = turn_connect_classify (self->observations);
  g_clear_pointer (&self->run, turn_connect_run_free);
}

static void
run_done (gpointer data)
{
  TurnConnectDetection *self = data;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  end_run (self);
  g_task_return_boolean (task, TRUE);
}

static gboolean
run_cancelled (GCancellable *cancellable, gpointer data)
{
  TurnConnectDetection *self = data;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  end_run (self);
  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
run_goes_on (const char *doing, const TurnConnectProbe *probe, gpointer data)
{
  g_signal_emit (data, signals[PROGRESS], 0, doing, probe);
}

static void
method_works (const TurnConnectProbe *probe, gpointer data)
{
  g_signal_emit (data, signals[METHOD_WORKS], 0, probe->variant, probe->proof);
}

static void
forget (TurnConnectDetection *self)
{
  g_clear_pointer (&self->verdict, turn_connect_verdict_free);
  g_clear_pointer (&self->observations, turn_connect_observations_free);
}

void
turn_connect_detection_run_async (TurnConnectDetection *detection,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_return_if_fail (detection->run == NULL);
  forget (detection);
  detection->task = g_task_new (detection, cancellable, callback, user_data);
  g_task_set_check_cancellable (detection->task, FALSE);
  detection->run =
      turn_connect_run_new (&detection->plan, run_goes_on, method_works, run_done, detection);
  if (cancellable == NULL)
    return;
  detection->cancelled = g_cancellable_source_new (cancellable);
  g_source_set_callback (detection->cancelled, G_SOURCE_FUNC (run_cancelled), detection, NULL);
  g_source_attach (detection->cancelled, turn_connect_run_get_context (detection->run));
}

gboolean
turn_connect_detection_run_finish (TurnConnectDetection *detection,
                                   GAsyncResult *result,
                                   GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

const TurnConnectObservations *
turn_connect_detection_get_observations (TurnConnectDetection *detection)
{
  return detection->observations;
}

const TurnConnectVerdict *
turn_connect_detection_get_verdict (TurnConnectDetection *detection)
{
  return detection->verdict;
}

void
turn_connect_detection_set_family (TurnConnectDetection *detection, guint family)
{
  g_return_if_fail (family == 0 || family == 4 || family == 6);
  detection->plan.family = family;
}

gboolean
turn_connect_detection_set_interface (TurnConnectDetection *detection,
                                      const char *name,
                                      GError **error)
{
  if (name != NULL && if_nametoindex (name) == 0) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                 "there is no network interface “%s”", name);
    return FALSE;
  }
  g_free (detection->plan.interface);
  detection->plan.interface = g_strdup (name);
  turn_connect_target_set_interface (detection->plan.target, name);
  return TRUE;
}

void
turn_connect_detection_set_credentials (TurnConnectDetection *detection,
                                        const char *user,
                                        const char *password)
{
  g_free (detection->plan.user);
  turn_connect_secret_free (detection->plan.password);
  detection->plan.user = g_strdup (user);
  detection->plan.password = g_strdup (password);
}

void
turn_connect_detection_set_deep (TurnConnectDetection *detection, gboolean is_deep)
{
  detection->plan.is_deep = is_deep;
}

gboolean
turn_connect_detection_set_ladder (TurnConnectDetection *detection, const guint *seconds, guint n)
{
  if (n == 0 || n > TURN_CONNECT_LADDER_MAX)
    return FALSE;
  for (guint i = 0; i < n; i++) {
    if (seconds[i] == 0 || seconds[i] > STUN_EXT_DETECT_DELAY_MAX_S ||
        (i > 0 && seconds[i] <= seconds[i - 1]))
      return FALSE;
  }
  g_array_set_size (detection->plan.ladder, 0);
  g_array_append_vals (detection->plan.ladder, seconds, n);
  return TRUE;
}

void
turn_connect_detection_set_probes (TurnConnectDetection *detection, TurnConnectProbeSet sets)
{
  detection->plan.sets = sets;
}

void
turn_connect_detection_set_methods (TurnConnectDetection *detection, const char *const *names)
{
  g_strfreev (detection->plan.methods);
  detection->plan.methods = g_strdupv ((char **)names);
}

void
turn_connect_detection_set_first_method (TurnConnectDetection *detection,
                                         gboolean is_wanted,
                                         guint grace_ms)
{
  detection->plan.is_first_wanted = is_wanted;
  detection->plan.grace_us = (gint64)grace_ms * 1000;
}

void
turn_connect_detection_set_direct_port (TurnConnectDetection *detection, guint16 port)
{
  detection->plan.direct_port = port;
}

/* Which carrier's way a transport is tried by; NONE for none. */
static TurnConnectCarry
carry_of (TurnConnectTransport transport)
{
  switch (transport) {
  case TURN_CONNECT_TRANSPORT_UDP:
    return TURN_CONNECT_CARRY_UDP;
  case TURN_CONNECT_TRANSPORT_TCP:
    return TURN_CONNECT_CARRY_TCP;
  case TURN_CONNECT_TRANSPORT_TLS:
    return TURN_CONNECT_CARRY_TLS;
  default:
    return TURN_CONNECT_CARRY_NONE;
  }
}

void
turn_connect_detection_set_turn (TurnConnectDetection *detection, const TurnConnectUri *uri)
{
  TurnConnectTransport transports[TURN_CONNECT_N_TRANSPORTS];
  guint n = turn_connect_uri_get_transports (uri, transports);
  TurnConnectPlannedTurn *turn = detection->plan.turn;

  if (!detection->is_turn_named)
    for (guint i = 0; i < TURN_CONNECT_N_CARRIES; i++)
      turn[i].is_off = TRUE;
  detection->is_turn_named = TRUE;
  for (guint i = 0; i < n; i++) {
    TurnConnectCarry carry = carry_of (transports[i]);

    if (carry == TURN_CONNECT_CARRY_NONE)
      continue;
    g_free (turn[carry].host);
    turn[carry] = (TurnConnectPlannedTurn){ .host = g_strdup (turn_connect_uri_get_host (uri)),
                                            .port = turn_connect_uri_get_effective_port (uri) };
  }
}

void
turn_connect_detection_add_method (TurnConnectDetection *detection,
                                   const TurnConnectTrialWay *way,
                                   gpointer user_data)
{
  const TurnConnectPlannedWay planned = { *way, user_data };

  if (detection->plan.ways == NULL)
    detection->plan.ways = g_array_new (FALSE, FALSE, sizeof planned);
  g_array_append_val (detection->plan.ways, planned);
}

void
turn_connect_detection_set_fact (TurnConnectDetection *detection,
                                 const char *key,
                                 const char *value)
{
  g_return_if_fail (detection->run == NULL);
  g_hash_table_insert (detection->plan.facts, g_strdup (key), g_strdup (value));
}

TurnConnectDetection *
turn_connect_detection_new (TurnConnectTarget *target)
{
  TurnConnectDetection *self = g_object_new (TURN_CONNECT_TYPE_DETECTION, NULL);

  self->plan.target = turn_connect_target_copy (target);
  self->plan.ladder = g_array_new (FALSE, FALSE, sizeof (guint));
  g_array_append_vals (self->plan.ladder, ladder_s, G_N_ELEMENTS (ladder_s));
  self->plan.sets = TURN_CONNECT_PROBE_SET_ALL;
  self->plan.facts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->plan.udp_ports = make_ports (target->port, udp_ports, G_N_ELEMENTS (udp_ports));
  self->plan.tcp_ports = make_ports (target->port, tcp_ports, G_N_ELEMENTS (tcp_ports));
  return self;
}

static void
turn_connect_detection_finalize (GObject *object)
{
  TurnConnectDetection *self = TURN_CONNECT_DETECTION (object);
  TurnConnectPlan *plan = &self->plan;

  forget (self);
  g_clear_object (&plan->target);
  g_free (plan->interface);
  g_free (plan->user);
  turn_connect_secret_free (plan->password);
  g_clear_pointer (&plan->ladder, g_array_unref);
  g_clear_pointer (&plan->udp_ports, g_array_unref);
  g_clear_pointer (&plan->tcp_ports, g_array_unref);
  g_clear_pointer (&plan->ways, g_array_unref);
  g_strfreev (plan->methods);
  g_clear_pointer (&plan->facts, g_hash_table_unref);
  for (guint i = 0; i < TURN_CONNECT_N_CARRIES; i++)
    g_free (plan->turn[i].host);
  G_OBJECT_CLASS (turn_connect_detection_parent_class)->finalize (object);
}

static void
turn_connect_detection_class_init (TurnConnectDetectionClass *class)
{
  G_OBJECT_CLASS (class)->finalize = turn_connect_detection_finalize;
  signals[PROGRESS] =
      g_signal_new ("progress", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                    G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_POINTER);
  signals[METHOD_WORKS] =
      g_signal_new ("method-works", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                    NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_INT);
}

static void
turn_connect_detection_init (TurnConnectDetection *self)
{
}
