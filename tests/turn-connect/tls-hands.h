/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TLS client of ours and a peer in memory, step by step. */
#pragma once

#include "tls-peer.h"
#include "turn-connect/tls.h"

/* Those that are spoken. */
typedef struct {
  TlsPeerFlags flags;
  const char *version;
} TlsHandsVersion;
extern const TlsHandsVersion tls_hands_versions[2];

/* Signed by the test's own authority, for @names alone. */
TlsPeerIdentity *tls_hands_identity (const char *names);
/* That trust that authority. */
TurnConnectTlsOptions *tls_hands_options (void);
TurnConnectTls *tls_hands_client (TurnConnectTlsOptions *options, const char *name);
/* Moves what each side has for the other, @step octets at a time. Returns how many moved. */
gsize tls_hands_move (TurnConnectTls *client, TlsPeer *peer, gsize step);
TurnConnectIo tls_hands_shake (TurnConnectTls *client, TlsPeer *peer, gsize step, GError **error);
void tls_hands_assert_talk (TurnConnectTls *client, TlsPeer *peer);
