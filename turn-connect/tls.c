/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS as a machine between two buffers. OpenSSL never sees a socket, so TLS runs over any stream
 * (through a proxy, inside another TLS) and a write either becomes one whole record in the buffer
 * or does not happen; with a socket below, OpenSSL would hold half a record and insist on getting
 * the same octets again. OpenSSL is included by tls-private.h alone.
 */
#include "turn-connect/tls-sessions.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"

#include <string.h>

/* Octets of a datagram of the handshake: what an IPv6 link of 1280 octets carries inside a tunnel
 * or two. Nothing depends on hearing of a smaller path. */
#define DATAGRAM_MAX 1200
#define ALERT_REASON 1000 /* SSL_R_ of an alert received is this and its number */

/* The two buffers, as OpenSSL sees them. */

static int
bio_read (BIO *bio, char *buffer, size_t size, size_t *got)
{
  TurnConnectTls *tls = BIO_get_data (bio);

  BIO_clear_retry_flags (bio);
  *got = turn_connect_tls_buffers_take (&tls->buffers, buffer, size);
  if (*got == 0 && !tls->buffers.input_ended)
    BIO_set_retry_read (bio);
  return *got > 0;
}

static int
bio_write (BIO *bio, const char *data, size_t length, size_t *taken)
{
  TurnConnectTls *tls = BIO_get_data (bio);

  BIO_clear_retry_flags (bio);
  if (tls->kind == TURN_CONNECT_TLS_KIND_DATAGRAM) {
    tls->send (data, length, tls->send_data);
    *taken = length;
    return 1;
  }
  if (!turn_connect_tls_buffers_put (&tls->buffers, data, length)) {
    BIO_set_retry_write (bio);
    return 0;
  }
  *taken = length;
  return 1;
}

static long
bio_control (BIO *bio, int command, long number, void *pointer)
{
  TurnConnectTls *tls = BIO_get_data (bio);

  switch (command) {
  case BIO_CTRL_FLUSH:
    return 1;
  case BIO_CTRL_EOF:
    return tls->buffers.input_ended && tls->buffers.input_from == tls->buffers.input_to;
  default:
    return 0;
  }
}

static BIO_METHOD *
get_bio_method (void)
{
  static BIO_METHOD *method;

  if (g_once_init_enter (&method)) {
    BIO_METHOD *made = BIO_meth_new (BIO_get_new_index () | BIO_TYPE_SOURCE_SINK, "turn-connect");

    BIO_meth_set_read_ex (made, bio_read);
    BIO_meth_set_write_ex (made, bio_write);
    BIO_meth_set_ctrl (made, bio_control);
    g_once_init_leave (&method, made);
  }
  return method;
}

/* Words for what OpenSSL found. */

static GError *
find (TurnConnectTls *tls, TurnConnectTlsFinding finding, const char *fact)
{
  return turn_connect_tls_words_finding (finding, tls->who, tls->name, fact);
}

/* What the top of OpenSSL's error queue means to a user. */
static GError *
make_queue_error (TurnConnectTls *tls)
{
  unsigned long code = ERR_peek_error ();
  int reason = ERR_GET_LIB (code) == ERR_LIB_SSL ? ERR_GET_REASON (code) : 0;
  const char *text = ERR_reason_error_string (code);

  if (tls->verify_error != NULL)
    return g_error_copy (tls->verify_error);
  if (reason >= ALERT_REASON && reason < ALERT_REASON + 256)
    return turn_connect_tls_words_alert (tls->who, reason - ALERT_REASON,
                                         SSL_alert_desc_string_long (reason - ALERT_REASON));
  switch (reason) {
  case SSL_R_UNEXPECTED_EOF_WHILE_READING:
    return find (tls, tls->is_up ? TURN_CONNECT_TLS_FINDING_CUT : TURN_CONNECT_TLS_FINDING_CUT_OFF,
                 NULL);
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_HTTP_REQUEST:
  case SSL_R_PACKET_LENGTH_TOO_LONG:
  case SSL_R_UNEXPECTED_MESSAGE:
    if (!tls->is_up)
      return find (tls, TURN_CONNECT_TLS_FINDING_NO_TLS, NULL);
    break;
  case SSL_R_UNSUPPORTED_PROTOCOL:
    return find (tls, TURN_CONNECT_TLS_FINDING_OLD, NULL);
  default:
    break;
  }
  return find (tls, TURN_CONNECT_TLS_FINDING_BROKEN, text != NULL ? text : "no reason known");
}

/* The connection. */

static gboolean
set_name (TurnConnectTls *tls)
{
  X509_VERIFY_PARAM *parameters = SSL_get0_param (tls->ssl);

  if (turn_connect_host_is_address (tls->name))
    return X509_VERIFY_PARAM_set1_ip_asc (parameters, tls->name) == 1;
  /* Only subject alternative names count: RFC 9525 section 6.3. */
  X509_VERIFY_PARAM_set_hostflags (parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                                   X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host (parameters, tls->name, 0) == 1 &&
         SSL_set_tlsext_host_name (tls->ssl, tls->name) == 1;
}

static gboolean
set_up (TurnConnectTls *tls)
{
  SSL_CTX *context = tls->context->ssl[tls->kind];
  BIO *bio;

  if (context == NULL || (tls->ssl = SSL_new (context)) == NULL)
    return FALSE;
  bio = BIO_new (get_bio_method ());
  if (bio == NULL)
    return FALSE;
  BIO_set_data (bio, tls);
  BIO_set_init (bio, 1);
  SSL_set_bio (tls->ssl, bio, bio);
  SSL_set_app_data (tls->ssl, tls);
  SSL_set_connect_state (tls->ssl);
  if (tls->kind == TURN_CONNECT_TLS_KIND_DATAGRAM) {
    SSL_set_options (tls->ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu (tls->ssl, DATAGRAM_MAX);
  }
  return set_name (tls);
}

void
turn_connect_tls_context_load_trust (TurnConnectTlsContext *context)
{
  if (context->has_ca_file || context->has_trust || context->is_blind)
    return;
  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++) {
    if (context->ssl[kind] != NULL)
      SSL_CTX_set_default_verify_paths (context->ssl[kind]);
  }
  context->has_trust = TRUE;
}

static TurnConnectTls *
make (TurnConnectTlsContext *context,
      TurnConnectTlsKind kind,
      const char *name,
      const char *who,
      GError **error)
{
  TurnConnectTls *tls;

  if (context->pins_only && context->pins->len == 0) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "a pinned key is to stand for the certificate, but none is given");
    return NULL;
  }
  turn_connect_tls_context_load_trust (context);
  tls = g_new0 (TurnConnectTls, 1);
  tls->context = context;
  tls->generation = context->generation;
  tls->kind = kind;
  tls->name = g_strdup (name);
  tls->who = g_strdup (who);
  turn_connect_tls_buffers_init (&tls->buffers);
  ERR_clear_error ();
  if (!set_up (tls)) {
    g_propagate_error (error, make_queue_error (tls));
    turn_connect_tls_free (tls);
    return NULL;
  }
  return tls;
}

TurnConnectTls *
turn_connect_tls_new (TurnConnectTlsContext *context,
                      const char *name,
                      const char *who,
                      GError **error)
{
  return make (context, TURN_CONNECT_TLS_KIND_STREAM, name, who, error);
}

TurnConnectTls *
turn_connect_tls_new_datagram (TurnConnectTlsContext *context,
                               const char *name,
                               const char *who,
                               TurnConnectTlsSendFunc send,
                               gpointer send_data,
                               GError **error)
{
  TurnConnectTls *tls = make (context, TURN_CONNECT_TLS_KIND_DATAGRAM, name, who, error);

  if (tls == NULL)
    return NULL;
  tls->send = send;
  tls->send_data = send_data;
  return tls;
}

void
turn_connect_tls_set_session_key (TurnConnectTls *tls, const char *key)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  SSL_SESSION *session;

  g_free (tls->session_key);
  tls->session_key = g_strdup_printf ("%d %s %s", (int)tls->kind, tls->name, key);
  session = turn_connect_tls_sessions_take (tls->context->sessions, tls->session_key, now,
                                            &tls->verified_until);
  if (session == NULL)
    return;
  SSL_set_session (tls->ssl, session);
  SSL_SESSION_free (session);
}

void
turn_connect_tls_free (TurnConnectTls *tls)
{
  SSL_free (tls->ssl);
  turn_connect_tls_buffers_clear (&tls->buffers);
  g_clear_error (&tls->verify_error);
  g_free (tls->alpn);
  g_free (tls->session_key);
  g_free (tls->name);
  g_free (tls->who);
  g_free (tls);
}

TurnConnectTlsBuffers *
turn_connect_tls_get_buffers (TurnConnectTls *tls)
{
  return &tls->buffers;
}

/* What an operation of OpenSSL came to, if it did not succeed. */
static TurnConnectIo
judge (TurnConnectTls *tls, int result, GError **error)
{
  switch (SSL_get_error (tls->ssl, result)) {
  case SSL_ERROR_WANT_READ:
  case SSL_ERROR_WANT_WRITE:
    return TURN_CONNECT_IO_BLOCKED;
  case SSL_ERROR_ZERO_RETURN:
    return TURN_CONNECT_IO_END;
  default:
    tls->is_broken = TRUE;
    g_propagate_error (error, make_queue_error (tls));
    return TURN_CONNECT_IO_FAILED;
  }
}

static void
note_facts (TurnConnectTls *tls)
{
  X509 *certificate = SSL_get0_peer_certificate (tls->ssl);
  const unsigned char *alpn = NULL;
  unsigned int alpn_length = 0;

  SSL_get0_alpn_selected (tls->ssl, &alpn, &alpn_length);
  if (alpn_length > 0)
    tls->alpn = turn_connect_error_quote ((const char *)alpn, alpn_length, G_MAXUINT8);
  tls->info.version = SSL_get_version (tls->ssl);
  tls->info.cipher = SSL_get_cipher_name (tls->ssl);
  tls->info.alpn = tls->alpn;
  tls->info.server_name = tls->name;
  tls->info.is_pinned_only = tls->context->pins_only;
  tls->info.is_resumed = SSL_session_reused (tls->ssl) == 1;
  tls->info.is_unencrypted =
      SSL_CIPHER_get_cipher_nid (SSL_get_current_cipher (tls->ssl)) == NID_undef;
  X509_digest (certificate, EVP_sha256 (), tls->info.certificate_sha256, NULL);
  turn_connect_tls_hash_key (certificate, tls->info.spki_sha256);
  if (tls->info.is_unencrypted)
    g_message ("%s: %s", tls->who, turn_connect_tls_info_get_warning (&tls->info));
}

TurnConnectIo
turn_connect_tls_handshake (TurnConnectTls *tls, GError **error)
{
  TurnConnectIo io;
  int result;

  ERR_clear_error ();
  result = SSL_do_handshake (tls->ssl);
  if (result == 1) {
    note_facts (tls);
    turn_connect_tls_sessions_keep_tls12 (tls);
    tls->is_up = TRUE;
    return TURN_CONNECT_IO_OK;
  }
  io = judge (tls, result, error);
  if (io == TURN_CONNECT_IO_END) {
    g_propagate_error (error, find (tls, TURN_CONNECT_TLS_FINDING_CUT_OFF, NULL));
    io = TURN_CONNECT_IO_FAILED;
  }
  if (io == TURN_CONNECT_IO_FAILED && tls->session_key != NULL)
    turn_connect_tls_sessions_drop (tls->context->sessions, tls->session_key);
  return io;
}

TurnConnectIo
turn_connect_tls_read (TurnConnectTls *tls, void *buffer, gsize size, gsize *got, GError **error)
{
  int result;

  ERR_clear_error ();
  result = SSL_read_ex (tls->ssl, buffer, size, got);
  return result == 1 ? TURN_CONNECT_IO_OK : judge (tls, result, error);
}

gboolean
turn_connect_tls_has_pending (TurnConnectTls *tls)
{
  return SSL_pending (tls->ssl) > 0;
}

TurnConnectIo
turn_connect_tls_write (TurnConnectTls *tls, const void *data, gsize length, GError **error)
{
  TurnConnectIo io;
  gsize taken;
  int result;

  ERR_clear_error ();
  result = SSL_write_ex (tls->ssl, data, MIN (length, TURN_CONNECT_WRITE_MAX), &taken);
  if (result == 1)
    return TURN_CONNECT_IO_OK;
  io = judge (tls, result, error);
  if (io == TURN_CONNECT_IO_END) {
    g_propagate_error (error, find (tls, TURN_CONNECT_TLS_FINDING_CUT, NULL));
    io = TURN_CONNECT_IO_FAILED;
  }
  return io;
}

gint64
turn_connect_tls_get_timeout (TurnConnectTls *tls)
{
  struct timeval left = { 0 };

  if (DTLSv1_get_timeout (tls->ssl, &left) != 1)
    return -1;
  return (gint64)left.tv_sec * G_USEC_PER_SEC + left.tv_usec;
}

gboolean
turn_connect_tls_repeat (TurnConnectTls *tls, GError **error)
{
  ERR_clear_error ();
  if (DTLSv1_handle_timeout (tls->ssl) >= 0)
    return TRUE;
  tls->is_broken = TRUE;
  g_propagate_error (error, find (tls, TURN_CONNECT_TLS_FINDING_SILENT, NULL));
  return FALSE;
}

void
turn_connect_tls_close (TurnConnectTls *tls)
{
  ERR_clear_error ();
  if (tls->is_up && !tls->is_broken && (SSL_get_shutdown (tls->ssl) & SSL_SENT_SHUTDOWN) == 0)
    SSL_shutdown (tls->ssl);
  ERR_clear_error ();
}

const TurnConnectTlsInfo *
turn_connect_tls_get_info (TurnConnectTls *tls)
{
  return tls->is_up ? &tls->info : NULL;
}

gboolean
turn_connect_tls_export_binding (TurnConnectTls *tls, guint8 binding[TURN_CONNECT_BINDING_SIZE])
{
  static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 section 2 */

  if (!tls->is_up)
    return FALSE;
  if (SSL_version (tls->ssl) != TLS1_3_VERSION && SSL_get_extms_support (tls->ssl) != 1)
    return FALSE;
  /* A context of no octets, which in TLS 1.2 differs from no context. */
  return SSL_export_keying_material (tls->ssl, binding, TURN_CONNECT_BINDING_SIZE, label,
                                     strlen (label), (const unsigned char *)"", 0, 1) == 1;
}
