/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver of choice-core.c: trials, a session, the network, and the memory.
 */
#include "tep-c/choice.h"

#include "tep-c/choice-core.h"
#include "tep-c/choice-file.h"
#include "tep-c/choice-memory.h"
#include "tep-c/choice-session.h"
#include "tep-c/choice-trials.h"
#include "tep-c/choice-ways.h"
#include "tep-c/session-private.h"
#include "turn-connect/network-watch.h"
#include "turn-connect/network.h"

typedef struct {
  TepClientChoiceEvent event;
  gint way;
} Happened;

struct _TepClientChoice {
  GObject parent_instance;
  GMainContext *context;
  TepClientOptions *options;
  GPtrArray *ways; /* TepClientWay */
  char *server;    /* as it is remembered: whatever way it is, who was asked is part of it */
  TepClientChoiceCore core;
  TepClientChoiceMemory *memory;
  TepClientChoiceFile *file; /* NULL: none */
  TurnConnectNetwork network;
  TurnConnectNetworkWatch *watch;
  TepClientChoiceTrials *trials;
  TepClientSession *session;
  GSource *timer;
  GArray *happened; /* Happened, not done anything about yet */
  gboolean is_stepping;
  guint generation; /* how often it was ended */
  gint64 began_us;
  gint64 took_us;
  GString *reason;
  char *cause; /* why the session's last attempt failed */
};

G_DEFINE_FINAL_TYPE (TepClientChoice, tep_client_choice, G_TYPE_OBJECT)

enum {
  CHOSEN,
  SESSION_CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void step (TepClientChoice *self, TepClientChoiceEvent event, gint way);

static const TepClientWay *
get_way (TepClientChoice *self, gint way)
{
  return way >= 0 && (guint)way < self->ways->len ? g_ptr_array_index (self->ways, way) : NULL;
}

/* Remembering */

static gint64
now_s (void)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

static gint
recall (TepClientChoice *self)
{
  TepClientChoicePlace place = { self->server, self->network };

  return tep_client_ways_find (self->ways,
                               tep_client_choice_memory_find (self->memory, &place, now_s ()));
}

static void
remember (TepClientChoice *self, const char *method)
{
  g_auto (TurnConnectNetwork) now = { 0 };
  TepClientChoicePlace place = { self->server, self->network };

  /* By now the gateway's link address is known: it was just gone through. */
  turn_connect_network_look (&now, self->options->interface);
  if (turn_connect_network_equal (&self->network, &now) && self->network.hardware == NULL)
    self->network.hardware = g_strdup (now.hardware);
  place.network.hardware = self->network.hardware;
  if (method != NULL)
    tep_client_choice_memory_keep (self->memory, &place, method, now_s ());
  else
    tep_client_choice_memory_forget (self->memory, &place);
  if (self->file != NULL)
    tep_client_choice_file_save (self->file, self->memory);
}

/* Trials */

static void
told (TepClientChoiceEvent event, gint way, gpointer data)
{
  step (data, event, way);
}

/* The session */

/* A connection that is lost is made again in a moment; that it cannot be is what counts. */
static void
session_changed (
    TepClientSession *session, int before, int now, const GError *cause, TepClientChoice *self)
{
  if (session != self->session)
    return;
  if (now == TEP_CLIENT_STATE_OPEN) {
    step (self, TEP_CLIENT_CHOICE_SESSION_OPEN, TEP_CLIENT_CHOICE_NO_WAY);
    return;
  }
  if (now != TEP_CLIENT_STATE_CLOSED &&
      (now != TEP_CLIENT_STATE_WAITING || before == TEP_CLIENT_STATE_OPEN))
    return;
  g_free (self->cause);
  self->cause = g_strdup (cause != NULL ? cause->message : NULL);
  step (self, tep_client_choice_judge_failure (now, cause), TEP_CLIENT_CHOICE_NO_WAY);
}

static void
progressed (TepClientSession *session,
            const char *what,
            const char *detail,
            guint64 elapsed_us,
            TepClientChoice *self)
{
  TepClientChoiceEvent event = tep_client_choice_judge_progress (what);

  if (session == self->session && event != TEP_CLIENT_CHOICE_N_EVENTS)
    step (self, event, TEP_CLIENT_CHOICE_NO_WAY);
}

static void
put_session (TepClientChoice *self, TepClientSession *session)
{
  g_autoptr (TepClientSession) old = g_steal_pointer (&self->session);

  self->session = session;
  if (session == NULL && old == NULL)
    return;
  g_signal_emit (self, signals[SESSION_CHANGED], 0);
  if (old != NULL) {
    g_signal_handlers_disconnect_by_data (old, self);
    tep_client_session_close (old);
  }
}

static void
dial (TepClientChoice *self)
{
  const TepClientWay *way = get_way (self, self->core.way);
  g_autoptr (GError) error = NULL;
  TepClientSession *session;

  if (self->session != NULL &&
      tep_client_session_get_state (self->session) != TEP_CLIENT_STATE_CLOSED) {
    if (!tep_client_session_take_way (self->session, way->options, &error))
      g_warning ("%s: %s", way->name, error->message);
    return;
  }
  session = tep_client_session_new (way->options);
  g_signal_connect (session, "state-changed", G_CALLBACK (session_changed), self);
  g_signal_connect (session, "progress", G_CALLBACK (progressed), self);
  put_session (self, session);
  if (self->session == session)
    tep_client_session_open (session);
}

/* Telling */

static void
tell (TepClientChoice *self)
{
  const TepClientWay *way = get_way (self, self->core.chosen);

  self->took_us = g_get_monotonic_time () - self->began_us;
  tep_client_choice_core_explain (&self->core, self->options->host, way != NULL ? way->name : NULL,
                                  self->cause, self->reason);
  tep_client_choice_trials_explain (self->trials, self->reason);
  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "MESSAGE", "choice for %s after %u ms: %s",
                    self->options->host, (guint)(self->took_us / 1000), self->reason->str);
  g_signal_emit (self, signals[CHOSEN], 0);
}

/* Steps */

static gboolean
timer_dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  g_source_set_ready_time (source, -1);
  return callback (data);
}

static GSourceFuncs timer_funcs = { .dispatch = timer_dispatch };

static gboolean
timer_due (gpointer data)
{
  g_autoptr (TepClientChoice) self = g_object_ref (data);

  step (self, TEP_CLIENT_CHOICE_TIME, TEP_CLIENT_CHOICE_NO_WAY);
  return G_SOURCE_CONTINUE;
}

static void
arm (TepClientChoice *self)
{
  gint64 when = self->core.deadline_us;

  if (self->timer == NULL) {
    self->timer = g_source_new (&timer_funcs, sizeof (GSource));
    g_source_set_static_name (self->timer, "tep-c choice");
    g_source_set_callback (self->timer, timer_due, self, NULL);
    g_source_attach (self->timer, self->context);
  }
  g_source_set_ready_time (self->timer, when == G_MAXINT64 ? -1 : when);
}

static void
act (TepClientChoice *self, guint actions)
{
  guint generation = self->generation;

  if ((actions & TEP_CLIENT_CHOICE_FORGET) != 0)
    remember (self, NULL);
  if ((actions & TEP_CLIENT_CHOICE_STOP_DIRECT) != 0)
    tep_client_choice_trials_stop_direct (self->trials);
  if ((actions & TEP_CLIENT_CHOICE_STOP_TUNNELS) != 0)
    tep_client_choice_trials_stop_tunnels (self->trials);
  if ((actions & TEP_CLIENT_CHOICE_TRY_DIRECT) != 0)
    tep_client_choice_trials_try_direct (self->trials);
  if ((actions & TEP_CLIENT_CHOICE_TRY_TUNNELS) != 0)
    tep_client_choice_trials_try_tunnels (self->trials);
  if ((actions & TEP_CLIENT_CHOICE_REMEMBER) != 0)
    remember (self, get_way (self, self->core.chosen)->name);
  /* From here on somebody is told, and may end everything. */
  if ((actions & TEP_CLIENT_CHOICE_DROP) != 0)
    put_session (self, NULL);
  if (generation == self->generation && (actions & TEP_CLIENT_CHOICE_DIAL) != 0)
    dial (self);
  if (generation == self->generation && (actions & TEP_CLIENT_CHOICE_TELL) != 0)
    tell (self);
}

static guint
advance (TepClientChoice *self, TepClientChoiceEvent event, gint way)
{
  gint64 now_us = g_get_monotonic_time ();
  gboolean was_nothing = self->core.state == TEP_CLIENT_CHOICE_NOTHING;
  guint actions = tep_client_choice_core_step (&self->core, event, way, now_us);

  if (event == TEP_CLIENT_CHOICE_BEGUN || (actions & TEP_CLIENT_CHOICE_FORGET) != 0 ||
      (was_nothing && self->core.state == TEP_CLIENT_CHOICE_CHOOSING))
    self->began_us = now_us;
  arm (self);
  return actions;
}

/* What happens while something is done about what happened before waits for its turn. */
static void
step (TepClientChoice *self, TepClientChoiceEvent event, gint way)
{
  g_autoptr (TepClientChoice) hold = g_object_ref (self);
  const Happened happened = { event, way };

  g_array_append_val (self->happened, happened);
  if (self->is_stepping)
    return;
  self->is_stepping = TRUE;
  while (self->happened->len > 0) {
    const Happened next = g_array_index (self->happened, Happened, 0);

    g_array_remove_index (self->happened, 0);
    act (self, advance (self, next.event, next.way));
  }
  self->is_stepping = FALSE;
}

/* The network */

static void
network_changed (gpointer data)
{
  g_autoptr (TepClientChoice) self = g_object_ref (data);
  g_auto (TurnConnectNetwork) now = { 0 };
  StunExtAddress local;

  turn_connect_network_look (&now, self->options->interface);
  if (!turn_connect_network_equal (&self->network, &now)) {
    turn_connect_network_clear (&self->network);
    self->network = now;
    now = (TurnConnectNetwork){ 0 };
    g_clear_pointer (&self->cause, g_free);
    step (self, TEP_CLIENT_CHOICE_BEGUN, recall (self));
  } else if (self->session != NULL &&
             (tep_client_session_get_state (self->session) == TEP_CLIENT_STATE_WAITING ||
              (tep_client_session_get_local_address (self->session, &local) &&
               !turn_connect_network_has_address (&local))))
    tep_client_session_network_changed (self->session);
}

/* What its owner says */

gboolean
tep_client_choice_begin (TepClientChoice *choice, GError **error)
{
  g_autoptr (TurnConnectTarget) target = NULL;

  g_return_val_if_fail (choice->core.state == TEP_CLIENT_CHOICE_IDLE, FALSE);
  if (!tep_client_options_check (choice->options, error))
    return FALSE;
  for (guint i = TEP_CLIENT_CHOICE_DIRECT_WAY + 1; i < choice->ways->len; i++) {
    g_clear_object (&target);
    target = tep_client_session_make_target (get_way (choice, (gint)i)->options, error);
    if (target == NULL)
      return FALSE;
  }
  tep_client_choice_core_init (&choice->core, choice->ways->len,
                               tep_client_choice_trials_may_try_direct (choice->trials),
                               tep_client_ways_are_proxied (choice->options));
  turn_connect_network_clear (&choice->network);
  turn_connect_network_look (&choice->network, choice->options->interface);
  choice->watch = turn_connect_network_watch_new (network_changed, choice);
  step (choice, TEP_CLIENT_CHOICE_BEGUN, recall (choice));
  return TRUE;
}

void
tep_client_choice_end (TepClientChoice *choice)
{
  g_autoptr (TepClientChoice) hold = g_object_ref (choice);

  choice->generation++;
  g_array_set_size (choice->happened, 0);
  g_clear_pointer (&choice->watch, turn_connect_network_watch_free);
  act (choice, advance (choice, TEP_CLIENT_CHOICE_ENDED, TEP_CLIENT_CHOICE_NO_WAY));
}

void
tep_client_choice_failed (TepClientChoice *choice)
{
  step (choice, TEP_CLIENT_CHOICE_USE_FAILED, TEP_CLIENT_CHOICE_NO_WAY);
}

void
tep_client_choice_set_direct_port (TepClientChoice *choice, guint16 port)
{
  tep_client_choice_trials_set_direct_port (choice->trials, port);
}

gboolean
tep_client_choice_set_file (TepClientChoice *choice, const char *path, GError **error)
{
  TepClientChoiceFile *file = tep_client_choice_file_open (path, error);

  if (file == NULL)
    return FALSE;
  g_clear_pointer (&choice->file, tep_client_choice_file_free);
  choice->file = file;
  tep_client_choice_file_load (file, choice->memory, now_s ());
  return TRUE;
}

void
tep_client_choice_get_report (TepClientChoice *choice, TepClientChoiceReport *report)
{
  const TepClientWay *way = get_way (choice, choice->core.chosen);

  *report = (TepClientChoiceReport){
    .path = way == NULL            ? TEP_CLIENT_PATH_NONE
            : way->options == NULL ? TEP_CLIENT_PATH_DIRECT
                                   : TEP_CLIENT_PATH_TUNNEL,
    .method = way != NULL ? way->name : NULL,
    .is_remembered = way != NULL && choice->core.is_remembered,
    .reason = choice->reason->str,
    .took_us = choice->took_us,
  };
}

TepClientSession *
tep_client_choice_get_session (TepClientChoice *choice)
{
  return choice->session;
}

/* Life */

static void
tep_client_choice_dispose (GObject *object)
{
  TepClientChoice *self = TEP_CLIENT_CHOICE (object);

  if (self->core.state != TEP_CLIENT_CHOICE_IDLE)
    tep_client_choice_end (self);
  if (self->timer != NULL)
    g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
  G_OBJECT_CLASS (tep_client_choice_parent_class)->dispose (object);
}

static void
tep_client_choice_finalize (GObject *object)
{
  TepClientChoice *self = TEP_CLIENT_CHOICE (object);

  turn_connect_network_clear (&self->network);
  g_clear_pointer (&self->trials, tep_client_choice_trials_free);
  g_clear_pointer (&self->file, tep_client_choice_file_free);
  tep_client_choice_memory_free (self->memory);
  g_clear_pointer (&self->ways, g_ptr_array_unref);
  tep_client_options_free (self->options);
  g_free (self->server);
  g_array_unref (self->happened);
  g_string_free (self->reason, TRUE);
  g_free (self->cause);
  g_main_context_unref (self->context);
  G_OBJECT_CLASS (tep_client_choice_parent_class)->finalize (object);
}

static void
tep_client_choice_class_init (TepClientChoiceClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = tep_client_choice_dispose;
  G_OBJECT_CLASS (class)->finalize = tep_client_choice_finalize;
  signals[CHOSEN] =
      g_signal_new ("chosen", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SESSION_CHANGED] = g_signal_new ("session-changed", type, G_SIGNAL_RUN_LAST, 0, NULL,
                                           NULL, NULL, G_TYPE_NONE, 0);
}

static void
tep_client_choice_init (TepClientChoice *self)
{
  self->context = g_main_context_ref_thread_default ();
  self->memory = tep_client_choice_memory_new ();
  self->happened = g_array_new (FALSE, FALSE, sizeof (Happened));
  self->reason = g_string_new ("nothing was tried yet");
}

TepClientChoice *
tep_client_choice_new (const TepClientOptions *options)
{
  TepClientChoice *self = g_object_new (TEP_CLIENT_TYPE_CHOICE, NULL);

  self->options = tep_client_options_copy (options);
  self->ways = tep_client_ways_new (options);
  self->server = g_strdup_printf ("%s:%u", options->host, options->port);
  self->trials = tep_client_choice_trials_new (self->options, self->ways, &self->core, told, self);
  tep_client_choice_core_init (&self->core, self->ways->len, TRUE, FALSE);
  return self;
}
