/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client's tunnel: states, time, and what it asks the server. Everything wanted is kept apart
 * from what was granted, and one function asks for the difference; so a server that forgot us is no
 * special case. */
#include "tep-c/tunnel-private.h"

#include <string.h>

#define PROBE_AFTER_US (2 * (gint64)G_USEC_PER_SEC) /* of silence while we send media */
#define REQUEST_MAX STUN_EXT_TEP_MESSAGE_MAX

typedef struct {
  TepClientTunnelState from;
  TepClientTunnelEvent event;
  TepClientTunnelState to;
} Row;

#define S(name) TEP_CLIENT_TUNNEL_##name

static const Row rows[] = {
  { S (IDLE), S (CONNECTED_NEW), S (OPENING) },
  { S (OPENING), S (CHALLENGED), S (OPENING) },
  { S (OPENING), S (ACCEPTED), S (OPEN) },
  { S (OPENING), S (LOST), S (IDLE) },
  { S (OPENING), S (LEAVING), S (IDLE) },
  { S (OPENING), S (ENDED), S (IDLE) },

  { S (OPEN), S (LOST), S (SUSPENDED) },
  { S (OPEN), S (LEAVING), S (CLOSING) },
  { S (OPEN), S (ENDED), S (IDLE) },

  { S (SUSPENDED), S (CONNECTED_RESUME), S (RESUMING) },
  { S (SUSPENDED), S (LEAVING), S (IDLE) },

  { S (RESUMING), S (ACCEPTED), S (OPEN) },
  { S (RESUMING), S (FORGOTTEN), S (OPENING) },
  { S (RESUMING), S (LOST), S (SUSPENDED) },
  { S (RESUMING), S (LEAVING), S (IDLE) },
  { S (RESUMING), S (ENDED), S (IDLE) },

  { S (CLOSING), S (LOST), S (IDLE) },
  { S (CLOSING), S (ENDED), S (IDLE) },
};

gboolean
tep_client_tunnel_step (TepClientTunnelState *state, TepClientTunnelEvent event)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (rows[i].from == *state && rows[i].event == event) {
      *state = rows[i].to;
      return TRUE;
    }
  }
  return FALSE;
}

gboolean
tep_client_tunnel_move (TepClientTunnel *tunnel, TepClientTunnelEvent event, const GError *cause)
{
  TepClientTunnelState before = tunnel->state;

  if (!tep_client_tunnel_step (&tunnel->state, event))
    return FALSE;
  if (tunnel->state == S (IDLE))
    tep_client_tunnel_forget (tunnel);
  if (tunnel->state != before)
    tunnel->events.state (tunnel->user, before, tunnel->state, cause);
  return TRUE;
}

TepClientTunnel *
tep_client_tunnel_new (const TepClientOptions *options,
                       GByteArray *output,
                       const TepClientTunnelEvents *events,
                       gpointer user)
{
  TepClientTunnel *tunnel = g_new0 (TepClientTunnel, 1);
  const char *name = options->server_name != NULL ? options->server_name : options->host;

  tunnel->options = options;
  tunnel->output = output;
  tunnel->events = *events;
  tunnel->user = user;
  tunnel->server_name = g_ascii_strdown (name != NULL ? name : "", -1);
  tunnel->bindings = g_ptr_array_new_with_free_func (g_free);
  tunnel->flows = g_ptr_array_new_with_free_func (g_free);
  tunnel->pending = g_array_new (FALSE, TRUE, sizeof (TepClientPending));
  stun_ext_stream_init (&tunnel->stream, STUN_EXT_FRAMING_RFC4571,
                        STUN_EXT_STREAM_LIMIT_UNAUTHENTICATED);
  return tunnel;
}

void
tep_client_tunnel_free (TepClientTunnel *tunnel)
{
  if (tunnel == NULL)
    return;
  stun_ext_stream_clear (&tunnel->stream);
  stun_ext_send_log_clear (&tunnel->log);
  g_ptr_array_unref (tunnel->flows);
  g_ptr_array_unref (tunnel->bindings);
  g_array_unref (tunnel->pending);
  g_free (tunnel->server_name);
  g_free (tunnel->username);
  stun_ext_crypto_cleanse (tunnel, sizeof *tunnel);
  g_free (tunnel);
}

TepClientTunnelState
tep_client_tunnel_get_state (TepClientTunnel *tunnel)
{
  return tunnel->state;
}

gboolean
tep_client_tunnel_take_alternate (TepClientTunnel *tunnel, StunExtAddress *alternate)
{
  *alternate = tunnel->alternate;
  tunnel->alternate = (StunExtAddress){ 0 };
  return alternate->family != 0;
}

void
tep_client_tunnel_forget (TepClientTunnel *tunnel)
{
  for (guint i = 0; i < tunnel->bindings->len; i++) {
    TepClientTunnelBinding *binding = g_ptr_array_index (tunnel->bindings, i);

    binding->is_asked = binding->is_granted = FALSE;
  }
  for (guint i = 0; i < tunnel->flows->len; i++) {
    TepClientTunnelFlow *flow = g_ptr_array_index (tunnel->flows, i);

    flow->is_asked = flow->is_open = FALSE;
  }
  g_array_set_size (tunnel->pending, 0);
  tunnel->ordinal = 0;
  stun_ext_crypto_cleanse (tunnel->key, sizeof tunnel->key);
}

/* Requests */

static void
append_frame (TepClientTunnel *tunnel, const guint8 *body, gsize length, gint64 now_us)
{
  guint8 prefix[STUN_EXT_FRAME_LENGTH_SIZE] = { length >> 8, length & 0xFF };

  g_byte_array_append (tunnel->output, prefix, sizeof prefix);
  g_byte_array_append (tunnel->output, body, length);
  tunnel->sent_us = now_us;
}

static TepClientPending *
add_pending (TepClientTunnel *tunnel,
             StunExtTepKind kind,
             TepClientTunnelBinding *binding,
             TepClientTunnelFlow *flow,
             gint64 now_us)
{
  TepClientPending pending = { .kind = kind, .binding = binding, .flow = flow, .sent_us = now_us };

  tunnel->events.random (tunnel->user, pending.transaction_id, sizeof pending.transaction_id);
  g_array_append_val (tunnel->pending, pending);
  return &g_array_index (tunnel->pending, TepClientPending, tunnel->pending->len - 1);
}

gboolean
tep_client_tunnel_request (TepClientTunnel *tunnel,
                           StunExtTepRequest *request,
                           TepClientTunnelBinding *binding,
                           TepClientTunnelFlow *flow,
                           gint64 now_us)
{
  guint8 message[REQUEST_MAX];
  const TepClientPending *pending = add_pending (tunnel, request->kind, binding, flow, now_us);
  gsize length;

  request->ordinal = ++tunnel->ordinal;
  if (!stun_ext_tep_write_request (request, pending->transaction_id,
                                   tep_client_span (tunnel->key, sizeof tunnel->key), message,
                                   sizeof message, &length)) {
    g_array_set_size (tunnel->pending, tunnel->pending->len - 1);
    return FALSE;
  }
  append_frame (tunnel, message, length, now_us);
  return TRUE;
}

static StunExtTepLease
lease_request (const TepClientTunnelBinding *binding)
{
  return (StunExtTepLease){
    .kind = binding->wanted.kind,
    .ports = binding->wanted.is_pair ? STUN_EXT_TEP_PORTS_PAIR : STUN_EXT_TEP_PORTS_ANY,
    /* After a server forgot us, the port that the far side knows is the one to have. */
    .wanted_port = binding->address.port != 0 ? binding->address.port : binding->wanted.wanted_port,
    .family = binding->wanted.family,
    .lifetime_s = binding->wanted.lifetime_s,
  };
}

void
tep_client_tunnel_reconcile (TepClientTunnel *tunnel, gint64 now_us)
{
  if (tunnel->state != S (OPEN))
    return;
  for (guint i = 0; i < tunnel->bindings->len; i++) {
    TepClientTunnelBinding *binding = g_ptr_array_index (tunnel->bindings, i);
    StunExtTepRequest request = { .kind = STUN_EXT_TEP_LEASE };

    if (binding->is_asked)
      continue;
    request.lease = lease_request (binding);
    binding->is_asked = tep_client_tunnel_request (tunnel, &request, binding, NULL, now_us);
  }
  for (guint i = 0; i < tunnel->flows->len; i++) {
    TepClientTunnelFlow *flow = g_ptr_array_index (tunnel->flows, i);
    StunExtTepRequest request = { .kind = STUN_EXT_TEP_OPEN_FLOW };

    if (flow->is_asked || !flow->binding->is_granted)
      continue;
    request.open_flow = (StunExtTepOpenFlow){
      .binding_id = flow->binding->id,
      .flow_id = flow->id,
      .port_offset = flow->port_offset,
      .has_dscp = flow->dscp >= 0,
      .dscp = MAX (flow->dscp, 0),
      .remote = flow->remote,
      .bandwidth_kbps = flow->bandwidth_kbit_s,
    };
    flow->is_asked = tep_client_tunnel_request (tunnel, &request, NULL, flow, now_us);
  }
}

/* Opening */

static StunExtSpan
text_span (const char *text)
{
  return tep_client_span (text, strlen (text));
}

/* FALSE: the credential cannot be used. Without a challenge a long-term opening goes out unsigned,
 * to get one. */
static gboolean
derive_credential_key (TepClientTunnel *tunnel, GError **error)
{
  const TepClientOptions *options = tunnel->options;
  const StunExtChallenge *challenge = &tunnel->challenge;

  stun_ext_key_clear (&tunnel->credential_key);
  if (tunnel->username == NULL &&
      (tunnel->username = stun_ext_opaque_string (options->user, error)) == NULL)
    return FALSE;
  if (options->mechanism == TEP_CLIENT_MECHANISM_SHORT_TERM)
    return stun_ext_key_short_term (&tunnel->credential_key, options->password, error);
  if (!tunnel->has_challenge)
    return TRUE;
  if (challenge->is_anonymous &&
      !stun_ext_userhash (text_span (tunnel->username), text_span (challenge->realm),
                          tunnel->userhash)) {
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                         "the cryptographic library refused");
    return FALSE;
  }
  return stun_ext_key_long_term (&tunnel->credential_key, challenge->algorithm, tunnel->username,
                                 challenge->realm, options->password, error);
}

static void
fill_open (TepClientTunnel *tunnel, gint64 now_us)
{
  const TepClientOptions *options = tunnel->options;
  const StunExtChallenge *challenge = &tunnel->challenge;

  tunnel->events.random (tunnel->user, tunnel->client_random, sizeof tunnel->client_random);
  tunnel->open = (StunExtTepOpen){
    .version = STUN_EXT_TEP_VERSION,
    .keep = options->stays,
    .server_name = text_span (tunnel->server_name),
    .client_random = tunnel->client_random,
    .timestamp_ms = (now_us + tunnel->wall_offset_us) / 1000,
    .channel_binding = tunnel->has_channel_binding ? tunnel->channel_binding : NULL,
  };
  if (tunnel->credential_key.length == 0)
    return;
  /* A short-term credential has a name only, whatever a nonce says. */
  if (challenge->is_anonymous && options->mechanism == TEP_CLIENT_MECHANISM_LONG_TERM)
    tunnel->open.userhash = tep_client_span (tunnel->userhash, sizeof tunnel->userhash);
  else
    tunnel->open.username = text_span (tunnel->username);
  if (tunnel->has_challenge)
    tunnel->open.nonce = text_span (challenge->nonce);
  if (options->mechanism == TEP_CLIENT_MECHANISM_LONG_TERM) {
    tunnel->open.realm = text_span (challenge->realm);
    tunnel->open.password_algorithms =
        tep_client_span (challenge->offered, challenge->offered_length);
    tunnel->open.password_algorithm = challenge->algorithm;
  }
}

gboolean
tep_client_tunnel_open (TepClientTunnel *tunnel, gint64 now_us, GError **error)
{
  StunExtTepRequest requests[1 + TEP_CLIENT_TUNNEL_BINDINGS_MAX] = { { .kind =
                                                                           STUN_EXT_TEP_OPEN } };
  guint8 ids[1 + TEP_CLIENT_TUNNEL_BINDINGS_MAX][STUN_EXT_TRANSACTION_ID_LENGTH];
  guint8 flight[(1 + TEP_CLIENT_TUNNEL_BINDINGS_MAX) * 256 + REQUEST_MAX];
  StunExtTunnelSecrets secrets;
  StunExtSpan key;
  gsize n = 1;
  gsize length;

  tep_client_tunnel_forget (tunnel);
  tunnel->attempts++;
  if (!derive_credential_key (tunnel, error))
    return FALSE;
  fill_open (tunnel, now_us);
  key = stun_ext_key_span (&tunnel->credential_key);
  requests[0].open = tunnel->open;
  memcpy (ids[0], add_pending (tunnel, STUN_EXT_TEP_OPEN, NULL, NULL, now_us)->transaction_id,
          sizeof ids[0]);
  for (guint i = 0; i < tunnel->bindings->len && key.length > 0; i++) {
    TepClientTunnelBinding *binding = g_ptr_array_index (tunnel->bindings, i);
    TepClientPending *pending = add_pending (tunnel, STUN_EXT_TEP_LEASE, binding, NULL, now_us);

    pending->is_flight = TRUE;
    memcpy (ids[n], pending->transaction_id, sizeof ids[n]);
    requests[n].kind = STUN_EXT_TEP_LEASE;
    requests[n].lease = lease_request (binding);
    requests[n++].ordinal = ++tunnel->ordinal;
    binding->is_asked = TRUE;
  }
  secrets = stun_ext_tep_secrets (&tunnel->open, NULL, key);
  if ((key.length > 0 && !stun_ext_flight_key (&secrets, tunnel->flight_key)) ||
      !stun_ext_tep_write_flight (requests, ids, n, key, flight, sizeof flight, &length)) {
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                         "the opening request could not be written");
    return FALSE;
  }
  g_byte_array_append (tunnel->output, flight, length);
  tunnel->sent_us = now_us;
  return TRUE;
}

static void
resume (TepClientTunnel *tunnel, gint64 now_us)
{
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_RESUME };

  g_array_set_size (tunnel->pending, 0);
  request.join = (StunExtTepJoin){
    .version = STUN_EXT_TEP_VERSION,
    .tunnel_id = tep_client_span (tunnel->id, tunnel->id_length),
    .channel_binding = tunnel->has_channel_binding ? tunnel->channel_binding : NULL,
  };
  tep_client_tunnel_request (tunnel, &request, NULL, NULL, now_us);
}

void
tep_client_tunnel_connected (TepClientTunnel *tunnel,
                             gint64 now_us,
                             guint64 wall_ms,
                             const guint8 *channel_binding)
{
  g_autoptr (GError) error = NULL;

  tunnel->attempts = 0;
  tunnel->wall_offset_us = (gint64)wall_ms * 1000 - now_us;
  tunnel->received_us = tunnel->sent_us = now_us;
  tunnel->media_sent_us = 0;
  tunnel->has_channel_binding = channel_binding != NULL;
  if (channel_binding != NULL)
    memcpy (tunnel->channel_binding, channel_binding, sizeof tunnel->channel_binding);
  stun_ext_stream_clear (&tunnel->stream);
  stun_ext_stream_set_limit (&tunnel->stream, MAX (STUN_EXT_STREAM_LIMIT_UNAUTHENTICATED,
                                                   stun_ext_stream_limit (tunnel->largest_packet)));
  stun_ext_send_log_clear (&tunnel->log);
  memset (&tunnel->timeline, 0, sizeof tunnel->timeline);
  if (tunnel->state == S (SUSPENDED)) {
    tep_client_tunnel_move (tunnel, S (CONNECTED_RESUME), NULL);
    resume (tunnel, now_us);
  } else if (tep_client_tunnel_move (tunnel, S (CONNECTED_NEW), NULL) &&
             !tep_client_tunnel_open (tunnel, now_us, &error)) {
    tep_client_tunnel_move (tunnel, S (ENDED), error);
  }
}

void
tep_client_tunnel_disconnected (TepClientTunnel *tunnel)
{
  /* What was asked and not answered is asked again. */
  for (guint i = 0; i < tunnel->pending->len; i++) {
    const TepClientPending *pending = &g_array_index (tunnel->pending, TepClientPending, i);

    if (pending->binding != NULL && !pending->binding->is_granted)
      pending->binding->is_asked = FALSE;
    if (pending->flow != NULL && !pending->flow->is_open)
      pending->flow->is_asked = FALSE;
  }
  g_array_set_size (tunnel->pending, 0);
  tep_client_tunnel_move (tunnel, S (LOST), NULL);
}

void
tep_client_tunnel_close (TepClientTunnel *tunnel, gint64 now_us)
{
  StunExtTepRequest request = { .kind = STUN_EXT_TEP_CLOSE };

  if (tep_client_tunnel_move (tunnel, S (LEAVING), NULL) && tunnel->state == S (CLOSING))
    tep_client_tunnel_request (tunnel, &request, NULL, NULL, now_us);
}

/* Input and time */

gboolean
tep_client_tunnel_input (
    TepClientTunnel *tunnel, const guint8 *data, gsize length, gint64 now_us, GError **error)
{
  const guint8 *body;
  gsize body_length;
  StunExtStreamVerdict verdict;

  tunnel->received_us = now_us;
  stun_ext_stream_push (&tunnel->stream, data, length);
  while ((verdict = stun_ext_stream_next (&tunnel->stream, &body, &body_length)) ==
         STUN_EXT_STREAM_FRAME) {
    StunExtFrameKind kind = stun_ext_frame_kind (body, body_length);

    if (kind == STUN_EXT_FRAME_STUN) {
      if (!tep_client_tunnel_message (tunnel, body, body_length, now_us, error))
        return FALSE;
    } else if (kind != STUN_EXT_FRAME_NULL) {
      tep_client_tunnel_media (tunnel, kind, body, body_length, now_us);
    }
  }
  if (verdict == STUN_EXT_STREAM_NEED_MORE)
    return TRUE;
  g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                       "what answers does not speak the tunnel's frames: is it TEP-S?");
  return FALSE;
}

static gint64
probe_at (TepClientTunnel *tunnel)
{
  gint64 idle = tunnel->sent_us + (gint64)tunnel->keepalive_s * G_USEC_PER_SEC;

  /* Media goes out and nothing, not even FEEDBACK, comes back: ask. */
  if (tunnel->media_sent_us > tunnel->received_us)
    idle = MIN (idle, tunnel->received_us + PROBE_AFTER_US);
  return idle;
}

gint64
tep_client_tunnel_deadline (TepClientTunnel *tunnel)
{
  gint64 when = G_MAXINT64;

  if (tunnel->pending->len > 0)
    when =
        g_array_index (tunnel->pending, TepClientPending, 0).sent_us + TEP_CLIENT_TUNNEL_ANSWER_US;
  if (tunnel->state != S (OPEN))
    return when;
  if (tunnel->pending->len == 0)
    when = MIN (when, probe_at (tunnel));
  when = MIN (when, stun_ext_tally_due_us (&tunnel->tally));
  for (guint i = 0; i < tunnel->bindings->len; i++) {
    const TepClientTunnelBinding *binding = g_ptr_array_index (tunnel->bindings, i);

    if (binding->is_granted)
      when = MIN (when, binding->refresh_us);
  }
  return when;
}

static void
refresh_bindings (TepClientTunnel *tunnel, gint64 now_us)
{
  for (guint i = 0; i < tunnel->bindings->len; i++) {
    TepClientTunnelBinding *binding = g_ptr_array_index (tunnel->bindings, i);
    StunExtTepRequest request = { .kind = STUN_EXT_TEP_REFRESH };

    if (!binding->is_granted || now_us < binding->refresh_us)
      continue;
    request.refresh.binding_id = binding->id;
    request.refresh.lifetime_s = binding->lifetime_s;
    binding->refresh_us = now_us + (gint64)binding->lifetime_s * G_USEC_PER_SEC / 2;
    tep_client_tunnel_request (tunnel, &request, binding, NULL, now_us);
  }
}

gboolean
tep_client_tunnel_tick (TepClientTunnel *tunnel, gint64 now_us, GError **error)
{
  StunExtTepRequest keepalive = { .kind = STUN_EXT_TEP_KEEPALIVE };

  if (tunnel->pending->len > 0 &&
      now_us >= g_array_index (tunnel->pending, TepClientPending, 0).sent_us +
                    TEP_CLIENT_TUNNEL_ANSWER_US) {
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_UNREACHABLE,
                 "the server has not answered for %d s",
                 (int)(TEP_CLIENT_TUNNEL_ANSWER_US / G_USEC_PER_SEC));
    return FALSE;
  }
  if (tunnel->state != S (OPEN))
    return TRUE;
  if (now_us >= stun_ext_tally_due_us (&tunnel->tally))
    tep_client_tunnel_feedback (tunnel, now_us);
  refresh_bindings (tunnel, now_us);
  if (tunnel->pending->len == 0 && now_us >= probe_at (tunnel))
    tep_client_tunnel_request (tunnel, &keepalive, NULL, NULL, now_us);
  return TRUE;
}

gboolean
tep_client_tunnel_get_public_address (TepClientTunnel *tunnel, StunExtAddress *address)
{
  *address = tunnel->mapped;
  return tunnel->mapped.family != 0;
}

guint
tep_client_tunnel_get_largest_packet (TepClientTunnel *tunnel)
{
  return tunnel->largest_packet;
}

gint64
tep_client_tunnel_get_round_trip (TepClientTunnel *tunnel)
{
  return tunnel->log.rtt_us;
}

guint64
tep_client_tunnel_get_invalid (TepClientTunnel *tunnel)
{
  return tunnel->invalid;
}
