/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What TLS connections have in common. The same settings hold for TLS over streams and DTLS over
 * datagrams, which OpenSSL keeps apart.
 */
#include "turn-connect/tls-private.h"

/* An encrypted key would otherwise ask at the terminal. */
static int
no_password (char *buffer, int size, int is_writing, void *unused)
{
  return 0;
}

static SSL_CTX *
make (const SSL_METHOD *method, int oldest)
{
  SSL_CTX *ssl = SSL_CTX_new (method);

  if (ssl == NULL)
    return NULL;
  SSL_CTX_set_min_proto_version (ssl, oldest);
  SSL_CTX_set_options (ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode (ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode (ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_cipher_list (ssl, "DEFAULT:!aNULL:!eNULL:!PSK:!SRP");
  SSL_CTX_set_verify (ssl, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_cert_verify_callback (ssl, turn_connect_tls_verify_peer, NULL);
  SSL_CTX_set_default_passwd_cb (ssl, no_password);
  return ssl;
}

TurnConnectTlsContext *
turn_connect_tls_context_new (void)
{
  TurnConnectTlsContext *context = g_new0 (TurnConnectTlsContext, 1);

  /* Where OpenSSL cannot make one, that is said when it is used. */
  context->ssl[TURN_CONNECT_TLS_KIND_STREAM] = make (TLS_client_method (), TLS1_2_VERSION);
  context->ssl[TURN_CONNECT_TLS_KIND_DATAGRAM] = make (DTLS_client_method (), DTLS1_2_VERSION);
  context->pins = g_byte_array_new ();
  return context;
}

void
turn_connect_tls_context_free (TurnConnectTlsContext *context)
{
  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++)
    SSL_CTX_free (context->ssl[kind]);
  g_byte_array_unref (context->pins);
  g_free (context);
}

static gboolean
fail_file (const char *path, const char *what, GError **error)
{
  const char *reason = ERR_reason_error_string (ERR_peek_last_error ());

  g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "%s: %s%s%s", path, what,
               reason != NULL ? ": " : "", reason != NULL ? reason : "");
  return FALSE;
}

gboolean
turn_connect_tls_context_set_ca_file (TurnConnectTlsContext *context,
                                      const char *path,
                                      GError **error)
{
  X509_STORE *store = X509_STORE_new ();
  gboolean is_read;

  ERR_clear_error ();
  context->has_ca_file = TRUE; /* also on failure: the system's authorities stay out */
  X509_STORE_set_flags (store, X509_V_FLAG_PARTIAL_CHAIN);
  is_read = X509_STORE_load_file (store, path) == 1 ||
            fail_file (path, "no certificates to trust can be read", error);
  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++) {
    if (context->ssl[kind] != NULL)
      SSL_CTX_set1_cert_store (context->ssl[kind], store);
  }
  X509_STORE_free (store);
  return is_read;
}

gboolean
turn_connect_tls_context_set_certificate (TurnConnectTlsContext *context,
                                          const char *certificate_path,
                                          const char *key_path,
                                          GError **error)
{
  ERR_clear_error ();
  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++) {
    SSL_CTX *ssl = context->ssl[kind];

    if (ssl == NULL)
      continue;
    if (SSL_CTX_use_certificate_chain_file (ssl, certificate_path) != 1)
      return fail_file (certificate_path, "no certificate can be read", error);
    if (SSL_CTX_use_PrivateKey_file (ssl, key_path, SSL_FILETYPE_PEM) != 1)
      return fail_file (key_path, "no key for the certificate can be read", error);
  }
  return TRUE;
}

void
turn_connect_tls_context_set_alpn (TurnConnectTlsContext *context, const guint8 *wire, guint length)
{
  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++) {
    if (context->ssl[kind] != NULL)
      SSL_CTX_set_alpn_protos (context->ssl[kind], wire, length);
  }
}

void
turn_connect_tls_context_add_pin (TurnConnectTlsContext *context,
                                  const guint8 pin[TURN_CONNECT_SHA256_SIZE])
{
  g_byte_array_append (context->pins, pin, TURN_CONNECT_SHA256_SIZE);
}

void
turn_connect_tls_context_set_pins_only (TurnConnectTlsContext *context, gboolean pins_only)
{
  context->pins_only = pins_only;
}
