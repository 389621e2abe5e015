/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OpenSSL between two buffers. Its memory BIO keeps the largest buffer it ever had, for each idle
 * connection; so this BIO of our own reads from what was pushed and writes to the connection's
 * output, and holds nothing.
 */
#include "tep-s/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "stun-ext/address.h"
#include "tep-s/secret-file-private.h"
#include "tep-s/server.h"

struct _TepServerTlsContext {
  gatomicrefcount references;
  SSL_CTX *ssl;
  char **names;
  gboolean has_literal;
};

struct _TepServerTls {
  SSL *ssl;
  TepServerTlsContext *context;
  TepServerTlsWrite write;
  gpointer user_data;
  const guint8 *pushed;
  gsize pushed_length;
};

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static int
bio_read (BIO *bio, char *out, size_t capacity, size_t *length)
{
  TepServerTls *tls = BIO_get_data (bio);

  BIO_clear_retry_flags (bio);
  *length = MIN (capacity, tls->pushed_length);
  if (*length == 0) {
    BIO_set_retry_read (bio);
    return 0;
  }
  memcpy (out, tls->pushed, *length);
  tls->pushed += *length;
  tls->pushed_length -= *length;
  return 1;
}

static int
bio_write (BIO *bio, const char *data, size_t n, size_t *length)
{
  TepServerTls *tls = BIO_get_data (bio);

  BIO_clear_retry_flags (bio);
  *length = n;
  return tls->write (tls->user_data, (const guint8 *)data, n);
}

static long
bio_ctrl (BIO *bio, int command, long number, void *pointer)
{
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void
make_bio_method (void)
{
  bio_method = BIO_meth_new (BIO_get_new_index () | BIO_TYPE_SOURCE_SINK, "tep-s");
  if (bio_method == NULL)
    return;
  BIO_meth_set_read_ex (bio_method, bio_read);
  BIO_meth_set_write_ex (bio_method, bio_write);
  BIO_meth_set_ctrl (bio_method, bio_ctrl);
}

/* The library is unloaded with its method, so that leak checkers and dlclose() find nothing. */
static void __attribute__ ((destructor)) free_bio_method (void)
{
  if (bio_method != NULL)
    BIO_meth_free (bio_method);
}

static gboolean
is_own_name (const TepServerTlsContext *context, const char *name)
{
  g_autofree char *lower = g_ascii_strdown (name, -1);

  return g_strv_contains ((const char *const *)context->names, lower);
}

static int
check_server_name (SSL *ssl, int *alert, void *data)
{
  const TepServerTlsContext *context = data;
  const char *name = SSL_get_servername (ssl, TLSEXT_NAMETYPE_host_name);

  if (context->names == NULL)
    return SSL_TLSEXT_ERR_OK;
  if (name == NULL ? context->has_literal : is_own_name (context, name))
    return SSL_TLSEXT_ERR_OK;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* PROTOCOL.md section 10: the first of ours that the client offers, in the order of this list. */
static int
choose_protocol (SSL *ssl,
                 const unsigned char **out,
                 unsigned char *out_length,
                 const unsigned char *in,
                 unsigned int in_length,
                 void *data)
{
  static const unsigned char ours[] = "\x05tep/1\x09stun.turn\x12stun.nat-discovery\x08http/1.1";
  unsigned char *chosen;

  if (SSL_select_next_proto (&chosen, out_length, ours, sizeof ours - 1, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

static void
set_rules (TepServerTlsContext *context)
{
  SSL_CTX *ssl = context->ssl;

  SSL_CTX_set_min_proto_version (ssl, TLS1_2_VERSION);
  SSL_CTX_set_options (ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_cipher_list (ssl, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_session_cache_mode (ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets (ssl, 0);
  SSL_CTX_set_max_early_data (ssl, 0);
  SSL_CTX_set_mode (ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify (ssl, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_tlsext_servername_callback (ssl, check_server_name);
  SSL_CTX_set_tlsext_servername_arg (ssl, context);
  SSL_CTX_set_alpn_select_cb (ssl, choose_protocol, NULL);
}

static gboolean
fail (GError **error, const char *what, const char *file)
{
  char text[256];
  unsigned long code = ERR_get_error ();

  ERR_error_string_n (code, text, sizeof text);
  ERR_clear_error ();
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_TLS, "%s %s: %s", what, file,
               code != 0 ? text : "out of memory");
  return FALSE;
}

static gboolean
load (SSL_CTX *ssl, const char *certificate_file, const char *key_file, GError **error)
{
  ERR_clear_error ();
  if (ssl == NULL)
    return fail (error, "cannot set up TLS for", certificate_file);
  if (SSL_CTX_use_certificate_chain_file (ssl, certificate_file) != 1)
    return fail (error, "cannot use the certificate", certificate_file);
  if (SSL_CTX_use_PrivateKey_file (ssl, key_file, SSL_FILETYPE_PEM) != 1)
    return fail (error, "cannot use the private key", key_file);
  if (SSL_CTX_check_private_key (ssl) != 1)
    return fail (error, "the private key does not fit the certificate:", key_file);
  return TRUE;
}

TepServerTlsContext *
tep_server_tls_context_new (const char *certificate_file,
                            const char *key_file,
                            const char *const *names,
                            GError **error)
{
  g_autoptr (TepServerTlsContext) context = g_new0 (TepServerTlsContext, 1);
  StunExtAddress literal;

  g_atomic_ref_count_init (&context->references);
  context->names = g_strdupv ((char **)names);
  for (gsize i = 0; names != NULL && names[i] != NULL; i++)
    context->has_literal |= stun_ext_address_parse (names[i], &literal);
  pthread_once (&bio_once, make_bio_method);
  context->ssl = SSL_CTX_new (TLS_server_method ());
  if (bio_method == NULL || !load (context->ssl, certificate_file, key_file, error))
    return NULL;
  set_rules (context);
  return g_steal_pointer (&context);
}

TepServerTlsContext *
tep_server_tls_context_ref (TepServerTlsContext *context)
{
  g_atomic_ref_count_inc (&context->references);
  return context;
}

void
tep_server_tls_context_unref (TepServerTlsContext *context)
{
  if (!g_atomic_ref_count_dec (&context->references))
    return;
  SSL_CTX_free (context->ssl);
  g_strfreev (context->names);
  g_free (context);
}

TepServerTls *
tep_server_tls_new (TepServerTlsContext *context, TepServerTlsWrite write, gpointer user_data)
{
  TepServerTls *tls = g_new0 (TepServerTls, 1);
  BIO *bio = BIO_new (bio_method);

  tls->ssl = SSL_new (context->ssl);
  tls->context = tep_server_tls_context_ref (context);
  tls->write = write;
  tls->user_data = user_data;
  if (bio == NULL || tls->ssl == NULL) {
    BIO_free (bio);
    tep_server_tls_free (tls);
    return NULL;
  }
  BIO_set_data (bio, tls);
  BIO_set_init (bio, 1);
  SSL_set_bio (tls->ssl, bio, bio);
  SSL_set_accept_state (tls->ssl);
  return tls;
}

void
tep_server_tls_free (TepServerTls *tls)
{
  SSL_free (tls->ssl);
  tep_server_tls_context_unref (tls->context);
  g_free (tls);
}

void
tep_server_tls_set_write (TepServerTls *tls, TepServerTlsWrite write, gpointer user_data)
{
  tls->write = write;
  tls->user_data = user_data;
}

void
tep_server_tls_push (TepServerTls *tls, const guint8 *data, gsize length)
{
  tls->pushed = data;
  tls->pushed_length = length;
}

GBytes *
tep_server_tls_take_unread (TepServerTls *tls)
{
  GBytes *unread = g_bytes_new (tls->pushed, tls->pushed_length);

  tls->pushed_length = 0;
  return unread;
}

static TepServerTlsVerdict
verdict_of (TepServerTls *tls, int result)
{
  switch (SSL_get_error (tls->ssl, result)) {
  case SSL_ERROR_NONE:
    return TEP_SERVER_TLS_DONE;
  case SSL_ERROR_WANT_READ:
    return TEP_SERVER_TLS_MORE;
  case SSL_ERROR_ZERO_RETURN:
    return TEP_SERVER_TLS_CLOSED;
  default:
    ERR_clear_error ();
    return TEP_SERVER_TLS_FAILED;
  }
}

TepServerTlsVerdict
tep_server_tls_handshake (TepServerTls *tls)
{
  ERR_clear_error ();
  return verdict_of (tls, SSL_do_handshake (tls->ssl));
}

TepServerTlsVerdict
tep_server_tls_read (TepServerTls *tls, guint8 *buffer, gsize capacity, gsize *length)
{
  ERR_clear_error ();
  *length = 0;
  return verdict_of (tls, SSL_read_ex (tls->ssl, buffer, capacity, length));
}

gboolean
tep_server_tls_write (TepServerTls *tls, const guint8 *data, gsize length)
{
  gsize written;

  ERR_clear_error ();
  if (SSL_write_ex (tls->ssl, data, length, &written) == 1)
    return TRUE;
  ERR_clear_error ();
  return FALSE;
}

void
tep_server_tls_close (TepServerTls *tls)
{
  ERR_clear_error ();
  if (SSL_is_init_finished (tls->ssl))
    SSL_shutdown (tls->ssl);
  ERR_clear_error ();
}

gboolean
tep_server_tls_is_web_only (const TepServerTls *tls)
{
  const unsigned char *name;
  unsigned int length;

  SSL_get0_alpn_selected (tls->ssl, &name, &length);
  return length == strlen ("http/1.1") && memcmp (name, "http/1.1", length) == 0;
}

gboolean
tep_server_tls_exporter (TepServerTls *tls, guint8 out[TEP_SERVER_EXPORTER_LENGTH])
{
  static const char label[] = "EXPORTER-Channel-Binding";

  /* RFC 9266 section 2: with TLS 1.2 the value is safe only under the extended master secret. */
  if (SSL_version (tls->ssl) < TLS1_3_VERSION && SSL_get_extms_support (tls->ssl) != 1)
    return FALSE;
  return SSL_export_keying_material (tls->ssl, out, TEP_SERVER_EXPORTER_LENGTH, label,
                                     strlen (label), NULL, 0, 1) == 1;
}

/* ---- files, when a configuration is checked ---- */

/* A bad pair of certificate and key has to be found then, not when the first client comes, and the day on which it ends has to be
 * known before it comes. */

/* A chain has three or four; more is not one. */
#define MAX_CHAIN 32

static void
bio_free (BIO *bio)
{
  (void)BIO_free (bio);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BIO, bio_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY, EVP_PKEY_free)

static gboolean
refuse_file (GError **error, const char *path, const char *problem)
{
  ERR_clear_error ();
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s: %s", path, problem);
  return FALSE;
}

/* There is nobody to ask for a passphrase. */
static int
no_passphrase (char *buffer, int size, int is_for_writing, void *data)
{
  return -1;
}

static gboolean
end_of (X509 *certificate, gint64 *expires_ms)
{
  struct tm when = { 0 };

  if (ASN1_TIME_to_tm (X509_get0_notAfter (certificate), &when) != 1)
    return FALSE;
  *expires_ms = (gint64)timegm (&when) * 1000;
  return TRUE;
}

static EVP_PKEY *
read_key (const char *path, GError **error)
{
  g_auto (TepServerSecret) text = { 0 };
  g_autoptr (BIO) bio = NULL;
  EVP_PKEY *key;

  if (!tep_server_secret_read (&text, path, 1024 * 1024, error))
    return NULL;
  bio = BIO_new_mem_buf (text.text, (int)text.length);
  key = bio != NULL ? PEM_read_bio_PrivateKey (bio, NULL, no_passphrase, NULL) : NULL;
  if (key == NULL)
    refuse_file (error, path, "holds no private key in PEM form without a passphrase");
  ERR_clear_error ();
  return key;
}

gboolean
tep_server_tls_check_files (const char *certificate_file,
                            const char *key_file,
                            gint64 *expires_ms,
                            GError **error)
{
  g_autoptr (BIO) bio = BIO_new_file (certificate_file, "r");
  g_autoptr (X509) leaf = NULL;
  g_autoptr (EVP_PKEY) key = NULL;
  gint64 first_end = 0;

  if (bio == NULL)
    return refuse_file (error, certificate_file, "cannot be read");
  for (guint i = 0; i < MAX_CHAIN; i++) {
    g_autoptr (X509) certificate = PEM_read_bio_X509 (bio, NULL, no_passphrase, NULL);
    gint64 end;

    if (certificate == NULL)
      break;
    if (!end_of (certificate, &end))
      return refuse_file (error, certificate_file,
                          "holds a certificate without a valid date of expiry");
    first_end = i == 0 ? end : MIN (first_end, end);
    if (i == 0)
      leaf = g_steal_pointer (&certificate);
  }
  if (leaf == NULL)
    return refuse_file (error, certificate_file, "holds no certificate in PEM form");
  key = read_key (key_file, error);
  if (key == NULL)
    return FALSE;
  if (X509_check_private_key (leaf, key) != 1)
    return refuse_file (error, key_file,
                        "is not the key of the certificate; the two have to belong together");
  ERR_clear_error ();
  *expires_ms = first_end;
  return TRUE;
}
