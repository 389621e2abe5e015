/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support.h"

/* A key and a certificate for it, made for a test. */
typedef struct _TlsPeerIdentity TlsPeerIdentity;

typedef struct {
  const char *common_name;
  const char *names; /* "DNS:a.test,IP:127.0.0.1"; NULL for no subject alternative name */
  int from_s;        /* when it begins to be valid, relative to now; 0: an hour ago */
  int to_s;          /* when it ends; 0: in an hour */
  gboolean is_authority;
  gboolean is_rsa;               /* the key; else it is of an elliptic curve */
  const TlsPeerIdentity *signer; /* NULL: self-signed */
} TlsPeerSpec;

TlsPeerIdentity *tls_peer_identity_new (const TlsPeerSpec *spec);
void tls_peer_identity_free (TlsPeerIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TlsPeerIdentity, tls_peer_identity_free)
/* A PEM file with the certificate, and another with the key; in the test's temporary directory. */
char *tls_peer_identity_write (const TlsPeerIdentity *identity, char **key_path);
/* SHA-256 of the public key, in hexadecimal. */
char *tls_peer_identity_get_pin (const TlsPeerIdentity *identity);

/* The test's own authority, made when first asked for, in a file that goes with the process. */
const TlsPeerIdentity *tls_peer_authority (void);
const char *tls_peer_authority_path (void);
/* Signed by it, for "server.test" and @names; until @to_s from now, 0 for an hour. */
TlsPeerIdentity *tls_peer_identity_signed (const char *names, int to_s);

typedef enum {
  TLS_PEER_NORMAL = 0,
  TLS_PEER_ONLY_TLS12 = 1 << 0,
  TLS_PEER_ONLY_TLS11 = 1 << 1,
  TLS_PEER_NO_EMS = 1 << 2,       /* no extended master secret */
  TLS_PEER_WANTS_CLIENT = 1 << 3, /* demands a certificate signed by itself's signer */
  TLS_PEER_ALPN_TEP = 1 << 4,     /* speaks "tep/1" only */
  TLS_PEER_CUTS = 1 << 5,         /* ends after the first read, without closing TLS */
  TLS_PEER_READS_LATE = 1 << 6,   /* reads nothing until told */
  TLS_PEER_DATAGRAMS = 1 << 7,    /* DTLS, of a server in a thread only */
  TLS_PEER_NULL = 1 << 8,         /* speaks NULL-SHA256 only; wants an RSA key */
} TlsPeerFlags;

/* In memory: octets in, octets out, by OpenSSL's memory BIOs. */
typedef struct _TlsPeer TlsPeer;
TlsPeer *tls_peer_new (const TlsPeerIdentity *identity, TlsPeerFlags flags);
void tls_peer_free (TlsPeer *peer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TlsPeer, tls_peer_free)
void tls_peer_feed (TlsPeer *peer, const guint8 *data, gsize length);
/* Goes on with the handshake. */
void tls_peer_step (TlsPeer *peer);
gsize tls_peer_take (TlsPeer *peer, guint8 *data, gsize size);
gssize tls_peer_read (TlsPeer *peer, void *data, gsize size);
void tls_peer_write (TlsPeer *peer, const void *data, gsize length);
void tls_peer_close (TlsPeer *peer);
void tls_peer_renegotiate (TlsPeer *peer);
void tls_peer_update_key (TlsPeer *peer);
void tls_peer_export (TlsPeer *peer, guint8 binding[32]);

/* In a thread, on loopback: echoes. */
typedef struct _TlsPeerServer TlsPeerServer;
TlsPeerServer *
tls_peer_server_new (const TlsPeerIdentity *identity, TlsPeerFlags flags, guint16 *port);
/* The same as a proxy: answers one CONNECT, then passes octets to and from @forward_to. */
TlsPeerServer *
tls_peer_server_new_proxy (const TlsPeerIdentity *identity, guint16 forward_to, guint16 *port);
void tls_peer_server_read_now (TlsPeerServer *server);
/* Ends it. What it saw: handshakes done, octets of plaintext, the last name asked for. */
typedef struct {
  guint n_handshakes;
  guint n_resumed; /* of these */
  gsize n_octets;
  char sni[256];
  char client[256]; /* common name of its certificate */
  guint8 binding[32];
} TlsPeerReport;
void tls_peer_server_free (TlsPeerServer *server, TlsPeerReport *report);
