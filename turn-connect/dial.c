/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sequence of steps from a target to a stream, under one deadline. Every step turns the stream
 * it got into the next one; which steps there are is planned from the target before anything is
 * sent, so that no failure can lead to a way that was not asked for.
 */
#include "turn-connect/dial-private.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/proxy/gss.h"
#include "turn-connect/proxy/http-connect.h"
#include "turn-connect/reach.h"
#include "turn-connect/stream-private.h"
#include "turn-connect/target-private.h"
#include "turn-connect/tls-options-private.h"
#include "turn-connect/tls-stream.h"
#include "turn-connect/tls.h"

#define STEP_TIMEOUT_US (10 * G_USEC_PER_SEC) /* an answer to CONNECT, a TLS handshake */
#define TOKEN_TIMEOUT_US (5 * G_USEC_PER_SEC) /* a ticket; another scheme may do */
#define PLAN_MAX 3

typedef struct {
  GTask *task; /* NULL once it returned */
  GMainContext *context;
  GCancellable *cancellable; /* the caller's */
  TurnConnectProgressFunc progress;
  gpointer progress_data;

  /* What the target said when the dial began. */
  char *host;
  guint16 port;
  char *interface; /* NULL: any */
  TurnConnectProxy *proxy;
  TurnConnectHttp *http;    /* NULL if no CONNECT is sent */
  TurnConnectGss *gss;      /* the dialogue of Negotiate or NTLM, once there is one */
  GCancellable *token_wait; /* for a token of its, made in a thread */
  TurnConnectTlsOptions *tls;
  TurnConnectTlsOptions *proxy_tls;
  char *tls_name;    /* whom the server's certificate is for */
  char *server_name; /* "the server example.org:443", for messages */
  char *peer_name;   /* whom the socket goes to, likewise */
  TurnConnectStep plan[PLAN_MAX];
  guint n_plan;

  guint at; /* next in the plan */
  TurnConnectStep step;
  gint64 step_begun_at;
  TurnConnectStream *stream;
  GSource *watch;
  GSource *timer;
  GSource *cancel_source;
  gint64 deadline;
  gint64 begun_at;
  gint64 mark; /* when the last measured stretch ended */
  TurnConnectTimings timings;
} Dial;

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
dial_free (gpointer data)
{
  Dial *dial = data;

  g_clear_pointer (&dial->context, g_main_context_unref);
  g_clear_object (&dial->cancellable);
  g_clear_object (&dial->stream);
  g_clear_pointer (&dial->proxy, turn_connect_proxy_unref);
  g_clear_pointer (&dial->http, turn_connect_http_free);
  g_clear_pointer (&dial->gss, turn_connect_gss_unref);
  g_clear_object (&dial->tls);
  g_clear_object (&dial->proxy_tls);
  g_free (dial->host);
  g_free (dial->interface);
  g_free (dial->tls_name);
  g_free (dial->server_name);
  g_free (dial->peer_name);
  g_free (dial);
}

static void
enter (Dial *dial, TurnConnectStep step, const char *detail)
{
  TurnConnectProgress progress = { .step = step, .detail = detail };

  dial->step = step;
  dial->step_begun_at = g_get_monotonic_time ();
  progress.elapsed_us = dial->step_begun_at - dial->begun_at;
  g_debug ("dial: %s %s", turn_connect_step_to_string (step), detail != NULL ? detail : "");
  /* Who cancelled may be gone before that is noticed here. */
  if (dial->progress != NULL && !g_cancellable_is_cancelled (dial->cancellable))
    dial->progress (&progress, dial->progress_data);
}

/* Adds the time since the last mark to a stretch. */
static void
measure (Dial *dial, gint64 *stretch_us)
{
  gint64 now = g_get_monotonic_time ();

  *stretch_us += now - dial->mark;
  dial->mark = now;
}

static void
leave_step (Dial *dial)
{
  if (dial->token_wait != NULL)
    g_cancellable_cancel (dial->token_wait);
  g_clear_object (&dial->token_wait);
  destroy_source (&dial->watch);
  destroy_source (&dial->timer);
  destroy_source (&dial->cancel_source);
}

static void
fail (Dial *dial, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&dial->task);

  leave_step (dial);
  turn_connect_error_set_step (error, dial->step);
  g_debug ("dial: failed: %s", error->message);
  g_task_return_error (task, error);
}

static void
finish (Dial *dial)
{
  g_autoptr (GTask) task = g_steal_pointer (&dial->task);

  leave_step (dial);
  dial->timings.total_us = g_get_monotonic_time () - dial->begun_at;
  turn_connect_stream_set_timings (dial->stream, &dial->timings);
  if (dial->proxy != NULL)
    turn_connect_stream_set_proxy (dial->stream, dial->proxy->url);
  enter (dial, TURN_CONNECT_STEP_READY, NULL);
  g_task_return_pointer (task, g_steal_pointer (&dial->stream), g_object_unref);
}

/* Whose address is connected to: the proxy's, whenever there is one. */
static const char *
first_host (const Dial *dial)
{
  return dial->proxy != NULL ? dial->proxy->host : dial->host;
}

static void begin_reaching (Dial *dial, const char *host);
static void make_token (Dial *dial);
static void next_step (Dial *dial);

/* With whom TLS is being spoken. */
static const char *
tls_party (const Dial *dial)
{
  return dial->step == TURN_CONNECT_STEP_TLS ? dial->server_name : dial->peer_name;
}

/* The peer's silence. */
static gboolean
timer_fired (gpointer user_data)
{
  Dial *dial = user_data;
  const char *doing = dial->step == TURN_CONNECT_STEP_PROXY ? "CONNECT" : "the TLS handshake";
  const char *who = tls_party (dial);

  if (dial->token_wait != NULL) {
    g_cancellable_cancel (dial->token_wait); /* and token_made() goes on */
    return G_SOURCE_REMOVE;
  }
  fail (dial,
        g_error_new (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                     "%s did not finish %s within %.1f s", who, doing,
                     (double)(g_get_monotonic_time () - dial->step_begun_at) / G_USEC_PER_SEC));
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled (GCancellable *cancellable, gpointer user_data)
{
  fail (user_data,
        g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "connecting was cancelled"));
  return G_SOURCE_REMOVE;
}

static gboolean advance (TurnConnectStream *stream, GIOCondition condition, gpointer user_data);

/* Waits for silence and for the caller's change of mind. */
static void
begin_waiting (Dial *dial, gint64 limit_us)
{
  gint64 until = MIN (dial->deadline, g_get_monotonic_time () + limit_us);

  leave_step (dial);
  dial->timer = g_timeout_source_new (0);
  g_source_set_ready_time (dial->timer, until);
  g_source_set_callback (dial->timer, timer_fired, dial, NULL);
  g_source_attach (dial->timer, dial->context);
  if (dial->cancellable != NULL) {
    dial->cancel_source = g_cancellable_source_new (dial->cancellable);
    g_source_set_callback (dial->cancel_source, G_SOURCE_FUNC (cancelled), dial, NULL);
    g_source_attach (dial->cancel_source, dial->context);
  }
}

/* Waits for the stream, too. */
static void
begin_watching (Dial *dial)
{
  begin_waiting (dial, STEP_TIMEOUT_US);
  dial->watch = turn_connect_stream_create_source (dial->stream, G_IO_IN | G_IO_OUT, NULL);
  g_source_set_callback (dial->watch, G_SOURCE_FUNC (advance), dial, NULL);
  g_source_attach (dial->watch, dial->context);
}

/* The proxy wants a new connection: to the same address, as it is known to work. */
static void
reopen (Dial *dial)
{
  GSocketAddress *remote = turn_connect_stream_get_remote_address (dial->stream);
  g_autofree char *text = NULL;

  if (G_IS_INET_SOCKET_ADDRESS (remote))
    text = g_inet_address_to_string (
        g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  leave_step (dial);
  g_io_stream_close (G_IO_STREAM (dial->stream), NULL, NULL);
  g_clear_object (&dial->stream);
  begin_reaching (dial, text != NULL ? text : first_host (dial));
}

/* The nonce of a success saves the next dial a round trip. Of one nonce the first copy stays, since
 * its count is that of all dials that go on with it. */
static void
remember (Dial *dial)
{
  const TurnConnectDigest *used = turn_connect_http_get_digest (dial->http);

  if (dial->proxy == NULL || used == NULL ||
      (dial->proxy->digest != NULL &&
       turn_connect_digest_is_same_nonce (dial->proxy->digest, used)))
    return;
  g_clear_pointer (&dial->proxy->digest, turn_connect_digest_free);
  dial->proxy->digest = turn_connect_digest_copy (used);
}

static void act_on_verdict (Dial *dial, TurnConnectHttpVerdict verdict, GError *error);

static void
token_made (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Dial *dial = g_task_get_task_data (task);
  g_autoptr (GError) problem = NULL;
  g_autoptr (GBytes) token = turn_connect_gss_step_finish (result, &problem);
  gboolean is_late = g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  TurnConnectHttpVerdict verdict;
  GError *error = NULL;

  if (dial->task == NULL)
    return; /* the dial is over */
  leave_step (dial);
  verdict = turn_connect_http_give (dial->http, token,
                                    is_late ? "the Kerberos service (KDC) did not answer in time"
                                    : problem != NULL ? problem->message
                                                      : NULL,
                                    &error);
  if (verdict == TURN_CONNECT_HTTP_FAILED && is_late)
    error->code = TURN_CONNECT_ERROR_TIMED_OUT;
  if (verdict == TURN_CONNECT_HTTP_MORE)
    begin_watching (dial);
  else
    act_on_verdict (dial, verdict, error);
}

/* The connection is left alone meanwhile. */
static void
make_token (Dial *dial)
{
  const TurnConnectProxyWanted *wanted = turn_connect_http_get_wanted (dial->http);

  if (wanted->is_first) {
    g_clear_pointer (&dial->gss, turn_connect_gss_unref);
    dial->gss = turn_connect_gss_new (wanted->scheme, dial->proxy->host, dial->proxy->user,
                                      dial->proxy->password);
  }
  begin_waiting (dial, TOKEN_TIMEOUT_US);
  dial->token_wait = g_cancellable_new ();
  turn_connect_gss_step_async (dial->gss, wanted->input, dial->token_wait, token_made,
                               g_object_ref (dial->task));
}

static void
act_on_verdict (Dial *dial, TurnConnectHttpVerdict verdict, GError *error)
{
  switch (verdict) {
  case TURN_CONNECT_HTTP_MORE:
    break;
  case TURN_CONNECT_HTTP_UP:
    remember (dial);
    measure (dial, &dial->timings.proxy_us);
    next_step (dial);
    break;
  case TURN_CONNECT_HTTP_REOPEN:
    reopen (dial);
    break;
  case TURN_CONNECT_HTTP_WAIT:
    make_token (dial);
    break;
  case TURN_CONNECT_HTTP_FAILED:
    fail (dial, error);
    break;
  }
}

static TurnConnectIo
send_request (Dial *dial, GError **error)
{
  TurnConnectIo io = TURN_CONNECT_IO_OK;
  gsize length;
  const guint8 *output = turn_connect_http_get_output (dial->http, &length);

  while (length > 0 && io == TURN_CONNECT_IO_OK) {
    GOutputVector vector = { output, length };
    gsize accepted;

    io = turn_connect_stream_try_write (dial->stream, &vector, 1, &accepted, error);
    turn_connect_http_sent (dial->http, accepted);
    output = turn_connect_http_get_output (dial->http, &length);
  }
  return io;
}

/* One read's worth of the dialogue. */
static TurnConnectHttpVerdict
take_reply (Dial *dial, TurnConnectIo *io, GError **error)
{
  TurnConnectHttpVerdict verdict;
  guint8 buffer[4096];
  gsize got, consumed;

  *io = turn_connect_stream_try_read (dial->stream, buffer, sizeof buffer, &got, error);
  switch (*io) {
  case TURN_CONNECT_IO_BLOCKED:
    return TURN_CONNECT_HTTP_MORE;
  case TURN_CONNECT_IO_FAILED:
    if (!g_error_matches (*error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED))
      return TURN_CONNECT_HTTP_FAILED;
    g_clear_error (error); /* a reset means what an end means */
    return turn_connect_http_end (dial->http, error);
  case TURN_CONNECT_IO_END:
    return turn_connect_http_end (dial->http, error);
  case TURN_CONNECT_IO_OK:
    break;
  }
  verdict = turn_connect_http_feed (dial->http, buffer, got, &consumed, error);
  if (verdict == TURN_CONNECT_HTTP_UP)
    turn_connect_stream_unread (dial->stream, buffer + consumed, got - consumed);
  return verdict;
}

static void
advance_proxy (Dial *dial)
{
  TurnConnectHttpVerdict verdict = TURN_CONNECT_HTTP_MORE;
  TurnConnectIo sent, got = TURN_CONNECT_IO_OK;
  GError *error = NULL;

  do {
    /* A connection that takes nothing more may still hold the answer to what it took. */
    sent = send_request (dial, NULL);
    verdict = take_reply (dial, &got, &error);
  } while (verdict == TURN_CONNECT_HTTP_MORE && got == TURN_CONNECT_IO_OK);
  if (verdict == TURN_CONNECT_HTTP_MORE)
    turn_connect_stream_source_set_condition (
        dial->watch, sent == TURN_CONNECT_IO_BLOCKED ? G_IO_IN | G_IO_OUT : G_IO_IN);
  act_on_verdict (dial, verdict, error);
}

static void
advance_tls (Dial *dial)
{
  GError *error = NULL;

  switch (turn_connect_tls_stream_handshake (dial->stream, &error)) {
  case TURN_CONNECT_IO_OK:
    if (dial->step == TURN_CONNECT_STEP_PROXY_TLS)
      turn_connect_tls_stream_hide (dial->stream);
    else
      measure (dial, &dial->timings.tls_us);
    next_step (dial);
    break;
  case TURN_CONNECT_IO_BLOCKED:
    turn_connect_stream_source_set_condition (dial->watch, G_IO_IN);
    break;
  case TURN_CONNECT_IO_END:
  case TURN_CONNECT_IO_FAILED:
    if (!g_str_has_prefix (error->message, "the ")) /* the socket's own words name an address */
      g_prefix_error (&error, "%s, in the TLS handshake: ", tls_party (dial));
    fail (dial, error);
    break;
  }
}

static gboolean
advance (TurnConnectStream *stream, GIOCondition condition, gpointer user_data)
{
  Dial *dial = user_data;
  GSource *watch = dial->watch;

  if (dial->step == TURN_CONNECT_STEP_PROXY)
    advance_proxy (dial);
  else
    advance_tls (dial);
  return g_source_is_destroyed (watch) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

/* What a TLS session may be resumed for: this party, by this way, as this user of the proxy. */
static char *
make_session_key (Dial *dial)
{
  return turn_connect_tls_session_key (tls_party (dial),
                                       dial->proxy != NULL ? dial->proxy->url : NULL,
                                       dial->proxy != NULL ? dial->proxy->user : NULL,
                                       dial->proxy != NULL ? dial->proxy->password : NULL);
}

/* Puts TLS on top of the stream. */
static gboolean
begin_tls (Dial *dial, GError **error)
{
  gboolean is_proxy = dial->step == TURN_CONNECT_STEP_PROXY_TLS;
  g_autofree char *key = make_session_key (dial);
  TurnConnectStream *stream = turn_connect_tls_stream_new (
      dial->stream, is_proxy ? dial->proxy_tls : dial->tls,
      is_proxy ? turn_connect_tls_options_get_name_for (dial->proxy_tls, dial->proxy->host)
               : dial->tls_name,
      tls_party (dial), key, error);

  if (stream == NULL)
    return FALSE;
  g_object_unref (dial->stream);
  dial->stream = stream;
  return TRUE;
}

static void
next_step (Dial *dial)
{
  TurnConnectStep step;
  g_autofree char *whom = NULL;
  GError *error = NULL;

  if (dial->at == dial->n_plan) {
    finish (dial);
    return;
  }
  step = dial->plan[dial->at++];
  whom = step == TURN_CONNECT_STEP_PROXY_TLS
             ? turn_connect_host_join (dial->proxy->host, dial->proxy->port)
             : turn_connect_host_join (dial->host, dial->port);
  enter (dial, step, whom);
  if (step != TURN_CONNECT_STEP_PROXY && !begin_tls (dial, &error)) {
    fail (dial, error);
    return;
  }
  begin_watching (dial);
}

static void
trying (GSocketAddress *address, gpointer user_data)
{
  g_autofree char *where = turn_connect_address_to_string (address);

  enter (user_data, TURN_CONNECT_STEP_CONNECT, where);
}

static void
reached (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Dial *dial = g_task_get_task_data (task);
  GError *error = NULL;
  gint64 resolved_at = 0;

  dial->stream = turn_connect_reach_finish (result, &resolved_at, &error);
  if (dial->stream == NULL) {
    if (dial->proxy != NULL && error->domain == TURN_CONNECT_ERROR)
      g_prefix_error_literal (&error, "the proxy: ");
    fail (dial, error);
    return;
  }
  if (dial->timings.total_us ==
      0) { /* a second connection to the proxy counts as the proxy's time */
    dial->timings.resolve_us = resolved_at - dial->begun_at;
    dial->mark = resolved_at;
    measure (dial, &dial->timings.connect_us);
    dial->timings.total_us = 1;
  }
  dial->at = 0;
  next_step (dial);
}

/* The one place from which a connection goes out: to the proxy if there is one. */
static void
begin_reaching (Dial *dial, const char *host)
{
  enter (dial, TURN_CONNECT_STEP_RESOLVE, host);
  turn_connect_reach_async (&turn_connect_reach_tcp, dial->interface, host,
                            dial->proxy != NULL ? dial->proxy->port : dial->port, dial->deadline,
                            trying, dial, dial->cancellable, reached, g_object_ref (dial->task));
}

static void
plan_connect (Dial *dial, TurnConnectTarget *target)
{
  g_autofree char *cnonce = turn_connect_dial_make_cnonce ();
  TurnConnectHttpRequest request = {
    .host = target->host,
    .port = target->port,
    .who = dial->peer_name,
    .lines = (const char *const *)target->lines->pdata,
    .cnonce = cnonce,
    .digest = dial->proxy != NULL ? dial->proxy->digest : NULL,
  };

  request.auth = turn_connect_proxy_auth_new (dial->proxy != NULL ? dial->proxy->user : NULL,
                                              dial->proxy != NULL ? dial->proxy->password : NULL,
                                              target->schemes, target->sends_first);
  dial->http = turn_connect_http_new (&request);
  dial->plan[dial->n_plan++] = TURN_CONNECT_STEP_PROXY;
}

static void
plan (Dial *dial, TurnConnectTarget *target)
{
  g_autofree char *place = turn_connect_host_join (target->host, target->port);

  dial->host = g_strdup (target->host);
  dial->port = target->port;
  dial->interface = g_strdup (target->interface);
  dial->server_name = g_strconcat ("the server ", place, NULL);
  if (target->proxy != NULL) {
    dial->proxy = turn_connect_proxy_ref (target->proxy);
    dial->peer_name = g_strconcat ("the proxy ", dial->proxy->url, NULL);
  } else
    dial->peer_name = g_strdup (dial->server_name);
  if (target->proxy != NULL && target->proxy->is_tls) {
    g_set_object (&dial->proxy_tls, target->proxy_tls);
    if (dial->proxy_tls == NULL)
      dial->proxy_tls = turn_connect_tls_options_new ();
    dial->plan[dial->n_plan++] = TURN_CONNECT_STEP_PROXY_TLS;
  }
  if (target->proxy != NULL || target->marks_server)
    plan_connect (dial, target);
  if (g_set_object (&dial->tls, target->tls)) {
    dial->tls_name = g_strdup (turn_connect_target_get_tls_name (target));
    dial->plan[dial->n_plan++] = TURN_CONNECT_STEP_TLS;
  }
}

void
turn_connect_dial_way_async (TurnConnectTarget *target,
                             gint64 begun_at,
                             gint64 deadline,
                             TurnConnectProgressFunc progress,
                             gpointer progress_data,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer user_data)
{
  Dial *dial = g_new0 (Dial, 1);

  dial->task = g_task_new (target, cancellable, callback, user_data);
  g_task_set_source_tag (dial->task, turn_connect_dial_way_async);
  g_task_set_task_data (dial->task, dial, dial_free);
  dial->context = g_main_context_ref_thread_default ();
  dial->progress = progress;
  dial->progress_data = progress_data;
  g_set_object (&dial->cancellable, cancellable);
  dial->begun_at = begun_at;
  dial->deadline = deadline;
  plan (dial, target);
  begin_reaching (dial, first_host (dial));
}
