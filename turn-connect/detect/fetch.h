/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/run-private.h"

#include "stun-ext/detect-text.h"
#include "turn-connect/stream.h"

/* One question to the far end by HTTP (stun-ext/PROTOCOL.md section 15.3), over a connection of its
 * own: what it hears, what it recorded, which TLS connection it sees. */
typedef struct _TurnConnectFetch TurnConnectFetch;

typedef struct {
  const char *variant; /* of the probe, which is of the kind RECORD unless another is given */
  TurnConnectProbeKind kind;
  StunExtDetectWhat what;
  guint8 family; /* 4 or 6: straight to that address; 0: through the plan's proxy, by name */
  StunExtAddress
      address; /* straight to this one in place of the far end's; "no address": to that */
  guint16 port;
  gboolean is_tls;
  gboolean is_blind; /* whoever answers, by TLS too; the user is not named to him */
  guint limit_ms;    /* for all of it */
  const char *name;  /* whom TLS is asked for when blind, and Host names; NULL: the far end */
  const char *alpn;  /* what TLS offers when blind; NULL: nothing */
  guint8 payload;    /* as one of the matrix: a value of StunExtDetectPayload; 0: none */
  guint round;
  gboolean is_control;
  const char *lines; /* further headers, each with its line end; NULL: none */
} TurnConnectFetchWay;

/* Told once, when the probe has its outcome but before it ends; may change the outcome it returns.
 * @body: the lines in front of the proof, @length octets; NULL if none came, or none that was
 * proven. @stream: the connection, while this is called; NULL without. */
typedef TurnConnectOutcome (*TurnConnectFetchedFunc) (TurnConnectProbe *probe,
                                                      TurnConnectOutcome outcome,
                                                      const char *body,
                                                      gsize length,
                                                      TurnConnectStream *stream,
                                                      gpointer user_data);

/* NULL if there is no such way; then nothing is told, and there is no probe. */
TurnConnectFetch *turn_connect_fetch_new (TurnConnectRun *run,
                                          const TurnConnectFetchWay *way,
                                          TurnConnectFetchedFunc fetched,
                                          gpointer user_data);
/* What is sent. */
const char *turn_connect_fetch_get_request (const TurnConnectFetch *fetch);
/* Ends it wherever it is. Not while it tells. */
void turn_connect_fetch_free (TurnConnectFetch *fetch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectFetch, turn_connect_fetch_free)
