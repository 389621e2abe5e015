/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the server says: answers to requests, and its wish to close. Nothing unsigned changes
 * anything but the opening under way, for whoever could forge it could as well cut the connection.
 */
#include "tep-c/tunnel-private.h"

#include <string.h>

static const struct {
  guint code;
  TepClientError error;
  const char *advice;
} causes[] = {
  { STUN_EXT_CODE_UNAUTHENTICATED, TEP_CLIENT_ERROR_CREDENTIAL, "check user name and password" },
  { STUN_EXT_CODE_FORBIDDEN, TEP_CLIENT_ERROR_FORBIDDEN, "ask the server's operator" },
  { STUN_EXT_CODE_ALLOCATION_MISMATCH, TEP_CLIENT_ERROR_GONE, "the server no longer knows it" },
  { STUN_EXT_CODE_ADDRESS_FAMILY_NOT_SUPPORTED, TEP_CLIENT_ERROR_FAMILY,
    "lease an address of the other family" },
  { STUN_EXT_CODE_PEER_FAMILY_MISMATCH, TEP_CLIENT_ERROR_FAMILY,
    "lease an address of the remote's family, relayed if need be" },
  { STUN_EXT_CODE_QUOTA_REACHED, TEP_CLIENT_ERROR_QUOTA, "close something, or wait" },
  { STUN_EXT_CODE_SERVER_ERROR, TEP_CLIENT_ERROR_BUSY, "wait, then try again" },
  { STUN_EXT_CODE_INSUFFICIENT_CAPACITY, TEP_CLIENT_ERROR_BUSY, "wait, or use another server" },
};

static GError *
failure_error (const StunExtTepFailure *failure)
{
  /* The phrase comes from the network: nothing but printable ASCII of it is repeated. */
  char reason[64] = "";
  gsize n = 0;

  for (gsize i = 0; i < failure->reason.length && n < sizeof reason - 1; i++) {
    char c = ((const char *)failure->reason.data)[i];

    if (g_ascii_isprint (c))
      reason[n++] = c;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (causes); i++) {
    if (causes[i].code == failure->code)
      return g_error_new (TEP_CLIENT_ERROR, causes[i].error, "the server answers %u %s: %s",
                          failure->code, reason, causes[i].advice);
  }
  return g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL, "the server answers %u %s",
                      failure->code, reason);
}

static gboolean
take_pending (TepClientTunnel *tunnel, const StunExtMessage *message, TepClientPending *taken)
{
  for (guint i = 0; i < tunnel->pending->len; i++) {
    const TepClientPending *pending = &g_array_index (tunnel->pending, TepClientPending, i);

    if (memcmp (pending->transaction_id, message->transaction_id, sizeof pending->transaction_id) !=
        0)
      continue;
    *taken = *pending;
    g_array_remove_index (tunnel->pending, i);
    return TRUE;
  }
  return FALSE;
}

static StunExtSpan
key_of (TepClientTunnel *tunnel, const TepClientPending *pending)
{
  if (pending->kind == STUN_EXT_TEP_OPEN)
    return stun_ext_key_span (&tunnel->credential_key);
  if (pending->is_flight)
    return tep_client_span (tunnel->flight_key, sizeof tunnel->flight_key);
  return tep_client_span (tunnel->key, sizeof tunnel->key);
}

/* Refused for good: the session is told why through the state, and the link through FALSE. */
static gboolean
end (TepClientTunnel *tunnel, GError *cause, GError **error)
{
  tep_client_tunnel_move (tunnel, TEP_CLIENT_TUNNEL_ENDED, cause);
  g_propagate_error (error, cause);
  return FALSE;
}

/* Opening and resuming */

static void
begin_counting (TepClientTunnel *tunnel, guint8 connection_number)
{
  tunnel->connection_number = connection_number % STUN_EXT_CONNECTIONS_MAX;
  memset (&tunnel->tally, 0, sizeof tunnel->tally);
  stun_ext_tally_join (&tunnel->tally, tunnel->connection_number);
}

static gboolean
opened (TepClientTunnel *tunnel,
        const StunExtMessage *message,
        const StunExtTepOpened *opened,
        gint64 now_us,
        GError **error)
{
  StunExtTunnelSecrets secrets =
      stun_ext_tep_secrets (&tunnel->open, opened, stun_ext_key_span (&tunnel->credential_key));
  StunExtTepRequest confirm = { .kind = STUN_EXT_TEP_KEEPALIVE };

  if (!stun_ext_tunnel_key (&secrets, tunnel->key) || opened->tunnel_id.length > sizeof tunnel->id)
    return end (tunnel,
                g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                                     "no tunnel key can be made of the server's answer"),
                error);
  memcpy (tunnel->id, opened->tunnel_id.data, opened->tunnel_id.length);
  tunnel->id_length = opened->tunnel_id.length;
  tunnel->mapped = opened->mapped;
  tunnel->largest_packet = opened->largest_packet;
  tunnel->keepalive_s = opened->keepalive_s;
  if (tunnel->has_challenge && opened->nonce.length > 0 &&
      opened->nonce.length < sizeof tunnel->challenge.nonce) {
    memcpy (tunnel->challenge.nonce, opened->nonce.data, opened->nonce.length);
    tunnel->challenge.nonce[opened->nonce.length] = '\0';
  }
  stun_ext_stream_set_limit (&tunnel->stream, stun_ext_stream_limit (tunnel->largest_packet));
  begin_counting (tunnel, opened->connection_number);
  /* The confirming request (PROTOCOL section 6) stands ahead of all media in the stream. */
  tep_client_tunnel_request (tunnel, &confirm, NULL, NULL, now_us);
  tep_client_tunnel_move (tunnel, TEP_CLIENT_TUNNEL_ACCEPTED, NULL);
  tep_client_tunnel_reconcile (tunnel, now_us);
  return TRUE;
}

static gboolean
challenged (TepClientTunnel *tunnel,
            const StunExtMessage *message,
            const StunExtTepFailure *failure,
            gint64 now_us,
            GError **error)
{
  gboolean was_signed = tunnel->credential_key.length > 0;
  gboolean is_stale = failure->code == STUN_EXT_CODE_STALE_NONCE;

  /* A 401 to what was signed means that the credential is wrong; a 438 that the nonce was. */
  if (tunnel->attempts < TEP_CLIENT_TUNNEL_ATTEMPTS_MAX && (is_stale || !was_signed)) {
    switch (stun_ext_challenge_read (message, STUN_EXT_ALGORITHMS_SHA256, &tunnel->challenge)) {
    case STUN_EXT_CHALLENGE_ANSWER:
      tunnel->has_challenge = TRUE;
      tep_client_tunnel_move (tunnel, TEP_CLIENT_TUNNEL_CHALLENGED, NULL);
      return tep_client_tunnel_open (tunnel, now_us, error);
    case STUN_EXT_CHALLENGE_BID_DOWN:
      return end (tunnel,
                  g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_INSECURE,
                                       "somebody between removed the stronger password algorithms "
                                       "from the server's offer; use TLS"),
                  error);
    default:
      return end (tunnel,
                  g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                                       "the server offers no password algorithm that is safe to "
                                       "use; it should offer SHA-256"),
                  error);
    }
  }
  return end (tunnel, failure_error (failure), error);
}

/* The opening was refused: what a later attempt could mend is left to the session's back-off. */
static gboolean
opening_refused (TepClientTunnel *tunnel,
                 const StunExtMessage *message,
                 const StunExtTepFailure *failure,
                 gint64 now_us,
                 GError **error)
{
  switch (failure->code) {
  case STUN_EXT_CODE_UNAUTHENTICATED:
  case STUN_EXT_CODE_STALE_NONCE:
    return challenged (tunnel, message, failure, now_us, error);
  case STUN_EXT_CODE_QUOTA_REACHED:
  case STUN_EXT_CODE_SERVER_ERROR:
  case STUN_EXT_CODE_INSUFFICIENT_CAPACITY:
    g_propagate_error (error, failure_error (failure));
    return FALSE;
  default:
    return end (tunnel, failure_error (failure), error);
  }
}

static gboolean
resume_refused (TepClientTunnel *tunnel,
                const StunExtTepFailure *failure,
                gint64 now_us,
                GError **error)
{
  if (failure->code != STUN_EXT_CODE_ALLOCATION_MISMATCH) {
    g_propagate_error (error, failure_error (failure));
    return FALSE;
  }
  tunnel->attempts = 0;
  tep_client_tunnel_move (tunnel, TEP_CLIENT_TUNNEL_FORGOTTEN, NULL);
  return tep_client_tunnel_open (tunnel, now_us, error);
}

static void
resumed (TepClientTunnel *tunnel, const StunExtTepJoined *joined, gint64 now_us)
{
  tunnel->mapped = joined->mapped;
  begin_counting (tunnel, joined->connection_number);
  tep_client_tunnel_move (tunnel, TEP_CLIENT_TUNNEL_ACCEPTED, NULL);
  tep_client_tunnel_reconcile (tunnel, now_us);
}

/* Bindings and flows */

static void
leased (TepClientTunnel *tunnel,
        TepClientTunnelBinding *binding,
        const StunExtTepLeased *leased,
        gint64 now_us)
{
  StunExtTepRequest release = { .kind = STUN_EXT_TEP_REFRESH };
  gboolean is_same;

  if (binding == NULL) {
    /* Given up while it was asked for. */
    release.refresh.binding_id = leased->binding_id;
    tep_client_tunnel_request (tunnel, &release, NULL, NULL, now_us);
    return;
  }
  is_same = stun_ext_address_equal (&binding->address, &leased->address);
  binding->is_granted = TRUE;
  binding->id = leased->binding_id;
  binding->address = leased->address;
  binding->is_relayed = leased->kind == STUN_EXT_TEP_FLOW_RELAYED;
  binding->lifetime_s = leased->lifetime_s;
  binding->refresh_us = now_us + (gint64)leased->lifetime_s * G_USEC_PER_SEC / 2;
  tep_client_tunnel_reconcile (tunnel, now_us);
  if (!is_same)
    tunnel->events.binding (tunnel->user, binding, NULL);
}

/* The server forgot a binding: it and its flows are asked for again. */
static void
binding_gone (TepClientTunnel *tunnel, TepClientTunnelBinding *binding, gint64 now_us)
{
  binding->is_asked = binding->is_granted = FALSE;
  for (guint i = 0; i < tunnel->flows->len; i++) {
    TepClientTunnelFlow *flow = g_ptr_array_index (tunnel->flows, i);

    if (flow->binding == binding)
      flow->is_asked = flow->is_open = FALSE;
  }
  tep_client_tunnel_reconcile (tunnel, now_us);
}

static void
refused (TepClientTunnel *tunnel,
         const TepClientPending *pending,
         const StunExtTepFailure *failure,
         gint64 now_us)
{
  g_autoptr (GError) error = failure_error (failure);

  if (pending->kind == STUN_EXT_TEP_LEASE && pending->binding != NULL)
    tunnel->events.binding (tunnel->user, pending->binding, error);
  else if (pending->kind == STUN_EXT_TEP_OPEN_FLOW && pending->flow != NULL)
    tunnel->events.flow (tunnel->user, pending->flow, error);
  else if (pending->kind == STUN_EXT_TEP_REFRESH && pending->binding != NULL)
    binding_gone (tunnel, pending->binding, now_us);
}

static gboolean
succeeded (TepClientTunnel *tunnel,
           const TepClientPending *pending,
           const StunExtMessage *message,
           const StunExtTepSuccess *success,
           gint64 now_us,
           GError **error)
{
  switch (pending->kind) {
  case STUN_EXT_TEP_OPEN:
    return opened (tunnel, message, &success->opened, now_us, error);
  case STUN_EXT_TEP_RESUME:
    resumed (tunnel, &success->joined, now_us);
    return TRUE;
  case STUN_EXT_TEP_KEEPALIVE:
    tunnel->mapped = success->mapped;
    return TRUE;
  case STUN_EXT_TEP_LEASE:
    leased (tunnel, pending->binding, &success->leased, now_us);
    return TRUE;
  case STUN_EXT_TEP_OPEN_FLOW:
    if (pending->flow != NULL) {
      pending->flow->is_open = TRUE;
      tunnel->events.flow (tunnel->user, pending->flow, NULL);
    }
    return TRUE;
  case STUN_EXT_TEP_CLOSE:
    return end (
        tunnel,
        g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED, "the tunnel was closed"),
        error);
  default:
    return TRUE;
  }
}

static gboolean
answered (TepClientTunnel *tunnel,
          const TepClientPending *pending,
          const StunExtMessage *message,
          gint64 now_us,
          GError **error)
{
  StunExtSpan key = key_of (tunnel, pending);
  gboolean is_signed = key.length > 0 && stun_ext_tep_verify (message, key);
  StunExtTepSuccess success;
  StunExtTepFailure failure;

  if (pending->kind == STUN_EXT_TEP_OPEN && stun_ext_tep_is_plain_answer (message))
    return end (tunnel,
                g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NOT_A_TEP_SERVER,
                                     "a STUN server answers there, but no TEP-S"),
                error);
  if (stun_ext_tep_read_failure (message, &failure)) {
    if (pending->kind == STUN_EXT_TEP_OPEN)
      return opening_refused (tunnel, message, &failure, now_us, error);
    if (pending->kind == STUN_EXT_TEP_RESUME)
      return resume_refused (tunnel, &failure, now_us, error);
    if (is_signed) {
      refused (tunnel, pending, &failure, now_us);
      return TRUE;
    }
    /* Not the server's: the request goes on waiting, and with it the clock that ends the connection. */
    g_array_prepend_val (tunnel->pending, *pending);
    tunnel->invalid++;
    return TRUE;
  }
  if (!is_signed) {
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_INSECURE,
                         "an answer was not signed with our key: somebody between changes what the "
                         "server says; use TLS");
    return FALSE;
  }
  if (!stun_ext_tep_read_success (message, pending->kind, &success)) {
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                         "the server's answer breaks the protocol");
    return FALSE;
  }
  return succeeded (tunnel, pending, message, &success, now_us, error);
}

/* Another server is used if it goes by the name that the configuration trusts; else it is named. */
static GError *
out_of_service (TepClientTunnel *tunnel, const StunExtTepClosing *closing)
{
  const StunExtSpan *name = &closing->alternate_name;
  g_autofree char *other = name->length > 0 ? g_utf8_make_valid (name->data, name->length) : NULL;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (closing->alternate.family == 0)
    return g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_BUSY,
                                "the server is being taken out of service; use another");
  stun_ext_address_print (&closing->alternate, text);
  if (other != NULL && g_ascii_strcasecmp (other, tunnel->server_name) != 0)
    return g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_BUSY,
                        "the server is being taken out of service and names %s (%s) instead; use "
                        "that one if you trust it",
                        other, text);
  tunnel->alternate = closing->alternate;
  return g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_BUSY,
                      "the server is being taken out of service; going on at %s", text);
}

static gboolean
closing (TepClientTunnel *tunnel, const StunExtTepClosing *closing, GError **error)
{
  StunExtTepFailure failure = { .code = closing->code, .reason = closing->reason };

  switch (closing->code) {
  case STUN_EXT_CODE_TRY_ALTERNATE:
    return end (tunnel, out_of_service (tunnel, closing), error);
  case STUN_EXT_CODE_ALLOCATION_MISMATCH:
    return end (tunnel,
                g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED,
                                     "the server closed the tunnel: its last flow had ended"),
                error);
  default:
    return end (tunnel, failure_error (&failure), error);
  }
}

gboolean
tep_client_tunnel_message (
    TepClientTunnel *tunnel, const guint8 *body, gsize length, gint64 now_us, GError **error)
{
  StunExtMessage message;
  StunExtTepClosing notice;
  TepClientPending pending;

  if (stun_ext_message_parse (&message, body, length) != STUN_EXT_PARSE_OK) {
    tunnel->invalid++;
    return TRUE;
  }
  if (take_pending (tunnel, &message, &pending))
    return answered (tunnel, &pending, &message, now_us, error);
  if (stun_ext_tep_read_closing (&message, &notice) &&
      stun_ext_tep_verify (&message, tep_client_span (tunnel->key, sizeof tunnel->key)))
    return closing (tunnel, &notice, error);
  tunnel->invalid++;
  return TRUE;
}
