/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a proxy says to CONNECT is told apart from what passes inside: there are proxies that say 200 and
 * then read on, and firewalls behind them that do.
 */
#include "turn-connect/detect/proxy-ask.h"

#include "stun-ext/message.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/detect/stun-part.h"
#include "turn-connect/dial.h"
#include "turn-connect/error-private.h"
#include "turn-connect/target-private.h"

#include <string.h>

#define CONNECT_MS 3500 /* SYNs at 0, 1 and 3 s; log-in by three requests */
#define ANSWER_US 2000000
#define ANSWER_MAX 1024
#define HTTP_PROXY_AUTHENTICATION 407

struct _TurnConnectProxyAsk {
  TurnConnectRun *run;
  TurnConnectProbe *probe;
  TurnConnectProxyAskedFunc asked;
  gpointer user_data;
  gboolean is_anonymous;
  TurnConnectTarget *target;
  GCancellable *cancellable; /* of the dial; NULL once that ended */
  TurnConnectStream *stream;
  GSource *source, *limit;
  guint8 id[12];
  guint8 request[TURN_CONNECT_BINDING_MAX];
  gsize n_request, n_sent;
  guint8 answer[ANSWER_MAX];
  gsize n_answer;
  gint64 asked_us;
};

static void
let_go (TurnConnectProxyAsk *ask)
{
  turn_connect_run_clear_source (&ask->source);
  turn_connect_run_clear_source (&ask->limit);
  if (ask->cancellable != NULL)
    g_cancellable_cancel (ask->cancellable);
  g_clear_object (&ask->cancellable);
  g_clear_object (&ask->stream);
}

static void
end (TurnConnectProxyAsk *ask, TurnConnectOutcome outcome, const char *detail)
{
  if (detail != NULL && ask->probe->detail == NULL)
    ask->probe->detail = turn_connect_error_quote (detail, strlen (detail), 240);
  let_go (ask);
  turn_connect_run_end (ask->run, ask->probe, outcome);
  ask->asked (ask->probe, ask->user_data);
}

/* CONNECT */

/* Words of @connect in proxy-ask.h, by who failed us. */
static const struct {
  gint code;
  const char *word;
  TurnConnectOutcome outcome;
} refusals[] = {
  { TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED, "credentials", TURN_CONNECT_OUTCOME_DENIED },
  { TURN_CONNECT_ERROR_PROXY_SCHEME, "credentials", TURN_CONNECT_OUTCOME_DENIED },
  { TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG, "wrong-credentials", TURN_CONNECT_OUTCOME_DENIED },
  { TURN_CONNECT_ERROR_PROXY_FORBIDDEN, "refused", TURN_CONNECT_OUTCOME_DENIED },
  { TURN_CONNECT_ERROR_PROXY_UPSTREAM, "upstream", TURN_CONNECT_OUTCOME_DENIED },
  { TURN_CONNECT_ERROR_PROXY_PROTOCOL, "no-proxy", TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_CLOSED, "closed", TURN_CONNECT_OUTCOME_CLOSED },
  { TURN_CONNECT_ERROR_NAME_NOT_FOUND, "unreachable", TURN_CONNECT_OUTCOME_UNREACHABLE },
  { TURN_CONNECT_ERROR_NAME_FAILED, "unreachable", TURN_CONNECT_OUTCOME_UNREACHABLE },
  { TURN_CONNECT_ERROR_REFUSED, "unreachable", TURN_CONNECT_OUTCOME_REFUSED },
  { TURN_CONNECT_ERROR_UNREACHABLE, "unreachable", TURN_CONNECT_OUTCOME_UNREACHABLE },
  { TURN_CONNECT_ERROR_TLS_FAILED, "no-proxy", TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_NAME, "no-proxy", TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_EXPIRED, "no-proxy", TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_UNTRUSTED, "no-proxy", TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_CERTIFICATE, "no-proxy", TURN_CONNECT_OUTCOME_WRONG_ANSWER },
};

static void
fail (TurnConnectProxyAsk *ask, const GError *error)
{
  const char *word = "failed";
  TurnConnectOutcome outcome = TURN_CONNECT_OUTCOME_FAILED;

  ask->probe->code = turn_connect_error_get_http_status (error);
  turn_connect_probe_set_fact (ask->probe, "schemes", turn_connect_error_get_schemes (error));
  for (guint i = 0; i < G_N_ELEMENTS (refusals) && error->domain == TURN_CONNECT_ERROR; i++) {
    if (refusals[i].code != error->code)
      continue;
    word = refusals[i].word;
    outcome = refusals[i].outcome;
  }
  if (g_error_matches (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT)) {
    word = turn_connect_error_get_step (error) >= TURN_CONNECT_STEP_PROXY_TLS ? "silent"
                                                                              : "unreachable";
    outcome = TURN_CONNECT_OUTCOME_SILENCE;
  }
  turn_connect_probe_set_fact (ask->probe, "connect", word);
  end (ask, outcome, error->message);
}

/* Inside */

/* TRUE if there is more to come. */
static gboolean
judge_answer (TurnConnectProxyAsk *ask)
{
  gsize total = 0;
  guint8 attempt = 0;
  TurnConnectStunPart part =
      turn_connect_stun_part_measure (ask->answer, ask->n_answer, ANSWER_MAX, &total);
  TurnConnectOutcome outcome;

  if (part == TURN_CONNECT_STUN_MORE)
    return TRUE;
  ask->probe->answers++;
  ask->probe->rtt_us = g_get_monotonic_time () - ask->asked_us;
  if (part == TURN_CONNECT_STUN_OTHER) {
    ask->probe->detail =
        turn_connect_error_quote ((const char *)ask->answer, MIN (ask->n_answer, 64), 64);
    end (ask, TURN_CONNECT_OUTCOME_WRONG_ANSWER, NULL);
    return FALSE;
  }
  outcome =
      turn_connect_run_read_binding (ask->run, ask->probe, ask->id, ask->answer, total, &attempt);
  end (ask, outcome == TURN_CONNECT_OUTCOME_PENDING ? TURN_CONNECT_OUTCOME_WRONG_ANSWER : outcome,
       NULL);
  return FALSE;
}

static gboolean
read_answer (TurnConnectProxyAsk *ask)
{
  g_autoptr (GError) error = NULL;
  gsize got = 0;

  switch (turn_connect_stream_try_read (ask->stream, ask->answer + ask->n_answer,
                                        ANSWER_MAX - ask->n_answer, &got, &error)) {
  case TURN_CONNECT_IO_OK:
    ask->n_answer += got;
    return judge_answer (ask);
  case TURN_CONNECT_IO_BLOCKED:
    return TRUE;
  case TURN_CONNECT_IO_END:
    end (ask, TURN_CONNECT_OUTCOME_CLOSED, "the tunnel was ended");
    return FALSE;
  default:
    end (ask, TURN_CONNECT_OUTCOME_RESET, error->message);
    return FALSE;
  }
}

static gboolean
write_request (TurnConnectProxyAsk *ask)
{
  GOutputVector vector = { ask->request + ask->n_sent, ask->n_request - ask->n_sent };
  g_autoptr (GError) error = NULL;
  gsize accepted = 0;

  if (turn_connect_stream_try_write (ask->stream, &vector, 1, &accepted, &error) ==
      TURN_CONNECT_IO_FAILED) {
    end (ask, TURN_CONNECT_OUTCOME_RESET, error->message);
    return FALSE;
  }
  ask->n_sent += accepted;
  if (ask->n_sent == ask->n_request)
    turn_connect_stream_source_set_condition (ask->source, G_IO_IN);
  return TRUE;
}

static gboolean
stream_ready (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  TurnConnectProxyAsk *ask = data;

  return ask->n_sent < ask->n_request ? write_request (ask) : read_answer (ask);
}

static gboolean
time_is_over (gpointer data)
{
  end (data, TURN_CONNECT_OUTCOME_CONNECTED, NULL);
  return G_SOURCE_REMOVE;
}

static void
ask_inside (TurnConnectProxyAsk *ask)
{
  turn_connect_random_octets (ask->id, sizeof ask->id);
  ask->n_request = turn_connect_run_write_binding (ask->run, ask->probe, ask->id, 0, ask->request);
  if (ask->n_request == 0) {
    end (ask, TURN_CONNECT_OUTCOME_FAILED, NULL);
    return;
  }
  ask->asked_us = g_get_monotonic_time ();
  ask->limit = turn_connect_run_add_timer (ask->run, ANSWER_US, time_is_over, ask);
  ask->probe->deadline_us = turn_connect_run_get_now (ask->run) + ANSWER_US;
  ask->source = turn_connect_stream_create_source (ask->stream, G_IO_OUT, NULL);
  g_source_set_callback (ask->source, G_SOURCE_FUNC (stream_ready), ask, NULL);
  g_source_attach (ask->source, turn_connect_run_get_context (ask->run));
}

static void
dialled (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  TurnConnectStream *stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);
  TurnConnectProxyAsk *ask = data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* it is no more */
  g_clear_object (&ask->cancellable);
  if (stream == NULL) {
    fail (ask, error);
    return;
  }
  ask->stream = stream;
  ask->probe->connect_us = turn_connect_stream_get_timings (stream)->total_us;
  turn_connect_probe_set_fact (ask->probe, "connect", "allowed");
  if (ask->is_anonymous)
    end (ask, TURN_CONNECT_OUTCOME_CONNECTED, NULL);
  else
    ask_inside (ask);
}

/* As nobody: neither by name nor by a ticket. */
static void
forget_user (TurnConnectTarget *target)
{
  TurnConnectProxy *named = target->proxy;

  turn_connect_target_set_proxy_schemes (target, 0, FALSE);
  target->proxy = turn_connect_proxy_with_credentials (named, NULL, NULL, NULL);
  if (target->proxy == NULL)
    target->proxy = named;
  else
    turn_connect_proxy_unref (named);
}

TurnConnectProxyAsk *
turn_connect_proxy_ask_new (TurnConnectRun *run,
                            const TurnConnectProxyQuestion *question,
                            TurnConnectProxyAskedFunc asked,
                            gpointer user_data)
{
  TurnConnectProxyAsk *ask = g_new0 (TurnConnectProxyAsk, 1);

  ask->run = run;
  ask->asked = asked;
  ask->user_data = user_data;
  ask->is_anonymous = question->is_anonymous;
  ask->probe =
      turn_connect_run_begin (run, question->kind, question->variant, TURN_CONNECT_CARRY_TCP, NULL);
  ask->probe->attempts = 1;
  ask->probe->deadline_us += CONNECT_MS * G_GINT64_CONSTANT (1000);
  ask->probe->via = g_strdup (question->target->proxy->url);
  ask->probe->target.port = question->port; /* the name is looked up by the proxy alone */
  ask->target = turn_connect_target_copy (question->target);
  ask->target->port = question->port;
  turn_connect_target_set_tls (ask->target, NULL);
  turn_connect_target_set_timeout (ask->target, CONNECT_MS);
  if (ask->is_anonymous)
    forget_user (ask->target);
  ask->cancellable = g_cancellable_new ();
  turn_connect_dial_async (ask->target, NULL, NULL, ask->cancellable, dialled, ask);
  return ask;
}

void
turn_connect_proxy_ask_free (TurnConnectProxyAsk *ask)
{
  if (ask == NULL)
    return;
  let_go (ask);
  g_clear_object (&ask->target);
  g_free (ask);
}
