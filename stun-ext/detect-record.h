/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/detect-payload.h"
#include "stun-ext/detect.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

/* What the far end saw, as lines of JSON: one flat object a line (PROTOCOL.md section 15.6). */

#define STUN_EXT_DETECT_LINE_MAX 4096 /* octets of a line, without its line feed */
#define STUN_EXT_DETECT_SYN_MAX 64    /* characters that describe a SYN */

/**
 * StunExtDetectTransport:
 * @STUN_EXT_DETECT_TRANSPORT_UDP: a datagram
 * @STUN_EXT_DETECT_TRANSPORT_TCP: a connection
 */
typedef enum {
  STUN_EXT_DETECT_TRANSPORT_UDP,
  STUN_EXT_DETECT_TRANSPORT_TCP,
} StunExtDetectTransport;

/**
 * StunExtDetectEnd:
 * @STUN_EXT_DETECT_END_OPEN: it is still open; also for a datagram
 * @STUN_EXT_DETECT_END_FIN: the other side closed it
 * @STUN_EXT_DETECT_END_RESET: a RST came that the far end did not cause: from the client, or from a box in between
 * @STUN_EXT_DETECT_END_TIMEOUT: the far end closed it, for nothing came any more or its time was over
 * @STUN_EXT_DETECT_END_DONE: the far end closed it, for all was said or a rule was broken
 * @STUN_EXT_DETECT_END_LOST: the kernel gave up: what was sent was not acknowledged
 * @STUN_EXT_DETECT_N_ENDS: how many there are
 *
 * How a connection ended.
 */
typedef enum {
  STUN_EXT_DETECT_END_OPEN,
  STUN_EXT_DETECT_END_FIN,
  STUN_EXT_DETECT_END_RESET,
  STUN_EXT_DETECT_END_TIMEOUT,
  STUN_EXT_DETECT_END_DONE,
  STUN_EXT_DETECT_END_LOST,
  STUN_EXT_DETECT_N_ENDS,
} StunExtDetectEnd;

/**
 * StunExtDetectLayers:
 * @STUN_EXT_DETECT_LAYER_CONNECT: a CONNECT came before, which no proxy had consumed
 * @STUN_EXT_DETECT_LAYER_TLS: inside TLS
 */
typedef enum {
  STUN_EXT_DETECT_LAYER_CONNECT = 1 << 0,
  STUN_EXT_DETECT_LAYER_TLS = 1 << 1,
} StunExtDetectLayers;

/**
 * StunExtDetectRecord:
 * @time_ms: when it began, wall clock of the far end in milliseconds since 1970
 * @duration_ms: how long it has lasted
 * @transport: datagram or connection
 * @local: address and port of the far end that it came to
 * @source: where it came from
 * @payload: what the first octets were
 * @twin: and what had been done to them
 * @layers: set of #StunExtDetectLayers
 * @has_run: they named the run that was asked for; else it is here because its source is one of the run's and it came
 * while the run lasted
 * @probe: number of the probe, with @has_run
 * @octets_in: octets received
 * @octets_out: octets given to the kernel to send
 * @octets_unacked: octets of them that the client's side has not acknowledged, at the end; 0 where that is not known
 * @first_length: octets of the first flight
 * @digest: SHA-256 of the first flight; zeros if there was none
 * @end: how it ended
 * @ttl: hop limit with which the datagram or the SYN arrived; 0 if not known
 * @mss: maximum segment size in the SYN; 0 if there was none or it is not known
 * @syn: options of the SYN in their order, such as "mss,sackOK,ts,nop,ws7", terminated; empty if not known
 * @window: window in the SYN
 *
 * What the far end saw of one datagram or connection. Plain data.
 */
typedef struct {
  gint64 time_ms;
  guint32 duration_ms;
  StunExtDetectTransport transport;
  StunExtAddress local;
  StunExtAddress source;
  StunExtDetectPayload payload;
  StunExtDetectTwin twin;
  guint8 layers;
  gboolean has_run;
  guint32 probe;
  guint32 octets_in;
  guint32 octets_out;
  guint32 octets_unacked;
  guint32 first_length;
  guint8 digest[STUN_EXT_DETECT_DIGEST_LENGTH];
  StunExtDetectEnd end;
  guint8 ttl;
  guint16 mss;
  guint16 window;
  char syn[STUN_EXT_DETECT_SYN_MAX + 1];
} StunExtDetectRecord;

/**
 * stun_ext_detect_record_write:
 * @record: what to write
 * @text: where one line is appended, with its line feed
 */
STUN_EXT_API void stun_ext_detect_record_write (const StunExtDetectRecord *record, GString *text);

/**
 * stun_ext_detect_record_read:
 * @line: (array length=length): one line, without its line feed
 * @length: octets in it
 * @record: (out): what it says; set only on success
 *
 * Returns: %FALSE if it is no record: then it may be another line of the same body
 */
STUN_EXT_API gboolean stun_ext_detect_record_read (const char *line,
                                                   gsize length,
                                                   StunExtDetectRecord *record);

/**
 * stun_ext_detect_end_name:
 * @end: how a connection ended
 *
 * Returns: (transfer none): its name in records, such as "reset"
 */
STUN_EXT_API const char *stun_ext_detect_end_name (StunExtDetectEnd end);

/**
 * stun_ext_detect_line_next:
 * @body: (array length=length): a body, without its proof
 * @length: octets in it
 * @position: (inout): where the next line begins; 0 at first
 * @line: (out): the next line, inside @body, without its line feed
 *
 * Returns: %FALSE if there is none, or it is longer than %STUN_EXT_DETECT_LINE_MAX
 */
STUN_EXT_API gboolean stun_ext_detect_line_next (const char *body,
                                                 gsize length,
                                                 gsize *position,
                                                 StunExtSpan *line);

/**
 * stun_ext_detect_line_text:
 * @line: one line: a flat object of JSON
 * @name: name of a member, at most 31 characters
 * @text: (out): its value, inside @line, not terminated: printable ASCII without quotes and backslashes
 *
 * Reads lines of any kind that the far end writes. An object that is not flat, has an escape in a text, or is malformed
 * anywhere has no members.
 *
 * Returns: %FALSE if there is no such member or it is no text
 */
STUN_EXT_API gboolean stun_ext_detect_line_text (StunExtSpan line,
                                                 const char *name,
                                                 StunExtSpan *text);

/**
 * stun_ext_detect_line_number:
 * @line: one line: a flat object of JSON
 * @name: name of a member
 * @number: (out): its value, 0 to 2^53
 *
 * Returns: %FALSE if there is no such member or it is no whole number of that range
 */
STUN_EXT_API gboolean stun_ext_detect_line_number (StunExtSpan line,
                                                   const char *name,
                                                   gint64 *number);

/**
 * stun_ext_detect_line_is_true:
 * @line: one line: a flat object of JSON
 * @name: name of a member
 *
 * Returns: %TRUE if it is there and true
 */
STUN_EXT_API gboolean stun_ext_detect_line_is_true (StunExtSpan line, const char *name);

G_END_DECLS
