/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session: what the user sees of a tunnel. It turns the tunnel's events and the link's failures
 * into the few states of the interface, and decides when to try again and when to give up. */
#include "tep-c/session-private.h"

#include <sys/random.h>
#include <sys/socket.h>

#include "turn-connect/error.h"

/* The first attempts follow quickly, so that a server that was restarted is found again within 5 s;
 * later ones spread out, so that ten thousand clients do not come back at once. Each delay is drawn
 * between half and the whole. */
static const guint backoff_ms[] = { 250, 500, 1000, 1000, 2000, 4000, 8000, 16000, 30000 };

enum {
  SIGNAL_STATE_CHANGED,
  SIGNAL_PROGRESS,
  SIGNAL_BINDING_MOVED,
  SIGNAL_LOST,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (TepClientSession, tep_client_session, G_TYPE_OBJECT)

const char *
tep_client_state_name (TepClientState state)
{
  static const char *const names[] = { "idle",    "connecting", "opening", "open",
                                       "waiting", "resuming",   "closed" };

  return (guint)state < G_N_ELEMENTS (names) ? names[state] : "unknown";
}

void
tep_client_session_set_state (TepClientSession *session, TepClientState state, const GError *cause)
{
  TepClientState before = session->state;

  if (state == before)
    return;
  session->state = state;
  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "MESSAGE", "session to %s: %s -> %s%s%s",
                    session->options->host, tep_client_state_name (before),
                    tep_client_state_name (state), cause != NULL ? ": " : "",
                    cause != NULL ? cause->message : "");
  g_signal_emit (session, signals[SIGNAL_STATE_CHANGED], 0, before, state, cause);
}

static void
random_octets (gpointer user, guint8 *octets, gsize length)
{
  gsize done = 0;

  while (done < length) {
    gssize n = getrandom (octets + done, length - done, 0);

    if (n > 0)
      done += n;
  }
}

static guint
random_between (guint low, guint high)
{
  guint32 value;

  random_octets (NULL, (guint8 *)&value, sizeof value);
  return low + value % (high - low + 1);
}

static void
end (TepClientSession *session, const GError *cause)
{
  g_autoptr (GError) closed = NULL;

  tep_client_link_drop (session);
  tep_client_link_disarm (session);
  session->attempt_us = 0;
  if (cause == NULL)
    closed =
        g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED, "the session was closed");
  while (session->bindings->len > 0) {
    g_autoptr (TepClientBinding) binding =
        g_ptr_array_steal_index (session->bindings, session->bindings->len - 1);

    tep_client_handle_abandon (binding, cause != NULL ? cause : closed);
  }
  tep_client_session_set_state (session, TEP_CLIENT_STATE_CLOSED, cause);
}

static void
attempt (TepClientSession *session)
{
  gboolean is_known = tep_client_tunnel_get_state (session->tunnel) == TEP_CLIENT_TUNNEL_SUSPENDED;

  session->attempt_us = 0;
  tep_client_link_dial (session);
  tep_client_session_set_state (
      session, is_known ? TEP_CLIENT_STATE_RESUMING : TEP_CLIENT_STATE_CONNECTING, NULL);
  tep_client_link_arm (session);
}

/* What no second attempt mends, as long as the way was never found to work. A password that a proxy does not
 * take any more is not sent again in any case: some lock a user out who was wrong a few times. */
static gboolean
is_final (TepClientSession *session, const GError *cause)
{
  static const int codes[] = {
    TURN_CONNECT_ERROR_INVALID,         TURN_CONNECT_ERROR_UNSUPPORTED,
    TURN_CONNECT_ERROR_PROXY_SCHEME,    TURN_CONNECT_ERROR_PROXY_CREDENTIALS_NEEDED,
    TURN_CONNECT_ERROR_PROXY_FORBIDDEN, TURN_CONNECT_ERROR_TLS_NAME,
    TURN_CONNECT_ERROR_TLS_EXPIRED,     TURN_CONNECT_ERROR_TLS_UNTRUSTED,
    TURN_CONNECT_ERROR_TLS_PIN,         TURN_CONNECT_ERROR_TLS_CERTIFICATE,
  };

  if (g_error_matches (cause, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_PROXY_CREDENTIALS_WRONG))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (codes) && !session->was_open; i++) {
    if (g_error_matches (cause, TURN_CONNECT_ERROR, codes[i]))
      return TRUE;
  }
  return FALSE;
}

/* A server that drains may send us to another one of the same name (PROTOCOL section 7.4), which is
 * good for as long as that one has our tunnel. */
static void
choose_server (TepClientSession *session)
{
  g_autoptr (TepClientOptions) options = NULL;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress address;

  if (tep_client_tunnel_get_state (session->tunnel) == TEP_CLIENT_TUNNEL_SUSPENDED)
    return; /* it has */
  g_clear_object (&session->alternate);
  if (!tep_client_tunnel_take_alternate (session->tunnel, &address))
    return;
  options = tep_client_options_copy (session->options);
  if (options->server_name == NULL)
    options->server_name = g_steal_pointer (&options->host);
  g_free (options->host);
  options->host = g_strdup (stun_ext_address_print_host (&address, text));
  options->port = address.port;
  session->alternate = tep_client_session_make_target (options, NULL);
}

void
tep_client_session_link_failed (TepClientSession *session, const GError *cause)
{
  gint64 now_us = g_get_monotonic_time ();
  guint step = MIN (session->failures, G_N_ELEMENTS (backoff_ms) - 1);
  guint limit_s = session->options->gives_up_after_s;

  if (session->state == TEP_CLIENT_STATE_CLOSED)
    return;
  if (session->end_cause != NULL) {
    g_autoptr (GError) ended = g_steal_pointer (&session->end_cause);

    end (session, ended->code == TEP_CLIENT_ERROR_CLOSED ? NULL : ended);
    return;
  }
  choose_server (session);
  if (session->down_since_us == 0)
    session->down_since_us = now_us;
  if (is_final (session, cause) ||
      (limit_s > 0 && now_us - session->down_since_us >= limit_s * G_USEC_PER_SEC)) {
    end (session, cause);
    return;
  }
  session->failures++;
  session->attempt_us = now_us + random_between (backoff_ms[step] / 2, backoff_ms[step]) * 1000;
  tep_client_session_set_state (session, TEP_CLIENT_STATE_WAITING, cause);
  if (session->state == TEP_CLIENT_STATE_WAITING)
    tep_client_link_arm (session);
}

void
tep_client_session_due (TepClientSession *session, gint64 now_us)
{
  if (session->attempt_us != 0 && now_us >= session->attempt_us)
    attempt (session);
}

/* A server that is restarted, full or drained may take us again later, or somebody else at its address. */
static gboolean
may_pass (const GError *cause)
{
  return g_error_matches (cause, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_BUSY) ||
         g_error_matches (cause, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_QUOTA) ||
         g_error_matches (cause, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_GONE);
}

static void
tunnel_changed (gpointer user,
                TepClientTunnelState before,
                TepClientTunnelState now,
                const GError *cause)
{
  TepClientSession *session = user;

  switch (now) {
  case TEP_CLIENT_TUNNEL_OPENING:
    tep_client_session_set_state (session, TEP_CLIENT_STATE_OPENING, NULL);
    break;
  case TEP_CLIENT_TUNNEL_OPEN:
    session->was_open = TRUE;
    session->failures = 0;
    session->down_since_us = 0;
    tep_client_session_set_state (session, TEP_CLIENT_STATE_OPEN, NULL);
    break;
  case TEP_CLIENT_TUNNEL_IDLE:
    /* Ended for good; input () says so to the link, which comes back through link_failed (). */
    if (cause != NULL && !may_pass (cause) && session->end_cause == NULL)
      session->end_cause = g_error_copy (cause);
    break;
  default:
    break;
  }
}

static void
show_inner (gpointer user, const StunExtInnerPacket *packet)
{
  TepClientSession *session = user;
  guint8 octets[G_MAXUINT16 + 1];
  StunExtWriter writer;

  if (session->tap == NULL)
    return;
  stun_ext_writer_init (&writer, octets, sizeof octets);
  stun_ext_inner_packet_write (&writer, packet);
  if (!writer.failed)
    session->tap (octets, writer.length, session->tap_data);
}

void
tep_client_session_set_tap (TepClientSession *session, TepClientTap tap, gpointer user_data)
{
  session->tap = tap;
  session->tap_data = user_data;
}

static const TepClientTunnelEvents tunnel_events = {
  .inner = show_inner,
  .state = tunnel_changed,
  .binding = tep_client_handle_binding_event,
  .flow = tep_client_handle_flow_event,
  .packet = tep_client_handle_packet_event,
  .random = random_octets,
};

static void
tep_client_session_finalize (GObject *object)
{
  TepClientSession *session = TEP_CLIENT_SESSION (object);

  tep_client_link_drop (session);
  tep_client_link_disarm (session);
  for (guint i = 0; i < session->bindings->len; i++)
    tep_client_handle_abandon (g_ptr_array_index (session->bindings, i), NULL);
  g_ptr_array_unref (session->bindings);
  tep_client_tunnel_free (session->tunnel);
  g_byte_array_unref (session->output);
  g_clear_object (&session->target);
  g_clear_object (&session->alternate);
  g_clear_error (&session->end_cause);
  tep_client_options_free (session->options);
  g_main_context_unref (session->context);
  G_OBJECT_CLASS (tep_client_session_parent_class)->finalize (object);
}

static void
tep_client_session_class_init (TepClientSessionClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tep_client_session_finalize;
  signals[SIGNAL_STATE_CHANGED] =
      g_signal_new ("state-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3,
                    G_TYPE_INT, G_TYPE_INT, G_TYPE_ERROR);
  signals[SIGNAL_PROGRESS] =
      g_signal_new ("progress", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3,
                    G_TYPE_STRING, G_TYPE_STRING, G_TYPE_UINT64);
  signals[SIGNAL_BINDING_MOVED] =
      g_signal_new ("binding-moved", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                    TEP_CLIENT_TYPE_BINDING);
  signals[SIGNAL_LOST] = g_signal_new ("lost", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                       G_TYPE_NONE, 2, G_TYPE_OBJECT, G_TYPE_ERROR);
}

static void
tep_client_session_init (TepClientSession *session)
{
  session->context = g_main_context_ref_thread_default ();
  session->output = g_byte_array_new ();
  session->bindings = g_ptr_array_new_with_free_func (g_object_unref);
}

TepClientSession *
tep_client_session_new (const TepClientOptions *options)
{
  TepClientSession *session = g_object_new (TEP_CLIENT_TYPE_SESSION, NULL);

  session->options = tep_client_options_copy (options);
  session->tunnel =
      tep_client_tunnel_new (session->options, session->output, &tunnel_events, session);
  return session;
}

static const char *const alpn[] = { "tep/1", NULL };

static gboolean
set_tls (TurnConnectTarget *target, const TepClientOptions *options, GError **error)
{
  g_autoptr (TurnConnectTlsOptions) tls = turn_connect_tls_options_new ();

  if (!turn_connect_tls_options_set_alpn (tls, alpn, error) ||
      (options->server_name != NULL &&
       !turn_connect_tls_options_set_server_name (tls, options->server_name, error)) ||
      (options->ca_file != NULL &&
       !turn_connect_tls_options_set_ca_file (tls, options->ca_file, error)) ||
      (options->pin_sha256 != NULL &&
       !turn_connect_tls_options_add_pin (tls, options->pin_sha256, error)))
    return FALSE;
  turn_connect_target_set_tls (target, tls);
  return TRUE;
}

static gboolean
set_proxy (TurnConnectTarget *target, const TepClientOptions *options, GError **error)
{
  if (!turn_connect_target_choose_proxy (target, options->proxy, error))
    return FALSE;
  if (options->proxy_user != NULL &&
      !turn_connect_target_set_proxy_credentials (target, options->proxy_user,
                                                  options->proxy_password, error))
    return FALSE;
  if (options->sends_alpn_header && !turn_connect_target_add_alpn_header (target, alpn, error))
    return FALSE;
  for (guint i = 0; options->connect_headers != NULL && options->connect_headers[i] != NULL; i++) {
    if (!turn_connect_target_add_header (target, options->connect_headers[i], error))
      return FALSE;
  }
  return TRUE;
}

TurnConnectTarget *
tep_client_session_make_target (const TepClientOptions *options, GError **error)
{
  g_autoptr (TurnConnectTarget) target =
      turn_connect_target_new (options->host, options->port, error);

  if (target == NULL || (options->is_tls && !set_tls (target, options, error)) ||
      (options->proxy != NULL && !set_proxy (target, options, error)))
    return NULL;
  turn_connect_target_set_interface (target, options->interface);
  turn_connect_target_set_timeout (target, options->attempt_timeout_s * 1000);
  return g_steal_pointer (&target);
}

void
tep_client_session_open (TepClientSession *session)
{
  g_autoptr (GError) error = NULL;

  g_return_if_fail (session->state == TEP_CLIENT_STATE_IDLE);
  session->opened_at_us = g_get_monotonic_time ();
  session->down_since_us = session->opened_at_us;
  if (!tep_client_options_check (session->options, &error) ||
      (session->target = tep_client_session_make_target (session->options, &error)) == NULL)
    end (session, error);
  else
    attempt (session);
}

void
tep_client_session_close (TepClientSession *session)
{
  g_autoptr (TepClientSession) hold = g_object_ref (session);

  if (session->state == TEP_CLIENT_STATE_CLOSED)
    return;
  tep_client_tunnel_close (session->tunnel, g_get_monotonic_time ());
  if (tep_client_tunnel_get_state (session->tunnel) == TEP_CLIENT_TUNNEL_CLOSING)
    tep_client_link_kick (session); /* the answer, or the lost connection, ends the session */
  else
    end (session, NULL);
}

void
tep_client_session_network_changed (TepClientSession *session)
{
  if (session->state == TEP_CLIENT_STATE_IDLE || session->state == TEP_CLIENT_STATE_CLOSED)
    return;
  tep_client_link_drop (session);
  session->failures = 0;
  attempt (session);
}

gboolean
tep_client_session_take_way (TepClientSession *session, const TepClientOptions *way, GError **error)
{
  g_autoptr (TurnConnectTarget) target = tep_client_session_make_target (way, error);

  if (target == NULL)
    return FALSE;
  session->options->port = way->port;
  session->options->is_tls = way->is_tls;
  g_free (session->options->proxy);
  session->options->proxy = g_strdup (way->proxy);
  if (session->target != NULL) /* else open () makes it */
    g_set_object (&session->target, target);
  g_clear_object (&session->alternate);
  tep_client_session_network_changed (session);
  return TRUE;
}

gboolean
tep_client_session_get_local_address (TepClientSession *session, StunExtAddress *address)
{
  struct sockaddr_storage storage;
  GSocketAddress *local =
      session->stream != NULL ? turn_connect_stream_get_local_address (session->stream) : NULL;

  return local != NULL && g_socket_address_to_native (local, &storage, sizeof storage, NULL) &&
         stun_ext_address_from_sockaddr (address, (struct sockaddr *)&storage, sizeof storage);
}

TepClientState
tep_client_session_get_state (TepClientSession *session)
{
  return session->state;
}

gboolean
tep_client_session_get_public_address (TepClientSession *session, StunExtAddress *address)
{
  return tep_client_tunnel_get_public_address (session->tunnel, address);
}

guint
tep_client_session_get_largest_packet (TepClientSession *session)
{
  return tep_client_tunnel_get_largest_packet (session->tunnel);
}

void
tep_client_session_get_statistics (TepClientSession *session, TepClientStatistics *statistics)
{
  *statistics = session->statistics;
  statistics->dropped_invalid = tep_client_tunnel_get_invalid (session->tunnel);
  statistics->round_trip_ms = tep_client_tunnel_get_round_trip (session->tunnel) / 1000;
  statistics->duplicates = session->duplicates_gone;
  for (guint i = 0; i < session->bindings->len; i++) {
    const TepClientBinding *binding = g_ptr_array_index (session->bindings, i);

    for (guint j = 0; j < binding->flows->len; j++) {
      const TepClientFlow *flow = g_ptr_array_index (binding->flows, j);

      if (flow->tunnel_flow != NULL)
        statistics->duplicates += flow->tunnel_flow->receiver.n_duplicates;
    }
  }
}
