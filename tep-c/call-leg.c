/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tunnel's flows of a call, and the packets of its branches. A flow is opened for a remote, not for a branch, because two early
 * branches of a fork may well name one media server. */
#include "tep-c/call-private.h"

static void
leg_free (TepClientLeg *leg)
{
  if (leg->call != NULL)
    g_ptr_array_remove_fast (leg->call->legs, leg);
  if (leg->flow != NULL)
    tep_client_flow_close (leg->flow);
  g_clear_object (&leg->flow);
  g_clear_error (&leg->error);
}

void
tep_client_leg_unref (TepClientLeg *leg)
{
  g_rc_box_release_full (leg, (GDestroyNotify)leg_free);
}

static void
leg_opened (GObject *binding, GAsyncResult *result, gpointer data)
{
  TepClientLeg *leg = data;
  g_autoptr (TepClientCall) call = leg->call != NULL ? g_object_ref (leg->call) : NULL;
  g_autoptr (GPtrArray) branches = NULL;

  leg->flow =
      tep_client_binding_open_flow_finish (TEP_CLIENT_BINDING (binding), result, &leg->error);
  if (call != NULL) {
    branches = g_ptr_array_copy (call->branches, tep_client_branch_ref, NULL);
    for (guint i = 0; i < branches->len; i++)
      tep_client_branch_leg_done (g_ptr_array_index (branches, i), leg);
  }
  tep_client_leg_unref (leg);
}

/* A leg to that remote: an existing one unless it failed, or a new one. */
TepClientLeg *
tep_client_leg_get (TepClientCall *call, guint component, const StunExtAddress *remote)
{
  TepClientLeg *leg;

  for (guint i = 0; i < call->legs->len; i++) {
    leg = g_ptr_array_index (call->legs, i);
    if (leg->component == component && leg->error == NULL &&
        stun_ext_address_equal (&leg->remote, remote))
      return g_rc_box_acquire (leg);
  }
  leg = g_rc_box_new0 (TepClientLeg);
  leg->call = call;
  leg->component = component;
  leg->remote = *remote;
  g_ptr_array_add (call->legs, leg);
  tep_client_binding_open_flow_async (call->binding, remote, component - 1,
                                      call->options.bandwidth_kbit_s, call->options.dscp, NULL,
                                      leg_opened, g_rc_box_acquire (leg));
  return leg;
}

void
tep_client_legs_drop (TepClientLeg **legs)
{
  for (guint i = 0; i < TEP_CLIENT_CALL_COMPONENTS_MAX; i++)
    g_clear_pointer (&legs[i], tep_client_leg_unref);
}

gboolean
tep_client_legs_are_open (TepClientLeg *const *legs, guint n)
{
  for (guint i = 0; i < n; i++) {
    if (legs[i] == NULL || legs[i]->flow == NULL)
      return FALSE;
  }
  return TRUE;
}

/* Packets */

TepClientFlow *
tep_client_branch_get_flow (TepClientBranch *branch, guint component)
{
  if (component < 1 || component > TEP_CLIENT_CALL_COMPONENTS_MAX ||
      branch->legs[component - 1] == NULL)
    return NULL;
  return branch->legs[component - 1]->flow;
}

TepClientSent
tep_client_branch_send (TepClientBranch *branch, guint component, const guint8 *data, gsize length)
{
  TepClientCall *call = branch->call;
  TepClientFlow *flow = tep_client_branch_get_flow (branch, component);

  if (component > branch->n_components)
    return TEP_CLIENT_SENT_DOWN;
  if (g_str_equal (branch->carrier, "tunnel"))
    return flow != NULL ? tep_client_flow_send (flow, data, length) : TEP_CLIENT_SENT_DOWN;
  if ((g_str_equal (branch->carrier, "ice") || g_str_equal (branch->carrier, "direct")) &&
      call->ice_branch == branch && tep_client_ice_send (call->ice, component, data, length))
    return TEP_CLIENT_SENT;
  return TEP_CLIENT_SENT_DOWN;
}

static gboolean
has_remote (const TepClientBranch *branch, guint component, const StunExtAddress *remote)
{
  const TepClientLeg *leg = branch->legs[component - 1];
  const TepClientLeg *next = branch->next_legs[component - 1];

  const TepClientLeg *old = branch->old_legs[component - 1];

  return (leg != NULL && stun_ext_address_equal (&leg->remote, remote)) ||
         (old != NULL && stun_ext_address_equal (&old->remote, remote)) ||
         (next != NULL && stun_ext_address_equal (&next->remote, remote));
}

TepClientBranch *
tep_client_branch_find (TepClientCall *call, guint component, const StunExtAddress *remote)
{
  if (call->current != NULL && has_remote (call->current, component, remote))
    return call->current;
  for (guint i = 0; i < call->branches->len; i++) {
    TepClientBranch *branch = g_ptr_array_index (call->branches, i);

    if (has_remote (branch, component, remote))
      return branch;
  }
  return NULL;
}
