/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/run-private.h"

/* One CONNECT through a proxy to a port of the far end, and a Binding request inside, whose answer proves
 * that the tunnel ends there. The probe's fact "connect" says what became of CONNECT itself:
 *  "allowed"      2xx; then its outcome is that of the Binding request
 *  "refused"      the proxy said no (code); to this port, or to us
 *  "credentials"  it wants to know who is asking (407); the fact "schemes" says how
 *  "wrong-credentials"  it knows, and lets that user not in
 *  "upstream"     it would, and cannot reach the port (5xx)
 *  "unreachable"  the proxy itself cannot be reached
 *  "closed"       it ended the connection without an answer
 *  "silent"       it took the connection and said nothing
 *  "no-proxy"     what answered speaks no HTTP
 *  "failed"       this machine could not ask */
typedef struct _TurnConnectProxyAsk TurnConnectProxyAsk;

typedef struct {
  const char *variant;
  TurnConnectProbeKind kind;
  TurnConnectTarget *target; /* with the proxy; borrowed */
  guint16 port;
  gboolean
      is_anonymous; /* as nobody, by no scheme at all; all is over with the answer to CONNECT */
} TurnConnectProxyQuestion;

/* Told once, after the probe ended; may free it. */
typedef void (*TurnConnectProxyAskedFunc) (const TurnConnectProbe *probe, gpointer user_data);

TurnConnectProxyAsk *turn_connect_proxy_ask_new (TurnConnectRun *run,
                                                 const TurnConnectProxyQuestion *question,
                                                 TurnConnectProxyAskedFunc asked,
                                                 gpointer user_data);
void turn_connect_proxy_ask_free (TurnConnectProxyAsk *ask);
