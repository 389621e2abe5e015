/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The folder's only way to OpenSSL, for the units that the door to it is made of: tls, tls-context,
 * tls-verify and tls-session. Nobody else includes this. */
#include "turn-connect/tls-words.h"
#include "turn-connect/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

typedef enum {
  TURN_CONNECT_TLS_KIND_STREAM,
  TURN_CONNECT_TLS_KIND_DATAGRAM, /* DTLS */
  TURN_CONNECT_TLS_N_KINDS,
} TurnConnectTlsKind;

typedef struct _TurnConnectTlsSessions TurnConnectTlsSessions;

struct _TurnConnectTlsContext {
  SSL_CTX *ssl[TURN_CONNECT_TLS_N_KINDS]; /* NULL: OpenSSL could not make it */
  gboolean has_ca_file;
  gboolean has_trust; /* the system's authorities were loaded */
  gboolean pins_only;
  gboolean is_blind; /* whoever answers is taken */
  GByteArray *pins;
  int security_level;               /* OpenSSL's own, which certificates must reach in any case */
  TurnConnectTlsSessions *sessions; /* made under the settings above */
  guint generation;                 /* of these settings */
};

struct _TurnConnectTls {
  TurnConnectTlsContext *context;
  TurnConnectTlsKind kind;
  SSL *ssl;
  char *who;
  char *name;
  TurnConnectTlsBuffers buffers;
  TurnConnectTlsSendFunc send; /* where datagrams go */
  gpointer send_data;
  char *session_key;     /* NULL: nothing is resumed */
  guint generation;      /* of the context's settings that it began with */
  gint64 verified_until; /* of the real clock, in seconds */
  GError *verify_error;  /* why the certificate was refused */
  gboolean is_up;
  gboolean is_broken;
  char *alpn;
  TurnConnectTlsInfo info;
};

/* For SSL_CTX_set_cert_verify_callback(). */
int turn_connect_tls_verify_peer (X509_STORE_CTX *store, void *unused);
/* SHA-256 of the SubjectPublicKeyInfo. */
void turn_connect_tls_hash_key (X509 *certificate, guint8 hash[TURN_CONNECT_SHA256_SIZE]);
