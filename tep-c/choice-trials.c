/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a way leads anywhere is asked of the detection that tep-detect has, of methods alone, and the
 * first that works ends it.
 */
#include "tep-c/choice-trials.h"

#include "stun-ext/credentials.h"
#include "tep-c/choice.h"
#include "tep-c/methods.h"
#include "tep-c/session-private.h"

typedef struct {
  TurnConnectDetection *detection; /* NULL: does not run */
  GCancellable *cancellable;
  TepClientChoiceEvent failed;
} Trial;

struct _TepClientChoiceTrials {
  GMainContext *context;
  const TepClientOptions *options;
  const GPtrArray *ways; /* TepClientWay */
  const TepClientChoiceCore *core;
  TepClientChoiceTrialsFunc told;
  gpointer user_data;
  guint16 direct_port;
  Trial direct, tunnels;
  GSource *trying; /* tunnels, in a moment */
};

static void
trial_stop (TepClientChoiceTrials *self, Trial *trial)
{
  if (trial->detection != NULL)
    g_signal_handlers_disconnect_by_data (trial->detection, self);
  if (trial->cancellable != NULL)
    g_cancellable_cancel (trial->cancellable);
  g_clear_object (&trial->cancellable);
  g_clear_object (&trial->detection);
}

static void
clear (gpointer data)
{
  TepClientChoiceTrials *self = data;

  g_main_context_unref (self->context);
}

/* Of one that was stopped nobody wants to hear; the trials may be freed by then, but for this. */
static void
trial_ended (GObject *source, GAsyncResult *result, gpointer data)
{
  TepClientChoiceTrials *self = data;
  Trial *both[] = { &self->direct, &self->tunnels };

  for (guint i = 0; i < G_N_ELEMENTS (both); i++) {
    if (both[i]->detection != TURN_CONNECT_DETECTION (source))
      continue;
    trial_stop (self, both[i]);
    self->told (both[i]->failed, TEP_CLIENT_CHOICE_NO_WAY, self->user_data);
    break;
  }
  g_rc_box_release_full (self, clear);
}

/* Somebody on the way may answer for everybody, and have media come to him that a tunnel would have kept from
 * him: UDP has to reach who knows the user's password. */
static void
direct_works (TurnConnectDetection *detection,
              const char *name,
              int proof,
              TepClientChoiceTrials *self)
{
  if (proof == TURN_CONNECT_PROOF_KEYED)
    self->told (TEP_CLIENT_CHOICE_DIRECT_WORKS, TEP_CLIENT_CHOICE_NO_WAY, self->user_data);
}

static void
tunnel_works (TurnConnectDetection *detection,
              const char *name,
              int proof,
              TepClientChoiceTrials *self)
{
  self->told (TEP_CLIENT_CHOICE_TUNNEL_WORKS, tep_client_ways_find (self->ways, name),
              self->user_data);
}

static TurnConnectDetection *
make_detection (TepClientChoiceTrials *self, gboolean is_tls)
{
  g_autoptr (TepClientOptions) options = tep_client_options_copy (self->options);
  g_autoptr (TurnConnectTarget) target = NULL;
  TurnConnectDetection *detection;

  options->is_tls = is_tls;
  target = tep_client_session_make_target (options, NULL);
  if (target == NULL)
    return NULL;
  detection = turn_connect_detection_new (target);
  turn_connect_detection_set_credentials (detection, options->user, options->password);
  turn_connect_detection_set_probes (detection, TURN_CONNECT_PROBE_SET_METHODS);
  turn_connect_detection_set_first_method (detection, TRUE, 0);
  return detection;
}

static void
trial_run (TepClientChoiceTrials *self,
           Trial *trial,
           TurnConnectDetection *detection,
           GCallback works)
{
  trial_stop (self, trial);
  trial->detection = detection;
  trial->cancellable = g_cancellable_new ();
  g_signal_connect (detection, "method-works", works, self);
  turn_connect_detection_run_async (detection, trial->cancellable, trial_ended,
                                    g_rc_box_acquire (self));
}

static gboolean
run_tunnels (gpointer data)
{
  TepClientChoiceTrials *self = data;
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  TurnConnectDetection *detection = make_detection (self, TRUE); /* methods may need it */

  g_clear_pointer (&self->trying, g_source_unref);
  if (detection == NULL)
    return G_SOURCE_REMOVE;
  for (guint i = TEP_CLIENT_CHOICE_DIRECT_WAY + 1; i < self->ways->len; i++) {
    const TepClientWay *way = g_ptr_array_index (self->ways, i);

    if ((gint)i == self->core->way || (self->core->refused & 1u << i) != 0)
      continue;
    tep_client_add_method (detection, way->name, way->options, 0);
    g_ptr_array_add (names, way->name);
  }
  g_ptr_array_add (names, NULL);
  turn_connect_detection_set_methods (detection, (const char *const *)names->pdata);
  trial_run (self, &self->tunnels, detection, G_CALLBACK (tunnel_works));
  return G_SOURCE_REMOVE;
}

TepClientChoiceTrials *
tep_client_choice_trials_new (const TepClientOptions *options,
                              const GPtrArray *ways,
                              const TepClientChoiceCore *core,
                              TepClientChoiceTrialsFunc told,
                              gpointer user_data)
{
  TepClientChoiceTrials *self = g_rc_box_new0 (TepClientChoiceTrials);

  self->context = g_main_context_ref_thread_default ();
  self->options = options;
  self->ways = ways;
  self->core = core;
  self->told = told;
  self->user_data = user_data;
  self->direct_port = TEP_CLIENT_CHOICE_DIRECT_PORT;
  self->direct.failed = TEP_CLIENT_CHOICE_DIRECT_FAILED;
  self->tunnels.failed = TEP_CLIENT_CHOICE_TUNNELS_FAILED;
  return self;
}

void
tep_client_choice_trials_free (TepClientChoiceTrials *trials)
{
  if (trials == NULL)
    return;
  tep_client_choice_trials_stop_direct (trials);
  tep_client_choice_trials_stop_tunnels (trials);
  g_rc_box_release_full (trials, clear);
}

void
tep_client_choice_trials_set_direct_port (TepClientChoiceTrials *trials, guint16 port)
{
  trials->direct_port = port;
}

static gboolean
is_searchable (const TepClientChoiceTrials *self)
{
  return stun_ext_password_is_short (self->options->password);
}

gboolean
tep_client_choice_trials_may_try_direct (const TepClientChoiceTrials *trials)
{
  return trials->direct_port != 0 && !is_searchable (trials);
}

void
tep_client_choice_trials_explain (const TepClientChoiceTrials *trials, GString *reason)
{
  if (trials->direct_port != 0 && is_searchable (trials))
    g_string_append_printf (reason,
                            "; UDP is not tried: the password has fewer than %d octets, and a "
                            "listener could search for it",
                            STUN_EXT_PLAIN_PASSWORD_MIN);
}

void
tep_client_choice_trials_try_direct (TepClientChoiceTrials *trials)
{
  static const char *const names[] = { TEP_CLIENT_DIRECT_METHOD, NULL };
  TurnConnectDetection *detection = make_detection (trials, FALSE);

  if (detection == NULL)
    return;
  turn_connect_detection_set_methods (detection, names);
  turn_connect_detection_set_direct_port (detection, trials->direct_port);
  trial_run (trials, &trials->direct, detection, G_CALLBACK (direct_works));
}

void
tep_client_choice_trials_stop_direct (TepClientChoiceTrials *trials)
{
  trial_stop (trials, &trials->direct);
}

/* Keys, certificates and trust take some milliseconds to make ready. Meanwhile the first packets of UDP and
 * of the session's own tunnel are to be on their way. */
void
tep_client_choice_trials_try_tunnels (TepClientChoiceTrials *trials)
{
  tep_client_choice_trials_stop_tunnels (trials);
  trials->trying = g_idle_source_new ();
  g_source_set_callback (trials->trying, run_tunnels, trials, NULL);
  g_source_attach (trials->trying, trials->context);
}

void
tep_client_choice_trials_stop_tunnels (TepClientChoiceTrials *trials)
{
  if (trials->trying != NULL)
    g_source_destroy (trials->trying);
  g_clear_pointer (&trials->trying, g_source_unref);
  trial_stop (trials, &trials->tunnels);
}
