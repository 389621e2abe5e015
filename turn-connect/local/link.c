/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of one forwarded connection: the server is dialled while the client's first octets are
 * taken in, then both streams are left to a pump. That a connection is up does not mean that a
 * firewall lets through what it will carry; so as long as another way is left, what the client said
 * is kept, and goes that other way if nobody answers. The connection has one end, whichever side it
 * comes from, and the client can tell an end in order from one that is not: the latter is a reset,
 * or for SIP a response with the cause.
 */
#include "turn-connect/local/link-private.h"

#include "turn-connect/local/pump.h"
#include "turn-connect/local/sip-refusal.h"
#include "turn-connect/local/ways-private.h"
#include "turn-connect/network-watch.h"
#include "turn-connect/stream-private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define PATH_DEAD_MS 30000 /* octets that nobody acknowledges */
#define HEAD_MAX TURN_CONNECT_PUMP_KEPT_MAX
#define REQUEST_MS 1000 /* for the rest of a request that is to be refused */
#define SILENCE_MS                                                                                 \
  4000 /* without an answer, while there is another way: eight round trips of SIP's
                           timer T1, RFC 3261 section 17.1.1.1 */
#define SILENCE_CHECK_MS 500

struct _TurnConnectLink {
  guint64 id;
  TurnConnectStream *local;
  TurnConnectStream *server; /* NULL while it is dialled */
  TurnConnectWays *ways;
  TurnConnectWatcher *watcher;
  TurnConnectWayAttempt attempt;
  GCancellable *dial; /* NULL unless it is dialled */
  GSource *watch;     /* of the local stream, unless a pump has it */
  GSource *timer;     /* of silence, or of a request to be refused */
  GByteArray *head;   /* what the client said before anybody answered */
  TurnConnectPump *pump;
  GError *refusal;     /* why no way worked */
  gint64 silent_since; /* monotonic, us; 0: the client has not said anything yet */
  guint64 to_server, from_server;
  gboolean has_ended;
  guint n_pending; /* its end, and dials: memory stays until they are back */
  GMainContext *context;
  const TurnConnectLinkFuncs *funcs;
  gpointer user_data;
};

static void begin_dialling (TurnConnectLink *link);

static void
drop_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
release (TurnConnectLink *link)
{
  if (--link->n_pending > 0)
    return;
  g_object_unref (link->local);
  g_object_unref (link->ways);
  g_byte_array_unref (link->head);
  g_clear_error (&link->refusal);
  g_main_context_unref (link->context);
  g_free (link);
}

static void
set_option (TurnConnectStream *stream, int level, int name, const void *value, socklen_t size)
{
  int descriptor = turn_connect_stream_get_descriptor (stream);

  if (descriptor >= 0)
    setsockopt (descriptor, level, name, value, size);
}

/* What is closed next is reset. */
static void
spoil (TurnConnectStream *stream)
{
  const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

  set_option (stream, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void
close_stream (TurnConnectStream **stream)
{
  if (*stream != NULL)
    g_io_stream_close (G_IO_STREAM (*stream), NULL, NULL);
  g_clear_object (stream);
}

/* Nothing is on its way to the server or from it any more. */
static void
hang_up (TurnConnectLink *link)
{
  if (link->dial != NULL)
    g_cancellable_cancel (link->dial);
  g_clear_object (&link->dial);
  drop_source (&link->watch);
  drop_source (&link->timer);
  link->to_server = turn_connect_link_get_to_server (link);
  link->from_server = turn_connect_link_get_from_server (link);
  g_clear_pointer (&link->pump, turn_connect_pump_free);
  close_stream (&link->server);
}

static void
end (TurnConnectLink *link, const GError *error, gboolean is_in_order)
{
  if (link->has_ended)
    return;
  link->has_ended = TRUE;
  hang_up (link);
  if (!is_in_order)
    spoil (link->local);
  g_io_stream_close (G_IO_STREAM (link->local), NULL, NULL);
  link->funcs->ended (link, error, link->user_data);
  release (link);
}

/* Refusing */

/* TRUE: it has been said, or nothing can be said. */
static gboolean
refuse (TurnConnectLink *link)
{
  g_autoptr (GString) answer = g_string_new (NULL);
  GOutputVector vector;
  gsize accepted;

  switch (
      turn_connect_sip_refuse (link->head->data, link->head->len, link->refusal->message, answer)) {
  case TURN_CONNECT_SIP_NOT:
    end (link, link->refusal, FALSE);
    return TRUE;
  case TURN_CONNECT_SIP_MORE:
    return FALSE;
  case TURN_CONNECT_SIP_REQUEST:
    break;
  }
  vector.buffer = answer->str;
  vector.size = answer->len;
  turn_connect_stream_try_write (link->local, &vector, 1, &accepted, NULL);
  end (link, link->refusal, TRUE);
  return TRUE;
}

static gboolean
request_is_late (gpointer data)
{
  TurnConnectLink *link = data;

  end (link, link->refusal, FALSE);
  return G_SOURCE_REMOVE;
}

static void
set_timer (TurnConnectLink *link, guint ms, GSourceFunc func)
{
  drop_source (&link->timer);
  link->timer = g_timeout_source_new (ms);
  g_source_set_callback (link->timer, func, link, NULL);
  g_source_attach (link->timer, link->context);
}

/* The client's octets before there is somebody to take them, and its departure. */
static gboolean
local_ready (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  TurnConnectLink *link = data;
  guint8 buffer[4096];
  g_autoptr (GError) error = NULL;
  gsize got = 0;
  TurnConnectIo io = turn_connect_stream_try_read (
      stream, buffer, MIN (sizeof buffer, HEAD_MAX - link->head->len), &got, &error);

  if (io == TURN_CONNECT_IO_BLOCKED)
    return G_SOURCE_CONTINUE;
  if (io == TURN_CONNECT_IO_FAILED) {
    end (link, error, FALSE);
    return G_SOURCE_REMOVE;
  }
  g_byte_array_append (link->head, buffer, (guint)got);
  if (link->refusal != NULL && refuse (link))
    return G_SOURCE_REMOVE;
  if (io == TURN_CONNECT_IO_OK && link->head->len < HEAD_MAX)
    return G_SOURCE_CONTINUE;
  /* The end of its direction is read again by the pump. */
  drop_source (&link->watch);
  return G_SOURCE_REMOVE;
}

static void
watch_local (TurnConnectLink *link)
{
  drop_source (&link->watch);
  if (link->head->len >= HEAD_MAX)
    return;
  link->watch = turn_connect_stream_create_source (link->local, G_IO_IN, NULL);
  g_source_set_callback (link->watch, G_SOURCE_FUNC (local_ready), link, NULL);
  g_source_attach (link->watch, link->context);
}

/* Ways */

static gboolean
has_other_way (const TurnConnectLink *link)
{
  return turn_connect_way_attempt_has_more (&link->attempt);
}

static void
begin_refusing (TurnConnectLink *link, const GError *error)
{
  link->refusal = g_error_copy (error);
  if (refuse (link))
    return;
  watch_local (link);
  set_timer (link, REQUEST_MS, request_is_late);
}

/* On to the next way, or to the end. */
static void
way_failed (TurnConnectLink *link, const GError *error)
{
  const char *name = turn_connect_ways_get_name (link->ways, &link->attempt);

  link->n_pending++;
  hang_up (link);
  link->to_server = link->from_server = 0;
  link->funcs->way_failed (link, name, error, link->user_data);
  if (!link->has_ended && turn_connect_ways_failed (link->ways, &link->attempt))
    begin_dialling (link);
  else if (!link->has_ended)
    begin_refusing (link, error);
  release (link);
}

static void
pump_answered (gpointer data)
{
  TurnConnectLink *link = data;

  drop_source (&link->timer);
  g_byte_array_unref (link->head);
  link->head = g_byte_array_new ();
  turn_connect_ways_worked (link->ways, &link->attempt);
}

/* Many servers answer the end of TLS by closing TCP. That is an end like any other, but for a client
 * that may still be waiting: somebody on the way can cut an answer short so. */
static void
pump_ended (const GError *error, gpointer data)
{
  TurnConnectLink *link = data;
  g_autoptr (GError) cause = error != NULL ? g_error_copy (error) : NULL;
  gboolean is_expected = g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED) &&
                         turn_connect_pump_has_ended_rightward (link->pump);

  if (error != NULL && turn_connect_pump_can_repeat (link->pump) &&
      (turn_connect_stream_get_ready (link->local) & (G_IO_ERR | G_IO_HUP)) == 0)
    way_failed (link, cause);
  else
    end (link, is_expected ? NULL : cause, error == NULL);
}

static const TurnConnectPumpFuncs pump_funcs = { .answered = pump_answered, .ended = pump_ended };

/* A firewall that looks into connections may let them be made, and then nothing through. */
static gboolean
check_silence (gpointer data)
{
  TurnConnectLink *link = data;
  gint64 now = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  if (!turn_connect_pump_can_repeat (link->pump)) {
    drop_source (&link->timer);
    return G_SOURCE_REMOVE;
  }
  if (link->silent_since == 0 && turn_connect_pump_get_rightward (link->pump) > 0)
    link->silent_since = now;
  if (link->silent_since == 0 || now - link->silent_since < SILENCE_MS * G_GINT64_CONSTANT (1000))
    return G_SOURCE_CONTINUE;
  g_set_error (
      &error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
      "the server %s:%u takes what it is sent but did not answer within %d s",
      turn_connect_target_get_host (turn_connect_ways_get_target (link->ways, &link->attempt)),
      turn_connect_target_get_port (turn_connect_ways_get_target (link->ways, &link->attempt)),
      SILENCE_MS / 1000);
  way_failed (link, error);
  return G_SOURCE_REMOVE;
}

static void
begin_passing (TurnConnectLink *link)
{
  gboolean may_repeat = has_other_way (link) && link->head->len < HEAD_MAX;
  g_autoptr (GError) error = NULL;
  int on = 1;

  drop_source (&link->watch);
  turn_connect_stream_set_user_timeout (link->server, PATH_DEAD_MS);
  set_option (link->server, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  turn_connect_stream_unread (link->local, link->head->data, link->head->len);
  g_byte_array_set_size (link->head, 0);
  link->pump = turn_connect_pump_new (link->watcher, link->local, link->server,
                                      may_repeat ? link->head : NULL, &pump_funcs, link, &error);
  if (link->pump == NULL) {
    end (link, error, FALSE);
    return;
  }
  link->silent_since = 0;
  if (may_repeat)
    set_timer (link, SILENCE_CHECK_MS, check_silence);
}

/* The link, and the dial that it waits for: it may have begun another one since. */
typedef struct {
  TurnConnectLink *link;
  GCancellable *dial;
} Pending;

static void
dialled (GObject *source, GAsyncResult *result, gpointer data)
{
  Pending *pending = data;
  TurnConnectLink *link = pending->link;
  gboolean is_current = link->dial == pending->dial;
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectStream) server =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);

  if (is_current) {
    g_clear_object (&link->dial);
    if (server == NULL)
      way_failed (link, error);
    else {
      link->server = g_steal_pointer (&server);
      link->funcs->connected (link, turn_connect_ways_get_name (link->ways, &link->attempt),
                              link->server, link->user_data);
      if (!link->has_ended)
        begin_passing (link);
    }
  }
  g_object_unref (pending->dial);
  g_free (pending);
  release (link);
}

static void
begin_dialling (TurnConnectLink *link)
{
  Pending *pending = g_new0 (Pending, 1);

  watch_local (link);
  link->dial = g_cancellable_new ();
  link->n_pending++;
  pending->link = link;
  pending->dial = g_object_ref (link->dial);
  turn_connect_dial_async (turn_connect_ways_get_target (link->ways, &link->attempt), NULL, NULL,
                           link->dial, dialled, pending);
}

TurnConnectLink *
turn_connect_link_new (guint64 id,
                       TurnConnectStream *local,
                       TurnConnectWays *ways,
                       TurnConnectWatcher *watcher,
                       const TurnConnectLinkFuncs *funcs,
                       gpointer user_data)
{
  TurnConnectLink *link = g_new0 (TurnConnectLink, 1);

  link->id = id;
  link->local = g_object_ref (local);
  link->ways = g_object_ref (ways);
  link->watcher = watcher;
  link->head = g_byte_array_new ();
  link->context = g_main_context_ref_thread_default ();
  link->funcs = funcs;
  link->user_data = user_data;
  link->n_pending = 1;
  turn_connect_ways_begin (ways, &link->attempt);
  begin_dialling (link);
  return link;
}

guint64
turn_connect_link_get_id (const TurnConnectLink *link)
{
  return link->id;
}

guint64
turn_connect_link_get_to_server (const TurnConnectLink *link)
{
  return link->pump != NULL ? turn_connect_pump_get_rightward (link->pump) : link->to_server;
}

guint64
turn_connect_link_get_from_server (const TurnConnectLink *link)
{
  return link->pump != NULL ? turn_connect_pump_get_leftward (link->pump) : link->from_server;
}

/* Of the connection to the server, or to the proxy. */
static gboolean
has_lost_address (const TurnConnectLink *link)
{
  GSocketAddress *local = turn_connect_stream_get_local_address (link->server);
  struct sockaddr_storage native;
  StunExtAddress address;

  return local != NULL && g_socket_address_to_native (local, &native, sizeof native, NULL) &&
         stun_ext_address_from_sockaddr (&address, (struct sockaddr *)&native,
                                         (gsize)g_socket_address_get_native_size (local)) &&
         !turn_connect_network_has_address (&address);
}

void
turn_connect_link_network_changed (TurnConnectLink *link)
{
  g_autoptr (GError) error = NULL;

  if (link->dial != NULL) {
    hang_up (link);
    turn_connect_ways_begin (link->ways, &link->attempt);
    begin_dialling (link);
  } else if (link->server != NULL && has_lost_address (link)) {
    g_set_error_literal (
        &error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNREACHABLE,
        "this machine has changed networks: the connection's local address is gone");
    end (link, error, FALSE);
  }
}

void
turn_connect_link_end (TurnConnectLink *link, GError *cause)
{
  g_autoptr (GError) error = cause;

  end (link, error, TRUE);
}
