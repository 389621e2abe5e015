/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One far side of a call: its remotes, the tunnel's flows to them, and which path carries its media.
 * What happens on ICE and tunnel is told to the path's table; what the table decided is told to the
 * application. */
#include "tep-c/call-private.h"

#include <string.h>

#include "tep-c/session-private.h"

#define LINGER_MS 1000 /* as long as a packet may be on its way through a tunnel; arbitrary */

/* The path */

static void
disarm (TepClientBranch *branch)
{
  if (branch->head_start == NULL)
    return;
  g_source_destroy (branch->head_start);
  g_clear_pointer (&branch->head_start, g_source_unref);
}

static guint64
since_answer (TepClientBranch *branch)
{
  gint64 elapsed_us = g_get_monotonic_time () - branch->answered_us;

  return branch->answered_us != 0 && elapsed_us > 0 ? elapsed_us : 1;
}

static void
report_failure (TepClientBranch *branch)
{
  g_autoptr (GError) cause = NULL;

  g_set_error (&cause, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH,
               "no path to the far side: ICE: %s; tunnel: %s",
               branch->ice_cause != NULL ? branch->ice_cause->message : "not decided",
               branch->tunnel_cause != NULL ? branch->tunnel_cause->message : "not decided");
  branch->was_reported = TRUE;
  g_signal_emit_by_name (branch->call, "failed", branch->name, cause);
}

/* Who lost says why, also where it is merely too late. */
static void
note_loser (TepClientBranch *branch)
{
  if (g_str_equal (branch->carrier, "tunnel") && branch->ice_cause == NULL)
    branch->ice_cause = g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH,
                                     "no candidate pair was nominated within %d ms of the answer",
                                     TEP_CLIENT_PATH_ICE_HEAD_START_MS);
}

static void
announce (TepClientBranch *branch)
{
  const char *carrier = tep_client_path_carrier (branch->state);

  if (branch->state == TEP_CLIENT_PATH_FAILED) {
    disarm (branch);
    branch->carrier = carrier;
    if (!branch->was_reported)
      report_failure (branch);
  } else if (!g_str_equal (carrier, "undecided")) {
    disarm (branch);
    if (branch->decided_us == 0)
      branch->decided_us = since_answer (branch);
    branch->was_reported = FALSE;
    if (!g_str_equal (carrier, branch->carrier)) {
      branch->carrier = carrier;
      note_loser (branch);
      g_signal_emit_by_name (branch->call, "path-changed", branch->name, carrier);
    }
  }
  if (branch->call != NULL)
    tep_client_call_release_lease (branch->call);
}

static gboolean
is_nominated (const TepClientBranch *branch)
{
  guint all = (1u << branch->n_components) - 1;

  return branch->has_ice && (branch->nominated & all) == all;
}

/* The table is told of events; what holds already is told again where it is asked for. */
static void
step (TepClientBranch *branch, TepClientPathEvent event)
{
  tep_client_path_step (&branch->state, event);
  if (tep_client_legs_are_open (branch->legs, branch->n_components) && branch->has_tunnel)
    tep_client_path_step (&branch->state, TEP_CLIENT_PATH_TUNNEL_READY);
  else if (!branch->has_tunnel)
    tep_client_path_step (&branch->state, TEP_CLIENT_PATH_TUNNEL_FAILED);
  if (branch->state == TEP_CLIENT_PATH_ICE_ALONE && is_nominated (branch))
    tep_client_path_step (&branch->state, TEP_CLIENT_PATH_ICE_NOMINATED);
  else if (branch->state == TEP_CLIENT_PATH_ICE_ALONE && (!branch->has_ice || branch->is_ice_dead))
    tep_client_path_step (&branch->state, TEP_CLIENT_PATH_ICE_FAILED);
  announce (branch);
}

static gboolean
head_start_over (gpointer data)
{
  g_autoptr (TepClientBranch) branch = g_rc_box_acquire ((TepClientBranch *)data);

  disarm (branch);
  step (branch, TEP_CLIENT_PATH_HEAD_START_OVER);
  return G_SOURCE_REMOVE;
}

void
tep_client_branch_answered (TepClientBranch *branch)
{
  if (branch->is_answered)
    return;
  branch->is_answered = TRUE;
  branch->answered_us = g_get_monotonic_time ();
  if (branch->state != TEP_CLIENT_PATH_RACING && branch->state != TEP_CLIENT_PATH_TUNNEL_HELD)
    return;
  branch->head_start = g_timeout_source_new (TEP_CLIENT_PATH_ICE_HEAD_START_MS);
  g_source_set_callback (branch->head_start, head_start_over, branch, NULL);
  g_source_attach (branch->head_start, branch->call->context);
}

void
tep_client_branch_received (TepClientBranch *branch)
{
  if (branch->first_media_us == 0)
    branch->first_media_us = since_answer (branch);
}

/* The tunnel */

static void
offer_tunnel_to_ice (TepClientBranch *branch)
{
  TepClientCall *call = branch->call;

  if (call->ice_branch != branch || !branch->has_ice || !branch->has_tunnel)
    return;
  for (guint i = 0; i < branch->n_components; i++)
    tep_client_ice_add_tunnel (call->ice, i + 1);
}

void
tep_client_branch_tunnel_failed (TepClientBranch *branch, const GError *cause)
{
  g_autoptr (TepClientBranch) hold = g_rc_box_acquire (branch);

  if (!branch->has_tunnel)
    return;
  branch->has_tunnel = FALSE;
  g_clear_error (&branch->tunnel_cause);
  branch->tunnel_cause = g_error_copy (cause);
  tep_client_legs_drop (branch->next_legs);
  tep_client_legs_drop (branch->legs);
  step (branch, TEP_CLIENT_PATH_TUNNEL_FAILED);
}

static gboolean
linger_over (gpointer data)
{
  TepClientBranch *branch = data;

  g_clear_pointer (&branch->linger, g_source_unref);
  tep_client_legs_drop (branch->old_legs);
  return G_SOURCE_REMOVE;
}

/* Packets on the flow that is left are still on their way. */
static void
linger (TepClientBranch *branch)
{
  tep_client_legs_drop (branch->old_legs);
  for (guint i = 0; i < TEP_CLIENT_CALL_COMPONENTS_MAX; i++)
    branch->old_legs[i] = g_steal_pointer (&branch->legs[i]);
  if (branch->linger != NULL)
    return;
  branch->linger = g_timeout_source_new (LINGER_MS);
  g_source_set_callback (branch->linger, linger_over, branch, NULL);
  g_source_attach (branch->linger, branch->call->context);
}

void
tep_client_branch_leg_done (TepClientBranch *branch, TepClientLeg *leg)
{
  gboolean is_ours = FALSE;

  for (guint i = 0; i < TEP_CLIENT_CALL_COMPONENTS_MAX; i++)
    is_ours = is_ours || branch->next_legs[i] == leg;
  if (!is_ours)
    return;
  if (leg->error != NULL) {
    tep_client_branch_tunnel_failed (branch, leg->error);
  } else if (tep_client_legs_are_open (branch->next_legs, branch->n_components)) {
    linger (branch);
    for (guint i = 0; i < TEP_CLIENT_CALL_COMPONENTS_MAX; i++)
      branch->legs[i] = g_steal_pointer (&branch->next_legs[i]);
    offer_tunnel_to_ice (branch);
    step (branch, TEP_CLIENT_PATH_TUNNEL_READY);
  }
}

/* Opens what the branch's remotes need. The flows that carry media now stay until the new ones are
 * open. */
static void
open_legs (TepClientBranch *branch)
{
  TepClientLeg *wanted[TEP_CLIENT_CALL_COMPONENTS_MAX] = { NULL };
  gboolean is_same = TRUE;

  if (!branch->has_tunnel)
    return;
  for (guint i = 0; i < branch->n_components; i++) {
    wanted[i] = tep_client_leg_get (branch->call, i + 1, &branch->remotes[i]);
    is_same = is_same && wanted[i] == branch->legs[i];
  }
  if (is_same) {
    tep_client_legs_drop (wanted);
    tep_client_legs_drop (branch->next_legs);
    if (branch->n_components == 1)
      g_clear_pointer (&branch->legs[1], tep_client_leg_unref);
    return;
  }
  tep_client_legs_drop (branch->next_legs);
  for (guint i = 0; i < branch->n_components; i++)
    branch->next_legs[i] = wanted[i];
  if (branch->n_components > 0)
    tep_client_branch_leg_done (branch,
                                branch->next_legs[0]); /* those that another branch opened */
}

static const char *
server_name (TepClientCall *call)
{
  const TepClientOptions *options = call->session->options;

  return options->server_name != NULL ? options->server_name : options->host;
}

static gboolean
is_our_server (TepClientCall *call, const char *name)
{
  return g_ascii_strcasecmp (name, server_name (call)) == 0 ||
         (call->server_names != NULL &&
          g_strv_contains ((const char *const *)call->server_names, name));
}

/* Whether the far side's description lets media take our tunnel; if not, why. */
static gboolean
offers_tunnel (TepClientCall *call, const StunExtSdp *sdp, GError **error)
{
  const StunExtSdpMedia *media = &sdp->media[call->options.media];
  StunExtSdpTep tep;

  if (call->binding == NULL) {
    g_propagate_error (error, call->lease_error != NULL
                                  ? g_error_copy (call->lease_error)
                                  : g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_GONE,
                                                         "nothing is leased"));
    return FALSE;
  }
  for (guint i = 0; stun_ext_sdp_get_tep (sdp, call->options.media, i, &tep); i++) {
    if (is_our_server (call, tep.server_name))
      return TRUE;
  }
  if (media->n_tep == 0)
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH,
                         "the far side offers no TEP-S");
  else
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH,
                 "the far side's TEP-S is not %s, which this session is with", server_name (call));
  return FALSE;
}

/* ICE */

static void
set_cause (GError **cause, const char *text)
{
  g_clear_error (cause);
  *cause = g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH, text);
}

/* Hands the far side's credentials and candidates to the agent. Without any that can be used libnice
 * would wait for ever. */
static gboolean
check_remote (TepClientBranch *branch)
{
  if (tep_client_ice_set_remote (branch->call->ice, branch->ice_text) > 0)
    return TRUE;
  branch->is_ice_dead = TRUE;
  set_cause (&branch->ice_cause, "the far side names no candidate that can be used");
  return FALSE;
}

void
tep_client_branch_take_agent (TepClientBranch *branch)
{
  TepClientCall *call = branch->call;

  if (call->ice == NULL || call->ice_branch == branch)
    return;
  /* Those that the agent served before leave nothing behind; our credentials are those that the
   * offer named. */
  if (call->ice_branch != NULL)
    tep_client_ice_restart (call->ice, TRUE);
  call->ice_branch = branch;
  branch->nominated = 0;
  branch->is_ice_dead = FALSE;
  if (branch->has_ice) {
    check_remote (branch);
    if (tep_client_legs_are_open (branch->legs, branch->n_components))
      offer_tunnel_to_ice (branch);
  } else if (branch->state == TEP_CLIENT_PATH_ON_DIRECT) {
    for (guint i = 0; i < branch->n_components; i++)
      tep_client_ice_force (call->ice, i + 1, &branch->remotes[i]);
  }
}

/* The new run serves this branch; the tunnel carries meanwhile, or what carried before. */
void
tep_client_branch_ice_restarted (TepClientBranch *branch)
{
  branch->nominated = 0;
  branch->is_ice_dead = FALSE;
  if (branch->has_ice)
    g_clear_error (&branch->ice_cause);
  step (branch, TEP_CLIENT_PATH_ICE_RESTARTED);
}

void
tep_client_branch_ice_nominated (TepClientBranch *branch, guint component, gboolean is_tunnel)
{
  g_autoptr (TepClientBranch) hold = g_rc_box_acquire (branch);
  guint bit = 1u << (component - 1);

  if (!is_tunnel) {
    branch->nominated |= bit;
    branch->is_ice_dead = FALSE;
    if (is_nominated (branch))
      step (branch, TEP_CLIENT_PATH_ICE_NOMINATED);
  } else if ((branch->nominated & bit) != 0) {
    /* The direct pair is gone, and only the one through the tunnel is left. */
    branch->nominated &= ~bit;
    step (branch, TEP_CLIENT_PATH_ICE_FAILED);
  }
}

void
tep_client_branch_ice_failed (TepClientBranch *branch, const GError *cause)
{
  g_autoptr (TepClientBranch) hold = g_rc_box_acquire (branch);

  branch->nominated = 0;
  branch->is_ice_dead = TRUE;
  g_clear_error (&branch->ice_cause);
  branch->ice_cause = g_error_copy (cause);
  step (branch, TEP_CLIENT_PATH_ICE_FAILED);
}

/* Descriptions */

/* The address 0.0.0.0 is the old way to say "hold": it names nobody. */
static gboolean
names_somebody (const StunExtAddress *address)
{
  static const guint8 nobody[16];

  return address->family != 0 && address->port != 0 &&
         memcmp (address->octets, nobody, sizeof nobody) != 0;
}

static void
take_remotes (TepClientBranch *branch, const StunExtSdpMedia *media)
{
  TepClientCall *call = branch->call;

  branch->n_components = call->options.n_components;
  if (media->is_rtcp_mux || !names_somebody (&media->rtcp))
    branch->n_components = 1;
  if (!names_somebody (&media->address)) {
    /* On hold everything stays as it was, the number of components included. */
    branch->n_components = branch->remotes[1].family != 0 ? 2 : 1;
    return;
  }
  branch->remotes[0] = media->address;
  memset (&branch->remotes[1], 0, sizeof branch->remotes[1]);
  if (branch->n_components == 2)
    branch->remotes[1] = media->rtcp;
}

static char *
section_text (const StunExtSdp *sdp, guint index)
{
  GString *text = g_string_new_len (sdp->text, sdp->media[0].begin);
  const StunExtSdpMedia *media = &sdp->media[index];

  g_string_append_len (text, sdp->text + media->begin, media->end - media->begin);
  return g_string_free (text, FALSE);
}

/* What the far side can do, and why not. */
static void
take_abilities (TepClientBranch *branch, const StunExtSdp *sdp)
{
  TepClientCall *call = branch->call;
  const StunExtSdpMedia *media = &sdp->media[call->options.media];

  g_clear_error (&branch->tunnel_cause);
  branch->has_tunnel =
      names_somebody (&branch->remotes[0]) && offers_tunnel (call, sdp, &branch->tunnel_cause);
  if (!names_somebody (&branch->remotes[0]) && branch->tunnel_cause == NULL)
    set_cause (&branch->tunnel_cause, "the far side names no address");
  branch->has_ice = media->has_ice && call->ice != NULL;
  branch->is_lite = sdp->is_ice_lite;
  if (!media->has_ice)
    set_cause (&branch->ice_cause, "the far side does no ICE");
  else if (call->ice == NULL)
    set_cause (&branch->ice_cause,
               call->ice_error != NULL ? call->ice_error->message : "ICE has no local address");
  g_free (branch->ice_text);
  branch->ice_text = section_text (sdp, call->options.media);
}

static void
begin (TepClientBranch *branch)
{
  TepClientCall *call = branch->call;
  gboolean gets_agent = call->ice_branch == NULL || call->ice_branch == branch;
  TepClientPathEvent event;

  if (branch->has_ice && branch->is_lite && !call->options.is_offerer && !call->is_described) {
    tep_client_call_take_control (call);
    branch->has_ice = call->ice != NULL;
  }
  if (branch->has_ice)
    event = !branch->has_tunnel ? TEP_CLIENT_PATH_ANSWER_ICE
            : gets_agent        ? TEP_CLIENT_PATH_ANSWER_BOTH
                                : TEP_CLIENT_PATH_ANSWER_TUNNEL;
  else
    event = branch->has_tunnel ? TEP_CLIENT_PATH_ANSWER_TUNNEL : TEP_CLIENT_PATH_ANSWER_NONE;
  if (event == TEP_CLIENT_PATH_ANSWER_NONE &&
      (call->ice == NULL || !names_somebody (&branch->remotes[0])))
    event = TEP_CLIENT_PATH_ANSWER_ICE; /* nothing to send from, or nowhere to: fails at once */
  if (branch->has_ice)
    g_clear_error (&branch->ice_cause);
  branch->state = TEP_CLIENT_PATH_IDLE;
  branch->is_answered = FALSE;
  branch->decided_us = 0;
  branch->first_media_us = 0;
  tep_client_path_step (&branch->state, event);
  if (gets_agent && (branch->has_ice || branch->state == TEP_CLIENT_PATH_ON_DIRECT))
    tep_client_branch_take_agent (branch);
  if (branch->is_ice_dead)
    tep_client_path_step (&branch->state, TEP_CLIENT_PATH_ICE_FAILED);
  if (call->options.is_offerer || call->is_described)
    tep_client_branch_answered (branch);
  open_legs (branch);
  if (branch->call != NULL)
    step (branch, event);
}

/* A re-INVITE of a branch whose path is known: only what changed is done. */
static void
change (TepClientBranch *branch, gboolean had_tunnel, gboolean had_ice)
{
  TepClientCall *call = branch->call;
  gboolean is_served = call->ice_branch == branch;

  if (branch->state == TEP_CLIENT_PATH_ICE_ALONE && branch->has_tunnel && !had_tunnel) {
    begin (branch);
    return;
  }
  if (had_tunnel && !branch->has_tunnel) {
    tep_client_legs_drop (branch->next_legs);
    tep_client_legs_drop (branch->legs);
  }
  open_legs (branch);
  if (branch->call == NULL)
    return;
  if (is_served && branch->has_ice && tep_client_ice_is_new_remote (call->ice, branch->ice_text)) {
    if (!call->is_ice_restarted) {
      tep_client_ice_restart (call->ice, FALSE);
      tep_client_branch_ice_restarted (branch);
      if (branch->call == NULL)
        return;
    }
    call->is_ice_restarted = FALSE;
    if (!check_remote (branch))
      step (branch, TEP_CLIENT_PATH_ICE_FAILED);
    if (branch->call != NULL && tep_client_legs_are_open (branch->legs, branch->n_components))
      offer_tunnel_to_ice (branch);
  }
  if (branch->call != NULL && had_ice && !branch->has_ice)
    step (branch, TEP_CLIENT_PATH_ICE_FAILED);
  if (branch->call != NULL && had_tunnel && !branch->has_tunnel)
    step (branch, TEP_CLIENT_PATH_TUNNEL_FAILED);
}

void
tep_client_branch_describe (TepClientBranch *branch, const StunExtSdp *sdp)
{
  g_autoptr (TepClientBranch) hold = g_rc_box_acquire (branch);
  gboolean had_tunnel = branch->has_tunnel;
  gboolean had_ice = branch->has_ice;
  StunExtAddress before = branch->remotes[0];

  take_remotes (branch, &sdp->media[branch->call->options.media]);
  take_abilities (branch, sdp);
  if (branch->state == TEP_CLIENT_PATH_ON_DIRECT && !branch->has_ice && !branch->has_tunnel) {
    for (guint i = 0; i < branch->n_components; i++) {
      if (!stun_ext_address_equal (&before, &branch->remotes[0]) &&
          branch->call->ice_branch == branch)
        tep_client_ice_force (branch->call->ice, i + 1, &branch->remotes[i]);
    }
  } else if (branch->state == TEP_CLIENT_PATH_IDLE || branch->state == TEP_CLIENT_PATH_FAILED ||
             branch->state == TEP_CLIENT_PATH_ON_DIRECT) {
    begin (branch);
  } else {
    change (branch, had_tunnel, had_ice);
  }
}

/* Life */

TepClientBranch *
tep_client_branch_new (TepClientCall *call, const char *name)
{
  TepClientBranch *branch = g_rc_box_new0 (TepClientBranch);

  branch->call = call;
  branch->name = g_strdup (name);
  branch->carrier = "undecided";
  branch->n_components = 1;
  return branch;
}

void
tep_client_branch_close (TepClientBranch *branch)
{
  disarm (branch);
  if (branch->linger != NULL)
    g_source_destroy (branch->linger);
  g_clear_pointer (&branch->linger, g_source_unref);
  tep_client_legs_drop (branch->old_legs);
  tep_client_legs_drop (branch->next_legs);
  tep_client_legs_drop (branch->legs);
  branch->call = NULL;
}

static void
branch_free (TepClientBranch *branch)
{
  tep_client_branch_close (branch);
  g_clear_error (&branch->tunnel_cause);
  g_clear_error (&branch->ice_cause);
  g_free (branch->ice_text);
  g_free (branch->name);
}

gpointer
tep_client_branch_ref (gconstpointer branch, gpointer data)
{
  return g_rc_box_acquire ((gpointer)branch);
}

void
tep_client_branch_unref (TepClientBranch *branch)
{
  g_rc_box_release_full (branch, (GDestroyNotify)branch_free);
}
