/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handles that an application holds, a binding and its flows, over what the tunnel keeps for
 * them. A handle may outlive its session: then it answers "gone" and nothing else. */
#include "tep-c/session-private.h"

G_DEFINE_FINAL_TYPE (TepClientBinding, tep_client_binding, G_TYPE_OBJECT)
G_DEFINE_FINAL_TYPE (TepClientFlow, tep_client_flow, G_TYPE_OBJECT)

static GError *
gone_error (void)
{
  return g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_GONE,
                              "the binding or flow was given up, or its session ended");
}

/* A task is answered once, and may free its object. */
static void
fail_task (GTask **pending, const GError *cause)
{
  g_autoptr (GTask) task = g_steal_pointer (pending);

  if (task != NULL && !g_task_return_error_if_cancelled (task))
    g_task_return_error (task, cause != NULL ? g_error_copy (cause) : gone_error ());
}

/* Flows */

static void
save_quality (TepClientFlow *flow)
{
  const TepClientTunnelFlow *tunnel_flow = flow->tunnel_flow;

  if (tunnel_flow == NULL)
    return;
  flow->quality = (TepClientFlowQuality){
    .sent = tunnel_flow->sender.n_sent,
    .received = tunnel_flow->receiver.n_delivered,
    .lost = stun_ext_flow_lost (&tunnel_flow->receiver),
    .late = tunnel_flow->receiver.n_late,
    .duplicates = tunnel_flow->receiver.n_duplicates,
    .jitter_ms = tunnel_flow->receiver.jitter_us / 1000.0,
  };
}

static void
forget_flow (TepClientFlow *flow)
{
  TepClientBinding *binding = flow->binding;

  save_quality (flow);
  if (flow->tunnel_flow != NULL && binding->session != NULL)
    binding->session->duplicates_gone += flow->tunnel_flow->receiver.n_duplicates;
  flow->tunnel_flow = NULL;
  g_ptr_array_remove_fast (binding->flows, flow);
}

void
tep_client_flow_close (TepClientFlow *flow)
{
  TepClientSession *session = flow->binding->session;
  TepClientTunnelFlow *tunnel_flow = flow->tunnel_flow;

  if (tunnel_flow == NULL)
    return;
  forget_flow (flow);
  fail_task (&flow->pending, NULL);
  if (session != NULL) {
    tep_client_tunnel_remove_flow (session->tunnel, tunnel_flow, g_get_monotonic_time ());
    tep_client_link_kick (session);
  }
}

static void
tep_client_flow_finalize (GObject *object)
{
  TepClientFlow *flow = TEP_CLIENT_FLOW (object);

  tep_client_flow_close (flow);
  g_object_unref (flow->binding);
  G_OBJECT_CLASS (tep_client_flow_parent_class)->finalize (object);
}

static void
tep_client_flow_class_init (TepClientFlowClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tep_client_flow_finalize;
}

static void
tep_client_flow_init (TepClientFlow *flow)
{
}

void
tep_client_binding_open_flow_async (TepClientBinding *binding,
                                    const StunExtAddress *remote,
                                    guint port_offset,
                                    guint bandwidth_kbit_s,
                                    int dscp,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (binding, cancellable, callback, user_data);
  TepClientSession *session = binding->session;
  TepClientFlow *flow;

  if (session == NULL) {
    g_task_return_error (task, gone_error ());
    return;
  }
  flow = g_object_new (TEP_CLIENT_TYPE_FLOW, NULL);
  flow->binding = g_object_ref (binding);
  flow->remote = *remote;
  g_ptr_array_add (binding->flows, flow);
  g_task_set_task_data (task, flow, g_object_unref);
  flow->pending = g_steal_pointer (&task);
  flow->tunnel_flow =
      tep_client_tunnel_add_flow (session->tunnel, binding->tunnel_binding, remote, port_offset,
                                  bandwidth_kbit_s, dscp, flow, g_get_monotonic_time ());
  if (flow->tunnel_flow == NULL) {
    g_autoptr (GError) error =
        g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_QUOTA, "no flow id is left");

    g_ptr_array_remove_fast (binding->flows, flow);
    fail_task (&flow->pending, error);
    return;
  }
  tep_client_link_kick (session);
}

TepClientFlow *
tep_client_binding_open_flow_finish (TepClientBinding *binding,
                                     GAsyncResult *result,
                                     GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
tep_client_handle_flow_event (gpointer user, TepClientTunnelFlow *tunnel_flow, const GError *error)
{
  TepClientFlow *flow = tunnel_flow->owner;
  g_autoptr (TepClientFlow) hold = g_object_ref (flow);

  if (flow->pending == NULL) {
    /* Opened anew after the server forgot it; nobody waits. */
    if (error != NULL) {
      tep_client_flow_close (flow);
      g_signal_emit_by_name (user, "lost", flow, error);
    }
    return;
  }
  if (error != NULL) {
    g_autoptr (GTask) task = g_steal_pointer (&flow->pending);

    tep_client_flow_close (flow);
    g_task_return_error (task, g_error_copy (error));
  } else {
    g_autoptr (GTask) task = g_steal_pointer (&flow->pending);

    g_task_return_pointer (task, g_object_ref (flow), g_object_unref);
  }
}

const StunExtAddress *
tep_client_flow_get_remote (TepClientFlow *flow)
{
  return &flow->remote;
}

static TepClientSent
count_sent (TepClientSession *session, TepClientSent sent, gsize length)
{
  if (sent == TEP_CLIENT_SENT) {
    session->statistics.packets_sent++;
    session->statistics.octets_sent += length;
    tep_client_link_kick (session);
  } else if (sent == TEP_CLIENT_SENT_BLOCKED) {
    session->statistics.dropped_blocked++;
  } else if (sent == TEP_CLIENT_SENT_TOO_LARGE) {
    session->statistics.dropped_too_large++;
  }
  return sent;
}

TepClientSent
tep_client_flow_send (TepClientFlow *flow, const guint8 *payload, gsize length)
{
  TepClientSession *session = flow->binding->session;

  if (session == NULL || flow->tunnel_flow == NULL || session->stream == NULL)
    return TEP_CLIENT_SENT_DOWN;
  if (!tep_client_link_is_clear (session))
    return count_sent (session, TEP_CLIENT_SENT_BLOCKED, length);
  return count_sent (session,
                     tep_client_tunnel_send (session->tunnel, flow->tunnel_flow, payload, length,
                                             g_get_monotonic_time ()),
                     length);
}

void
tep_client_flow_get_quality (TepClientFlow *flow, TepClientFlowQuality *quality)
{
  save_quality (flow);
  *quality = flow->quality;
}

/* Bindings */

static void
tep_client_binding_finalize (GObject *object)
{
  TepClientBinding *binding = TEP_CLIENT_BINDING (object);

  g_ptr_array_unref (binding->flows);
  G_OBJECT_CLASS (tep_client_binding_parent_class)->finalize (object);
}

static void
tep_client_binding_class_init (TepClientBindingClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tep_client_binding_finalize;
}

static void
tep_client_binding_init (TepClientBinding *binding)
{
  binding->flows = g_ptr_array_new ();
}

void
tep_client_handle_abandon (TepClientBinding *binding, const GError *cause)
{
  TepClientSession *session = binding->session;

  binding->session = NULL;
  binding->receive = NULL;
  while (binding->flows->len > 0) {
    g_autoptr (TepClientFlow) flow =
        g_object_ref (g_ptr_array_index (binding->flows, binding->flows->len - 1));

    forget_flow (flow);
    fail_task (&flow->pending, cause);
  }
  if (session != NULL && binding->tunnel_binding != NULL)
    tep_client_tunnel_remove_binding (session->tunnel, g_steal_pointer (&binding->tunnel_binding),
                                      g_get_monotonic_time ());
  fail_task (&binding->pending, cause);
}

void
tep_client_binding_release (TepClientBinding *binding)
{
  g_autoptr (TepClientBinding) hold = g_object_ref (binding);
  g_autoptr (TepClientSession) session = NULL;

  if (binding->session == NULL)
    return;
  session = g_object_ref (binding->session);
  tep_client_handle_abandon (binding, NULL);
  g_ptr_array_remove (session->bindings, binding);
  tep_client_link_kick (session);
}

void
tep_client_session_lease_async (TepClientSession *session,
                                const TepClientLease *lease,
                                TepClientReceive receive,
                                gpointer receive_data,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);
  TepClientBinding *binding;

  if (session->state == TEP_CLIENT_STATE_CLOSED) {
    g_task_return_error (task, gone_error ());
    return;
  }
  binding = g_object_new (TEP_CLIENT_TYPE_BINDING, NULL);
  binding->session = session;
  binding->receive = receive;
  binding->receive_data = receive_data;
  binding->pending = g_steal_pointer (&task);
  g_ptr_array_add (session->bindings, binding);
  binding->tunnel_binding =
      tep_client_tunnel_add_binding (session->tunnel, lease, binding, g_get_monotonic_time ());
  if (binding->tunnel_binding == NULL) {
    g_autoptr (GError) error = g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_QUOTA,
                                                    "a tunnel has no more than 16 bindings");

    fail_task (&binding->pending, error);
    g_ptr_array_remove (session->bindings, binding);
    return;
  }
  tep_client_link_kick (session);
}

TepClientBinding *
tep_client_session_lease_finish (TepClientSession *session, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
tep_client_handle_binding_event (gpointer user,
                                 TepClientTunnelBinding *tunnel_binding,
                                 const GError *error)
{
  TepClientSession *session = user;
  TepClientBinding *binding = tunnel_binding->owner;
  g_autoptr (TepClientBinding) hold = g_object_ref (binding);
  g_autoptr (GTask) task = g_steal_pointer (&binding->pending);
  gboolean is_first = task != NULL;

  if (error != NULL) {
    tep_client_handle_abandon (binding, error);
    g_ptr_array_remove (session->bindings, binding);
    if (task != NULL)
      g_task_return_error (task, g_error_copy (error));
    else
      g_signal_emit_by_name (session, "lost", binding, error);
    return;
  }
  binding->address = tunnel_binding->address;
  binding->is_relayed = tunnel_binding->is_relayed;
  if (is_first)
    g_task_return_pointer (task, g_object_ref (binding), g_object_unref);
  else
    g_signal_emit_by_name (session, "binding-moved", binding);
}

void
tep_client_handle_packet_event (gpointer user, const TepClientArrival *arrival)
{
  TepClientSession *session = user;
  TepClientBinding *binding = arrival->binding->owner;
  g_autoptr (TepClientBinding) hold = g_object_ref (binding);
  TepClientPacket packet = {
    .flow = arrival->flow != NULL ? arrival->flow->owner : NULL,
    .source = &arrival->source,
    .port_offset = arrival->port_offset,
    .payload = arrival->payload,
    .length = arrival->length,
    .late_ms = arrival->flow != NULL ? MAX (0, arrival->flow->receiver.lateness_us / 1000) : 0,
  };

  if (session->statistics.packets_received++ == 0)
    session->statistics.first_packet_us = g_get_monotonic_time () - session->opened_at_us;
  session->statistics.octets_received += arrival->length;
  if (binding->receive != NULL)
    binding->receive (binding, &packet, binding->receive_data);
}

const StunExtAddress *
tep_client_binding_get_address (TepClientBinding *binding)
{
  return &binding->address;
}

gboolean
tep_client_binding_is_relayed (TepClientBinding *binding)
{
  return binding->is_relayed;
}

TepClientSent
tep_client_binding_send_to (TepClientBinding *binding,
                            guint port_offset,
                            const StunExtAddress *remote,
                            const guint8 *payload,
                            gsize length)
{
  TepClientSession *session = binding->session;

  if (session == NULL || session->stream == NULL)
    return TEP_CLIENT_SENT_DOWN;
  if (!tep_client_link_is_clear (session))
    return count_sent (session, TEP_CLIENT_SENT_BLOCKED, length);
  return count_sent (session,
                     tep_client_tunnel_send_to (session->tunnel, binding->tunnel_binding,
                                                port_offset, remote, payload, length,
                                                g_get_monotonic_time ()),
                     length);
}
