/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What TLS connections have in common. The same settings hold for TLS over streams and DTLS over
 * datagrams, which OpenSSL keeps apart.
 */
#include "turn-connect/tls-sessions.h"

#define SUITES "DEFAULT:!aNULL:!eNULL:!PSK:!SRP"
/* With a suite without encryption OpenSSL's security level has to be 0, which lets in much else;
 * what matters is named here again. */
#define SIGNATURES                                                                                 \
  "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"   \
  "RSA+SHA256:RSA+SHA384:RSA+SHA512"

/* Suites without encryption, by both their names. They authenticate, and notice every change. */
static const struct {
  const char *iana;
  const char *openssl;
} null_suites[] = {
  { "TLS_RSA_WITH_NULL_SHA256", "NULL-SHA256" },
  { "TLS_RSA_WITH_NULL_SHA", "NULL-SHA" },
  { "TLS_ECDHE_RSA_WITH_NULL_SHA", "ECDHE-RSA-NULL-SHA" },
  { "TLS_ECDHE_ECDSA_WITH_NULL_SHA", "ECDHE-ECDSA-NULL-SHA" },
};

/* An encrypted key would otherwise ask at the terminal. */
static int
no_password (char *buffer, int size, int is_writing, void *unused)
{
  return 0;
}

/* What was agreed on under other settings is not resumed under these. */
static void
forget_sessions (TurnConnectTlsContext *context)
{
  context->generation++;
  turn_connect_tls_sessions_clear (context->sessions);
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
  SSL_CTX_set_session_cache_mode (ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb (ssl, turn_connect_tls_sessions_keep_ticket);
  SSL_CTX_set_cipher_list (ssl, SUITES);
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
  context->sessions = turn_connect_tls_sessions_new ();
  if (context->ssl[TURN_CONNECT_TLS_KIND_STREAM] != NULL)
    context->security_level =
        SSL_CTX_get_security_level (context->ssl[TURN_CONNECT_TLS_KIND_STREAM]);
  return context;
}

void
turn_connect_tls_context_free (TurnConnectTlsContext *context)
{
  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++)
    SSL_CTX_free (context->ssl[kind]);
  turn_connect_tls_sessions_free (context->sessions);
  g_byte_array_unref (context->pins);
  g_free (context);
}

/* What the system said comes first of the errors that are noted, and says most. */
static gboolean
fail_file (const char *path, const char *what, GError **error)
{
  unsigned long first = ERR_peek_error ();
  const char *reason = ERR_SYSTEM_ERROR (first) ? g_strerror ((gint)ERR_GET_REASON (first))
                                                : ERR_reason_error_string (ERR_peek_last_error ());

  g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "%s: %s%s%s", path, what,
               reason != NULL ? ": " : "", reason != NULL ? reason : "");
  return FALSE;
}

static void
set_store (TurnConnectTlsContext *context, X509_STORE *store)
{
  context->has_ca_file = TRUE;
  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++) {
    if (context->ssl[kind] != NULL)
      SSL_CTX_set1_cert_store (context->ssl[kind], store);
  }
}

gboolean
turn_connect_tls_context_set_ca_file (TurnConnectTlsContext *context,
                                      const char *path,
                                      GError **error)
{
  X509_STORE *store = X509_STORE_new ();
  gboolean is_read;

  ERR_clear_error ();
  forget_sessions (context);
  X509_STORE_set_flags (store, X509_V_FLAG_PARTIAL_CHAIN);
  is_read = X509_STORE_load_file (store, path) == 1 ||
            fail_file (path, "no certificates to trust can be read", error);
  set_store (context, store); /* also on failure: the system's authorities stay out */
  X509_STORE_free (store);
  return is_read;
}

void
turn_connect_tls_context_trust_as (TurnConnectTlsContext *context, TurnConnectTlsContext *other)
{
  SSL_CTX *ssl = other->ssl[TURN_CONNECT_TLS_KIND_STREAM];

  forget_sessions (context);
  if (other->has_ca_file && ssl != NULL)
    set_store (context, SSL_CTX_get_cert_store (ssl));
}

gboolean
turn_connect_tls_context_set_certificate (TurnConnectTlsContext *context,
                                          const char *certificate_path,
                                          const char *key_path,
                                          GError **error)
{
  ERR_clear_error ();
  forget_sessions (context);
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
  forget_sessions (context);
  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++) {
    if (context->ssl[kind] != NULL)
      SSL_CTX_set_alpn_protos (context->ssl[kind], wire, length);
  }
}

void
turn_connect_tls_context_add_pin (TurnConnectTlsContext *context,
                                  const guint8 pin[TURN_CONNECT_SHA256_SIZE])
{
  forget_sessions (context);
  g_byte_array_append (context->pins, pin, TURN_CONNECT_SHA256_SIZE);
}

void
turn_connect_tls_context_set_blind (TurnConnectTlsContext *context)
{
  forget_sessions (context);
  context->is_blind = TRUE;
  context->has_trust = TRUE; /* nobody's certificates are looked for */
}

void
turn_connect_tls_context_set_pins_only (TurnConnectTlsContext *context, gboolean pins_only)
{
  forget_sessions (context);
  context->pins_only = pins_only;
}

static gboolean
set_suites (SSL_CTX *ssl, const char *null_suite, int security_level)
{
  g_autofree char *list =
      null_suite != NULL ? g_strconcat (null_suite, ":@SECLEVEL=0", NULL) : g_strdup (SUITES);
  gboolean is_dtls = SSL_CTX_get_min_proto_version (ssl) == DTLS1_2_VERSION;
  int newest = null_suite == NULL ? 0 : is_dtls ? DTLS1_2_VERSION : TLS1_2_VERSION;

  if (null_suite == NULL)
    SSL_CTX_set_security_level (ssl, security_level);
  /* TLS 1.3 has no such suite among those that OpenSSL knows. */
  SSL_CTX_set_max_proto_version (ssl, newest);
  return SSL_CTX_set1_sigalgs_list (ssl, SIGNATURES) == 1 &&
         SSL_CTX_set_cipher_list (ssl, list) == 1;
}

static const char *
find_null_suite (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (null_suites); i++) {
    if (g_str_equal (name, null_suites[i].iana) || g_str_equal (name, null_suites[i].openssl))
      return null_suites[i].openssl;
  }
  return NULL;
}

static gboolean
set_suites_of_all (TurnConnectTlsContext *context, const char *null_suite)
{
  gboolean is_done = TRUE;

  for (int kind = 0; kind < TURN_CONNECT_TLS_N_KINDS; kind++) {
    if (context->ssl[kind] != NULL &&
        !set_suites (context->ssl[kind], null_suite, context->security_level))
      is_done = FALSE;
  }
  return is_done;
}

gboolean
turn_connect_tls_context_set_null_suite (TurnConnectTlsContext *context,
                                         const char *name,
                                         GError **error)
{
  const char *suite = name != NULL ? find_null_suite (name) : NULL;

  if (name != NULL && suite == NULL) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         "this is no cipher suite without encryption that is known here: there are "
                         "TLS_RSA_WITH_NULL_SHA256, TLS_RSA_WITH_NULL_SHA, "
                         "TLS_ECDHE_RSA_WITH_NULL_SHA and TLS_ECDHE_ECDSA_WITH_NULL_SHA");
    return FALSE;
  }
  forget_sessions (context);
  ERR_clear_error ();
  if (set_suites_of_all (context, suite))
    return TRUE;
  set_suites_of_all (context, NULL);
  g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
               "OpenSSL of this machine has no cipher suite %s", name);
  return FALSE;
}
