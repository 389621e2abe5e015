/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS as a machine between two buffers. OpenSSL never sees a socket, so TLS runs over any stream
 * (through a proxy, inside another TLS) and a write either becomes one whole record in the buffer
 * or does not happen; with a socket below, OpenSSL would hold half a record and insist on getting
 * the same octets again. This is the only file of the folder that includes OpenSSL.
 */
#include "turn-connect/tls.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"
#include "turn-connect/tls-words.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#define ALERT_REASON 1000 /* SSL_R_ of an alert received is this and its number */
#define NAMES_SHOWN 5     /* of a certificate, to people */
#define TEXT_SHOWN 100    /* octets of a name, to people */

struct _TurnConnectTlsContext {
  SSL_CTX *ssl;
  gboolean has_ca_file;
  gboolean has_trust; /* the system's authorities were loaded */
  gboolean pins_only;
  GByteArray *pins;
};

struct _TurnConnectTls {
  const TurnConnectTlsContext *context;
  SSL *ssl;
  char *who;
  char *name;
  TurnConnectTlsBuffers buffers;
  GError *verify_error; /* why the certificate was refused */
  gboolean is_up;
  gboolean is_broken;
  char *alpn;
  TurnConnectTlsInfo info;
};

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

static char *
name_to_string (const X509_NAME *name)
{
  BIO *memory = BIO_new (BIO_s_mem ());
  char *text = NULL;
  long length;
  char *quoted;

  X509_NAME_print_ex (memory, name, 0, XN_FLAG_ONELINE);
  length = BIO_get_mem_data (memory, &text);
  quoted = turn_connect_error_quote (text, (gsize)MAX (length, 0), TEXT_SHOWN);
  BIO_free (memory);
  return quoted;
}

static char *
time_to_string (const ASN1_TIME *when)
{
  struct tm parts = { 0 };

  if (ASN1_TIME_to_tm (when, &parts) != 1)
    return g_strdup ("an unreadable date");
  return g_strdup_printf ("%04d-%02d-%02d %02d:%02d UTC", parts.tm_year + 1900, parts.tm_mon + 1,
                          parts.tm_mday, parts.tm_hour, parts.tm_min);
}

static char *
general_name_to_string (const GENERAL_NAME *name)
{
  const ASN1_STRING *octets;
  g_autofree char *text = NULL;

  if (name->type == GEN_DNS) {
    octets = name->d.dNSName;
    text = turn_connect_error_quote ((const char *)ASN1_STRING_get0_data (octets),
                                     (gsize)ASN1_STRING_length (octets), TEXT_SHOWN);
    /* An address written as a name is for nobody. */
    return turn_connect_host_is_address (text) ? g_strconcat (text, " as a name", NULL)
                                               : g_steal_pointer (&text);
  }
  if (name->type == GEN_IPADD) {
    g_autoptr (GInetAddress) address = NULL;
    int length = ASN1_STRING_length (name->d.iPAddress);

    if (length != 4 && length != 16)
      return NULL;
    address =
        g_inet_address_new_from_bytes (ASN1_STRING_get0_data (name->d.iPAddress),
                                       length == 4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6);
    return g_inet_address_to_string (address);
  }
  return NULL;
}

/* The names a certificate is for, as "a, b and 3 more". */
static char *
list_names (X509 *certificate)
{
  GENERAL_NAMES *names = X509_get_ext_d2i (certificate, NID_subject_alt_name, NULL, NULL);
  GString *list = g_string_new (NULL);
  int total = names != NULL ? sk_GENERAL_NAME_num (names) : 0;

  for (int i = 0; i < MIN (total, NAMES_SHOWN); i++) {
    g_autofree char *name = general_name_to_string (sk_GENERAL_NAME_value (names, i));

    if (name != NULL)
      g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", name);
  }
  if (total > NAMES_SHOWN)
    g_string_append_printf (list, " and %d more", total - NAMES_SHOWN);
  if (list->len == 0)
    g_string_append (list, "no name at all");
  GENERAL_NAMES_free (names);
  return g_string_free (list, FALSE);
}

static GError *
describe_refusal (TurnConnectTls *tls, int number, X509 *leaf, X509 *certificate)
{
  g_autofree char *fact = NULL;

  switch (number) {
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH:
    fact = list_names (leaf);
    return find (tls, TURN_CONNECT_TLS_FINDING_NAME, fact);
  case X509_V_ERR_CERT_HAS_EXPIRED:
    fact = time_to_string (X509_get0_notAfter (certificate));
    return find (tls, TURN_CONNECT_TLS_FINDING_EXPIRED, fact);
  case X509_V_ERR_CERT_NOT_YET_VALID:
    fact = time_to_string (X509_get0_notBefore (certificate));
    return find (tls, TURN_CONNECT_TLS_FINDING_NOT_YET, fact);
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    fact = name_to_string (X509_get_issuer_name (certificate));
    return find (tls, TURN_CONNECT_TLS_FINDING_SELF_SIGNED, fact);
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_CERT_UNTRUSTED:
    fact = name_to_string (X509_get_issuer_name (certificate));
    return find (tls, TURN_CONNECT_TLS_FINDING_ISSUER, fact);
  default:
    return find (tls, TURN_CONNECT_TLS_FINDING_OTHER, X509_verify_cert_error_string (number));
  }
}

/* Who the peer is. */

static void
hash_key (X509 *certificate, guint8 hash[TURN_CONNECT_SHA256_SIZE])
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  unsigned char *der = NULL;
  gsize size = TURN_CONNECT_SHA256_SIZE;
  int length = i2d_X509_PUBKEY (X509_get_X509_PUBKEY (certificate), &der);

  g_checksum_update (sum, der, MAX (length, 0));
  g_checksum_get_digest (sum, hash, &size);
  OPENSSL_free (der);
}

static gboolean
is_pinned (const TurnConnectTlsContext *context, X509 *leaf)
{
  guint8 hash[TURN_CONNECT_SHA256_SIZE];

  hash_key (leaf, hash);
  for (gsize i = 0; i < context->pins->len; i += sizeof hash) {
    if (memcmp (context->pins->data + i, hash, sizeof hash) == 0)
      return TRUE;
  }
  return FALSE;
}

/* Decides in place of OpenSSL, so that a pin can be asked for on top of the chain or instead of it.
 */
static int
verify_peer (X509_STORE_CTX *store, void *unused)
{
  SSL *ssl = X509_STORE_CTX_get_ex_data (store, SSL_get_ex_data_X509_STORE_CTX_idx ());
  TurnConnectTls *tls = SSL_get_app_data (ssl);
  X509 *leaf = X509_STORE_CTX_get0_cert (store);

  g_clear_error (&tls->verify_error);
  if (!tls->context->pins_only && X509_verify_cert (store) <= 0) {
    X509 *certificate = X509_STORE_CTX_get_current_cert (store);

    tls->verify_error = describe_refusal (tls, X509_STORE_CTX_get_error (store), leaf,
                                          certificate != NULL ? certificate : leaf);
    return 0;
  }
  if ((tls->context->pins_only || tls->context->pins->len > 0) && !is_pinned (tls->context, leaf)) {
    tls->verify_error = find (tls, TURN_CONNECT_TLS_FINDING_PIN, NULL);
    X509_STORE_CTX_set_error (store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }
  X509_STORE_CTX_set_error (store, X509_V_OK);
  return 1;
}

/* The context. */

/* An encrypted key would otherwise ask at the terminal. */
static int
no_password (char *buffer, int size, int is_writing, void *unused)
{
  return 0;
}

TurnConnectTlsContext *
turn_connect_tls_context_new (void)
{
  TurnConnectTlsContext *context = g_new0 (TurnConnectTlsContext, 1);

  context->pins = g_byte_array_new ();
  context->ssl = SSL_CTX_new (TLS_client_method ());
  if (context->ssl == NULL)
    return context; /* said when it is used */
  SSL_CTX_set_min_proto_version (context->ssl, TLS1_2_VERSION);
  SSL_CTX_set_options (context->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode (context->ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode (context->ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_cipher_list (context->ssl, "DEFAULT:!aNULL:!eNULL:!PSK:!SRP");
  SSL_CTX_set_verify (context->ssl, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_cert_verify_callback (context->ssl, verify_peer, NULL);
  SSL_CTX_set_default_passwd_cb (context->ssl, no_password);
  return context;
}

void
turn_connect_tls_context_free (TurnConnectTlsContext *context)
{
  SSL_CTX_free (context->ssl);
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

  ERR_clear_error ();
  context->has_ca_file = TRUE; /* also on failure: the system's authorities stay out */
  SSL_CTX_set_cert_store (context->ssl, store);
  X509_STORE_set_flags (store, X509_V_FLAG_PARTIAL_CHAIN);
  if (X509_STORE_load_file (store, path) != 1)
    return fail_file (path, "no certificates to trust can be read", error);
  return TRUE;
}

gboolean
turn_connect_tls_context_set_certificate (TurnConnectTlsContext *context,
                                          const char *certificate_path,
                                          const char *key_path,
                                          GError **error)
{
  ERR_clear_error ();
  if (SSL_CTX_use_certificate_chain_file (context->ssl, certificate_path) != 1)
    return fail_file (certificate_path, "no certificate can be read", error);
  if (SSL_CTX_use_PrivateKey_file (context->ssl, key_path, SSL_FILETYPE_PEM) != 1)
    return fail_file (key_path, "no key for the certificate can be read", error);
  return TRUE;
}

void
turn_connect_tls_context_set_alpn (TurnConnectTlsContext *context, const guint8 *wire, guint length)
{
  SSL_CTX_set_alpn_protos (context->ssl, wire, length);
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
  BIO *bio;

  if (tls->context->ssl == NULL || (tls->ssl = SSL_new (tls->context->ssl)) == NULL)
    return FALSE;
  bio = BIO_new (get_bio_method ());
  if (bio == NULL)
    return FALSE;
  BIO_set_data (bio, tls);
  BIO_set_init (bio, 1);
  SSL_set_bio (tls->ssl, bio, bio);
  SSL_set_app_data (tls->ssl, tls);
  SSL_set_connect_state (tls->ssl);
  return set_name (tls);
}

TurnConnectTls *
turn_connect_tls_new (TurnConnectTlsContext *context,
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
  if (!context->has_ca_file && !context->has_trust && context->ssl != NULL) {
    SSL_CTX_set_default_verify_paths (context->ssl);
    context->has_trust = TRUE;
  }
  tls = g_new0 (TurnConnectTls, 1);
  tls->context = context;
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

void
turn_connect_tls_free (TurnConnectTls *tls)
{
  SSL_free (tls->ssl);
  turn_connect_tls_buffers_clear (&tls->buffers);
  g_clear_error (&tls->verify_error);
  g_free (tls->alpn);
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
  X509_digest (certificate, EVP_sha256 (), tls->info.certificate_sha256, NULL);
  hash_key (certificate, tls->info.spki_sha256);
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
    tls->is_up = TRUE;
    return TURN_CONNECT_IO_OK;
  }
  io = judge (tls, result, error);
  if (io == TURN_CONNECT_IO_END) {
    g_propagate_error (error, find (tls, TURN_CONNECT_TLS_FINDING_CUT_OFF, NULL));
    io = TURN_CONNECT_IO_FAILED;
  }
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
  if (SSL_version (tls->ssl) < TLS1_3_VERSION && SSL_get_extms_support (tls->ssl) != 1)
    return FALSE;
  /* A context of no octets, which in TLS 1.2 differs from no context. */
  return SSL_export_keying_material (tls->ssl, binding, TURN_CONNECT_BINDING_SIZE, label,
                                     strlen (label), (const unsigned char *)"", 0, 1) == 1;
}
