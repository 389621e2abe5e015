/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call as the application sees it: prepared, described, answered, confirmed, over. Which path
 * carries the media of which far side is call-branch.c's business. */
#include "tep-c/call-private.h"

#include <string.h>

enum {
  SIGNAL_PATH_CHANGED,
  SIGNAL_FAILED,
  SIGNAL_DESCRIPTION_CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (TepClientCall, tep_client_call, G_TYPE_OBJECT)

/* The lease */

gboolean
tep_client_call_get_lease (TepClientCall *call, StunExtAddress *address, GError **error)
{
  if (call->binding != NULL) {
    *address = *tep_client_binding_get_address (call->binding);
    return TRUE;
  }
  g_propagate_error (error, call->lease_error != NULL
                                ? g_error_copy (call->lease_error)
                                : g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_GONE,
                                                       "nothing is leased"));
  return FALSE;
}

void
tep_client_call_release_lease (TepClientCall *call)
{
  TepClientBranch *branch = call->current;

  if (!call->is_confirmed || call->binding == NULL || branch->has_tunnel ||
      (branch->state != TEP_CLIENT_PATH_ON_ICE && branch->state != TEP_CLIENT_PATH_FAILED))
    return;
  tep_client_binding_release (call->binding);
  g_clear_object (&call->binding);
}

/* Descriptions */

static gboolean
names_lease (TepClientCall *call)
{
  return call->binding != NULL && (call->current == NULL || call->current->has_tunnel);
}

static gboolean
default_address (TepClientCall *call, guint component, StunExtAddress *address)
{
  if (!names_lease (call))
    return call->ice != NULL && tep_client_ice_default_address (call->ice, component, address);
  *address = *tep_client_binding_get_address (call->binding);
  address->port += component - 1;
  return TRUE;
}

/* The section's attribute lines for ICE; none if the far side described itself without it. */
static char **
ice_lines (TepClientCall *call)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  StunExtAddress leases[TEP_CLIENT_CALL_COMPONENTS_MAX] = { 0 };
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (call->ice == NULL || (call->current != NULL && !call->current->has_ice))
    return g_strv_builder_end (builder);
  for (guint i = 0; i < call->options.n_components && names_lease (call); i++)
    default_address (call, i + 1, &leases[i]);
  text = tep_client_ice_describe (call->ice, leases);
  lines = g_strsplit (text, "\r\n", -1);
  for (guint i = 0; lines[i] != NULL; i++) {
    if (lines[i][0] != '\0')
      g_strv_builder_add (builder, lines[i]);
  }
  return g_strv_builder_end (builder);
}

static gboolean
check_usable (TepClientCall *call, const StunExtSdp *sdp, GError **error)
{
  if (call->is_over || !call->is_prepared)
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED,
                         call->is_over ? "the call is over" : "the call was not prepared");
  else if (call->options.media >= sdp->n_media)
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                 "the description has %u media sections, this call is about number %u",
                 sdp->n_media, call->options.media + 1);
  else
    return TRUE;
  return FALSE;
}

static void
answered (TepClientCall *call)
{
  g_autoptr (GPtrArray) branches = g_ptr_array_copy (call->branches, tep_client_branch_ref, NULL);

  call->is_described = TRUE;
  for (guint i = 0; i < branches->len; i++)
    tep_client_branch_answered (g_ptr_array_index (branches, i));
}

char *
tep_client_call_describe (TepClientCall *call, const char *sdp, GError **error)
{
  static const char *const ours[] = { "a=candidate:", "a=ice-ufrag:", "a=ice-pwd:",
                                      "a=end-of-candidates", NULL };
  StunExtAddress address, rtcp;
  StunExtSdp parsed;
  g_auto (GStrv) lines = NULL;
  StunExtSdpEdit edit = { .remove = ours, .with_tep_option = call->session != NULL };
  char *description;

  if (!stun_ext_sdp_parse (&parsed, sdp, strlen (sdp), error) ||
      !check_usable (call, &parsed, error))
    return NULL;
  if (!default_address (call, 1, &address)) {
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH,
                         "there is no address to name: no lease of use, no local address");
    return NULL;
  }
  edit.address = &address;
  if (call->options.n_components == 2 && !parsed.media[call->options.media].is_rtcp_mux &&
      default_address (call, 2, &rtcp))
    edit.rtcp = &rtcp;
  lines = ice_lines (call);
  edit.append = (const char *const *)lines;
  description = stun_ext_sdp_edit (&parsed, call->options.media, &edit, NULL, error);
  if (description != NULL)
    answered (call);
  return description;
}

static TepClientBranch *
find_branch (TepClientCall *call, const char *name)
{
  for (guint i = 0; name != NULL && i < call->branches->len; i++) {
    TepClientBranch *branch = g_ptr_array_index (call->branches, i);

    if (g_str_equal (branch->name, name))
      return branch;
  }
  return name == NULL ? call->current : NULL;
}

gboolean
tep_client_call_set_remote (TepClientCall *call, const char *name, const char *sdp, GError **error)
{
  g_autoptr (TepClientCall) hold = g_object_ref (call);
  TepClientBranch *branch = find_branch (call, name);
  StunExtSdp parsed;

  g_return_val_if_fail (name != NULL, FALSE);
  if (!stun_ext_sdp_parse (&parsed, sdp, strlen (sdp), error) ||
      !check_usable (call, &parsed, error))
    return FALSE;
  if (parsed.media[call->options.media].address.port == 0) {
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                         "the far side rejected the media, or names no address for it");
    return FALSE;
  }
  if (branch == NULL && call->branches->len == TEP_CLIENT_CALL_BRANCHES_MAX) {
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_QUOTA, "more than %d far sides answered",
                 TEP_CLIENT_CALL_BRANCHES_MAX);
    return FALSE;
  }
  if (branch == NULL) {
    branch = tep_client_branch_new (call, name);
    g_ptr_array_add (call->branches, branch);
    if (!call->is_confirmed)
      call->current = branch;
  }
  tep_client_branch_describe (branch, &parsed);
  return TRUE;
}

static void
close_branch (TepClientCall *call, TepClientBranch *branch)
{
  if (call->ice_branch == branch)
    call->ice_branch = NULL;
  tep_client_branch_close (branch);
  g_ptr_array_remove (call->branches, branch);
}

void
tep_client_call_confirm (TepClientCall *call, const char *name)
{
  g_autoptr (TepClientCall) hold = g_object_ref (call);
  TepClientBranch *branch = find_branch (call, name);
  gboolean moves_agent;

  if (branch == NULL)
    return;
  moves_agent = call->ice != NULL && call->ice_branch != branch;
  call->current = branch;
  call->is_confirmed = TRUE;
  if (moves_agent)
    tep_client_branch_take_agent (branch);
  for (guint i = call->branches->len; i > 0; i--) {
    if (g_ptr_array_index (call->branches, i - 1) != branch)
      close_branch (call, g_ptr_array_index (call->branches, i - 1));
  }
  if (moves_agent && branch->has_ice)
    tep_client_branch_ice_restarted (branch);
  else
    tep_client_call_release_lease (call);
}

void
tep_client_call_restart_ice (TepClientCall *call)
{
  g_autoptr (TepClientCall) hold = g_object_ref (call);
  g_autoptr (TepClientBranch) branch = NULL;

  if (call->ice == NULL)
    return;
  tep_client_ice_restart (call->ice, FALSE);
  call->is_ice_restarted = TRUE;
  if (call->ice_branch == NULL)
    return;
  branch = tep_client_branch_ref (call->ice_branch, NULL);
  tep_client_branch_ice_restarted (branch);
}

/* Media */

TepClientSent
tep_client_call_send (
    TepClientCall *call, const char *branch, guint component, const guint8 *data, gsize length)
{
  TepClientBranch *to = find_branch (call, branch);

  if (to == NULL || component < 1)
    return TEP_CLIENT_SENT_DOWN;
  return tep_client_branch_send (to, component, data, length);
}

TepClientFlow *
tep_client_call_get_flow (TepClientCall *call, const char *branch, guint component)
{
  TepClientBranch *of = find_branch (call, branch);

  return of != NULL ? tep_client_branch_get_flow (of, component) : NULL;
}

gboolean
tep_client_call_get_report (TepClientCall *call, const char *name, TepClientCallReport *report)
{
  const TepClientBranch *branch = find_branch (call, name);

  if (branch == NULL)
    return FALSE;
  *report = (TepClientCallReport){
    .carrier = tep_client_path_carrier (branch->state),
    .decided_us = branch->decided_us,
    .first_media_us = branch->first_media_us,
    .ice_cause = branch->ice_cause,
    .tunnel_cause = branch->tunnel_cause,
  };
  return TRUE;
}

/* Life */

static void
session_changed (
    TepClientSession *session, int before, int now, const GError *cause, TepClientCall *call)
{
  g_autoptr (TepClientCall) hold = g_object_ref (call);
  g_autoptr (GPtrArray) branches = NULL;
  g_autoptr (GError) closed = NULL;

  if (now != TEP_CLIENT_STATE_CLOSED)
    return;
  closed = cause != NULL ? g_error_copy (cause)
                         : g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED,
                                                "the session was closed");
  g_clear_object (&call->binding);
  if (call->lease_error == NULL)
    call->lease_error = g_error_copy (closed);
  branches = g_ptr_array_copy (call->branches, tep_client_branch_ref, NULL);
  for (guint i = 0; i < branches->len; i++) {
    TepClientBranch *branch = g_ptr_array_index (branches, i);

    if (branch->call != NULL)
      tep_client_branch_tunnel_failed (branch, closed);
  }
}

static void
binding_moved (TepClientSession *session, TepClientBinding *binding, TepClientCall *call)
{
  if (binding == call->binding)
    g_signal_emit (call, signals[SIGNAL_DESCRIPTION_CHANGED], 0);
}

void
tep_client_call_hang_up (TepClientCall *call)
{
  g_autoptr (TepClientCall) hold = g_object_ref (call);

  if (call->is_over)
    return;
  call->is_over = TRUE;
  call->is_leasing = FALSE;
  while (call->branches->len > 0)
    close_branch (call, g_ptr_array_index (call->branches, call->branches->len - 1));
  call->current = NULL;
  for (guint i = 0; i < call->legs->len; i++)
    ((TepClientLeg *)g_ptr_array_index (call->legs, i))->call = NULL; /* still being opened */
  g_ptr_array_set_size (call->legs, 0);
  if (call->binding != NULL)
    tep_client_binding_release (call->binding);
  g_clear_object (&call->binding);
  g_clear_pointer (&call->ice, tep_client_ice_free);
  if (call->session != NULL)
    g_signal_handlers_disconnect_by_data (call->session, call);
  tep_client_call_end_preparing (
      call,
      g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED, "the call was hung up"));
}

static void
tep_client_call_dispose (GObject *object)
{
  tep_client_call_hang_up (TEP_CLIENT_CALL (object));
  G_OBJECT_CLASS (tep_client_call_parent_class)->dispose (object);
}

static void
tep_client_call_finalize (GObject *object)
{
  TepClientCall *call = TEP_CLIENT_CALL (object);

  g_ptr_array_unref (call->branches);
  g_ptr_array_unref (call->legs);
  g_clear_error (&call->lease_error);
  g_clear_error (&call->ice_error);
  g_strfreev (call->server_names);
  g_clear_object (&call->session);
  g_main_context_unref (call->context);
  G_OBJECT_CLASS (tep_client_call_parent_class)->finalize (object);
}

static void
tep_client_call_class_init (TepClientCallClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = tep_client_call_dispose;
  G_OBJECT_CLASS (klass)->finalize = tep_client_call_finalize;
  signals[SIGNAL_PATH_CHANGED] =
      g_signal_new ("path-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2,
                    G_TYPE_STRING, G_TYPE_STRING);
  signals[SIGNAL_FAILED] = g_signal_new ("failed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                         G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_ERROR);
  signals[SIGNAL_DESCRIPTION_CHANGED] = g_signal_new (
      "description-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
tep_client_call_init (TepClientCall *call)
{
  call->context = g_main_context_ref_thread_default ();
  call->branches = g_ptr_array_new_with_free_func ((GDestroyNotify)tep_client_branch_unref);
  call->legs = g_ptr_array_new ();
}

TepClientCall *
tep_client_call_new (TepClientSession *session,
                     const TepClientCallOptions *options,
                     TepClientCallReceive receive,
                     gpointer receive_data)
{
  TepClientCall *call = g_object_new (TEP_CLIENT_TYPE_CALL, NULL);

  call->options = *options;
  call->options.n_components = CLAMP (options->n_components, 1, TEP_CLIENT_CALL_COMPONENTS_MAX);
  call->server_names = g_strdupv ((char **)options->server_names);
  for (guint i = 0; call->server_names != NULL && call->server_names[i] != NULL; i++) {
    char *name = g_ascii_strdown (call->server_names[i], -1);

    g_free (call->server_names[i]);
    call->server_names[i] = name;
  }
  call->options.server_names = NULL;
  call->receive = receive;
  call->receive_data = receive_data;
  if (session != NULL) {
    call->session = g_object_ref (session);
    g_signal_connect (session, "state-changed", G_CALLBACK (session_changed), call);
    g_signal_connect (session, "binding-moved", G_CALLBACK (binding_moved), call);
  }
  return call;
}
