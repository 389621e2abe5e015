/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bad pair of certificate and key has to be found when the configuration is checked, not when the
 * first client comes, and the day on which it ends has to be known before it comes. The folder's
 * door to libcrypto's certificates. */
#include "tep-s/certificate-private.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

#include "tep-s/error.h"
#include "tep-s/secret-file-private.h"

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
fail (GError **error, const char *path, const char *problem)
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
    fail (error, path, "holds no private key in PEM form without a passphrase");
  ERR_clear_error ();
  return key;
}

gboolean
tep_server_certificate_check (const char *certificate_file,
                              const char *key_file,
                              gint64 *expires_ms,
                              GError **error)
{
  g_autoptr (BIO) bio = BIO_new_file (certificate_file, "r");
  g_autoptr (X509) leaf = NULL;
  g_autoptr (EVP_PKEY) key = NULL;
  gint64 first_end = 0;

  if (bio == NULL)
    return fail (error, certificate_file, "cannot be read");
  for (guint i = 0; i < MAX_CHAIN; i++) {
    g_autoptr (X509) certificate = PEM_read_bio_X509 (bio, NULL, no_passphrase, NULL);
    gint64 end;

    if (certificate == NULL)
      break;
    if (!end_of (certificate, &end))
      return fail (error, certificate_file, "holds a certificate without a valid date of expiry");
    first_end = i == 0 ? end : MIN (first_end, end);
    if (i == 0)
      leaf = g_steal_pointer (&certificate);
  }
  if (leaf == NULL)
    return fail (error, certificate_file, "holds no certificate in PEM form");
  key = read_key (key_file, error);
  if (key == NULL)
    return FALSE;
  if (X509_check_private_key (leaf, key) != 1)
    return fail (error, key_file,
                 "is not the key of the certificate; the two have to belong together");
  ERR_clear_error ();
  *expires_ms = first_end;
  return TRUE;
}
