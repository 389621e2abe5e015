/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back to back: the local TURN server of turn-server.c gives orders, and a TURN client, which knows
 * the real server's credentials, carries them out. What either side does not see of the other is
 * the point: the client's stream outlives that to the server, which may be lost, redirected and
 * made again, and the client notices nothing as long as its relayed address stays.
 */
#include "turn-connect/local/session-private.h"

#include "turn-connect/alarm.h"
#include "turn-connect/error-private.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

/* A request of the client that upstream has to answer. */
typedef struct {
  TurnConnectSession *session;
  guint64 token;
} Call;

static void
session_clear (gpointer data)
{
  TurnConnectSession *session = data;

  g_clear_object (&session->client);
  g_clear_pointer (&session->local, turn_connect_turn_server_free);
  g_free (session->trouble);
}

void
turn_connect_session_unref (TurnConnectSession *session)
{
  g_rc_box_release_full (session, session_clear);
}

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* ---- orders ---- */

static Call *
call_new (TurnConnectSession *session, guint64 token)
{
  Call *call = g_new (Call, 1);

  call->session = g_rc_box_acquire (session);
  call->token = token;
  return call;
}

/* Takes @error, which may be NULL. */
static void
end_call (Call *call, GObject *source, GError *error)
{
  g_autoptr (TurnConnectSession) session = call->session;
  g_autoptr (GError) cause = error;

  if (session->bridge != NULL && session->upstream == TURN_CONNECT_CLIENT (source)) {
    turn_connect_turn_server_done (session->local, call->token,
                                   cause != NULL ? turn_connect_error_get_turn_code (cause) : 0,
                                   cause != NULL ? cause->message : NULL, g_get_monotonic_time ());
    turn_connect_session_settle (session);
  }
  g_free (call);
}

static void
permitted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  turn_connect_client_permit_finish (TURN_CONNECT_CLIENT (source), result, &error);
  end_call (user_data, source, error);
}

static void
bound (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  turn_connect_client_bind_finish (TURN_CONNECT_CLIENT (source), result, &error);
  end_call (user_data, source, error);
}

static void
permit (TurnConnectSession *session, const TurnConnectOrder *order, guint64 token)
{
  turn_connect_client_permit_async (session->upstream, order->peers, order->n_peers, NULL,
                                    permitted, call_new (session, token));
}

static void
send_packet (TurnConnectSession *session, const TurnConnectOrder *order)
{
  GOutputVector vector = { order->payload.data, order->payload.length };
  g_autoptr (GError) error = NULL;

  if (turn_connect_client_send (session->upstream, &order->peers[0], &vector, 1,
                                order->is_whole ? TURN_CONNECT_SEND_DONT_FRAGMENT
                                                : TURN_CONNECT_SEND_NORMAL,
                                &error) != TURN_CONNECT_IO_OK)
    session->n_unsent++;
}

/* Closes what is none of our clients' and says so. */
static void
hang_up (TurnConnectSession *session, const char *cause)
{
  TurnConnectBridge *bridge = session->bridge;

  bridge->counts.n_refused++;
  turn_connect_session_close (session);
  turn_connect_bridge_report (
      bridge, NULL,
      g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "a client %s", cause));
}

static void
obey (TurnConnectSession *session, const TurnConnectOrder *order)
{
  GMainContext *context = session->bridge->context;

  if (order->kind == TURN_CONNECT_ORDER_HANG_UP) {
    hang_up (session, order->cause);
    return;
  }
  if (order->kind == TURN_CONNECT_ORDER_ALLOCATE) {
    session->wishes = order->wishes;
    turn_connect_session_allocate (session);
    return;
  }
  if (session->upstream == NULL)
    return;
  g_main_context_push_thread_default (context);
  switch (order->kind) {
  case TURN_CONNECT_ORDER_RELEASE:
    turn_connect_session_end_upstream (session);
    break;
  case TURN_CONNECT_ORDER_PERMIT:
    permit (session, order, order->token);
    break;
  case TURN_CONNECT_ORDER_BIND:
    turn_connect_client_bind_async (session->upstream, &order->peers[0], NULL, bound,
                                    call_new (session, order->token));
    break;
  case TURN_CONNECT_ORDER_FORGET:
    turn_connect_client_forget (session->upstream, &order->peers[0]);
    if (order->stays_permitted && session->upstream != NULL)
      permit (session, order, 0);
    break;
  case TURN_CONNECT_ORDER_SEND:
    send_packet (session, order);
    break;
  default:
    break;
  }
  g_main_context_pop_thread_default (context);
}

static void
obey_all (TurnConnectSession *session)
{
  TurnConnectOrder order;

  while (session->bridge != NULL) {
    turn_connect_turn_server_next (session->local, g_get_monotonic_time (), &order);
    if (order.kind == TURN_CONNECT_ORDER_NONE)
      return;
    obey (session, &order);
  }
}

/* ---- towards the client ---- */

static void
tell (TurnConnectSession *session)
{
  if (!turn_connect_turn_server_take_overdue (session->local))
    return;
  turn_connect_bridge_report (
      session->bridge, session->server,
      g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                   "%s gave no answer within %.1f s, the time a client waits: %s",
                   session->server->name, session->bridge->budget_ms / 1000.0,
                   turn_connect_turn_server_doing (session->local)));
}

/* Writes what can go now and drops the media of the rest. FALSE: the stream is broken. */
static gboolean
pump (TurnConnectSession *session)
{
  TurnConnectLane *lane = turn_connect_turn_server_to_client (session->local);
  TurnConnectIo io = TURN_CONNECT_IO_OK;

  while (lane->length > 0 && io == TURN_CONNECT_IO_OK) {
    GOutputVector vector = { lane->octets, MIN (lane->length, TURN_CONNECT_WRITE_MAX) };
    gsize accepted;

    io = turn_connect_stream_try_write (session->client, &vector, 1, &accepted, NULL);
    turn_connect_lane_sent (lane, accepted);
  }
  if (io == TURN_CONNECT_IO_BLOCKED)
    turn_connect_turn_server_shed (session->local);
  turn_connect_watch_set_condition (session->client_watch,
                                    lane->length > 0 ? G_IO_IN | G_IO_OUT : G_IO_IN);
  return io != TURN_CONNECT_IO_FAILED;
}

static void
set_clock (TurnConnectSession *session)
{
  gint64 deadline = turn_connect_turn_server_deadline (session->local);
  gint64 set = g_source_get_ready_time (session->timer);

  /* A clock that goes off too early does no harm; setting it for each packet would. */
  if (deadline != G_MAXINT64 && (set < 0 || deadline < set))
    g_source_set_ready_time (session->timer, deadline);
}

void
turn_connect_session_settle (TurnConnectSession *session)
{
  g_autoptr (TurnConnectBridge) bridge = NULL;

  if (session->bridge == NULL)
    return;
  bridge = g_object_ref (session->bridge);
  obey_all (session);
  if (session->bridge != NULL)
    tell (session);
  if (session->bridge != NULL && !pump (session))
    turn_connect_session_close (session);
  if (session->bridge != NULL)
    set_clock (session);
}

static void
take (TurnConnectSession *session, const guint8 *octets, gsize length)
{
  session->is_reading = TRUE;
  turn_connect_turn_server_push (session->local, octets, length);
  turn_connect_session_settle (session);
  session->is_reading = FALSE;
}

static void
client_ready (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  g_autoptr (TurnConnectSession) session = g_rc_box_acquire (user_data);
  TurnConnectIo io = TURN_CONNECT_IO_BLOCKED;
  guint8 buffer[TURN_CONNECT_WRITE_MAX];
  gsize got;

  /* An application that is told something may run the main loop. */
  if (!session->is_reading && (condition & (G_IO_IN | G_IO_ERR | G_IO_HUP)))
    io = turn_connect_stream_try_read (session->client, buffer, sizeof buffer, &got, NULL);
  if (io == TURN_CONNECT_IO_END || io == TURN_CONNECT_IO_FAILED)
    turn_connect_session_close (session);
  else if (io == TURN_CONNECT_IO_OK)
    take (session, buffer, got);
  else
    turn_connect_session_settle (session);
}

static gboolean
timer_fired (gpointer user_data)
{
  g_autoptr (TurnConnectSession) session = g_rc_box_acquire (user_data);

  turn_connect_session_settle (session);
  return session->bridge != NULL ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- begin and end ---- */

static TurnConnectTurnServer *
make_local (TurnConnectBridge *bridge, int descriptor)
{
  TurnConnectTurnServerConfig config = {
    .user = bridge->user,
    .password = bridge->password,
    .budget_us = (gint64)bridge->budget_ms * 1000,
  };
  struct sockaddr_storage native = { 0 };
  socklen_t length = sizeof native;

  if (bridge->user == NULL ||
      getrandom (config.nonce_key, sizeof config.nonce_key, 0) != sizeof config.nonce_key ||
      getrandom (config.transaction_id, sizeof config.transaction_id, 0) !=
          sizeof config.transaction_id ||
      getpeername (descriptor, (struct sockaddr *)&native, &length) != 0 ||
      !stun_ext_address_from_sockaddr (&config.client, (struct sockaddr *)&native, length))
    return NULL;
  return turn_connect_turn_server_new (&config);
}

void
turn_connect_session_begin (TurnConnectBridge *bridge,
                            TurnConnectStream *client,
                            TurnConnectBridgeServer *server,
                            const guint8 *octets,
                            gsize length)
{
  TurnConnectTurnServer *local = make_local (bridge, turn_connect_stream_get_descriptor (client));
  g_autoptr (TurnConnectSession) session = NULL;
  GError *error = NULL;

  if (local == NULL) { /* the client is gone already, or there is no randomness */
    g_io_stream_close (G_IO_STREAM (client), NULL, NULL);
    g_object_unref (client);
    return;
  }
  session = g_rc_box_new0 (TurnConnectSession);
  session->bridge = bridge;
  session->server = server;
  session->local = local;
  session->client = client;
  g_queue_push_tail (&bridge->sessions, g_rc_box_acquire (session));
  session->link = bridge->sessions.tail;
  session->timer =
      turn_connect_alarm_new (bridge->context, "TurnConnectSession", timer_fired, session);
  session->client_watch =
      turn_connect_watcher_add (bridge->watcher, client, G_IO_IN, client_ready, session, &error);
  if (session->client_watch == NULL) {
    turn_connect_session_close (session);
    turn_connect_bridge_report (bridge, NULL, error);
    return;
  }
  take (session, octets, length);
}

static void
add_counts (const TurnConnectSession *session, TurnConnectBridgeCounts *counts)
{
  const TurnConnectTurnServerCounts *local = turn_connect_turn_server_counts (session->local);

  counts->n_to_server += local->n_to_server - session->n_unsent;
  counts->n_to_client += local->n_to_client;
  counts->n_dropped_to_server += local->n_dropped_to_server + session->n_unsent;
  counts->n_dropped_to_client += local->n_dropped_to_client;
  counts->n_answered += local->n_answered;
}

void
turn_connect_session_close (TurnConnectSession *session)
{
  TurnConnectBridge *bridge = g_steal_pointer (&session->bridge);

  if (bridge == NULL)
    return;
  add_counts (session, &bridge->counts);
  g_main_context_push_thread_default (bridge->context);
  turn_connect_session_end_upstream (session);
  g_main_context_pop_thread_default (bridge->context);
  g_clear_pointer (&session->client_watch, turn_connect_watch_remove);
  destroy_source (&session->timer);
  g_io_stream_close (G_IO_STREAM (session->client), NULL, NULL);
  g_queue_delete_link (&bridge->sessions, g_steal_pointer (&session->link));
  turn_connect_session_unref (session);
}

void
turn_connect_session_count (TurnConnectSession *session, TurnConnectBridgeCounts *counts)
{
  counts->n_streams++;
  counts->n_up += session->upstream != NULL &&
                  turn_connect_client_get_state (session->upstream) == TURN_CONNECT_CLIENT_READY;
  add_counts (session, counts);
}
