/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a call has to do with its lease and its ICE agent: it asks for both, waits for both, and
 * takes what comes from them. */
#include "tep-c/call-private.h"

#define PREPARE_MS 3000 /* through a proxy and TLS the lease takes some six round trips */
/* A STUN server that is behind a firewall must not hold up a call for the 2 s that libnice waits. */
#define STUN_WAIT_MS 1000

/* Packets */

static void
deliver (TepClientCall *call,
         TepClientBranch *branch,
         const char *carrier,
         guint component,
         const guint8 *data,
         gsize length,
         guint late_ms)
{
  TepClientCallPacket packet = {
    .branch = branch != NULL ? branch->name : NULL,
    .component = component,
    .carrier = carrier,
    .data = data,
    .length = length,
    .late_ms = late_ms,
  };

  if (branch != NULL)
    tep_client_branch_received (branch);
  if (call->receive != NULL)
    call->receive (call, &packet, call->receive_data);
}

static void
tunnel_packet (TepClientBinding *binding, const TepClientPacket *packet, gpointer data)
{
  g_autoptr (TepClientCall) call = g_object_ref (data);
  guint component = packet->port_offset + 1;
  g_autoptr (TepClientBranch) branch = NULL;

  if (call->is_over || component > call->options.n_components)
    return;
  branch = tep_client_branch_find (call, component, packet->source);
  if (branch != NULL)
    tep_client_branch_ref (branch, NULL);
  /* Checks belong to the agent. Before an answer they come too early; the far side repeats them. Those of
   * a branch that has no ICE any more are stragglers; what else looks like one there is the application's. */
  if (tep_client_ice_is_check (packet->payload, packet->length) &&
      (branch == NULL || branch->has_ice ||
       tep_client_checks_own (&call->checks, packet->payload, packet->length))) {
    if (branch != NULL && branch->has_ice && call->ice_branch == branch)
      tep_client_ice_tunnel_received (call->ice, component, packet->payload, packet->length);
    return;
  }
  deliver (call, branch, "tunnel", component, packet->payload, packet->length, packet->late_ms);
}

static void
ice_packet (gpointer user, guint component, const guint8 *data, gsize length)
{
  g_autoptr (TepClientCall) call = g_object_ref (user);
  g_autoptr (TepClientBranch) branch = NULL;

  if (call->is_over)
    return;
  if (call->ice_branch != NULL)
    branch = tep_client_branch_ref (call->ice_branch, NULL);
  deliver (call, branch,
           branch != NULL && branch->state == TEP_CLIENT_PATH_ON_DIRECT ? "direct" : "ice",
           component, data, length, 0);
}

static void
ice_tunnel_check (gpointer user, guint component, const guint8 *data, gsize length)
{
  TepClientCall *call = user;
  TepClientFlow *flow = NULL;

  if (call->ice_branch != NULL && call->ice_branch->has_ice)
    flow = tep_client_branch_get_flow (call->ice_branch, component);
  if (flow == NULL)
    return;
  tep_client_checks_note (&call->checks, data, length);
  tep_client_flow_send (flow, data, length);
}

/* Preparing */

void
tep_client_call_end_preparing (TepClientCall *call, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&call->preparing);

  if (call->prepare_timer != NULL) {
    g_source_destroy (call->prepare_timer);
    g_clear_pointer (&call->prepare_timer, g_source_unref);
  }
  if (task == NULL) {
    g_clear_error (&error);
    return;
  }
  call->is_prepared = error == NULL;
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
check_prepared (TepClientCall *call)
{
  StunExtAddress address;

  if (call->preparing == NULL || call->is_leasing || call->is_gathering)
    return;
  if (call->binding != NULL ||
      (call->ice != NULL && tep_client_ice_default_address (call->ice, 1, &address)))
    tep_client_call_end_preparing (call, NULL);
  else
    tep_client_call_end_preparing (
        call, g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH,
                           "no address to name: ICE: %s; tunnel: %s",
                           call->ice_error != NULL ? call->ice_error->message : "no local address",
                           call->lease_error != NULL ? call->lease_error->message : "no session"));
}

static void
leased (GObject *session, GAsyncResult *result, gpointer data)
{
  g_autoptr (TepClientCall) call = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TepClientBinding) binding =
      tep_client_session_lease_finish (TEP_CLIENT_SESSION (session), result, &error);

  if (!call->is_leasing) {
    /* Nobody waits any more, and no description names it. */
    if (binding != NULL)
      tep_client_binding_release (binding);
    return;
  }
  call->is_leasing = FALSE;
  call->binding = g_steal_pointer (&binding);
  call->lease_error = g_steal_pointer (&error);
  check_prepared (call);
}

static void
ice_gathered (gpointer user)
{
  TepClientCall *call = user;

  call->is_gathering = FALSE;
  check_prepared (call);
}

static void
ice_nominated (gpointer user, guint component, gboolean is_tunnel)
{
  g_autoptr (TepClientCall) call = g_object_ref (user);

  if (call->ice_branch != NULL)
    tep_client_branch_ice_nominated (call->ice_branch, component, is_tunnel);
}

static void
ice_failed (gpointer user, guint component)
{
  g_autoptr (TepClientCall) call = g_object_ref (user);
  g_autoptr (GError) cause = NULL;

  if (call->ice_branch == NULL || component > call->ice_branch->n_components)
    return;
  cause = g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH,
                       g_str_equal (call->ice_branch->carrier, "ice")
                           ? "the far side stopped answering (component %u)"
                           : "no candidate pair works (component %u)",
                       component);
  tep_client_branch_ice_failed (call->ice_branch, cause);
}

static const TepClientIceEvents ice_events = {
  .gathered = ice_gathered,
  .nominated = ice_nominated,
  .failed = ice_failed,
  .packet = ice_packet,
  .tunnel_check = ice_tunnel_check,
};

static guint
prepare_timeout (const TepClientCall *call)
{
  return call->options.prepare_timeout_ms != 0 ? call->options.prepare_timeout_ms : PREPARE_MS;
}

static void arm_prepare_timer (TepClientCall *call, guint after_ms);

static gboolean
prepare_timed_out (gpointer data)
{
  g_autoptr (TepClientCall) call = g_object_ref (data);
  guint limit_ms = prepare_timeout (call);

  g_clear_pointer (&call->prepare_timer, g_source_unref);
  if (call->is_gathering && limit_ms > STUN_WAIT_MS) {
    call->is_gathering = FALSE;
    arm_prepare_timer (call, limit_ms - STUN_WAIT_MS);
  } else {
    call->is_gathering = FALSE;
    if (call->is_leasing)
      call->lease_error =
          g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_UNREACHABLE,
                       "no lease within %u ms: the session is %s", limit_ms,
                       tep_client_state_name (tep_client_session_get_state (call->session)));
    call->is_leasing = FALSE;
  }
  check_prepared (call);
  return G_SOURCE_REMOVE;
}

static void
arm_prepare_timer (TepClientCall *call, guint after_ms)
{
  call->prepare_timer = g_timeout_source_new (after_ms);
  g_source_set_callback (call->prepare_timer, prepare_timed_out, call, NULL);
  g_source_attach (call->prepare_timer, call->context);
}

static void
ask_for_lease (TepClientCall *call)
{
  TepClientLease lease = {
    .wanted_port = call->options.wanted_port,
    .is_pair = call->options.n_components == 2,
    .family = call->options.family,
  };

  call->is_leasing = TRUE;
  tep_client_session_lease_async (call->session, &lease, tunnel_packet, call, NULL, leased,
                                  g_object_ref (call));
}

static void
start_ice (TepClientCall *call, gboolean is_controlling)
{
  g_clear_error (&call->ice_error);
  call->ice = tep_client_ice_new (call->context, &call->options.stun_server, is_controlling,
                                  call->options.n_components, &ice_events, call, &call->ice_error);
  if (call->ice == NULL)
    return;
  call->is_gathering = TRUE;
  if (!tep_client_ice_gather (call->ice, &call->ice_error)) {
    call->is_gathering = FALSE;
    g_clear_pointer (&call->ice, tep_client_ice_free);
  }
}

void
tep_client_call_take_control (TepClientCall *call)
{
  if (call->ice == NULL || call->ice_branch != NULL)
    return;
  g_clear_pointer (&call->ice, tep_client_ice_free);
  start_ice (call, TRUE);
}

void
tep_client_call_prepare_async (TepClientCall *call,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (call, cancellable, callback, user_data);

  if (call->is_over || call->is_prepared || call->preparing != NULL) {
    g_task_return_new_error (task, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED,
                             "the call is over, or prepared already");
    return;
  }
  call->preparing = g_steal_pointer (&task);
  if (call->session != NULL)
    ask_for_lease (call);
  start_ice (call, call->options.is_offerer);
  arm_prepare_timer (call, call->is_gathering ? MIN (STUN_WAIT_MS, prepare_timeout (call))
                                              : prepare_timeout (call));
  check_prepared (call);
}

gboolean
tep_client_call_prepare_finish (TepClientCall *call, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
