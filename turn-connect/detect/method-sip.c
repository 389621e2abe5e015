/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIP over TLS on the port that firewalls let through (TS 33.203 annex W): a client registers, and then
 * sends as many requests as there would be packets. It carries the signalling of a call, not its media.
 * Each answer proves which request it is for, by its digest: what something between puts in place of the
 * far end's is no answer.
 */
#include "turn-connect/detect/trial-private.h"

#include "stun-ext/detect-payload.h"
#include "stun-ext/detect-text.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/dial.h"
#include "turn-connect/error-private.h"

#include <string.h>

#define PORT 443
#define FLIGHT 640 /* octets of a request, as those of telephones have */
#define ANSWER_MAX 4096

typedef struct {
  TurnConnectTrial *trial; /* NULL once stopped */
  TurnConnectRun *run;
  TurnConnectProbe *probe;
  TurnConnectStream *stream;
  GCancellable *cancellable;
  GSource *source;
  guint8 digests[TURN_CONNECT_TRIAL_PACKETS][STUN_EXT_DETECT_DIGEST_LENGTH];
  gboolean is_registered;
  gsize length; /* of each request */
  char answer[ANSWER_MAX];
  gsize n_answer;
} Sip;

/* Requests */

/* Inside TLS, Via says so (RFC 3261 section 18.1.1). */
static void
name_transport (guint8 *request, gsize length)
{
  static const char clear[] = "SIP/2.0/TCP ";
  char *place = g_strstr_len ((char *)request, (gssize)length, clear);

  if (place != NULL)
    memcpy (place + strlen ("SIP/2.0/"), "TLS", 3);
}

static gsize
write_request (Sip *self, StunExtDetectPayload payload, guint8 request[STUN_EXT_DETECT_FLIGHT_MAX])
{
  StunExtDetectFlight flight = { .payload = payload,
                                 .run = turn_connect_run_get_id (self->run),
                                 .probe = turn_connect_run_get_number (self->run, self->probe),
                                 .length = self->length,
                                 .host = turn_connect_run_get_observations (self->run)->host,
                                 .local = self->probe->local };
  gsize length;

  turn_connect_random_octets (&flight.seed, sizeof flight.seed);
  length = stun_ext_detect_flight_write (&flight, request, STUN_EXT_DETECT_FLIGHT_MAX);
  if (length == 0 && self->length == FLIGHT) {
    self->length = STUN_EXT_DETECT_FLIGHT_LENGTH; /* long names and addresses */
    return write_request (self, payload, request);
  }
  name_transport (request, length);
  return length;
}

static gboolean
send_request (Sip *self, StunExtDetectPayload payload, guint8 *digest)
{
  guint8 request[STUN_EXT_DETECT_FLIGHT_MAX];
  gsize length = write_request (self, payload, request), accepted = 0;
  GOutputVector vector = { request, length };
  const StunExtSpan part = { request, length };

  return length > 0 &&
         (digest == NULL || stun_ext_crypto_digest (STUN_EXT_HASH_SHA256, &part, 1, digest)) &&
         turn_connect_stream_try_write (self->stream, &vector, 1, &accepted, NULL) ==
             TURN_CONNECT_IO_OK &&
         accepted == length;
}

static gboolean
send_packet (gpointer state, guint number)
{
  Sip *self = state;

  return number < TURN_CONNECT_TRIAL_PACKETS &&
         send_request (self, STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS, self->digests[number]);
}

/* Answers */

/* TLS came about; but who answers in it, if anybody does? */
static void
end_without_answer (Sip *self, TurnConnectOutcome outcome, const char *detail)
{
  if (!self->is_registered && !turn_connect_run_get_observations (self->run)->is_far_end)
    turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_UNSUPPORTED,
                            "the server there speaks TLS, but not as our far end does inside");
  else
    turn_connect_trial_end (self->trial, outcome, detail);
}

static void
take_answer (Sip *self, const char *answer, gsize length)
{
  const StunExtDetectToken token = {
    .run = turn_connect_run_get_id (self->run),
    .probe = turn_connect_run_get_number (self->run, self->probe),
    .length = (guint16)self->length,
    .payload = self->is_registered ? STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS
                                   : STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER,
  };
  StunExtDetectSip sip;
  StunExtDetectProof proof = stun_ext_detect_sip_answer_read (
      answer, length, &token, turn_connect_run_get_user_key (self->run), &sip);

  self->probe->code = sip.code;
  if (turn_connect_run_weigh (self->run, self->probe, proof) == TURN_CONNECT_PROOF_NONE) {
    end_without_answer (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, "the answer is not the far end's");
    return;
  }
  self->probe->mapped = sip.source;
  if (!self->is_registered) {
    self->is_registered = TRUE;
    turn_connect_trial_ready (self->trial);
    return;
  }
  for (guint i = 0; i < TURN_CONNECT_TRIAL_PACKETS; i++) {
    if (stun_ext_crypto_equal (self->digests[i], sip.digest, sizeof sip.digest))
      turn_connect_trial_returned (self->trial, i);
  }
}

/* Whole answers, which have no body. */
static void
take_answers (Sip *self)
{
  const char *blank;

  while (self->n_answer > 0 &&
         (blank = g_strstr_len (self->answer, (gssize)self->n_answer, "\r\n\r\n")) != NULL) {
    gsize length = (gsize)(blank - self->answer) + 4;

    take_answer (self, self->answer, length);
    memmove (self->answer, self->answer + length, self->n_answer - length);
    self->n_answer -= length;
  }
  if (self->n_answer == ANSWER_MAX)
    end_without_answer (self, TURN_CONNECT_OUTCOME_WRONG_ANSWER, "the answer does not end");
}

static gboolean
stream_ready (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  Sip *self = data;
  g_autoptr (GError) error = NULL;
  gsize got = 0;

  if (self->n_answer == ANSWER_MAX)
    return G_SOURCE_REMOVE; /* it has ended, and waits to be stopped */
  switch (turn_connect_stream_try_read (stream, self->answer + self->n_answer,
                                        ANSWER_MAX - self->n_answer, &got, &error)) {
  case TURN_CONNECT_IO_OK:
    self->n_answer += got;
    take_answers (self);
    return G_SOURCE_CONTINUE;
  case TURN_CONNECT_IO_BLOCKED:
    return G_SOURCE_CONTINUE;
  case TURN_CONNECT_IO_END:
    end_without_answer (self, TURN_CONNECT_OUTCOME_CLOSED, "the connection was ended");
    return G_SOURCE_REMOVE;
  default:
    if (self->is_registered || turn_connect_run_get_observations (self->run)->is_far_end)
      turn_connect_trial_fail (self->trial, error);
    else
      end_without_answer (self, TURN_CONNECT_OUTCOME_CLOSED, NULL);
    return G_SOURCE_REMOVE;
  }
}

/* Setting up */

static void
note_stream (Sip *self)
{
  const TurnConnectTlsInfo *tls = turn_connect_stream_get_tls_info (self->stream);
  GSocketAddress *local = turn_connect_stream_get_local_address (self->stream);
  struct sockaddr_storage native;

  g_free (self->probe->via);
  self->probe->via = g_strdup (turn_connect_stream_get_proxy (self->stream));
  if (tls != NULL)
    turn_connect_probe_set_fact (self->probe, "tls", tls->version);
  if (local != NULL && g_socket_address_to_native (local, &native, sizeof native, NULL))
    stun_ext_address_from_sockaddr (&self->probe->local, (struct sockaddr *)&native, sizeof native);
}

static void
begin_talking (Sip *self)
{
  note_stream (self);
  if (turn_connect_trial_get_way (self->trial)->is_proxied && self->probe->via == NULL) {
    turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_SKIPPED,
                            "for this host no proxy is named");
    return;
  }
  self->source = turn_connect_stream_create_source (self->stream, G_IO_IN, NULL);
  g_source_set_callback (self->source, G_SOURCE_FUNC (stream_ready), self, NULL);
  g_source_attach (self->source, turn_connect_run_get_context (self->run));
  if (!send_request (self, STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER, NULL))
    turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_FAILED,
                            "the request could not be sent");
  self->probe->quality.size = (guint)self->length;
}

static void
dialled (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  Sip *self = data;
  TurnConnectStream *stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (source), result, &error);

  if (self->trial == NULL)
    g_clear_object (&stream);
  else if (stream == NULL)
    turn_connect_trial_fail (self->trial, error);
  else {
    self->stream = stream;
    begin_talking (self);
  }
  g_rc_box_release (self);
}

static void
stop (gpointer state)
{
  Sip *self = state;

  self->trial = NULL;
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  turn_connect_run_clear_source (&self->source);
  g_clear_object (&self->stream);
  g_rc_box_release (self);
}

static gpointer
start (TurnConnectTrial *trial, gpointer user_data)
{
  g_autoptr (TurnConnectTarget) target = turn_connect_trial_make_target (trial, NULL, 0);
  Sip *self = g_rc_box_new0 (Sip);

  self->trial = trial;
  self->run = turn_connect_trial_get_run (trial);
  self->probe = turn_connect_trial_get_probe (trial);
  self->length = FLIGHT;
  self->cancellable = g_cancellable_new ();
  turn_connect_dial_async (target, NULL, NULL, self->cancellable, dialled, g_rc_box_acquire (self));
  return self;
}

#define SIP_WAY(name_, is_proxied_)                                                                \
  {                                                                                                \
    .name = name_, .carry = TURN_CONNECT_CARRY_TLS, .port = PORT, .is_proxied = is_proxied_,       \
    .start = start, .send = send_packet, .stop = stop,                                             \
  }

const TurnConnectTrialWay turn_connect_methods_sip[] = {
  SIP_WAY ("sip-tls", FALSE),
  SIP_WAY ("sip-tls-proxy", TRUE),
};
const guint turn_connect_n_methods_sip = G_N_ELEMENTS (turn_connect_methods_sip);
