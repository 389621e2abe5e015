/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/detect/observations.h"
#include "turn-connect/stream.h"

#include "stun-ext/detect-record.h"

/* The lines in front of the proof, in what a far end answers by HTTP (stun-ext/PROTOCOL.md section
 * 15.6). Whoever poses as it may have written them. No I/O; spans are inside the body. */

#define TURN_CONNECT_FAR_LINES_MAX 2048 /* arbitrary; far ends keep 512 of one source */

typedef struct {
  const char *body;
  gsize length, position;
  gint64 now_ms; /* the far end's clock, once it told; else 0 */
  gint64 lost;   /* records that had to make room, once it told; else -1 */
} TurnConnectFarLines;

/* What no far end writes, as "line 3 has an octet that is no text"; NULL if there is none. To be
 * freed. */
char *turn_connect_far_lines_find_fault (const char *body, gsize length);

/* In a body with a fault there are no lines. */
void turn_connect_far_lines_begin (TurnConnectFarLines *lines, const char *body, gsize length);
gboolean turn_connect_far_lines_next (TurnConnectFarLines *lines, StunExtSpan *line);

/* The next of that kind; what is no such line is passed over, or is noted in @lines. */
gboolean turn_connect_far_lines_next_record (TurnConnectFarLines *lines,
                                             StunExtDetectRecord *record);
gboolean turn_connect_far_lines_next_listener (TurnConnectFarLines *lines,
                                               TurnConnectListener *listener);

/* Which TLS it sees. FALSE if it does not say. */
typedef struct {
  gboolean is_tls, has_keys;
  guint8 keys[TURN_CONNECT_BINDING_SIZE];
} TurnConnectFarExporter;

gboolean turn_connect_far_lines_read_exporter (const char *body,
                                               gsize length,
                                               TurnConnectFarExporter *exporter);

/* Which request arrived, and from where. FALSE if it does not say. */
typedef struct {
  StunExtAddress source; /* none if what it says is no address */
  guint8 digest[STUN_EXT_DETECT_DIGEST_LENGTH];
  StunExtSpan head; /* of the request, in Base64; empty if it does not say */
} TurnConnectFarEcho;

gboolean
turn_connect_far_lines_read_echo (const char *body, gsize length, TurnConnectFarEcho *echo);
