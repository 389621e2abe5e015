/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets and time for one relay. The first octets tell how the client came; from then on every
 * event ends in settle (), which does whatever the relay now wants: write, dial, tell the
 * application, set the clock.
 */
#include "turn-connect/local/passage-private.h"

#include "turn-connect/error-private.h"
#include "turn-connect/local/ahead.h"
#include "turn-connect/target-private.h"

#define BEGIN_TIMEOUT_US (10 * G_USEC_PER_SEC) /* for the first octets and CONNECT */
#define READ_MAX 16384                         /* octets at a time: a TLS record */
#define USER_TIMEOUT_MS 20000                  /* a path that takes nothing more is dead */

static void
passage_clear (gpointer data)
{
  TurnConnectPassage *passage = data;

  g_clear_object (&passage->client);
  g_clear_object (&passage->upstream);
  g_clear_object (&passage->target);
  turn_connect_passage_drop_head (passage);
  g_clear_pointer (&passage->relay, turn_connect_relay_free);
}

static void
passage_unref (TurnConnectPassage *passage)
{
  g_rc_box_release_full (passage, passage_clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectPassage, passage_unref)

static void
close_stream (TurnConnectStream **stream, TurnConnectWatch **watch)
{
  g_clear_pointer (watch, turn_connect_watch_remove);
  if (*stream != NULL)
    g_io_stream_close (G_IO_STREAM (*stream), NULL, NULL);
  g_clear_object (stream);
}

static void
stop_dialling (TurnConnectPassage *passage)
{
  if (passage->is_claiming)
    turn_connect_ahead_unclaim (passage->server, passage);
  passage->is_claiming = FALSE;
  if (passage->dialling != NULL)
    g_cancellable_cancel (passage->dialling);
  g_clear_object (&passage->dialling);
}

void
turn_connect_passage_close (TurnConnectPassage *passage)
{
  TurnConnectBridge *bridge = g_steal_pointer (&passage->bridge);

  if (bridge == NULL)
    return;
  if (passage->relay != NULL)
    turn_connect_bridge_add_counts (&bridge->counts, turn_connect_relay_counts (passage->relay));
  else
    bridge->n_unknown--;
  bridge->n_denied -= passage->is_denied;
  stop_dialling (passage);
  close_stream (&passage->client, &passage->client_watch);
  close_stream (&passage->upstream, &passage->upstream_watch);
  g_queue_delete_link (&bridge->passages, g_steal_pointer (&passage->link));
  passage_unref (passage);
}

void
turn_connect_passage_count (TurnConnectPassage *passage, TurnConnectBridgeCounts *counts)
{
  counts->n_streams++;
  counts->n_up += passage->upstream != NULL;
  if (passage->relay != NULL)
    turn_connect_bridge_add_counts (counts, turn_connect_relay_counts (passage->relay));
}

static void settle (TurnConnectPassage *passage);

/* ---- towards the server ---- */

static void
lose_upstream (TurnConnectPassage *passage, GError *error)
{
  gboolean was_released =
      passage->upstream != NULL && turn_connect_relay_is_released (passage->relay);

  close_stream (&passage->upstream, &passage->upstream_watch);
  turn_connect_relay_went_down (passage->relay, error->message, g_get_monotonic_time ());
  if (was_released)
    g_error_free (error);
  else
    turn_connect_bridge_report (passage->bridge, passage->server, error);
}

static void
read_upstream (TurnConnectPassage *passage)
{
  guint8 buffer[READ_MAX];
  GError *error = NULL;
  gsize got;

  switch (turn_connect_stream_try_read (passage->upstream, buffer, sizeof buffer, &got, &error)) {
  case TURN_CONNECT_IO_OK:
    if (!turn_connect_relay_from_server (passage->relay, buffer, got, g_get_monotonic_time ()))
      error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
                           "%s sends what is not TURN", passage->server->name);
    break;
  case TURN_CONNECT_IO_END:
    error = g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
                         "%s, or a proxy before it, ended the connection", passage->server->name);
    break;
  case TURN_CONNECT_IO_BLOCKED:
  case TURN_CONNECT_IO_FAILED:
    break;
  }
  if (error != NULL)
    lose_upstream (passage, error);
}

static void
upstream_ready (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  g_autoptr (TurnConnectPassage) passage = g_rc_box_acquire (user_data);
  g_autoptr (TurnConnectBridge) bridge = g_object_ref (passage->bridge);

  if (condition & (G_IO_IN | G_IO_ERR | G_IO_HUP))
    read_upstream (passage);
  settle (passage);
}

static void
join_upstream (TurnConnectPassage *passage, TurnConnectStream *stream)
{
  GError *error = NULL;

  passage->upstream = stream;
  turn_connect_stream_set_user_timeout (stream, USER_TIMEOUT_MS);
  turn_connect_stream_set_notsent_lowat (stream, passage->bridge->late_media);
  passage->upstream_watch = turn_connect_watcher_add (passage->bridge->watcher, stream, G_IO_IN,
                                                      upstream_ready, passage, &error);
  if (passage->upstream_watch == NULL) {
    lose_upstream (passage, error);
    return;
  }
  turn_connect_relay_came_up (passage->relay, g_get_monotonic_time ());
  turn_connect_bridge_reached (passage->bridge, passage->server);
}

static void
dialled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (TurnConnectPassage) passage = user_data;
  g_autoptr (TurnConnectBridge) bridge = NULL;
  GError *error = NULL;
  TurnConnectStream *stream;

  if (passage->bridge == NULL || passage->target != TURN_CONNECT_TARGET (source) ||
      passage->dialling == NULL) {
    stream = turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, NULL);
    g_clear_object (&stream);
    return;
  }
  bridge = g_object_ref (passage->bridge);
  g_clear_object (&passage->dialling);
  stream = turn_connect_bridge_dial_finish (passage->server, passage->target, result, &error);
  if (stream != NULL)
    join_upstream (passage, stream);
  else
    lose_upstream (passage, error);
  settle (passage);
}

static void
progressed (const TurnConnectProgress *progress, gpointer user_data)
{
  TurnConnectPassage *passage = user_data;
  g_autofree char *doing = NULL;

  if (passage->bridge == NULL)
    return;
  doing = turn_connect_ahead_describe (progress);
  turn_connect_relay_set_doing (passage->relay, doing);
}

static void
dial (TurnConnectPassage *passage, TurnConnectTarget *target)
{
  passage->dialling = g_cancellable_new ();
  g_set_object (&passage->target, target);
  passage->bridge->counts.n_dialled++;
  turn_connect_bridge_dial (passage->bridge, target, progressed, passage, passage->dialling,
                            dialled, g_rc_box_acquire (passage));
}

/* What came of a stream that was being opened ahead. */
static void
come (gpointer claimant, TurnConnectStream *stream, const GError *error)
{
  g_autoptr (TurnConnectPassage) passage = g_rc_box_acquire (claimant);

  passage->is_claiming = FALSE;
  if (stream != NULL)
    join_upstream (passage, stream);
  else if (error->domain == TURN_CONNECT_ERROR)
    turn_connect_relay_went_down (passage->relay, error->message, g_get_monotonic_time ());
  settle (passage);
}

static void
set_doing (gpointer claimant, const char *doing)
{
  turn_connect_relay_set_doing (((TurnConnectPassage *)claimant)->relay, doing);
}

static const TurnConnectClaimFuncs claim_funcs = { come, set_doing };

static void
reach_server (TurnConnectPassage *passage)
{
  TurnConnectStream *spare = turn_connect_ahead_take (passage->server);

  if (spare != NULL) {
    join_upstream (passage, spare);
  } else if (turn_connect_ahead_claim (passage->server, &claim_funcs, passage)) {
    passage->is_claiming = TRUE;
    turn_connect_relay_set_doing (passage->relay, passage->server->doing);
  } else
    dial (passage, passage->server->target);
}

/* The redirection is followed by the same way, and the certificate has to be for the same name, or
 * for the one that the first server named by verified TLS. */
static void
follow (TurnConnectPassage *passage, const TurnConnectRelayAlternate *alternate)
{
  char host[STUN_EXT_ADDRESS_TEXT_LENGTH];
  g_autoptr (TurnConnectTarget) target = NULL;
  GError *error = NULL;

  close_stream (&passage->upstream, &passage->upstream_watch);
  stun_ext_address_print_host (&alternate->address, host);
  target = turn_connect_target_new_alternate (
      passage->server->target, host, alternate->address.port,
      alternate->domain[0] != '\0' ? alternate->domain : NULL, &error);
  if (target != NULL)
    dial (passage, target);
  else
    lose_upstream (passage, error);
}

/* ---- towards the client ---- */

static void
read_client (TurnConnectPassage *passage)
{
  guint8 buffer[READ_MAX];
  gsize got;

  switch (turn_connect_stream_try_read (passage->client, buffer, sizeof buffer, &got, NULL)) {
  case TURN_CONNECT_IO_OK:
    turn_connect_passage_take (passage, buffer, got);
    break;
  case TURN_CONNECT_IO_BLOCKED:
    break;
  case TURN_CONNECT_IO_END:
  case TURN_CONNECT_IO_FAILED:
    turn_connect_passage_close (passage);
    break;
  }
}

static void
client_ready (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  g_autoptr (TurnConnectPassage) passage = g_rc_box_acquire (user_data);
  g_autoptr (TurnConnectBridge) bridge = g_object_ref (passage->bridge);

  if (condition & (G_IO_IN | G_IO_ERR | G_IO_HUP))
    read_client (passage);
  settle (passage);
}

/* ---- whatever the relay wants ---- */

/* Writes what can go now and drops the media of the rest. FALSE: the stream is broken. */
static gboolean
pump (TurnConnectPassage *passage,
      TurnConnectLane *lane,
      TurnConnectStream *stream,
      TurnConnectWatch *watch,
      GError **error)
{
  TurnConnectIo io = TURN_CONNECT_IO_OK;

  while (lane->length > 0 && io == TURN_CONNECT_IO_OK) {
    GOutputVector vector = { lane->octets, MIN (lane->length, TURN_CONNECT_WRITE_MAX) };
    gsize accepted;

    io = turn_connect_stream_try_write (stream, &vector, 1, &accepted, error);
    turn_connect_lane_sent (lane, accepted);
  }
  if (io == TURN_CONNECT_IO_BLOCKED)
    turn_connect_relay_shed (passage->relay, lane);
  turn_connect_watch_set_condition (watch, lane->length > 0 ? G_IO_IN | G_IO_OUT : G_IO_IN);
  return io != TURN_CONNECT_IO_FAILED;
}

static void
tell (TurnConnectPassage *passage)
{
  TurnConnectRelayRefusal refusal;

  if (turn_connect_relay_take_refusal (passage->relay, &refusal))
    turn_connect_bridge_report (passage->bridge, passage->server,
                                g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TURN_REFUSED,
                                             "%s refused the allocation: %u %s",
                                             passage->server->name, refusal.code, refusal.reason));
  if (passage->bridge != NULL && turn_connect_relay_take_overdue (passage->relay))
    turn_connect_bridge_report (
        passage->bridge, passage->server,
        g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                     "%s gave no answer within %.1f s, the time a client waits: %s",
                     passage->server->name, passage->bridge->budget_ms / 1000.0,
                     turn_connect_relay_doing (passage->relay)));
}

static void
act (TurnConnectPassage *passage)
{
  TurnConnectRelayAlternate alternate;

  if (turn_connect_relay_take_alternate (passage->relay, &alternate))
    follow (passage, &alternate);
  else if (turn_connect_relay_state (passage->relay) == TURN_CONNECT_RELAY_WAITING &&
           passage->dialling == NULL && !passage->is_claiming && passage->upstream == NULL)
    reach_server (passage);
}

/* ---- time ---- */

static void
set_clock (TurnConnectBridge *bridge, gint64 due_us)
{
  gint64 set_us = g_source_get_ready_time (bridge->clock);

  /* A clock that goes off too early does no harm; setting it for each packet would. */
  if (due_us != G_MAXINT64 && (set_us < 0 || due_us < set_us))
    g_source_set_ready_time (bridge->clock, due_us);
}

static void
settle (TurnConnectPassage *passage)
{
  GError *error = NULL;

  if (passage->bridge == NULL || passage->relay == NULL)
    return;
  act (passage);
  if (passage->bridge != NULL)
    tell (passage);
  if (passage->bridge != NULL && passage->upstream != NULL &&
      !pump (passage, turn_connect_relay_to_server (passage->relay), passage->upstream,
             passage->upstream_watch, &error))
    lose_upstream (passage, error);
  if (passage->bridge != NULL && !pump (passage, turn_connect_relay_to_client (passage->relay),
                                        passage->client, passage->client_watch, NULL))
    turn_connect_passage_close (passage);
  if (passage->bridge == NULL)
    return;
  passage->due_us = turn_connect_relay_deadline (passage->relay);
  set_clock (passage->bridge, passage->due_us);
}

static void
tick (TurnConnectPassage *passage, gint64 now)
{
  if (passage->relay == NULL) {
    turn_connect_passage_refuse (passage, "a client connected and said nothing for 10 s");
    return;
  }
  if (turn_connect_relay_tick (passage->relay, now))
    lose_upstream (passage, g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                                         "%s has not answered for 20 s", passage->server->name));
  settle (passage);
}

/* Whoever is told of it may close any of them. */
gboolean
turn_connect_passage_tick_all (gpointer user_data)
{
  g_autoptr (TurnConnectBridge) bridge = g_object_ref (user_data);
  g_autoptr (GPtrArray) due = g_ptr_array_new_with_free_func ((GDestroyNotify)passage_unref);
  gint64 now = g_get_monotonic_time ();

  for (GList *l = bridge->passages.head; l != NULL; l = l->next) {
    if (((TurnConnectPassage *)l->data)->due_us <= now)
      g_ptr_array_add (due, g_rc_box_acquire (l->data));
  }
  for (guint i = 0; i < due->len; i++) {
    TurnConnectPassage *passage = due->pdata[i];

    if (passage->bridge != NULL)
      tick (passage, now);
  }
  for (GList *l = bridge->passages.head; l != NULL; l = l->next)
    set_clock (bridge, ((TurnConnectPassage *)l->data)->due_us);
  return G_SOURCE_CONTINUE;
}

void
turn_connect_passage_begin (TurnConnectBridge *bridge,
                            int descriptor,
                            TurnConnectBridgeServer *server)
{
  TurnConnectPassage *passage = g_rc_box_new0 (TurnConnectPassage);
  GError *error = NULL;

  passage->bridge = bridge;
  passage->server = server;
  bridge->n_unknown++;
  g_queue_push_tail (&bridge->passages, passage);
  passage->link = bridge->passages.tail;
  passage->client = turn_connect_stream_new_for_descriptor (descriptor);
  turn_connect_stream_set_notsent_lowat (passage->client, bridge->late_media);
  passage->due_us = g_get_monotonic_time () + BEGIN_TIMEOUT_US;
  set_clock (bridge, passage->due_us);
  passage->client_watch = turn_connect_watcher_add (bridge->watcher, passage->client, G_IO_IN,
                                                    client_ready, passage, &error);
  if (passage->client_watch != NULL)
    return;
  turn_connect_passage_close (passage);
  turn_connect_bridge_report (bridge, NULL, error);
}
