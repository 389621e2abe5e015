/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One TCP connection of detection, without its socket: octets and time in, octets and a deadline out. */
#pragma once

#include "stun-ext/stream.h"
#include "tep-s/detect-private.h"
#include "tep-s/tls.h"

G_BEGIN_DECLS

/**
 * TepServerDetectArrival:
 * @place: where it came to
 * @source: where it came from
 * @layers: what was taken off before: set of #StunExtDetectLayers
 * @is_front_door: it came to the front door: only who speaks first is answered, for a slow tunnel client
 * must not be
 * @tls: (transfer full) (nullable): TLS it is in already
 * @tls_context: (nullable): for TLS that is still to come; borrowed for the call
 * @syn: TTL and options of its SYN; the rest is not read
 * @opened_us: when it was accepted
 */
typedef struct {
  TepServerDetectPlace place;
  StunExtAddress source;
  guint8 layers;
  gboolean is_front_door;
  TepServerTls *tls;
  TepServerTlsContext *tls_context;
  StunExtDetectRecord syn;
} TepServerDetectArrival;

typedef struct _TepServerDetectStream TepServerDetectStream;

TepServerDetectStream *tep_server_detect_stream_new (TepServerDetectCore *core,
                                                     const TepServerDetectArrival *arrival);
void tep_server_detect_stream_free (TepServerDetectStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerDetectStream, tep_server_detect_stream_free)

/* Octets from the network; of the innermost layer instead where those of a handover are read. */
void
tep_server_detect_stream_input (TepServerDetectStream *stream, const guint8 *data, gsize length);
void
tep_server_detect_stream_plain (TepServerDetectStream *stream, const guint8 *data, gsize length);

/* The other side ended, or the connection broke; the first end counts. unacked: octets that were sent in vain. */
void
tep_server_detect_stream_end (TepServerDetectStream *stream, StunExtDetectEnd end, guint32 unacked);

/* To be called at the deadline, or earlier. */
void tep_server_detect_stream_advance (TepServerDetectStream *stream);
gint64 tep_server_detect_stream_deadline (const TepServerDetectStream *stream);

/* What is to be sent, and how much of it was. */
const guint8 *tep_server_detect_stream_output (const TepServerDetectStream *stream, gsize *length);
void tep_server_detect_stream_written (TepServerDetectStream *stream, gsize length);

/* Nothing more is read; close once the output is sent. */
gboolean tep_server_detect_stream_is_over (const TepServerDetectStream *stream);

/* ---- detect-http.c ---- */

typedef struct {
  TepServerDetectCore *core;
  const TepServerDetectAsker *asker;
  guint8 layers;
  TepServerTls *tls;      /* nullable */
  StunExtDetectSeen seen; /* set where the request names a run */
} TepServerDetectHttp;

/* Answers the head of a request, up to and with its blank line. FALSE: the connection is to be closed behind the answer. */
gboolean
tep_server_detect_http (TepServerDetectHttp *http, const char *head, gsize length, GString *answer);

/* ---- detect-syn.c ---- */

/* Reads TTL, window and options of a SYN, which begins with its IP header. FALSE if it is none. */
gboolean
tep_server_detect_read_syn (const guint8 *packet, gsize length, StunExtDetectRecord *record);

G_END_DECLS
