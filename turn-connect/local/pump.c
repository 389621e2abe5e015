/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two streams, one buffer for each direction, and nothing more: a direction reads only when all it
 * read before was written, so a slow reader slows the writer behind it down and no queue grows.
 * What is read is written in the same round, whatever its size: keepalives of two octets pass at
 * once.
 */
#include "turn-connect/local/pump.h"

#include "turn-connect/error.h"

#define BUFFER_SIZE TURN_CONNECT_WRITE_MAX
#define ROUNDS_MAX 16          /* before other sources get their turn */
#define HALF_OPEN_TIMEOUT_S 30 /* without an octet, once a direction has ended */

/* One direction. */
typedef struct {
  TurnConnectStream *from;
  TurnConnectStream *to;
  guint8 *data;
  gsize start;
  gsize length; /* octets that wait to be written */
  guint64 octets;
  gboolean has_ended; /* nothing more will be read */
  gboolean is_done;   /* and whoever is ahead was told, or is gone */
} Lane;

/* One stream, waited for. */
typedef struct {
  TurnConnectStream *stream;
  TurnConnectWatch *watch; /* NULL: there is nothing to wait for */
  GIOCondition wanted;
} Side;

struct _TurnConnectPump {
  TurnConnectWatcher *watcher;
  Lane rightward;
  Lane leftward;
  Side left;
  Side right;
  GByteArray *kept; /* NULL: nothing is kept (any more) */
  gboolean has_answer;
  GError *broken; /* the first write that failed */
  GMainContext *context;
  GSource *timer;
  const TurnConnectPumpFuncs *funcs;
  gpointer user_data;
};

static void
drop_timer (TurnConnectPump *pump)
{
  if (pump->timer != NULL)
    g_source_destroy (pump->timer);
  g_clear_pointer (&pump->timer, g_source_unref);
}

static void
drop_watch (Side *side)
{
  g_clear_pointer (&side->watch, turn_connect_watch_remove);
}

static void
lane_init (Lane *lane, TurnConnectStream *from, TurnConnectStream *to)
{
  lane->from = from;
  lane->to = to;
  lane->data = g_malloc (BUFFER_SIZE);
}

static TurnConnectIo
lane_write (Lane *lane, GError **error)
{
  GOutputVector vector = { lane->data + lane->start, lane->length };
  gsize accepted;
  TurnConnectIo io = turn_connect_stream_try_write (lane->to, &vector, 1, &accepted, error);

  if (io != TURN_CONNECT_IO_OK)
    return io;
  lane->start += accepted;
  lane->length -= accepted;
  lane->octets += accepted;
  return io;
}

static TurnConnectIo
lane_read (Lane *lane, GError **error)
{
  gsize got = 0;
  TurnConnectIo io =
      turn_connect_stream_try_read (lane->from, lane->data, BUFFER_SIZE, &got, error);

  lane->start = 0;
  lane->length = got;
  lane->has_ended = io == TURN_CONNECT_IO_END;
  return io;
}

static void
keep (TurnConnectPump *pump, const Lane *lane)
{
  if (pump->kept == NULL)
    return;
  if (pump->kept->len + lane->length > TURN_CONNECT_PUMP_KEPT_MAX)
    g_clear_pointer (&pump->kept, g_byte_array_unref);
  else
    g_byte_array_append (pump->kept, lane->data, (guint)lane->length);
}

static void
note_read (TurnConnectPump *pump, const Lane *lane)
{
  if (lane == &pump->rightward) {
    if (!pump->has_answer)
      keep (pump, lane);
    return;
  }
  if (pump->has_answer)
    return;
  pump->has_answer = TRUE;
  g_clear_pointer (&pump->kept, g_byte_array_unref);
  pump->funcs->answered (pump->user_data);
}

/* Nobody takes what comes this way any more. The other way goes on: an answer may have been sent
 * before the connection was closed. */
static void
lane_give_up (TurnConnectPump *pump, Lane *lane, GError *error)
{
  lane->length = 0;
  lane->has_ended = lane->is_done = TRUE;
  if (pump->broken == NULL)
    pump->broken = error;
  else
    g_error_free (error);
}

/* Who can be asked another way is not told of an end without an answer. */
static gboolean
fail_unanswered (GError **error)
{
  g_set_error_literal (
      error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED,
      "the server, or something on the way, ended the connection without an answer");
  return FALSE;
}

/* FALSE: what feeds it is broken. */
static gboolean
lane_move (TurnConnectPump *pump, Lane *lane, gboolean *has_moved, GError **error)
{
  TurnConnectIo io = TURN_CONNECT_IO_OK;

  for (guint i = 0; i < ROUNDS_MAX && !lane->is_done && io == TURN_CONNECT_IO_OK; i++) {
    GError *write_error = NULL;

    if (lane->length > 0)
      io = lane_write (lane, &write_error);
    else if (lane->has_ended) {
      if (lane == &pump->leftward && pump->kept != NULL && !pump->has_answer)
        return fail_unanswered (error);
      turn_connect_stream_end_writing (lane->to);
      lane->is_done = TRUE;
    } else if ((io = lane_read (lane, error)) == TURN_CONNECT_IO_FAILED)
      return FALSE;
    else if (io == TURN_CONNECT_IO_OK)
      note_read (pump, lane);
    if (io == TURN_CONNECT_IO_END)
      io = TURN_CONNECT_IO_OK;
    *has_moved |= io != TURN_CONNECT_IO_BLOCKED;
    if (write_error != NULL)
      lane_give_up (pump, lane, write_error);
  }
  return TRUE;
}

/* Nothing waits inside the stream, as half a record would. */
static gboolean
is_flushed (TurnConnectStream *stream)
{
  return (turn_connect_stream_get_ready (stream) & (G_IO_OUT | G_IO_ERR | G_IO_HUP | G_IO_NVAL)) !=
         0;
}

static gboolean
has_ended (const TurnConnectPump *pump)
{
  return pump->rightward.is_done && pump->leftward.is_done && is_flushed (pump->left.stream) &&
         is_flushed (pump->right.stream);
}

static void
end (TurnConnectPump *pump, GError *error)
{
  g_autoptr (GError) cause = error;

  if (cause == NULL && pump->broken != NULL)
    cause = g_error_copy (pump->broken);
  drop_timer (pump);
  drop_watch (&pump->left);
  drop_watch (&pump->right);
  pump->funcs->ended (cause, pump->user_data);
}

static gboolean
half_open_for_long (gpointer data)
{
  end (data, g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                          "one direction had ended, and the other was silent for %d s",
                          HALF_OPEN_TIMEOUT_S));
  return G_SOURCE_REMOVE;
}

static void
arm_timer (TurnConnectPump *pump)
{
  drop_timer (pump);
  if (!pump->rightward.is_done && !pump->leftward.is_done)
    return;
  pump->timer = g_timeout_source_new_seconds (HALF_OPEN_TIMEOUT_S);
  g_source_set_callback (pump->timer, half_open_for_long, pump, NULL);
  g_source_attach (pump->timer, pump->context);
}

static void ready (TurnConnectStream *stream, GIOCondition condition, gpointer data);

static GIOCondition
wanted (const Lane *to_it, const Lane *from_it)
{
  GIOCondition condition = 0;

  if (!from_it->has_ended && from_it->length == 0)
    condition |= G_IO_IN;
  if (to_it->length > 0)
    condition |= G_IO_OUT;
  /* The last thing waited for. */
  if (to_it->is_done && from_it->is_done && !is_flushed (to_it->to))
    condition |= G_IO_OUT;
  return condition;
}

/* Whatever was done with the stream. */
static gboolean
arm (TurnConnectPump *pump, Side *side, GIOCondition condition, GError **error)
{
  if (side->watch != NULL)
    turn_connect_watch_set_condition (side->watch, condition);
  else if (side->wanted != condition)
    side->watch =
        turn_connect_watcher_add (pump->watcher, side->stream, condition, ready, pump, error);
  side->wanted = condition;
  return side->watch != NULL || *error == NULL;
}

static void
ready (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  TurnConnectPump *pump = data;
  Side *side = stream == pump->left.stream ? &pump->left : &pump->right;
  gboolean has_moved = FALSE;
  GError *error = NULL;

  /* Answers first: a server may say why before it closes. */
  if (!lane_move (pump, &pump->leftward, &has_moved, &error) ||
      !lane_move (pump, &pump->rightward, &has_moved, &error) || has_ended (pump)) {
    end (pump, error);
    return;
  }
  if (has_moved)
    arm_timer (pump);
  if (!arm (pump, &pump->left, wanted (&pump->leftward, &pump->rightward), &error) ||
      !arm (pump, &pump->right, wanted (&pump->rightward, &pump->leftward), &error))
    end (pump, error);
  /* A stream that died while nothing is wanted of it would wake us for ever. */
  else if (!has_moved && (condition & (G_IO_ERR | G_IO_HUP)) != 0)
    drop_watch (side);
}

TurnConnectPump *
turn_connect_pump_new (TurnConnectWatcher *watcher,
                       TurnConnectStream *left,
                       TurnConnectStream *right,
                       GByteArray *kept,
                       const TurnConnectPumpFuncs *funcs,
                       gpointer user_data,
                       GError **error)
{
  TurnConnectPump *pump = g_new0 (TurnConnectPump, 1);
  GError *failure = NULL;

  pump->watcher = watcher;
  pump->left.stream = g_object_ref (left);
  pump->right.stream = g_object_ref (right);
  lane_init (&pump->rightward, left, right);
  lane_init (&pump->leftward, right, left);
  pump->kept = kept != NULL ? g_byte_array_ref (kept) : NULL;
  pump->funcs = funcs;
  pump->user_data = user_data;
  pump->context = g_main_context_ref_thread_default ();
  if (arm (pump, &pump->left, G_IO_IN, &failure) && arm (pump, &pump->right, G_IO_IN, &failure))
    return pump;
  g_propagate_error (error, failure);
  turn_connect_pump_free (pump);
  return NULL;
}

void
turn_connect_pump_free (TurnConnectPump *pump)
{
  if (pump == NULL)
    return;
  drop_timer (pump);
  drop_watch (&pump->left);
  drop_watch (&pump->right);
  g_clear_pointer (&pump->kept, g_byte_array_unref);
  g_clear_error (&pump->broken);
  g_object_unref (pump->left.stream);
  g_object_unref (pump->right.stream);
  g_free (pump->rightward.data);
  g_free (pump->leftward.data);
  g_main_context_unref (pump->context);
  g_free (pump);
}

guint64
turn_connect_pump_get_rightward (const TurnConnectPump *pump)
{
  return pump->rightward.octets;
}

guint64
turn_connect_pump_get_leftward (const TurnConnectPump *pump)
{
  return pump->leftward.octets;
}

gboolean
turn_connect_pump_has_ended_rightward (const TurnConnectPump *pump)
{
  return pump->rightward.is_done && pump->broken == NULL;
}

gboolean
turn_connect_pump_can_repeat (const TurnConnectPump *pump)
{
  return pump->kept != NULL;
}
