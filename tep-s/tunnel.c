/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of one tunnel: provisional until something came under the tunnel key, alive while it has
 * connections, waiting for a while without them, lingering after its last flow, over. Whatever ends
 * a tunnel goes through one function, so that everything it holds is given back exactly once.
 */
#include <string.h>

#include "tep-s/messages-private.h"

typedef struct {
  TunnelState from;
  TunnelEvent event;
  TunnelState to;
} Transition;

static const Transition transitions[] = {
  { TUNNEL_PROVISIONAL, TUNNEL_ATTACH, TUNNEL_PROVISIONAL }, /* the opening one */
  { TUNNEL_PROVISIONAL, TUNNEL_CONFIRM, TUNNEL_LIVE },
  /* A connection may be lost before the client confirmed; what is not confirmed cannot be resumed.
   */
  { TUNNEL_PROVISIONAL, TUNNEL_LOSE, TUNNEL_PROVISIONAL },
  { TUNNEL_PROVISIONAL, TUNNEL_END, TUNNEL_OVER },
  { TUNNEL_LIVE, TUNNEL_CONFIRM, TUNNEL_LIVE },
  { TUNNEL_LIVE, TUNNEL_ATTACH, TUNNEL_LIVE },
  { TUNNEL_LIVE, TUNNEL_LOSE, TUNNEL_DETACHED },
  { TUNNEL_LIVE, TUNNEL_FLOW, TUNNEL_LIVE },
  { TUNNEL_LIVE, TUNNEL_IDLE, TUNNEL_LINGERING },
  { TUNNEL_LIVE, TUNNEL_END, TUNNEL_OVER },
  { TUNNEL_DETACHED, TUNNEL_CONFIRM, TUNNEL_DETACHED },
  { TUNNEL_DETACHED, TUNNEL_ATTACH, TUNNEL_LIVE },
  { TUNNEL_DETACHED, TUNNEL_END, TUNNEL_OVER },
  { TUNNEL_LINGERING, TUNNEL_CONFIRM, TUNNEL_LINGERING },
  { TUNNEL_LINGERING, TUNNEL_ATTACH, TUNNEL_LINGERING },
  { TUNNEL_LINGERING, TUNNEL_LOSE, TUNNEL_LINGERING },
  { TUNNEL_LINGERING, TUNNEL_FLOW, TUNNEL_LIVE },
  { TUNNEL_LINGERING, TUNNEL_END, TUNNEL_OVER },
};

static const char *const state_names[] = {
  [TUNNEL_PROVISIONAL] = "provisional", [TUNNEL_LIVE] = "live", [TUNNEL_DETACHED] = "detached",
  [TUNNEL_LINGERING] = "lingering",     [TUNNEL_OVER] = "over",
};
G_STATIC_ASSERT (G_N_ELEMENTS (state_names) == N_TUNNEL_STATES);

static const char *const event_names[] = {
  [TUNNEL_CONFIRM] = "confirm", [TUNNEL_ATTACH] = "attach", [TUNNEL_LOSE] = "lose",
  [TUNNEL_FLOW] = "flow",       [TUNNEL_IDLE] = "idle",     [TUNNEL_END] = "end",
};
G_STATIC_ASSERT (G_N_ELEMENTS (event_names) == N_TUNNEL_EVENTS);

static void
log_step (const TepServerTunnel *tunnel, const Transition *row)
{
  char source[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "CAUSE", "tunnel-state", "USER",
                    tunnel->user != NULL ? tunnel->user : "", "SOURCE",
                    stun_ext_address_print (&tunnel->public_address, source), "MESSAGE",
                    "tunnel: %s -> %s (%s)", state_names[row->from], state_names[row->to],
                    event_names[row->event]);
}

gboolean
tep_server_tunnel_step (TepServerTunnel *tunnel, TunnelEvent event)
{
  for (gsize i = 0; i < G_N_ELEMENTS (transitions); i++) {
    const Transition *row = &transitions[i];

    if (row->from == tunnel->state && row->event == event) {
      if (row->from != row->to)
        log_step (tunnel, row);
      tunnel->state = row->to;
      return TRUE;
    }
  }
  return FALSE;
}

static guint64
hash_id (const TepServerCore *core, const guint8 *id)
{
  guint64 hash;

  /* Random octets of our own choosing; whoever finds one has passed the MAC. */
  memcpy (&hash, id, sizeof hash);
  return hash ^ core->seed;
}

TepServerTunnel *
tep_server_tunnel_find (TepServerCore *core, const guint8 *id, gsize length)
{
  TepServerNode *node;
  guint64 hash;

  if (length != STUN_EXT_TUNNEL_ID_LENGTH)
    return NULL;
  hash = hash_id (core, id);
  node = tep_server_table_first (&core->tunnels, hash);
  while (node != NULL && !stun_ext_crypto_equal (((TepServerTunnel *)node)->id, id, length))
    node = tep_server_table_next (node->next, hash);
  return (TepServerTunnel *)node;
}

/* What stands between the quotes of a counter's label. */
static void
label_value (const char *label, char *value, gsize capacity)
{
  const char *begin = label != NULL ? strchr (label, '"') : NULL;

  g_strlcpy (value, begin != NULL ? begin + 1 : "", capacity);
  value[strcspn (value, "\"")] = '\0';
}

static void
tell (TepServerTunnel *tunnel, TepServerEventKind kind, const char *reason)
{
  TepServerCore *core = tunnel->core;
  char value[32];
  TepServerEvent event = {
    .kind = kind, .user = tunnel->user, .source = &tunnel->public_address, .reason = value
  };

  label_value (reason, value, sizeof value);

  if (core->host->event != NULL)
    core->host->event (core->host_data, &event);
}

void
tep_server_tunnel_add (TepServerCore *core, TepServerTunnel *tunnel)
{
  tunnel->core = core;
  tunnel->state = TUNNEL_PROVISIONAL;
  tunnel->timer.is_tunnel = TRUE;
  tunnel->heard_us = core->now_us;
  tunnel->confirm_due_us = core->now_us + core->settings.config->timers.confirmation_s * US_PER_S;
  tep_server_table_add (&core->tunnels, &tunnel->node, hash_id (core, tunnel->id));
  COUNT (core, OPENED);
  COUNT (core, TUNNELS);
  tep_server_tunnel_arm (tunnel);
  tell (tunnel, TEP_SERVER_EVENT_OPENED, NULL);
}

void
tep_server_tunnel_attach (TepServerTunnel *tunnel, TepServerConnection *connection, guint8 number)
{
  tunnel->connections[number] = connection;
  tunnel->n_connections++;
  tunnel->last_number = number;
  tunnel->heard_us = tunnel->core->now_us;
  connection->tunnel = tunnel;
  connection->number = number;
  stun_ext_tally_join (&tunnel->tally, number);
  tep_server_connection_authenticated (connection);
  tep_server_tunnel_step (tunnel, TUNNEL_ATTACH);
}

void
tep_server_tunnel_detach (TepServerTunnel *tunnel, TepServerConnection *connection)
{
  connection->tunnel = NULL;
  tunnel->connections[connection->number] = NULL;
  tunnel->n_connections--;
  stun_ext_tally_leave (&tunnel->tally, connection->number);
  stun_ext_send_log_clear (&connection->log);
  if (tunnel->n_connections == 0)
    tep_server_tunnel_step (tunnel, TUNNEL_LOSE);
}

void
tep_server_tunnel_confirm (TepServerTunnel *tunnel)
{
  if (tunnel->state != TUNNEL_PROVISIONAL)
    return;
  tep_server_tunnel_step (tunnel, TUNNEL_CONFIRM);
  stun_ext_crypto_cleanse (tunnel->flight_key, sizeof tunnel->flight_key);
  tep_server_tunnel_arm (tunnel);
}

/* ---- feedback ---- */

/* Remembers that something arrived that the far end has not been told. The list is in order of
 * time, so its head is all that has to be looked at. */
void
tep_server_tunnel_feedback_due (TepServerTunnel *tunnel)
{
  TepServerCore *core = tunnel->core;

  if (tunnel->feedback_at != NULL)
    return;
  tunnel->next_feedback = NULL;
  tunnel->feedback_at = core->feedback_last;
  *core->feedback_last = tunnel;
  core->feedback_last = &tunnel->next_feedback;
  tunnel->feedback_since_us = core->now_us;
}

void
tep_server_tunnel_feedback_done (TepServerTunnel *tunnel)
{
  TepServerCore *core = tunnel->core;

  if (tunnel->feedback_at == NULL)
    return;
  *tunnel->feedback_at = tunnel->next_feedback;
  if (tunnel->next_feedback != NULL)
    tunnel->next_feedback->feedback_at = tunnel->feedback_at;
  else
    core->feedback_last = tunnel->feedback_at;
  tunnel->next_feedback = NULL;
  tunnel->feedback_at = NULL;
}

void
tep_server_tunnel_feedback (TepServerTunnel *tunnel, TepServerConnection *connection)
{
  TepServerCore *core = tunnel->core;
  guint8 frame[STUN_EXT_FEEDBACK_SIZE_MAX];
  StunExtFeedback feedback;
  StunExtWriter writer;

  tep_server_tunnel_feedback_done (tunnel);
  stun_ext_tally_take (&tunnel->tally, core->now_us, &feedback);
  stun_ext_writer_init (&writer, frame, sizeof frame);
  stun_ext_feedback_write (&writer, &feedback);
  if (!writer.failed &&
      tep_server_connection_write (connection, frame, writer.length, NULL, 0, TRUE))
    stun_ext_send_log_clock_written (&connection->log, core->now_us);
}

/* ---- the end ---- */

/* A Close indication (PROTOCOL.md section 7.4). */
static void
indicate_close (TepServerTunnel *tunnel, TepServerConnection *connection, guint code)
{
  guint8 frame[STUN_EXT_FRAME_LENGTH_SIZE + STUN_EXT_TEP_MESSAGE_MAX];
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  const StunExtSpan key = { tunnel->key, sizeof tunnel->key };
  const TepServerConfig *config = tunnel->core->settings.config;
  StunExtTepClosing closing = { .code = code };
  gsize length;

  if (code == STUN_EXT_CODE_TRY_ALTERNATE) {
    closing.alternate = config->alternate;
    if (config->alternate_name != NULL)
      closing.alternate_name =
          (StunExtSpan){ config->alternate_name, strlen (config->alternate_name) };
  }
  tunnel->core->host->random (tunnel->core->host_data, transaction_id, sizeof transaction_id);
  if (stun_ext_tep_write_closing (&closing, transaction_id, key, frame + STUN_EXT_FRAME_LENGTH_SIZE,
                                  STUN_EXT_TEP_MESSAGE_MAX, &length))
    tep_server_answer (connection, frame, length);
}

void
tep_server_tunnel_end (TepServerTunnel *tunnel, guint code, TepServerCounter reason)
{
  TepServerCore *core = tunnel->core;
  gboolean is_confirmed = tunnel->state != TUNNEL_PROVISIONAL;

  if (!tep_server_tunnel_step (tunnel, TUNNEL_END))
    return;
  tep_server_core_flush_packets (core);
  for (guint i = 0; i < STUN_EXT_CONNECTIONS_MAX; i++) {
    TepServerConnection *connection = tunnel->connections[i];

    if (connection == NULL)
      continue;
    if (code != 0 && is_confirmed)
      indicate_close (tunnel, connection, code);
    tep_server_connection_finish (connection, TEP_SERVER_COUNTER_CONNECTION_DONE);
  }
  while (tunnel->leasings != NULL)
    tep_server_leasing_remove (tunnel->leasings);
  tep_server_tunnel_feedback_done (tunnel);
  tep_server_wheel_disarm (&core->wheel, &tunnel->timer);
  tep_server_table_remove (&core->tunnels, &tunnel->node);
  tep_server_core_count (core, reason, 1);
  COUNT_N (core, TUNNELS, -1);
  tell (tunnel, TEP_SERVER_EVENT_CLOSED, tep_server_counter_info (reason)->label);
  atomic_fetch_sub_explicit (&core->shared->tunnels, 1, memory_order_relaxed);
  tep_server_quota_give (core->shared->user_tunnels, tunnel->user_key);
  tep_server_quota_give (core->shared->source_tunnels, tunnel->source_key);
  /* Freed at the end of the round: whoever called may still look at its state. */
  tunnel->next_over = core->over;
  core->over = tunnel;
}

void
tep_server_tunnel_free (TepServerTunnel *tunnel)
{
  g_free (tunnel->login);
  stun_ext_crypto_cleanse (tunnel, sizeof *tunnel);
  g_free (tunnel);
}

/* ---- the credential ---- */

static gboolean
mark_of (const TepServerTunnel *tunnel,
         StunExtSpan key,
         guint8 mark[static TEP_SERVER_CREDENTIAL_MARK])
{
  guint8 mac[STUN_EXT_SHA256_LENGTH];

  if (!stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, tunnel->core->shared->tunnel_secret,
                             TEP_SERVER_SECRET_LENGTH, &key, 1, mac))
    return FALSE;
  memcpy (mark, mac, TEP_SERVER_CREDENTIAL_MARK);
  return TRUE;
}

void
tep_server_tunnel_mark_credential (TepServerTunnel *tunnel, StunExtSpan key)
{
  mark_of (tunnel, key, tunnel->credential_mark);
}

void
tep_server_tunnel_check_credential (TepServerTunnel *tunnel)
{
  TepServerCore *core = tunnel->core;
  TepServerCredential credential;
  guint8 mark[TEP_SERVER_CREDENTIAL_MARK];
  gboolean is_good = FALSE;

  tep_server_users_find (core->settings.config->users, tunnel->key_kind, tunnel->login,
                         strlen (tunnel->login), tunnel->is_secure, core->now_ms, &credential);
  for (guint i = 0; credential.refusal == TEP_SERVER_REFUSAL_NONE && i < credential.n_keys; i++) {
    const StunExtSpan key = { credential.keys[i].octets, credential.keys[i].length };

    is_good |= mark_of (tunnel, key, mark) &&
               stun_ext_crypto_equal (mark, tunnel->credential_mark, sizeof mark);
  }
  tep_server_credential_clear (&credential);
  if (!is_good)
    tep_server_tunnel_end (tunnel, STUN_EXT_CODE_UNAUTHENTICATED,
                           TEP_SERVER_COUNTER_CLOSED_REVOKED);
}

/* ---- time ---- */

static gint64
silence_due_us (const TepServerTunnel *tunnel)
{
  return tunnel->heard_us + tunnel->core->settings.config->timers.silence_s * US_PER_S;
}

void
tep_server_tunnel_arm (TepServerTunnel *tunnel)
{
  gint64 due_us = silence_due_us (tunnel);

  if (tunnel->state == TUNNEL_PROVISIONAL)
    due_us = MIN (due_us, tunnel->confirm_due_us);
  if (tunnel->state == TUNNEL_LINGERING)
    due_us = MIN (due_us, tunnel->linger_due_us);
  if (tunnel->expires_ms != 0)
    due_us =
        MIN (due_us, tunnel->core->now_us + 1000 * (tunnel->expires_ms - tunnel->core->now_ms));
  for (TepServerLeasing *leasing = tunnel->leasings; leasing != NULL; leasing = leasing->next)
    due_us = MIN (due_us, leasing->expires_us);
  tep_server_wheel_arm (&tunnel->core->wheel, &tunnel->timer, due_us);
}

static void
expire_bindings (TepServerTunnel *tunnel)
{
  TepServerLeasing *leasing = tunnel->leasings;

  while (leasing != NULL) {
    TepServerLeasing *next = leasing->next;

    if (tunnel->core->now_us >= leasing->expires_us)
      tep_server_leasing_remove (leasing);
    leasing = next;
  }
}

/* After a flow ended, by request or with its binding. */
void
tep_server_tunnel_check_idle (TepServerTunnel *tunnel)
{
  TepServerCore *core = tunnel->core;

  if (tunnel->is_keep || !tunnel->had_flow || tunnel->n_flows > 0 ||
      tunnel->state == TUNNEL_LINGERING)
    return;
  if (!tep_server_tunnel_step (tunnel, TUNNEL_IDLE))
    return;
  tunnel->linger_due_us = core->now_us + core->settings.config->timers.linger_s * US_PER_S;
  tep_server_tunnel_arm (tunnel);
}

void
tep_server_tunnel_timeout (TepServerTunnel *tunnel)
{
  gint64 now_us = tunnel->core->now_us;

  if (tunnel->state == TUNNEL_PROVISIONAL && now_us >= tunnel->confirm_due_us) {
    tep_server_tunnel_end (tunnel, 0, TEP_SERVER_COUNTER_CLOSED_UNCONFIRMED);
  } else if (now_us >= silence_due_us (tunnel)) {
    tep_server_tunnel_end (tunnel, STUN_EXT_CODE_ALLOCATION_MISMATCH,
                           TEP_SERVER_COUNTER_CLOSED_SILENT);
  } else if (tunnel->state == TUNNEL_LINGERING && now_us >= tunnel->linger_due_us) {
    tep_server_tunnel_end (tunnel, STUN_EXT_CODE_ALLOCATION_MISMATCH,
                           TEP_SERVER_COUNTER_CLOSED_LINGER);
  } else if (tunnel->expires_ms != 0 && tunnel->core->now_ms >= tunnel->expires_ms) {
    tep_server_tunnel_end (tunnel, STUN_EXT_CODE_UNAUTHENTICATED,
                           TEP_SERVER_COUNTER_CLOSED_REVOKED);
  } else {
    expire_bindings (tunnel);
    tep_server_tunnel_check_idle (tunnel);
    tep_server_tunnel_arm (tunnel);
  }
}
