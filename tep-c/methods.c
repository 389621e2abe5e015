/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Methods by a TEP tunnel. What is measured is the way that a call's packets take: each is a whole
 * inner IP packet from a leased address, as long as one of a call, and goes through the tunnel to
 * where TEP-S answers STUN inside it (stun-ext/PROTOCOL.md section 8.5). The answers are shorter.
 */
#include "tep-c/methods.h"

#include "stun-ext/detect.h"
#include "tep-c/session.h"
#include "turn-connect/error.h"

#include <string.h>
#include <sys/random.h>

#define HELLO 0x80 /* from here on, last octets of the ids of those that find out who answers */
#define HELLO_MS 100
#define HELLO_MAX 20
#define PLACES 2

typedef struct {
  TurnConnectTrial *trial; /* NULL once stopped */
  TepClientSession *session;
  TepClientBinding *binding;
  GCancellable *cancellable;
  StunExtAddress places[PLACES]; /* where it may answer */
  StunExtAddress peer;           /* where it did */
  guint8 id[12];
  guint timer;
  guint n_hellos;
} Tunnel;

/* What a detection was given. */
typedef struct {
  char *name;
  TepClientOptions *options;
  guint family;
} Method;

static gboolean
send_request (Tunnel *self, const StunExtAddress *to, guint8 number)
{
  StunExtDetectRequest request = { .length = TURN_CONNECT_TRIAL_PACKET_SIZE };
  guint8 octets[TURN_CONNECT_TRIAL_PACKET_SIZE];
  gsize length;

  self->id[11] = number;
  memcpy (request.transaction_id, self->id, sizeof request.transaction_id);
  return stun_ext_detect_request_write (&request, NULL, octets, sizeof octets, &length) &&
         tep_client_binding_send_to (self->binding, 0, to, octets, length) == TEP_CLIENT_SENT;
}

static gboolean
send_packet (gpointer state, guint number)
{
  Tunnel *self = state;

  return send_request (self, &self->peer, (guint8)number);
}

static void
received (TepClientBinding *binding, const TepClientPacket *packet, gpointer data)
{
  Tunnel *self = data;
  StunExtMessage message;
  guint8 number;

  if (self->trial == NULL ||
      stun_ext_message_parse (&message, packet->payload, packet->length) != STUN_EXT_PARSE_OK ||
      message.message_class != STUN_EXT_CLASS_SUCCESS ||
      memcmp (message.transaction_id, self->id, sizeof self->id - 1) != 0)
    return;
  number = message.transaction_id[sizeof self->id - 1];
  if (number < HELLO) {
    turn_connect_trial_returned (self->trial, number);
    return;
  }
  if (self->peer.family != 0)
    return;
  self->peer = *packet->source;
  turn_connect_trial_ready (self->trial);
}

/* Where the server answers: at the address that it leases out, where that is its own, or where we
 * reached it. */
static gboolean
say_hello (gpointer data)
{
  Tunnel *self = data;

  for (guint i = 0; i < PLACES; i++) {
    if (self->places[i].family != 0)
      send_request (self, &self->places[i], (guint8)(HELLO + self->n_hellos));
  }
  if (++self->n_hellos < HELLO_MAX && self->peer.family == 0)
    return G_SOURCE_CONTINUE;
  self->timer = 0;
  return G_SOURCE_REMOVE;
}

static void
find_places (Tunnel *self)
{
  guint16 port = turn_connect_trial_get_way (self->trial)->port;

  self->places[0] = *tep_client_binding_get_address (self->binding);
  if (!turn_connect_trial_get_server (self->trial, self->places[0].family, &self->places[1]) ||
      stun_ext_address_equal_host (&self->places[0], &self->places[1]))
    self->places[1].family = 0;
  for (guint i = 0; i < PLACES; i++)
    self->places[i].port = port;
}

static void
fail (Tunnel *self, const GError *error)
{
  static const TurnConnectOutcome outcomes[] = {
    [TEP_CLIENT_ERROR_UNREACHABLE] = TURN_CONNECT_OUTCOME_UNREACHABLE,
    [TEP_CLIENT_ERROR_CREDENTIAL] = TURN_CONNECT_OUTCOME_DENIED,
    [TEP_CLIENT_ERROR_NOT_A_TEP_SERVER] = TURN_CONNECT_OUTCOME_WRONG_ANSWER,
    [TEP_CLIENT_ERROR_FORBIDDEN] = TURN_CONNECT_OUTCOME_DENIED,
    /* These two say nothing of the network. */
    [TEP_CLIENT_ERROR_QUOTA] = TURN_CONNECT_OUTCOME_FAILED,
    [TEP_CLIENT_ERROR_BUSY] = TURN_CONNECT_OUTCOME_FAILED,
    [TEP_CLIENT_ERROR_GONE] = TURN_CONNECT_OUTCOME_CLOSED,
    [TEP_CLIENT_ERROR_FAMILY] = TURN_CONNECT_OUTCOME_UNSUPPORTED,
    [TEP_CLIENT_ERROR_INSECURE] = TURN_CONNECT_OUTCOME_SKIPPED,
    [TEP_CLIENT_ERROR_PROTOCOL] = TURN_CONNECT_OUTCOME_WRONG_ANSWER,
    [TEP_CLIENT_ERROR_CLOSED] = TURN_CONNECT_OUTCOME_CLOSED,
    [TEP_CLIENT_ERROR_NO_PATH] = TURN_CONNECT_OUTCOME_FAILED,
  };

  if (error != NULL && error->domain == TEP_CLIENT_ERROR && error->code >= 0 &&
      (gsize)error->code < G_N_ELEMENTS (outcomes))
    turn_connect_trial_end (self->trial, outcomes[error->code], error->message);
  else if (error != NULL)
    turn_connect_trial_fail (self->trial, error);
  else
    turn_connect_trial_end (self->trial, TURN_CONNECT_OUTCOME_CLOSED, "the tunnel was ended");
}

static void
leased (GObject *session, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  Tunnel *self = data;
  TepClientBinding *binding =
      tep_client_session_lease_finish (TEP_CLIENT_SESSION (session), result, &error);

  if (self->trial == NULL)
    g_clear_object (&binding);
  else if (binding == NULL) {
    if (!g_error_matches (error, TEP_CLIENT_ERROR,
                          TEP_CLIENT_ERROR_CLOSED)) /* the state says more */
      fail (self, error);
  } else {
    self->binding = binding;
    find_places (self);
    if (say_hello (self) == G_SOURCE_CONTINUE)
      self->timer = g_timeout_add (HELLO_MS, say_hello, self);
  }
  g_rc_box_release (self);
}

/* One attempt: that it would be made again tells nothing new. */
static void
state_changed (TepClientSession *session, int before, int now, GError *cause, Tunnel *self)
{
  if (now == TEP_CLIENT_STATE_WAITING || now == TEP_CLIENT_STATE_CLOSED)
    fail (self, cause);
}

static void
stop (gpointer state)
{
  Tunnel *self = state;

  self->trial = NULL;
  g_clear_handle_id (&self->timer, g_source_remove);
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_signal_handlers_disconnect_by_func (self->session, state_changed, self);
  tep_client_session_close (self->session);
  g_clear_object (&self->binding);
  g_clear_object (&self->session);
  g_rc_box_release (self);
}

/* As the method has it, and of the family that the detection is restricted to. */
static TepClientOptions *
make_options (TurnConnectTrial *trial, const Method *method)
{
  TepClientOptions *options = tep_client_options_copy (method->options);
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress address;

  g_free (options->interface);
  options->interface = g_strdup (turn_connect_trial_get_interface (trial));
  if (options->proxy == NULL && method->family != 0 &&
      turn_connect_trial_get_server (trial, method->family, &address)) {
    if (options->server_name == NULL)
      options->server_name = g_steal_pointer (&options->host);
    g_free (options->host);
    options->host = g_strdup (stun_ext_address_print_host (&address, text));
  }
  return options;
}

static gpointer
start (TurnConnectTrial *trial, gpointer data)
{
  g_autoptr (TepClientOptions) options = make_options (trial, data);
  const TepClientLease lease = { 0 };
  g_autoptr (GError) error = NULL;
  Tunnel *self;

  if (!tep_client_options_check (options, &error)) {
    turn_connect_trial_end (trial, TURN_CONNECT_OUTCOME_SKIPPED, error->message);
    return NULL;
  }
  self = g_rc_box_new0 (Tunnel);
  self->trial = trial;
  self->cancellable = g_cancellable_new ();
  if (getrandom (self->id, sizeof self->id, 0) != sizeof self->id)
    g_warning ("the kernel gives no random octets");
  self->session = tep_client_session_new (options);
  g_object_set_data_full (G_OBJECT (self->session), "owner", g_rc_box_acquire (self),
                          g_rc_box_release);
  g_signal_connect (self->session, "state-changed", G_CALLBACK (state_changed), self);
  tep_client_session_lease_async (self->session, &lease, received, self, self->cancellable, leased,
                                  g_rc_box_acquire (self));
  tep_client_session_open (self->session);
  return self;
}

static void
method_free (gpointer data)
{
  Method *method = data;

  tep_client_options_free (method->options);
  g_free (method->name);
  g_free (method);
}

static void
add (TurnConnectDetection *detection,
     const char *name,
     const TepClientOptions *options,
     guint family,
     gboolean is_proxied)
{
  Method *method = g_new0 (Method, 1);
  g_autofree char *key = g_strconcat ("tep-c ", name, NULL);
  TurnConnectTrialWay way = {
    .carry = options->is_tls ? TURN_CONNECT_CARRY_TLS : TURN_CONNECT_CARRY_TCP,
    .port = options->port,
    .is_proxied = is_proxied,
    .needs_login = TRUE,
    .start = start,
    .send = send_packet,
    .stop = stop,
    .is_proven_by_set_up = TRUE,
  };

  method->name = g_strdup (name);
  method->options = tep_client_options_copy (options);
  method->family = family;
  way.name = method->name;
  /* As long as the detection. */
  g_object_set_data_full (G_OBJECT (detection), key, method, method_free);
  turn_connect_detection_add_method (detection, &way, method);
}

void
tep_client_add_method (TurnConnectDetection *detection,
                       const char *name,
                       const TepClientOptions *options,
                       guint family)
{
  g_return_if_fail (family == 0 || family == 4 || family == 6);
  add (detection, name, options, family, options->proxy != NULL);
}

void
tep_client_add_methods (TurnConnectDetection *detection,
                        const TepClientOptions *options,
                        guint family)
{
  static const struct {
    const char *name;
    guint16 port;
    gboolean is_tls, is_proxied;
  } usual[] = {
    { "tep-80", 80, FALSE, FALSE },       { "tep-443", 443, FALSE, FALSE },
    { "tep-tls", 443, TRUE, FALSE },      { "tep-443-proxy", 443, FALSE, TRUE },
    { "tep-tls-proxy", 443, TRUE, TRUE },
  };

  g_return_if_fail (family == 0 || family == 4 || family == 6);
  for (gsize i = 0; i < G_N_ELEMENTS (usual); i++) {
    g_autoptr (TepClientOptions) one = tep_client_options_copy (options);

    one->port = usual[i].port;
    one->is_tls = usual[i].is_tls;
    if (!usual[i].is_proxied)
      g_clear_pointer (&one->proxy, g_free);
    add (detection, usual[i].name, one, family, usual[i].is_proxied);
  }
}
