/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets and time for one relay. The first octets tell how the client came; from then on every
 * event ends in settle (), which does whatever the relay now wants: write, dial, tell the
 * application, set the clock.
 */
#include "turn-connect/local/passage.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/local/ahead.h"
#include "turn-connect/local/connect-head.h"
#include "turn-connect/local/session.h"
#include "turn-connect/local/turn-relay.h"
#include "turn-connect/target-private.h"

#include <string.h>
#include <sys/random.h>

#define BEGIN_TIMEOUT_US (10 * G_USEC_PER_SEC) /* for the first octets and CONNECT */
#define DENIED_MAX 64                          /* clients that are kept though they get nowhere */
#define USER_TIMEOUT_MS 20000                  /* a path that takes nothing more is dead */

#define ANSWER_UP "HTTP/1.0 200 Connection established\r\n\r\n"
#define ANSWER_BAD "HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
#define ANSWER_METHOD                                                                              \
  "HTTP/1.0 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Length: 0\r\n\r\n"

struct _TurnConnectPassage {
  TurnConnectBridge *bridge; /* NULL once it ended */
  GList *link;               /* in the bridge */
  TurnConnectBridgeServer *server;
  TurnConnectStream *client;
  TurnConnectStream *upstream;
  GSource *client_watch;
  GSource *upstream_watch;
  GSource *timer;
  GCancellable *dialling;
  gboolean is_denied;        /* kept though it will get nowhere */
  gboolean is_claiming;      /* a stream that is being opened ahead */
  gboolean is_session;       /* the client is to be handed over to one */
  TurnConnectTarget *target; /* dialled last: the server's, or that of a redirection */
  TurnConnectHead *head;     /* until CONNECT is read */
  TurnConnectRelay *relay;   /* NULL until it is known what the client is */
};

static void
drop_head (TurnConnectPassage *passage)
{
  if (passage->head != NULL)
    turn_connect_head_clear (passage->head);
  g_clear_pointer (&passage->head, g_free);
}

static void
passage_clear (gpointer data)
{
  TurnConnectPassage *passage = data;

  g_clear_object (&passage->client);
  g_clear_object (&passage->upstream);
  g_clear_object (&passage->target);
  drop_head (passage);
  g_clear_pointer (&passage->relay, turn_connect_relay_free);
}

static void
passage_unref (TurnConnectPassage *passage)
{
  g_rc_box_release_full (passage, passage_clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectPassage, passage_unref)

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
close_stream (TurnConnectStream **stream, GSource **watch)
{
  destroy_source (watch);
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
  destroy_source (&passage->timer);
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
  TurnConnectBridge *bridge = passage->bridge;
  GError *error = NULL;
  gsize got;

  switch (turn_connect_stream_try_read (passage->upstream, bridge->buffer, sizeof bridge->buffer,
                                        &got, &error)) {
  case TURN_CONNECT_IO_OK:
    if (!turn_connect_relay_from_server (passage->relay, bridge->buffer, got,
                                         g_get_monotonic_time ()))
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

static gboolean
upstream_ready (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  g_autoptr (TurnConnectPassage) passage = g_rc_box_acquire (user_data);
  g_autoptr (TurnConnectBridge) bridge = g_object_ref (passage->bridge);

  if (condition & (G_IO_IN | G_IO_ERR | G_IO_HUP))
    read_upstream (passage);
  settle (passage);
  return passage->upstream == stream ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
join_upstream (TurnConnectPassage *passage, TurnConnectStream *stream)
{
  passage->upstream = stream;
  turn_connect_stream_set_user_timeout (stream, USER_TIMEOUT_MS);
  turn_connect_stream_set_notsent_lowat (stream, passage->bridge->late_media);
  passage->upstream_watch = turn_connect_stream_create_source (stream, G_IO_IN, NULL);
  g_source_set_callback (passage->upstream_watch, G_SOURCE_FUNC (upstream_ready), passage, NULL);
  g_source_attach (passage->upstream_watch, passage->bridge->context);
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

static void
reach_server (TurnConnectPassage *passage)
{
  TurnConnectStream *spare = turn_connect_ahead_take (passage->server);

  if (spare != NULL) {
    join_upstream (passage, spare);
  } else if (turn_connect_ahead_claim (passage->server, passage)) {
    passage->is_claiming = TRUE;
    turn_connect_relay_set_doing (passage->relay, passage->server->doing);
  } else
    dial (passage, passage->server->target);
}

void
turn_connect_passage_come (TurnConnectPassage *passage,
                           TurnConnectStream *stream,
                           const GError *error)
{
  g_autoptr (TurnConnectPassage) alive = g_rc_box_acquire (passage);

  passage->is_claiming = FALSE;
  if (stream != NULL)
    join_upstream (passage, stream);
  else if (error->domain == TURN_CONNECT_ERROR)
    turn_connect_relay_went_down (passage->relay, error->message, g_get_monotonic_time ());
  settle (passage);
}

void
turn_connect_passage_set_doing (TurnConnectPassage *passage, const char *doing)
{
  turn_connect_relay_set_doing (passage->relay, doing);
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

static gboolean
say (TurnConnectPassage *passage, const char *text)
{
  GOutputVector vector = { text, strlen (text) };
  gsize accepted;

  return turn_connect_stream_try_write (passage->client, &vector, 1, &accepted, NULL) ==
             TURN_CONNECT_IO_OK &&
         accepted == vector.size;
}

static void
begin_relay (TurnConnectPassage *passage)
{
  TurnConnectRelayConfig config = {
    .budget_us = (gint64)passage->bridge->budget_ms * 1000,
    .keepalive_us = passage->bridge->keepalive_us,
  };

  if (!passage->is_denied && passage->server->login != NULL) {
    passage->is_session = TRUE;
    return;
  }
  if (getrandom (config.transaction_id, sizeof config.transaction_id, 0) !=
      sizeof config.transaction_id)
    memset (config.transaction_id, 0x5a, sizeof config.transaction_id); /* not known to fail */
  passage->relay = turn_connect_relay_new (&config);
  passage->bridge->n_unknown--;
  g_source_set_ready_time (passage->timer, -1);
}

/* Closes what is none of our clients' and says so. */
static void
refuse (TurnConnectPassage *passage, const char *why)
{
  TurnConnectBridge *bridge = passage->bridge;

  bridge->counts.n_refused++;
  turn_connect_passage_close (passage);
  turn_connect_bridge_report (
      bridge, NULL, g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, why));
}

/* Keeps a client that will never get anywhere, as it could not stand being hung up on; but only so
 * many, or strangers would take the places of those who may come in. */
static void
deny (TurnConnectPassage *passage, GError *error)
{
  TurnConnectBridge *bridge = passage->bridge;

  bridge->counts.n_refused++;
  passage->is_denied = bridge->n_denied < DENIED_MAX;
  bridge->n_denied += passage->is_denied;
  if (passage->is_denied) {
    begin_relay (passage);
    turn_connect_relay_deny (passage->relay, error->message, g_get_monotonic_time ());
  } else
    turn_connect_passage_close (passage);
  turn_connect_bridge_report (bridge, NULL, error);
}

static void
admit (TurnConnectPassage *passage)
{
  TurnConnectBridge *bridge = passage->bridge;
  const StunExtHttpRequest *request = &passage->head->request;
  gboolean may_enter;

  if (bridge->user != NULL)
    may_enter = turn_connect_head_logs_in (passage->head, bridge->user, bridge->password);
  else
    may_enter = turn_connect_bridge_allows_user (
        bridge, turn_connect_stream_get_descriptor (passage->client));
  passage->server = turn_connect_bridge_find_server (bridge, request->host, request->port);
  if (!may_enter)
    deny (passage, g_error_new_literal (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                                        "the local proxy was given a wrong user or password"));
  else if (passage->server == NULL)
    deny (passage, g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                                "the local proxy knows no server \"%s\" port %u", request->host,
                                request->port));
  else
    begin_relay (passage);
}

/* Returns what of @data is the tunnel's; what is left may be nothing. */
static gsize
take_head (TurnConnectPassage *passage, const guint8 *data, gsize length)
{
  gsize consumed = 0;
  StunExtHttpRequestState state = turn_connect_head_feed (passage->head, data, length, &consumed);

  if (state == STUN_EXT_HTTP_REQUEST_MORE)
    return length;
  if (state == STUN_EXT_HTTP_REQUEST_BAD || !passage->head->request.is_connect) {
    say (passage, state == STUN_EXT_HTTP_REQUEST_BAD ? ANSWER_BAD : ANSWER_METHOD);
    refuse (passage, "somebody took the bridge for a web server");
    return length;
  }
  /* At once, whatever comes of it: libnice waits for ever after any other answer. */
  if (!say (passage, ANSWER_UP)) {
    turn_connect_passage_close (passage);
    return length;
  }
  admit (passage);
  if (passage->bridge != NULL)
    drop_head (passage);
  return consumed;
}

/* The first octet: STUN's are below 0x40, HTTP begins with a letter. */
static void
take_first (TurnConnectPassage *passage, guint8 first)
{
  if (first >= 0x40) {
    passage->server = NULL;
    passage->head = g_new (TurnConnectHead, 1);
    turn_connect_head_init (passage->head);
  } else if (passage->server == NULL)
    refuse (passage, "somebody took a listener for a TURN server that is for CONNECT alone");
  else if (!turn_connect_bridge_allows_user (passage->bridge,
                                             turn_connect_stream_get_descriptor (passage->client)))
    refuse (passage, "a process of another user took the bridge for its TURN server");
  else
    begin_relay (passage);
}

/* Where the login is the bridge's own, the client has to do with a TURN server of this machine. */
static void
become_session (TurnConnectPassage *passage, const guint8 *data, gsize length)
{
  TurnConnectBridge *bridge = passage->bridge;
  TurnConnectBridgeServer *server = passage->server;
  TurnConnectStream *client = g_steal_pointer (&passage->client);

  destroy_source (&passage->client_watch);
  turn_connect_passage_close (passage);
  turn_connect_session_begin (bridge, client, server, data, length);
}

static void
take_from_client (TurnConnectPassage *passage, const guint8 *data, gsize length)
{
  gsize at = 0;

  if (passage->head == NULL && passage->relay == NULL)
    take_first (passage, data[0]);
  if (passage->bridge != NULL && passage->head != NULL)
    at = take_head (passage, data, length);
  if (passage->bridge != NULL && passage->is_session) {
    become_session (passage, data + at, length - at);
    return;
  }
  if (passage->bridge == NULL || passage->relay == NULL || at == length)
    return;
  if (!turn_connect_relay_from_client (passage->relay, data + at, length - at,
                                       g_get_monotonic_time ()))
    refuse (passage, "a client sent what is not TURN");
}

static void
read_client (TurnConnectPassage *passage)
{
  TurnConnectBridge *bridge = passage->bridge;
  gsize got;

  switch (turn_connect_stream_try_read (passage->client, bridge->buffer, sizeof bridge->buffer,
                                        &got, NULL)) {
  case TURN_CONNECT_IO_OK:
    take_from_client (passage, bridge->buffer, got);
    break;
  case TURN_CONNECT_IO_BLOCKED:
    break;
  case TURN_CONNECT_IO_END:
  case TURN_CONNECT_IO_FAILED:
    turn_connect_passage_close (passage);
    break;
  }
}

static gboolean
client_ready (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  g_autoptr (TurnConnectPassage) passage = g_rc_box_acquire (user_data);
  g_autoptr (TurnConnectBridge) bridge = g_object_ref (passage->bridge);

  if (condition & (G_IO_IN | G_IO_ERR | G_IO_HUP))
    read_client (passage);
  settle (passage);
  return passage->client == stream ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- whatever the relay wants ---- */

/* Writes what can go now and drops the media of the rest. FALSE: the stream is broken. */
static gboolean
pump (TurnConnectPassage *passage,
      TurnConnectLane *lane,
      TurnConnectStream *stream,
      GSource *watch,
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
  turn_connect_stream_source_set_condition (watch, lane->length > 0 ? G_IO_IN | G_IO_OUT : G_IO_IN);
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

static void
set_clock (TurnConnectPassage *passage)
{
  gint64 deadline = turn_connect_relay_deadline (passage->relay);
  gint64 set = g_source_get_ready_time (passage->timer);

  /* A clock that goes off too early does no harm; setting it for each packet would. */
  if (deadline != G_MAXINT64 && (set < 0 || deadline < set))
    g_source_set_ready_time (passage->timer, deadline);
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
  if (passage->bridge != NULL)
    set_clock (passage);
}

static gboolean
timer_fired (gpointer user_data)
{
  g_autoptr (TurnConnectPassage) passage = g_rc_box_acquire (user_data);
  g_autoptr (TurnConnectBridge) bridge = g_object_ref (passage->bridge);

  g_source_set_ready_time (passage->timer, -1);
  if (passage->relay == NULL) {
    refuse (passage, "a client connected and said nothing for 10 s");
    return G_SOURCE_REMOVE;
  }
  if (turn_connect_relay_tick (passage->relay, g_get_monotonic_time ()))
    lose_upstream (passage, g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                                         "%s has not answered for 20 s", passage->server->name));
  settle (passage);
  return passage->bridge != NULL ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
dispatch_timer (GSource *source, GSourceFunc callback, gpointer user_data)
{
  return callback (user_data);
}

/* Only goes off when it was told to: GLib's own timeouts set themselves again. */
static GSourceFuncs timer_funcs = { .dispatch = dispatch_timer };

void
turn_connect_passage_begin (TurnConnectBridge *bridge,
                            int descriptor,
                            TurnConnectBridgeServer *server)
{
  TurnConnectPassage *passage = g_rc_box_new0 (TurnConnectPassage);

  passage->bridge = bridge;
  passage->server = server;
  bridge->n_unknown++;
  g_queue_push_tail (&bridge->passages, passage);
  passage->link = bridge->passages.tail;
  passage->client = turn_connect_stream_new_for_descriptor (descriptor);
  turn_connect_stream_set_notsent_lowat (passage->client, bridge->late_media);
  passage->client_watch = turn_connect_stream_create_source (passage->client, G_IO_IN, NULL);
  g_source_set_callback (passage->client_watch, G_SOURCE_FUNC (client_ready), passage, NULL);
  g_source_attach (passage->client_watch, bridge->context);
  passage->timer = g_source_new (&timer_funcs, sizeof (GSource));
  g_source_set_ready_time (passage->timer, g_get_monotonic_time () + BEGIN_TIMEOUT_US);
  g_source_set_callback (passage->timer, timer_fired, passage, NULL);
  g_source_attach (passage->timer, bridge->context);
}
