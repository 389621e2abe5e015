/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs behind a TUN device ask for nothing: their first packet from a port leases an address,
 * the first to each remote opens a flow, and packets wait for both. A remote that policy refuses a
 * flow (TEP-S's own address, for STUN inside the tunnel) is still sent whole packets. What falls
 * silent is given back. */
#include "tep-c/tun-table.h"

#define WAITING_MAX 16
#define LOCALS_MAX 16  /* as many bindings as a tunnel has (PROTOCOL section 14) */
#define REMOTES_MAX 32 /* of one local port */
#define REMOTE_IDLE_US (180 * (gint64)G_USEC_PER_SEC)
#define LOCAL_IDLE_US (300 * (gint64)G_USEC_PER_SEC)
#define IN_USE_US (20 * (gint64)G_USEC_PER_SEC) /* nobody takes the place of what spoke so lately */
#define RETRY_US (10 * (gint64)G_USEC_PER_SEC)

/* Both live until they are out of the table and no answer is awaited any more. */
typedef struct {
  StunExtAddress address;
  TepClientFlow *flow;
  gboolean is_gone;
  gboolean is_asked;
  gint64 retry_us; /* refused a flow: whole packets until then */
  GQueue waiting;  /* GBytes: payloads */
  gint64 used_us;
} Remote;

typedef struct {
  TepClientTunTable *table;
  StunExtAddress address;
  TepClientBinding *binding;
  gboolean is_gone;
  gint64 retry_us;    /* refused a lease: nothing until then */
  GPtrArray *remotes; /* (element-type Remote) */
  gint64 used_us;
} Local;

struct _TepClientTunTable {
  TepClientSession *session;
  TepClientTunTableEvents events;
  gpointer user;
  GPtrArray *locals; /* (element-type Local) */
  gint64 full_us;    /* when it was last said that there is no room */
};

static void
clear_remote (gpointer data)
{
  Remote *remote = data;

  g_queue_clear_full (&remote->waiting, (GDestroyNotify)g_bytes_unref);
}

static void
unref_remote (Remote *remote)
{
  g_rc_box_release_full (remote, clear_remote);
}

static void
remove_remote (gpointer data)
{
  Remote *remote = data;

  remote->is_gone = TRUE;
  g_clear_object (&remote->flow); /* closes it */
  unref_remote (remote);
}

static void
clear_local (gpointer data)
{
  Local *local = data;

  g_ptr_array_unref (local->remotes);
}

static void
unref_local (Local *local)
{
  g_rc_box_release_full (local, clear_local);
}

static void
remove_local (gpointer data)
{
  Local *local = data;

  local->is_gone = TRUE;
  g_ptr_array_set_size (local->remotes, 0);
  if (local->binding != NULL)
    tep_client_binding_release (local->binding);
  g_clear_object (&local->binding);
  unref_local (local);
}

static Remote *
find_remote (const Local *local, const StunExtAddress *address)
{
  for (guint i = 0; i < local->remotes->len; i++) {
    Remote *remote = g_ptr_array_index (local->remotes, i);

    if (stun_ext_address_equal (&remote->address, address))
      return remote;
  }
  return NULL;
}

static Local *
find_local (const TepClientTunTable *table, const StunExtAddress *address)
{
  for (guint i = 0; i < table->locals->len; i++) {
    Local *local = g_ptr_array_index (table->locals, i);

    if (stun_ext_address_equal (&local->address, address))
      return local;
  }
  return NULL;
}

/* Flows */

static void
send_on (const Local *local, const Remote *remote, const guint8 *payload, gsize length)
{
  if (remote->flow != NULL)
    tep_client_flow_send (remote->flow, payload, length);
  else
    tep_client_binding_send_to (local->binding, 0, &remote->address, payload, length);
}

typedef struct {
  Local *local;
  Remote *remote;
} Asked;

static void
flow_opened (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Asked *asked = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TepClientFlow) flow =
      tep_client_binding_open_flow_finish (TEP_CLIENT_BINDING (source), result, &error);
  Remote *remote = asked->remote;
  GBytes *bytes;

  if (!remote->is_gone) {
    remote->is_asked = FALSE;
    remote->flow = g_steal_pointer (&flow);
    remote->retry_us = g_get_monotonic_time () + RETRY_US;
    if (remote->flow == NULL)
      g_debug ("whole packets instead of a flow: %s", error->message);
    while ((bytes = g_queue_pop_head (&remote->waiting)) != NULL) {
      gsize length;
      const guint8 *payload = g_bytes_get_data (bytes, &length);

      send_on (asked->local, remote, payload, length);
      g_bytes_unref (bytes);
    }
  }
  unref_remote (remote);
  unref_local (asked->local);
}

static void
ask_flow (Local *local, Remote *remote)
{
  Asked *asked;

  if (remote->is_asked || remote->flow != NULL || local->binding == NULL)
    return;
  remote->is_asked = TRUE;
  asked = g_new (Asked, 1);
  *asked = (Asked){ g_rc_box_acquire (local), g_rc_box_acquire (remote) };
  tep_client_binding_open_flow_async (local->binding, &remote->address, 0, 0, -1, NULL, flow_opened,
                                      asked);
}

/* Leases */

static void
received (TepClientBinding *binding, const TepClientPacket *packet, gpointer data)
{
  Local *local = data;
  Remote *remote;

  if (local->is_gone)
    return;
  remote = find_remote (local, packet->source);
  local->used_us = g_get_monotonic_time ();
  if (remote != NULL)
    remote->used_us = local->used_us;
  local->table->events.packet (local->table->user, packet->source, &local->address, packet->payload,
                               packet->length);
}

static void
leased (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepClientBinding) binding =
      tep_client_session_lease_finish (TEP_CLIENT_SESSION (source), result, &error);
  Local *local = data;
  TepClientTunTable *table = local->table;

  if (local->is_gone) {
    if (binding != NULL)
      tep_client_binding_release (binding);
    unref_local (local);
    return;
  }
  local->binding = g_steal_pointer (&binding);
  if (local->binding == NULL) {
    local->retry_us = g_get_monotonic_time () + RETRY_US;
    g_ptr_array_set_size (local->remotes, 0);
  }
  for (guint i = 0; i < local->remotes->len; i++)
    ask_flow (local, g_ptr_array_index (local->remotes, i));
  table->events.lease (
      table->user, &local->address,
      local->binding != NULL ? tep_client_binding_get_address (local->binding) : NULL, error);
  unref_local (local);
}

static void
ask_lease (Local *local)
{
  TepClientLease lease = { .wanted_port = local->address.port, .family = local->address.family };

  local->retry_us = 0;
  tep_client_session_lease_async (local->table->session, &lease, received, local, NULL, leased,
                                  g_rc_box_acquire (local));
}

/* The server would not grant again what it had granted: the next packet asks anew. */
static void
lost (TepClientSession *session, GObject *handle, const GError *cause, gpointer data)
{
  TepClientTunTable *table = data;

  for (guint i = table->locals->len; i > 0; i--) {
    Local *local = g_ptr_array_index (table->locals, i - 1);

    if (handle == (GObject *)local->binding) {
      table->events.lease (table->user, &local->address, NULL, cause);
      g_ptr_array_remove_index (table->locals, i - 1);
      continue;
    }
    for (guint j = local->remotes->len; j > 0; j--) {
      const Remote *remote = g_ptr_array_index (local->remotes, j - 1);

      if (handle == (GObject *)remote->flow)
        g_ptr_array_remove_index (local->remotes, j - 1);
    }
  }
}

/* What was used longest ago makes room, if nobody uses it. */
static gboolean
make_room_for_local (TepClientTunTable *table, const StunExtAddress *address, gint64 now_us)
{
  guint oldest = 0;

  if (table->locals->len < LOCALS_MAX)
    return TRUE;
  for (guint i = 1; i < table->locals->len; i++) {
    if (((Local *)g_ptr_array_index (table->locals, i))->used_us <
        ((Local *)g_ptr_array_index (table->locals, oldest))->used_us)
      oldest = i;
  }
  if (now_us - ((Local *)g_ptr_array_index (table->locals, oldest))->used_us < IN_USE_US) {
    if (now_us - table->full_us > RETRY_US) {
      g_autoptr (GError) error =
          g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_QUOTA,
                       "%d local ports are in use, and a tunnel carries no more", LOCALS_MAX);

      table->full_us = now_us;
      table->events.lease (table->user, address, NULL, error);
    }
    return FALSE;
  }
  g_ptr_array_remove_index (table->locals, oldest);
  return TRUE;
}

static Local *
add_local (TepClientTunTable *table, const StunExtAddress *address, gint64 now_us)
{
  Local *local;

  if (!make_room_for_local (table, address, now_us))
    return NULL;
  local = g_rc_box_new0 (Local);
  local->table = table;
  local->address = *address;
  local->remotes = g_ptr_array_new_with_free_func (remove_remote);
  g_ptr_array_add (table->locals, local);
  ask_lease (local);
  return local;
}

static Remote *
add_remote (Local *local, const StunExtAddress *address)
{
  Remote *remote;
  guint oldest = 0;

  if (local->remotes->len == REMOTES_MAX) {
    for (guint i = 1; i < local->remotes->len; i++) {
      if (((Remote *)g_ptr_array_index (local->remotes, i))->used_us <
          ((Remote *)g_ptr_array_index (local->remotes, oldest))->used_us)
        oldest = i;
    }
    g_ptr_array_remove_index (local->remotes, oldest);
  }
  remote = g_rc_box_new0 (Remote);
  remote->address = *address;
  g_queue_init (&remote->waiting);
  g_ptr_array_add (local->remotes, remote);
  ask_flow (local, remote);
  return remote;
}

TepClientTunVerdict
tep_client_tun_table_send (TepClientTunTable *table,
                           const StunExtAddress *local_address,
                           const StunExtAddress *remote_address,
                           const guint8 *payload,
                           gsize length,
                           gint64 now_us)
{
  Local *local = find_local (table, local_address);
  Remote *remote;

  if (local == NULL && (local = add_local (table, local_address, now_us)) == NULL)
    return TEP_CLIENT_TUN_REFUSED;
  local->used_us = now_us;
  if (local->retry_us > now_us)
    return TEP_CLIENT_TUN_REFUSED;
  if (local->retry_us != 0)
    ask_lease (local);
  remote = find_remote (local, remote_address);
  if (remote == NULL)
    remote = add_remote (local, remote_address);
  remote->used_us = now_us;
  if (remote->flow == NULL && remote->retry_us != 0 && remote->retry_us <= now_us)
    ask_flow (local, remote); /* meanwhile whole packets go on */
  if (remote->flow != NULL || remote->retry_us != 0) {
    send_on (local, remote, payload, length);
    return TEP_CLIENT_TUN_TAKEN;
  }
  if (g_queue_get_length (&remote->waiting) == WAITING_MAX)
    g_bytes_unref (g_queue_pop_head (&remote->waiting));
  g_queue_push_tail (&remote->waiting, g_bytes_new (payload, length));
  return TEP_CLIENT_TUN_TAKEN;
}

void
tep_client_tun_table_sweep (TepClientTunTable *table, gint64 now_us)
{
  for (guint i = table->locals->len; i > 0; i--) {
    Local *local = g_ptr_array_index (table->locals, i - 1);

    for (guint j = local->remotes->len; j > 0; j--) {
      const Remote *remote = g_ptr_array_index (local->remotes, j - 1);

      if (now_us - remote->used_us > REMOTE_IDLE_US)
        g_ptr_array_remove_index (local->remotes, j - 1);
    }
    if (now_us - local->used_us > LOCAL_IDLE_US)
      g_ptr_array_remove_index (table->locals, i - 1);
  }
}

const StunExtAddress *
tep_client_tun_table_find (TepClientTunTable *table, const TepClientBinding *binding)
{
  for (guint i = 0; i < table->locals->len; i++) {
    const Local *local = g_ptr_array_index (table->locals, i);

    if (local->binding == binding)
      return &local->address;
  }
  return NULL;
}

void
tep_client_tun_table_foreach (TepClientTunTable *table,
                              TepClientTunFlowFunc func,
                              gpointer user_data)
{
  for (guint i = 0; i < table->locals->len; i++) {
    const Local *local = g_ptr_array_index (table->locals, i);

    for (guint j = 0; j < local->remotes->len; j++) {
      const Remote *remote = g_ptr_array_index (local->remotes, j);
      TepClientFlowQuality quality = { 0 };

      if (remote->flow != NULL)
        tep_client_flow_get_quality (remote->flow, &quality);
      func (&local->address,
            local->binding != NULL ? tep_client_binding_get_address (local->binding) : NULL,
            &remote->address, &quality, user_data);
    }
  }
}

TepClientTunTable *
tep_client_tun_table_new (TepClientSession *session,
                          const TepClientTunTableEvents *events,
                          gpointer user)
{
  TepClientTunTable *table = g_new0 (TepClientTunTable, 1);

  table->session = g_object_ref (session);
  table->events = *events;
  table->user = user;
  table->full_us = -RETRY_US;
  table->locals = g_ptr_array_new_with_free_func (remove_local);
  g_signal_connect (session, "lost", G_CALLBACK (lost), table);
  return table;
}

void
tep_client_tun_table_free (TepClientTunTable *table)
{
  g_signal_handlers_disconnect_by_data (table->session, table);
  g_ptr_array_unref (table->locals);
  g_object_unref (table->session);
  g_free (table);
}
