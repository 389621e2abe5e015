/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two units of a connection of detection share: detect-stream.c has its layers, its time and its line of the record,
 * detect-door.c what is said in them. */
#pragma once

#include "stun-ext/detect-text.h"
#include "tep-s/detect-stream.h"

G_BEGIN_DECLS

#define TEP_SERVER_DETECT_MS G_GINT64_CONSTANT (1000) /* in microseconds */
#define TEP_SERVER_DETECT_STREAM_KEEP_US (STUN_EXT_DETECT_KEEP_MS * TEP_SERVER_DETECT_MS)
#define TEP_SERVER_DETECT_PENDING_MAX                                                              \
  8192 /* octets of a layer that wait to be understood: the longest head of a request */

typedef enum {
  TEP_SERVER_DETECT_STREAM_DOOR,
  TEP_SERVER_DETECT_STREAM_HANDSHAKE,
  TEP_SERVER_DETECT_STREAM_STUN,
  TEP_SERVER_DETECT_STREAM_HTTP,
  TEP_SERVER_DETECT_STREAM_BLOCKS,
  TEP_SERVER_DETECT_STREAM_OVER,
} TepServerDetectStreamState;

struct _TepServerDetectStream {
  TepServerDetectCore *core;
  TepServerDetectPlace place;
  StunExtAddress source;
  TepServerDetectAsker asker;
  TepServerTlsContext *tls_context;
  TepServerTls *tls;
  TepServerDetectStreamState state;
  gboolean is_front_door;
  gboolean has_spoken;  /* first */
  gboolean is_sip;      /* the first flight was */
  gboolean has_flight;  /* the first flight is in the record */
  gboolean has_run;     /* the line of the record is in the run's name */
  gboolean is_finished; /* the record is */
  GByteArray *pending;  /* of the innermost layer */
  GByteArray *output;
  StunExtDetectSurvival survival;
  StunExtDetectRecord record;
  TepServerDetectEntry entry;
  gint64 opened_us;
  gint64 heard_us;
  gint64 life_us;
  gint64 held_due_us; /* of an answer that is held */
  GBytes *held;
};

/* detect-stream.c */
/* The outermost first flight is what the record shows; what was found inside TLS says whose it is. */
void tep_server_detect_stream_note (TepServerDetectStream *stream,
                                    const StunExtDetectSeen *seen,
                                    const guint8 *first,
                                    gsize length);
void tep_server_detect_stream_finish (TepServerDetectStream *stream, StunExtDetectEnd end);
void tep_server_detect_stream_say (TepServerDetectStream *stream, const void *data, gsize length);
/* What came first follows: TLS begins. */
void tep_server_detect_stream_begin_tls (TepServerDetectStream *stream,
                                         const StunExtDetectSeen *seen);

/* detect-door.c */
/* Reads what waits of the innermost layer. FALSE: more has to come, or it is over, or TLS has begun. */
gboolean tep_server_detect_stream_read (TepServerDetectStream *stream);
/* Answers a flight that no protocol has an answer for. */
void tep_server_detect_stream_say_digest (TepServerDetectStream *stream,
                                          const StunExtDetectSeen *seen,
                                          const guint8 *first,
                                          gsize length);

G_END_DECLS
