/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whom TLS lets through. The decision is taken here in place of OpenSSL, so that a pin can be asked
 * for on top of the chain or instead of it, and so that a refusal says which check failed.
 */
#include "turn-connect/tls-private.h"

#include "turn-connect/error-private.h"
#include "turn-connect/host.h"

#include <string.h>
#include <time.h>

#define VERIFIED_MAX_S (24 * 60 * 60) /* how long a session rests on one verification */
#define NAMES_SHOWN 5                 /* of a certificate, to people */
#define TEXT_SHOWN 100                /* octets of a name, to people */

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
find (TurnConnectTls *tls, TurnConnectTlsFinding finding, const char *fact)
{
  return turn_connect_tls_words_finding (finding, tls->who, tls->name, fact);
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

void
turn_connect_tls_hash_key (X509 *certificate, guint8 hash[TURN_CONNECT_SHA256_SIZE])
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

  turn_connect_tls_hash_key (leaf, hash);
  for (gsize i = 0; i < context->pins->len; i += sizeof hash) {
    if (memcmp (context->pins->data + i, hash, sizeof hash) == 0)
      return TRUE;
  }
  return FALSE;
}

/* The first moment at which something that was looked at will have expired. */
static gint64
find_end (STACK_OF (X509) * chain)
{
  gint64 end = g_get_real_time () / G_USEC_PER_SEC + VERIFIED_MAX_S;

  for (int i = 0; i < sk_X509_num (chain); i++) {
    struct tm parts = { 0 };

    if (ASN1_TIME_to_tm (X509_get0_notAfter (sk_X509_value (chain, i)), &parts) == 1)
      end = MIN (end, (gint64)timegm (&parts));
  }
  return end;
}

int
turn_connect_tls_verify_peer (X509_STORE_CTX *store, void *unused)
{
  SSL *ssl = X509_STORE_CTX_get_ex_data (store, SSL_get_ex_data_X509_STORE_CTX_idx ());
  TurnConnectTls *tls = SSL_get_app_data (ssl);
  X509 *leaf = X509_STORE_CTX_get0_cert (store);

  g_clear_error (&tls->verify_error);
  if (tls->context->is_blind) {
    X509_STORE_CTX_set_error (store, X509_V_OK);
    return 1;
  }
  X509_VERIFY_PARAM_set_auth_level (X509_STORE_CTX_get0_param (store),
                                    tls->context->security_level);
  if (!tls->context->pins_only && X509_verify_cert (store) <= 0) {
    X509 *certificate = X509_STORE_CTX_get_current_cert (store);

    tls->verify_error = describe_refusal (tls, X509_STORE_CTX_get_error (store), leaf,
                                          certificate != NULL ? certificate : leaf);
    return 0;
  }
  if ((tls->context->pins_only || tls->context->pins->len > 0) && !is_pinned (tls->context, leaf)) {
    g_autofree char *issuer = name_to_string (X509_get_issuer_name (leaf));

    tls->verify_error = find (tls, TURN_CONNECT_TLS_FINDING_PIN, issuer);
    X509_STORE_CTX_set_error (store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }
  tls->verified_until =
      find_end (tls->context->pins_only ? NULL : X509_STORE_CTX_get0_chain (store));
  X509_STORE_CTX_set_error (store, X509_V_OK);
  return 1;
}
