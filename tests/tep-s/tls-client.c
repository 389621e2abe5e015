/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls-client.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

struct _TlsClient {
  SSL_CTX *context;
  SSL *ssl;
  BIO *in;
  BIO *out;
  GByteArray *waiting;
};

TlsClient *
tls_client_new (const char *name, const char *alpn, int max_version)
{
  TlsClient *client = g_new0 (TlsClient, 1);

  client->context = SSL_CTX_new (TLS_client_method ());
  SSL_CTX_set_max_proto_version (client->context, max_version);
  client->ssl = SSL_new (client->context);
  client->in = BIO_new (BIO_s_mem ());
  client->out = BIO_new (BIO_s_mem ());
  client->waiting = g_byte_array_new ();
  SSL_set_bio (client->ssl, client->in, client->out);
  SSL_set_connect_state (client->ssl);
  if (name != NULL)
    SSL_set_tlsext_host_name (client->ssl, name);
  if (alpn != NULL)
    SSL_set_alpn_protos (client->ssl, (const guint8 *)alpn, (unsigned)strlen (alpn));
  SSL_do_handshake (client->ssl);
  return client;
}

void
tls_client_free (TlsClient *client)
{
  SSL_free (client->ssl);
  SSL_CTX_free (client->context);
  g_byte_array_unref (client->waiting);
  g_free (client);
}

gboolean
tls_client_is_ready (TlsClient *client)
{
  return SSL_is_init_finished (client->ssl);
}

static void
write_waiting (TlsClient *client)
{
  if (!tls_client_is_ready (client) || client->waiting->len == 0)
    return;
  g_assert_cmpint (SSL_write (client->ssl, client->waiting->data, (int)client->waiting->len), ==,
                   client->waiting->len);
  g_byte_array_set_size (client->waiting, 0);
}

gboolean
tls_client_input (TlsClient *client, const void *data, gsize length, GByteArray *plain)
{
  guint8 buffer[4096];
  int n;

  BIO_write (client->in, data, (int)length);
  if (!tls_client_is_ready (client)) {
    n = SSL_do_handshake (client->ssl);
    if (n != 1)
      return SSL_get_error (client->ssl, n) == SSL_ERROR_WANT_READ;
  }
  write_waiting (client);
  while ((n = SSL_read (client->ssl, buffer, sizeof buffer)) > 0)
    g_byte_array_append (plain, buffer, (guint)n);
  return SSL_get_error (client->ssl, n) == SSL_ERROR_WANT_READ;
}

void
tls_client_write (TlsClient *client, const void *data, gsize length)
{
  g_byte_array_append (client->waiting, data, (guint)length);
  write_waiting (client);
}

void
tls_client_ask_for_keys (TlsClient *client)
{
  g_assert_cmpint (SSL_key_update (client->ssl, SSL_KEY_UPDATE_REQUESTED), ==, 1);
  g_assert_cmpint (SSL_do_handshake (client->ssl), ==, 1);
}

GByteArray *
tls_client_output (TlsClient *client)
{
  GByteArray *output = g_byte_array_new ();
  guint8 buffer[4096];
  int n;

  while ((n = BIO_read (client->out, buffer, sizeof buffer)) > 0)
    g_byte_array_append (output, buffer, (guint)n);
  return output;
}

gboolean
tls_client_exporter (TlsClient *client, guint8 out[32])
{
  return SSL_export_keying_material (client->ssl, out, 32, "EXPORTER-Channel-Binding", 24, NULL, 0,
                                     1) == 1;
}

static void
write_pem (const char *path, BIO *bio)
{
  char *data;
  long length = BIO_get_mem_data (bio, &data);

  g_assert_true (
      g_file_set_contents_full (path, data, length, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  BIO_free (bio);
}

void
tls_write_certificate (const char *certificate_path, const char *key_path)
{
  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *certificate = X509_new ();
  BIO *bio;

  X509_set_version (certificate, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (certificate), 1);
  X509_gmtime_adj (X509_getm_notBefore (certificate), -3600);
  X509_gmtime_adj (X509_getm_notAfter (certificate), 90 * 24 * 3600);
  X509_set_pubkey (certificate, key);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (certificate), "CN", MBSTRING_ASC,
                              (const guint8 *)"tep.example", -1, -1, 0);
  X509_set_issuer_name (certificate, X509_get_subject_name (certificate));
  g_assert_cmpint (X509_sign (certificate, key, EVP_sha256 ()), >, 0);
  bio = BIO_new (BIO_s_mem ());
  PEM_write_bio_X509 (bio, certificate);
  write_pem (certificate_path, bio);
  bio = BIO_new (BIO_s_mem ());
  PEM_write_bio_PrivateKey (bio, key, NULL, NULL, 0, NULL, NULL);
  write_pem (key_path, bio);
  X509_free (certificate);
  EVP_PKEY_free (key);
}
