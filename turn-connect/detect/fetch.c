/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The far end's answers by HTTP. Whatever stands between may answer in its place, so nothing of an
 * answer is used that is not proven, and all of it is bounded in octets and in time.
 */
#include "turn-connect/detect/fetch.h"

#include "turn-connect/detect/answer.h"
#include "turn-connect/detect/far-lines.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/dial.h"
#include "turn-connect/error-private.h"
#include "turn-connect/target-private.h"
#include "turn-connect/tls-options-private.h"

#include <errno.h>
#include <string.h>

#define READ_AT_ONCE 16384

struct _TurnConnectFetch {
  TurnConnectRun *run;
  TurnConnectFetchWay way;
  TurnConnectFetchedFunc fetched;
  gpointer user_data;
  TurnConnectProbe *probe;
  TurnConnectTarget *target;
  GCancellable *cancellable; /* of the dial; NULL once that ended */
  TurnConnectStream *stream;
  GSource *source, *limit;
  char *request;
  gsize n_sent;
  TurnConnectAnswer answer;
  gint64 asked_us;
  guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH];
};

static void
let_go (TurnConnectFetch *self)
{
  turn_connect_run_clear_source (&self->source);
  turn_connect_run_clear_source (&self->limit);
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->stream);
}

static void
end (TurnConnectFetch *self, TurnConnectOutcome outcome, const char *body, gsize length)
{
  TurnConnectProbe *probe = self->probe;

  turn_connect_run_clear_source (&self->source);
  turn_connect_run_clear_source (&self->limit);
  outcome = self->fetched (probe, outcome, body, length, self->stream, self->user_data);
  let_go (self);
  turn_connect_answer_clear (&self->answer); /* a hostile one is a megabyte, and there are many */
  turn_connect_run_end (self->run, probe, outcome);
}

static void
fail (TurnConnectFetch *self, TurnConnectOutcome outcome, const char *detail)
{
  if (detail != NULL && self->probe->detail == NULL)
    self->probe->detail = g_strdup (detail);
  end (self, outcome, NULL, 0);
}

static TurnConnectOutcome
outcome_of_error (const TurnConnectFetch *self, const GError *error)
{
  if (turn_connect_error_get_http_status (error) != 0)
    return TURN_CONNECT_OUTCOME_DENIED;
  if (error->domain != TURN_CONNECT_ERROR)
    return TURN_CONNECT_OUTCOME_FAILED;
  switch ((TurnConnectError)error->code) {
  case TURN_CONNECT_ERROR_REFUSED:
    return TURN_CONNECT_OUTCOME_REFUSED;
  case TURN_CONNECT_ERROR_UNREACHABLE:
    return TURN_CONNECT_OUTCOME_UNREACHABLE;
  case TURN_CONNECT_ERROR_TIMED_OUT:
    return self->probe->connect_us >= 0 ? TURN_CONNECT_OUTCOME_CONNECTED
                                        : TURN_CONNECT_OUTCOME_SILENCE;
  case TURN_CONNECT_ERROR_CLOSED:
    return strstr (error->message, g_strerror (ECONNRESET)) != NULL ? TURN_CONNECT_OUTCOME_RESET
                                                                    : TURN_CONNECT_OUTCOME_CLOSED;
  case TURN_CONNECT_ERROR_TLS_FAILED:
  case TURN_CONNECT_ERROR_TLS_NAME:
  case TURN_CONNECT_ERROR_TLS_EXPIRED:
  case TURN_CONNECT_ERROR_TLS_UNTRUSTED:
  case TURN_CONNECT_ERROR_TLS_PIN:
  case TURN_CONNECT_ERROR_TLS_CERTIFICATE:
  case TURN_CONNECT_ERROR_PROXY_PROTOCOL:
    return TURN_CONNECT_OUTCOME_WRONG_ANSWER;
  case TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED:
  case TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG:
  case TURN_CONNECT_ERROR_PROXY_SCHEME:
  case TURN_CONNECT_ERROR_PROXY_FORBIDDEN:
  case TURN_CONNECT_ERROR_PROXY_UPSTREAM:
    return TURN_CONNECT_OUTCOME_DENIED;
  default:
    return TURN_CONNECT_OUTCOME_FAILED;
  }
}

static void
fail_by_error (TurnConnectFetch *self, const GError *error)
{
  self->probe->code = turn_connect_error_get_http_status (error);
  fail (self, outcome_of_error (self, error), error->message);
}

/* The answer */

static void
judge_body (TurnConnectFetch *self)
{
  TurnConnectProbe *probe = self->probe;
  const StunExtDetectRun run = turn_connect_run_get_id (self->run);
  gsize length, content_length = 0;
  const char *body = turn_connect_answer_get_body (&self->answer, &length);
  g_autofree char *fault = NULL;
  StunExtDetectProof proof = stun_ext_detect_body_check (
      body, length, &run, turn_connect_run_get_user_key (self->run), self->nonce, &content_length);

  probe->answers++;
  probe->rtt_us = g_get_monotonic_time () - self->asked_us;
  if (proof == STUN_EXT_DETECT_PROOF_NONE) {
    fail (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, "the answer is not the far end's");
    return;
  }
  fault = turn_connect_far_lines_find_fault (body, content_length);
  if (fault != NULL) {
    fail (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, fault);
    return;
  }
  /* Whether the far end took the signature, it says by the proof alone. */
  if (turn_connect_trust_weigh (turn_connect_run_get_trust (self->run),
                                turn_connect_run_get_observations (self->run), probe, proof, TRUE,
                                turn_connect_run_get_now (self->run)) == TURN_CONNECT_PROOF_NONE) {
    fail (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, "the answer does not prove the password");
    return;
  }
  end (self, TURN_CONNECT_OUTCOME_PROOF, body, content_length);
}

/* TRUE if there is more to come. */
static gboolean
take_octets (TurnConnectFetch *self, const guint8 *octets, gsize length, gboolean is_end)
{
  TurnConnectAnswer *answer = &self->answer;
  TurnConnectAnswerState state = turn_connect_answer_take (answer, octets, length, is_end);

  self->probe->code = answer->status;
  switch (state) {
  case TURN_CONNECT_ANSWER_MORE:
    return TRUE;
  case TURN_CONNECT_ANSWER_WHOLE:
    judge_body (self);
    break;
  case TURN_CONNECT_ANSWER_CUT:
    fail (self, TURN_CONNECT_OUTCOME_CLOSED, NULL);
    break;
  case TURN_CONNECT_ANSWER_NO_HTTP:
    self->probe->detail = turn_connect_error_quote ((const char *)answer->octets->data,
                                                    MIN (answer->octets->len, 64), 64);
    fail (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, NULL);
    break;
  case TURN_CONNECT_ANSWER_UNLIKE:
    fail (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, answer->reason);
    break;
  default:
    fail (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, "the answer does not end");
  }
  return FALSE;
}

/* TRUE to be called again. */
static gboolean
read_answer (TurnConnectFetch *self)
{
  guint8 octets[READ_AT_ONCE];
  g_autoptr (GError) error = NULL;
  gsize got = 0;
  TurnConnectIo io =
      turn_connect_stream_try_read (self->stream, octets, sizeof octets, &got, &error);

  switch (io) {
  case TURN_CONNECT_IO_OK:
    return take_octets (self, octets, got, FALSE);
  case TURN_CONNECT_IO_END:
    return take_octets (self, NULL, 0, TRUE);
  case TURN_CONNECT_IO_FAILED:
    fail (self,
          g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_CLOSED)
              ? TURN_CONNECT_OUTCOME_RESET
              : outcome_of_error (self, error),
          error->message);
    return FALSE;
  default:
    return TRUE;
  }
}

static gboolean
write_request (TurnConnectFetch *self)
{
  GOutputVector vector = { self->request + self->n_sent, strlen (self->request) - self->n_sent };
  g_autoptr (GError) error = NULL;
  gsize accepted = 0;

  if (turn_connect_stream_try_write (self->stream, &vector, 1, &accepted, &error) ==
      TURN_CONNECT_IO_FAILED) {
    fail (self, TURN_CONNECT_OUTCOME_RESET, error->message);
    return FALSE;
  }
  self->n_sent += accepted;
  if (self->request[self->n_sent] == '\0')
    turn_connect_stream_source_set_condition (self->source, G_IO_IN);
  return TRUE;
}

static gboolean
stream_ready (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  TurnConnectFetch *self = data;

  if (self->request[self->n_sent] != '\0')
    return write_request (self);
  return read_answer (self);
}

/* The request */

static char *
make_request (TurnConnectFetch *self)
{
  StunExtDetectQuery query = { .what = self->way.what, .has_run = TRUE };
  TurnConnectTrust *trust = turn_connect_run_get_trust (self->run);
  gboolean is_verified = self->way.is_tls && !self->way.is_blind && self->target->tls != NULL;
  const StunExtDetectKey *key =
      self->way.is_blind
          ? NULL
          : turn_connect_trust_choose_key (trust, turn_connect_run_get_observations (self->run),
                                           self->probe, is_verified);
  g_autofree char *target = NULL;

  query.run = turn_connect_run_get_id (self->run);
  query.probe = turn_connect_run_get_number (self->run, self->probe);
  query.payload = self->way.payload;
  if (!turn_connect_random_octets (self->nonce, sizeof self->nonce))
    return NULL;
  memcpy (query.nonce, self->nonce, sizeof query.nonce);
  if (key != NULL)
    g_strlcpy (query.username, turn_connect_run_get_plan (self->run)->user, sizeof query.username);
  turn_connect_trust_note_request (trust, self->probe, key != NULL);
  target = stun_ext_detect_target_write (&query, key);
  if (target == NULL)
    return NULL;
  return g_strdup_printf (
      "GET %s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", target,
      self->way.name != NULL ? self->way.name : turn_connect_run_get_observations (self->run)->host,
      self->way.lines != NULL ? self->way.lines : "");
}

static void
note_connection (TurnConnectFetch *self)
{
  const TurnConnectTimings *timings = turn_connect_stream_get_timings (self->stream);
  struct sockaddr_storage native;
  GSocketAddress *local = turn_connect_stream_get_local_address (self->stream);
  const char *proxy = turn_connect_stream_get_proxy (self->stream);

  self->probe->connect_us = timings->connect_us;
  if (proxy != NULL) {
    g_free (self->probe->via);
    self->probe->via = g_strdup (proxy);
  }
  if (local != NULL && g_socket_address_to_native (local, &native, sizeof native, NULL))
    stun_ext_address_from_sockaddr (&self->probe->local, (struct sockaddr *)&native, sizeof native);
}

/* What comes behind TCP stands on a connection, whatever becomes of it. */
static void
dial_goes_on (const TurnConnectProgress *progress, gpointer data)
{
  TurnConnectFetch *self = data;

  if (progress->step == TURN_CONNECT_STEP_TLS && self->way.family != 0)
    self->probe->connect_us = progress->elapsed_us;
}

static void
dialled (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  TurnConnectStream *stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);
  TurnConnectFetch *self = data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* it is no more */
  g_clear_object (&self->cancellable);
  if (stream == NULL) {
    fail_by_error (self, error);
    return;
  }
  self->stream = stream;
  note_connection (self);
  self->asked_us = g_get_monotonic_time ();
  self->source = turn_connect_stream_create_source (stream, G_IO_OUT, NULL);
  g_source_set_callback (self->source, G_SOURCE_FUNC (stream_ready), self, NULL);
  g_source_attach (self->source, turn_connect_run_get_context (self->run));
}

static gboolean
time_is_over (gpointer data)
{
  TurnConnectFetch *self = data;

  fail (self,
        self->probe->connect_us >= 0 ? TURN_CONNECT_OUTCOME_CONNECTED
                                     : TURN_CONNECT_OUTCOME_SILENCE,
        NULL);
  return G_SOURCE_REMOVE;
}

static gboolean
cannot_ask (gpointer data)
{
  fail (data, TURN_CONNECT_OUTCOME_FAILED, "the request cannot be made");
  return G_SOURCE_REMOVE;
}

static void
set_blind (TurnConnectTarget *target, const TurnConnectFetchWay *way)
{
  g_autoptr (TurnConnectTlsOptions) blind = turn_connect_tls_options_new_blind ();
  const char *const protocols[] = { way->alpn, NULL };

  if (way->alpn != NULL)
    turn_connect_tls_options_set_alpn (blind, protocols, NULL);
  if (way->name != NULL)
    turn_connect_tls_options_set_server_name (blind, way->name, NULL);
  turn_connect_target_set_tls (target, blind);
}

/* The run's target with another port; straight to an address, or with its proxy. */
static TurnConnectTarget *
make_target (TurnConnectRun *run, const TurnConnectFetchWay *way, const StunExtAddress *server)
{
  TurnConnectTarget *model = turn_connect_run_get_target (run);
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const char *host = server->family != 0 ? stun_ext_address_print_host (server, text) : model->host;
  TurnConnectTarget *target =
      turn_connect_target_new_alternate (model, host, way->port, NULL, NULL);

  if (target == NULL)
    return NULL;
  turn_connect_target_set_timeout (target, way->limit_ms);
  if (!way->is_tls)
    turn_connect_target_set_tls (target, NULL);
  else if (way->is_blind)
    set_blind (target, way);
  if (server->family != 0)
    turn_connect_target_choose_proxy (target, "none", NULL);
  return target;
}

TurnConnectFetch *
turn_connect_fetch_new (TurnConnectRun *run,
                        const TurnConnectFetchWay *way,
                        TurnConnectFetchedFunc fetched,
                        gpointer user_data)
{
  StunExtAddress server = way->address;
  TurnConnectTarget *target;
  TurnConnectFetch *self;

  server.port = way->port;
  if (way->family != 0 && way->address.family == 0 &&
      !turn_connect_run_get_server (run, way->family, way->port, &server))
    return NULL;
  target = make_target (run, way, &server);
  if (target == NULL)
    return NULL;
  self = g_new0 (TurnConnectFetch, 1);
  self->run = run;
  self->way = *way;
  self->fetched = fetched;
  self->user_data = user_data;
  self->target = target;
  turn_connect_answer_init (&self->answer);
  self->probe = turn_connect_run_begin (
      run, way->kind, way->variant, way->is_tls ? TURN_CONNECT_CARRY_TLS : TURN_CONNECT_CARRY_TCP,
      &server);
  self->probe->target.port = way->port;
  self->probe->deadline_us += (gint64)way->limit_ms * 1000;
  self->probe->attempts = 1;
  self->probe->is_control = way->is_control;
  self->probe->round = way->round;
  if (way->family == 0)
    self->probe->via = turn_connect_run_describe_proxy (run);
  self->request = make_request (self);
  if (self->request == NULL) {
    self->limit = turn_connect_run_add_timer (run, 0, cannot_ask, self);
    return self;
  }
  self->cancellable = g_cancellable_new ();
  self->limit = turn_connect_run_add_timer (run, (gint64)way->limit_ms * 1000, time_is_over, self);
  turn_connect_dial_async (target, dial_goes_on, self, self->cancellable, dialled, self);
  return self;
}

const char *
turn_connect_fetch_get_request (const TurnConnectFetch *fetch)
{
  return fetch->request;
}

void
turn_connect_fetch_free (TurnConnectFetch *fetch)
{
  if (fetch == NULL)
    return;
  let_go (fetch);
  g_clear_object (&fetch->target);
  turn_connect_answer_clear (&fetch->answer);
  g_free (fetch->request);
  g_free (fetch);
}
