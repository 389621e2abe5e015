/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One TCP connection from its first octet: what it carries, layer by layer, under one deadline and
 * one budget until it has proven who it is; then frames. Until then it can cost us no more than a
 * small struct and 16 KiB of reading.
 */
#include <string.h>

#include "tep-s/core-private.h"

/* How long a newcomer has its place for itself, where others of its source want one: silent, and else. Who is
 * honest has said something after one round trip, and is through after three. */
#define REPLACE_SILENT_US (2 * US_PER_S)
#define REPLACE_LATE_US (5 * US_PER_S)
#define CLOSING_US (2 * US_PER_S) /* for the peer to take the last octets and close */

typedef struct {
  ConnectionState from;
  ConnectionEvent event;
  ConnectionState to;
} Transition;

static const Transition transitions[] = {
  { CONNECTION_DOOR, CONNECTION_SAW_TLS, CONNECTION_HANDSHAKE },
  { CONNECTION_DOOR, CONNECTION_SAW_HTTP, CONNECTION_REQUEST },
  { CONNECTION_DOOR, CONNECTION_SAW_STUN, CONNECTION_STUN },
  { CONNECTION_DOOR, CONNECTION_SAW_TUNNEL, CONNECTION_OPENING },
  { CONNECTION_DOOR, CONNECTION_ELSEWHERE, CONNECTION_LEAVING },
  { CONNECTION_DOOR, CONNECTION_FINISH, CONNECTION_CLOSING },
  { CONNECTION_DOOR, CONNECTION_ABORT, CONNECTION_OVER },
  { CONNECTION_REQUEST, CONNECTION_NEXT_LAYER, CONNECTION_DOOR },
  { CONNECTION_REQUEST, CONNECTION_FINISH, CONNECTION_CLOSING },
  { CONNECTION_REQUEST, CONNECTION_ABORT, CONNECTION_OVER },
  { CONNECTION_HANDSHAKE, CONNECTION_NEXT_LAYER, CONNECTION_DOOR },
  { CONNECTION_HANDSHAKE, CONNECTION_FINISH, CONNECTION_CLOSING },
  { CONNECTION_HANDSHAKE, CONNECTION_ABORT, CONNECTION_OVER },
  { CONNECTION_STUN, CONNECTION_FINISH, CONNECTION_CLOSING },
  { CONNECTION_STUN, CONNECTION_ABORT, CONNECTION_OVER },
  { CONNECTION_OPENING, CONNECTION_AUTHENTICATED, CONNECTION_TUNNEL },
  { CONNECTION_OPENING, CONNECTION_ELSEWHERE, CONNECTION_LEAVING },
  { CONNECTION_OPENING, CONNECTION_FINISH, CONNECTION_CLOSING },
  { CONNECTION_OPENING, CONNECTION_ABORT, CONNECTION_OVER },
  { CONNECTION_TUNNEL, CONNECTION_FINISH, CONNECTION_CLOSING },
  { CONNECTION_TUNNEL, CONNECTION_ABORT, CONNECTION_OVER },
  { CONNECTION_LEAVING, CONNECTION_ADOPTED, CONNECTION_OPENING },
  { CONNECTION_LEAVING, CONNECTION_ABORT, CONNECTION_OVER },
  { CONNECTION_CLOSING, CONNECTION_ABORT, CONNECTION_OVER },
};

static const char *const state_names[] = {
  [CONNECTION_DOOR] = "door",           [CONNECTION_REQUEST] = "http-request",
  [CONNECTION_HANDSHAKE] = "handshake", [CONNECTION_STUN] = "stun",
  [CONNECTION_OPENING] = "opening",     [CONNECTION_TUNNEL] = "tunnel",
  [CONNECTION_LEAVING] = "leaving",     [CONNECTION_CLOSING] = "closing",
  [CONNECTION_OVER] = "over",
};
G_STATIC_ASSERT (G_N_ELEMENTS (state_names) == N_CONNECTION_STATES);

static const char *const event_names[] = {
  [CONNECTION_SAW_TLS] = "saw-tls",       [CONNECTION_SAW_HTTP] = "saw-http",
  [CONNECTION_SAW_STUN] = "saw-stun",     [CONNECTION_SAW_TUNNEL] = "saw-tunnel",
  [CONNECTION_NEXT_LAYER] = "next-layer", [CONNECTION_AUTHENTICATED] = "authenticated",
  [CONNECTION_ELSEWHERE] = "elsewhere",   [CONNECTION_ADOPTED] = "adopted",
  [CONNECTION_FINISH] = "finish",         [CONNECTION_ABORT] = "abort",
};
G_STATIC_ASSERT (G_N_ELEMENTS (event_names) == N_CONNECTION_EVENTS);

static void
log_step (const TepServerConnection *connection, const Transition *row)
{
  char source[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_DEBUG, "CAUSE", "connection-state", "SOURCE",
                    stun_ext_address_print (&connection->source, source), "MESSAGE",
                    "connection: %s -> %s (%s)", state_names[row->from], state_names[row->to],
                    event_names[row->event]);
}

gboolean
tep_server_connection_step (TepServerConnection *connection, ConnectionEvent event)
{
  for (gsize i = 0; i < G_N_ELEMENTS (transitions); i++) {
    const Transition *row = &transitions[i];

    if (row->from == connection->state && row->event == event) {
      log_step (connection, row);
      connection->state = row->to;
      return TRUE;
    }
  }
  return FALSE;
}

void
tep_server_connection_arm (TepServerConnection *connection)
{
  const FrontDoor *front = connection->front;
  const TepServerTimers *timers = &connection->core->settings.config->timers;
  gint64 due_us = G_MAXINT64;

  if (connection->state == CONNECTION_CLOSING) {
    due_us = connection->progress_us + CLOSING_US;
  } else if (front != NULL) {
    due_us = front->authentication_due_us;
    if (!front->has_message)
      due_us = MIN (due_us, front->message_due_us);
    if (connection->state == CONNECTION_HANDSHAKE)
      due_us = MIN (due_us, front->handshake_due_us);
  } else if (connection->is_output_waiting) {
    due_us = connection->progress_us + timers->stalled_s * US_PER_S;
  }
  if (due_us == G_MAXINT64)
    tep_server_wheel_disarm (&connection->core->wheel, &connection->timer);
  else
    tep_server_wheel_arm (&connection->core->wheel, &connection->timer, due_us);
}

static void
set_unauthenticated (TepServerConnection *connection, gboolean is_unauthenticated)
{
  TepServerCore *core = connection->core;

  if (connection->is_unauthenticated == is_unauthenticated)
    return;
  connection->is_unauthenticated = is_unauthenticated;
  COUNT_N (core, UNAUTHENTICATED, is_unauthenticated ? 1 : -1);
  if (is_unauthenticated)
    return; /* accept() has taken from the accounts already */
  atomic_fetch_sub_explicit (&core->shared->unauthenticated, 1, memory_order_relaxed);
  tep_server_quota_give (core->shared->source_unauthenticated, connection->source_key);
}

static void
link_connection (TepServerCore *core, TepServerConnection *connection)
{
  connection->core = core;
  connection->next = core->connections;
  connection->at = &core->connections;
  if (connection->next != NULL)
    connection->next->at = &connection->next;
  core->connections = connection;
  core->n_connections++;
  COUNT (core, CONNECTIONS);
}

static void
unlink_connection (TepServerConnection *connection)
{
  *connection->at = connection->next;
  if (connection->next != NULL)
    connection->next->at = connection->at;
  connection->core->n_connections--;
  COUNT_N (connection->core, CONNECTIONS, -1);
}

static void
link_newcomer (TepServerConnection *connection)
{
  FrontDoor *front = connection->front;

  front->next = connection->core->newcomers;
  front->at = &connection->core->newcomers;
  if (front->next != NULL)
    front->next->at = &front->next;
  connection->core->newcomers = front;
}

static void
unlink_newcomer (TepServerConnection *connection)
{
  FrontDoor *front = connection->front;

  if (front->at == NULL)
    return;
  *front->at = front->next;
  if (front->next != NULL)
    front->next->at = front->at;
  front->at = NULL;
}

TepServerConnection *
tep_server_connection_new (TepServerCore *core, const StunExtAddress *source)
{
  const TepServerTimers *timers = &core->settings.config->timers;
  TepServerConnection *connection = g_try_new0 (TepServerConnection, 1);
  FrontDoor *front = g_try_new0 (FrontDoor, 1);

  if (connection == NULL || front == NULL) {
    g_free (connection);
    g_free (front);
    return NULL;
  }
  front->budget = UNAUTHENTICATED_BUDGET;
  front->message_due_us = core->now_us + timers->first_message_s * US_PER_S;
  front->authentication_due_us = core->now_us + timers->authentication_s * US_PER_S;
  front->opened_us = core->now_us;
  front->connection = connection;
  connection->front = front;
  connection->source = *source;
  connection->source_key = tep_server_quota_source_key (source);
  connection->state = CONNECTION_DOOR;
  connection->progress_us = core->now_us;
  link_connection (core, connection);
  link_newcomer (connection);
  set_unauthenticated (connection, TRUE);
  tep_server_connection_arm (connection);
  return connection;
}

static void
free_front (TepServerConnection *connection)
{
  if (connection->front == NULL)
    return;
  unlink_newcomer (connection);
  g_clear_pointer (&connection->front->unread, g_bytes_unref);
  g_clear_pointer (&connection->front->unread_tls, g_bytes_unref);
  g_clear_pointer (&connection->front, g_free);
}

static void
leave_tunnel (TepServerConnection *connection)
{
  if (connection->tunnel != NULL)
    tep_server_tunnel_detach (connection->tunnel, connection);
}

/* The accounts are given back here, when the descriptor is gone, and not before (requirement 34).
 */
void
tep_server_connection_free (TepServerConnection *connection)
{
  TepServerCore *core = connection->core;

  leave_tunnel (connection);
  set_unauthenticated (connection, FALSE);
  atomic_fetch_sub_explicit (&core->shared->connections, 1, memory_order_relaxed);
  tep_server_quota_give (core->shared->source_connections, connection->source_key);
  tep_server_wheel_disarm (&core->wheel, &connection->timer);
  unlink_connection (connection);
  free_front (connection);
  g_clear_pointer (&connection->tls, tep_server_tls_free);
  stun_ext_stream_clear (&connection->stream);
  stun_ext_send_log_clear (&connection->log);
  tep_server_output_clear (&connection->out, &core->pool);
  tep_server_output_clear (&connection->plain, &core->pool);
  g_free (connection);
}

void
tep_server_connection_mark_dirty (TepServerConnection *connection)
{
  if (connection->is_dirty)
    return;
  connection->is_dirty = TRUE;
  connection->next_dirty = connection->core->dirty;
  connection->core->dirty = connection;
}

static void
count_end (TepServerConnection *connection, TepServerCounter reason)
{
  if (!connection->is_counted)
    tep_server_core_count (connection->core, reason, 1);
  connection->is_counted = TRUE;
}

void
tep_server_connection_close (TepServerConnection *connection, TepServerCounter reason)
{
  if (!tep_server_connection_step (connection, CONNECTION_ABORT))
    return;
  count_end (connection, reason);
  leave_tunnel (connection);
  tep_server_connection_mark_dirty (connection);
}

/* Whether the one would rather be missed than the other: who has said nothing goes before who has, and then
 * who has been there longest. */
static gboolean
is_less_missed (const FrontDoor *front, const FrontDoor *than)
{
  if (than == NULL || front->has_message != than->has_message)
    return than == NULL || !front->has_message;
  return front->opened_us < than->opened_us;
}

/* What happened to it in this round is still being dealt with, or it is about to be another worker's. */
static gboolean
is_in_use (const TepServerConnection *connection)
{
  return connection->is_dirty || connection->state == CONNECTION_LEAVING ||
         connection->state == CONNECTION_OVER;
}

gboolean
tep_server_connection_replace (TepServerCore *core, guint64 source_key)
{
  const FrontDoor *least = NULL;
  TepServerConnection *connection;

  for (const FrontDoor *front = core->newcomers; front != NULL; front = front->next) {
    gint64 patience_us = front->has_message ? REPLACE_LATE_US : REPLACE_SILENT_US;

    if (front->connection->source_key == source_key && !is_in_use (front->connection) &&
        core->now_us - front->opened_us >= patience_us && is_less_missed (front, least))
      least = front;
  }
  if (least == NULL)
    return FALSE;
  connection = least->connection;
  tep_server_connection_step (connection, CONNECTION_ABORT);
  count_end (connection, TEP_SERVER_COUNTER_CONNECTION_REPLACED);
  core->host->over (core->host_data, connection);
  tep_server_connection_free (connection);
  return TRUE;
}

void
tep_server_connection_finish (TepServerConnection *connection, TepServerCounter reason)
{
  if (!tep_server_connection_step (connection, CONNECTION_FINISH))
    return;
  count_end (connection, reason);
  leave_tunnel (connection);
  connection->progress_us = connection->core->now_us;
  if (connection->tls != NULL) {
    tep_server_connection_encrypt (connection);
    tep_server_tls_close (connection->tls);
  }
  tep_server_connection_arm (connection);
  tep_server_connection_mark_dirty (connection);
}

gsize
tep_server_connection_unsent (const TepServerConnection *connection)
{
  return connection->out.length + connection->plain.length;
}

gboolean
tep_server_connection_write (TepServerConnection *connection,
                             const void *head,
                             gsize head_length,
                             const void *body,
                             gsize body_length,
                             gboolean is_media)
{
  TepServerCore *core = connection->core;
  TepServerOutput *output = connection->tls != NULL ? &connection->plain : &connection->out;
  gsize limit = core->settings.config->limits.output_octets + (is_media ? 0 : RESERVE_OCTETS);

  if (connection->state >= CONNECTION_LEAVING)
    return FALSE;
  if (tep_server_connection_unsent (connection) + head_length + body_length > limit) {
    /* Media can be left out; who does not even take answers is not there any more. */
    if (!is_media)
      tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_STALLED);
    return FALSE;
  }
  if (!tep_server_output_append (output, &core->pool, head, head_length))
    return FALSE;
  if (!tep_server_output_append (output, &core->pool, body, body_length)) {
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_STALLED);
    return FALSE;
  }
  tep_server_connection_mark_dirty (connection);
  return TRUE;
}

void
tep_server_connection_set_waiting (TepServerConnection *connection, gboolean is_waiting)
{
  if (connection->is_output_waiting == is_waiting)
    return;
  connection->is_output_waiting = is_waiting;
  if (is_waiting)
    connection->progress_us = connection->core->now_us;
  tep_server_connection_arm (connection);
}

void
tep_server_connection_encrypt (TepServerConnection *connection)
{
  struct iovec piece;

  while (tep_server_output_pieces (&connection->plain, &piece, 1) == 1) {
    if (!tep_server_tls_write (connection->tls, piece.iov_base, piece.iov_len)) {
      tep_server_output_clear (&connection->plain, &connection->core->pool);
      tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_TLS);
      return;
    }
    tep_server_output_consume (&connection->plain, &connection->core->pool, piece.iov_len);
  }
}

void
tep_server_connection_authenticated (TepServerConnection *connection)
{
  guint16 largest_packet = connection->core->settings.config->media.largest_packet;

  tep_server_connection_step (connection, CONNECTION_AUTHENTICATED);
  set_unauthenticated (connection, FALSE);
  free_front (connection);
  stun_ext_stream_set_limit (&connection->stream, stun_ext_stream_limit (largest_packet));
  tep_server_connection_arm (connection);
}

void
tep_server_connection_timeout (TepServerConnection *connection)
{
  const FrontDoor *front = connection->front;
  const TepServerTimers *timers = &connection->core->settings.config->timers;

  if (connection->state == CONNECTION_CLOSING) {
    if (connection->core->now_us >= connection->progress_us + CLOSING_US)
      tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_DONE);
  } else if (front != NULL) {
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_DEADLINE);
  } else if (connection->is_output_waiting &&
             connection->core->now_us >= connection->progress_us + timers->stalled_s * US_PER_S) {
    tep_server_connection_close (connection, TEP_SERVER_COUNTER_CONNECTION_STALLED);
  }
  if (connection->state != CONNECTION_OVER)
    tep_server_connection_arm (connection);
}

/* ---- from worker to worker ---- */

void
tep_server_connection_release (TepServerConnection *connection, TepServerHandover *handover)
{
  TepServerCore *core = connection->core;

  *handover = (TepServerHandover){ .connection = connection };
  handover->unread = g_steal_pointer (&connection->front->unread);
  handover->unread_tls = g_steal_pointer (&connection->front->unread_tls);
  tep_server_wheel_disarm (&core->wheel, &connection->timer);
  /* Output lies in this worker's pool; none is waiting, for nothing was answered on this connection
   * that the kernel did not take; if it was not taken the peer is too slow to be worth the trouble.
   */
  tep_server_output_clear (&connection->out, &core->pool);
  tep_server_output_clear (&connection->plain, &core->pool);
  COUNT_N (core, UNAUTHENTICATED, -1);
  COUNT (core, HANDED_OVER);
  unlink_newcomer (connection);
  unlink_connection (connection);
  connection->core = NULL;
}

void
tep_server_connection_adopt (TepServerConnection *connection, TepServerHandover *handover)
{
  gsize length;
  const guint8 *data;

  COUNT (connection->core, UNAUTHENTICATED);
  tep_server_connection_step (connection, CONNECTION_ADOPTED);
  tep_server_connection_arm (connection);
  if (handover->unread != NULL) {
    data = g_bytes_get_data (handover->unread, &length);
    if (length > 0)
      tep_server_connection_read_plain (connection, data, length);
  }
  if (connection->tls != NULL && tep_server_connection_is_reading (connection)) {
    data = handover->unread_tls != NULL ? g_bytes_get_data (handover->unread_tls, &length) : NULL;
    if (data != NULL)
      tep_server_tls_push (connection->tls, data, length);
    tep_server_connection_read_tls (connection);
  }
  tep_server_core_flush_packets (connection->core);
}

void
tep_server_core_release_connection (TepServerCore *core,
                                    TepServerConnection *connection,
                                    TepServerHandover *handover)
{
  tep_server_connection_release (connection, handover);
}

void
tep_server_core_adopt (TepServerCore *core, TepServerHandover *handover)
{
  link_connection (core, handover->connection);
  link_newcomer (handover->connection);
  tep_server_connection_adopt (handover->connection, handover);
  g_clear_pointer (&handover->unread, g_bytes_unref);
  g_clear_pointer (&handover->unread_tls, g_bytes_unref);
}

void
tep_server_handover_open (TepServerHandover *handover,
                          TepServerShared *shared,
                          TepServerHandoverContents *contents)
{
  TepServerConnection *connection = handover->connection;

  *contents = (TepServerHandoverContents){ .source = connection->source };
  contents->layers = connection->layers;
  contents->tls = g_steal_pointer (&connection->tls);
  contents->unread = g_steal_pointer (&handover->unread);
  contents->unread_tls = g_steal_pointer (&handover->unread_tls);
  tep_server_handover_discard (handover, shared);
}

void
tep_server_handover_discard (TepServerHandover *handover, TepServerShared *shared)
{
  TepServerConnection *connection = handover->connection;

  atomic_fetch_sub_explicit (&shared->connections, 1, memory_order_relaxed);
  atomic_fetch_sub_explicit (&shared->unauthenticated, 1, memory_order_relaxed);
  tep_server_quota_give (shared->source_connections, connection->source_key);
  tep_server_quota_give (shared->source_unauthenticated, connection->source_key);
  free_front (connection);
  g_clear_pointer (&connection->tls, tep_server_tls_free);
  stun_ext_stream_clear (&connection->stream);
  g_clear_pointer (&handover->unread, g_bytes_unref);
  g_clear_pointer (&handover->unread_tls, g_bytes_unref);
  g_free (connection);
}
