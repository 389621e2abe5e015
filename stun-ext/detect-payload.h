/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/detect.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

#define STUN_EXT_DETECT_FLIGHT_LENGTH                                                              \
  960 /* octets of a first flight where the caller names no length */
#define STUN_EXT_DETECT_FLIGHT_MAX 2048      /* octets of the longest first flight */
#define STUN_EXT_DETECT_QUIC_MIN_LENGTH 1200 /* octets, RFC 9000 section 14.1 */
#define STUN_EXT_DETECT_RECOGNISE_LENGTH                                                           \
  44 /* with this many octets nothing new is unknown for lack of octets */

/**
 * StunExtDetectPayload:
 * @STUN_EXT_DETECT_PAYLOAD_UNKNOWN: none of the following
 * @STUN_EXT_DETECT_PAYLOAD_SILENCE: nothing: the far end speaks first. Has no twin
 * @STUN_EXT_DETECT_PAYLOAD_TLS: ClientHello for the far end's name, with ALPN h2 and http/1.1
 * @STUN_EXT_DETECT_PAYLOAD_TLS_OTHER_NAME: the same for another name
 * @STUN_EXT_DETECT_PAYLOAD_TLS_NO_NAME: the same without a name
 * @STUN_EXT_DETECT_PAYLOAD_TLS_STUN: for the far end's name, with ALPN stun.turn
 * @STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER: SIP REGISTER
 * @STUN_EXT_DETECT_PAYLOAD_SIP_INVITE: SIP INVITE with SDP
 * @STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS: SIP OPTIONS
 * @STUN_EXT_DETECT_PAYLOAD_STUN: Binding request
 * @STUN_EXT_DETECT_PAYLOAD_TURN: Allocate request
 * @STUN_EXT_DETECT_PAYLOAD_HTTP: GET with the far end's name in Host
 * @STUN_EXT_DETECT_PAYLOAD_HTTP_OTHER_HOST: the same with another name
 * @STUN_EXT_DETECT_PAYLOAD_RANDOM: uniformly random octets. Has no twin
 * @STUN_EXT_DETECT_PAYLOAD_PRINTABLE: random letters and digits. Has no twin
 * @STUN_EXT_DETECT_PAYLOAD_RTP: an RTP packet; for UDP
 * @STUN_EXT_DETECT_PAYLOAD_DTLS: DTLS ClientHello with use_srtp; for UDP
 * @STUN_EXT_DETECT_PAYLOAD_QUIC: QUIC version 1 Initial, whose contents are random; for UDP, at least 1200 octets
 * @STUN_EXT_DETECT_N_PAYLOADS: how many there are
 *
 * Classes of the payload matrix.
 */
typedef enum {
  STUN_EXT_DETECT_PAYLOAD_UNKNOWN,
  STUN_EXT_DETECT_PAYLOAD_SILENCE,
  STUN_EXT_DETECT_PAYLOAD_TLS,
  STUN_EXT_DETECT_PAYLOAD_TLS_OTHER_NAME,
  STUN_EXT_DETECT_PAYLOAD_TLS_NO_NAME,
  STUN_EXT_DETECT_PAYLOAD_TLS_STUN,
  STUN_EXT_DETECT_PAYLOAD_SIP_REGISTER,
  STUN_EXT_DETECT_PAYLOAD_SIP_INVITE,
  STUN_EXT_DETECT_PAYLOAD_SIP_OPTIONS,
  STUN_EXT_DETECT_PAYLOAD_STUN,
  STUN_EXT_DETECT_PAYLOAD_TURN,
  STUN_EXT_DETECT_PAYLOAD_HTTP,
  STUN_EXT_DETECT_PAYLOAD_HTTP_OTHER_HOST,
  STUN_EXT_DETECT_PAYLOAD_RANDOM,
  STUN_EXT_DETECT_PAYLOAD_PRINTABLE,
  STUN_EXT_DETECT_PAYLOAD_RTP,
  STUN_EXT_DETECT_PAYLOAD_DTLS,
  STUN_EXT_DETECT_PAYLOAD_QUIC,
  STUN_EXT_DETECT_N_PAYLOADS,
} StunExtDetectPayload;

/**
 * StunExtDetectTwin:
 * @STUN_EXT_DETECT_TWIN_NONE: the payload as it should be
 * @STUN_EXT_DETECT_TWIN_INVERTED: every bit inverted: same length and rhythm, other octets
 * @STUN_EXT_DETECT_TWIN_MISSPELT: the token by which it is known misspelt, the rest as it should be
 * @STUN_EXT_DETECT_N_TWINS: how many there are
 *
 * What was done to a payload.
 */
typedef enum {
  STUN_EXT_DETECT_TWIN_NONE,
  STUN_EXT_DETECT_TWIN_INVERTED,
  STUN_EXT_DETECT_TWIN_MISSPELT,
  STUN_EXT_DETECT_N_TWINS,
} StunExtDetectTwin;

/**
 * StunExtDetectFlight:
 * @payload: what to write; not UNKNOWN or SILENCE
 * @twin: what to do to it
 * @run: the run
 * @probe: number of the probe
 * @seed: what is free in the payload (names, tags, noise) follows from it alone, so that the same seed gives the same
 * octets. Take another for each probe, so that no box learns to know them
 * @length: octets of the flight, a multiple of 4 up to %STUN_EXT_DETECT_FLIGHT_MAX; 0 stands for
 * %STUN_EXT_DETECT_FLIGHT_LENGTH. All payloads can have the same length, so that length tells none from another
 * @is_datagram: it travels in UDP; else in TCP
 * @host: name or address literal of the far end: SNI, Host, domain in SIP; at most 100 octets. For TLS_OTHER_NAME and
 * HTTP_OTHER_HOST the other name. An address literal is not named in SNI
 * @local: the client's own address and port, for Via, Contact and SDP. No address stands for 192.168.1.2:5060
 * @nonce: for HTTP: what the proof of the answer covers, see stun_ext_detect_body_check()
 *
 * A first flight to be written.
 */
typedef struct {
  StunExtDetectPayload payload;
  StunExtDetectTwin twin;
  StunExtDetectRun run;
  guint32 probe;
  guint64 seed;
  gsize length;
  gboolean is_datagram;
  const char *host;
  StunExtAddress local;
  guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH];
} StunExtDetectFlight;

/**
 * stun_ext_detect_payload_name:
 * @payload: a payload
 *
 * Returns: (transfer none): its name in records and reports, such as "sip-register"; "unknown" for other numbers
 */
STUN_EXT_API const char *stun_ext_detect_payload_name (StunExtDetectPayload payload);

/**
 * stun_ext_detect_twin_name:
 * @twin: a twin
 *
 * Returns: (transfer none): "none", "inverted" or "misspelt"
 */
STUN_EXT_API const char *stun_ext_detect_twin_name (StunExtDetectTwin twin);

/**
 * stun_ext_detect_payload_from_name:
 * @name: (array length=length): a name
 * @length: characters in it
 *
 * Returns: the payload; UNKNOWN if there is none of that name
 */
STUN_EXT_API StunExtDetectPayload stun_ext_detect_payload_from_name (const char *name,
                                                                     gsize length);

/**
 * stun_ext_detect_twin_from_name:
 * @name: (array length=length): a name
 * @length: characters in it
 * @twin: (out): the twin
 *
 * Returns: %FALSE if there is none of that name
 */
STUN_EXT_API gboolean stun_ext_detect_twin_from_name (const char *name,
                                                      gsize length,
                                                      StunExtDetectTwin *twin);

/**
 * stun_ext_detect_payload_has_twins:
 * @payload: a payload
 *
 * Returns: %TRUE if it has an inverted and a misspelt twin
 */
STUN_EXT_API gboolean stun_ext_detect_payload_has_twins (StunExtDetectPayload payload);

/**
 * stun_ext_detect_payload_is_datagram:
 * @payload: a payload
 *
 * Returns: %TRUE if it is for UDP alone
 */
STUN_EXT_API gboolean stun_ext_detect_payload_is_datagram (StunExtDetectPayload payload);

/**
 * stun_ext_detect_flight_write:
 * @flight: what to write
 * @buffer: (out caller-allocates) (array length=capacity): where it goes
 * @capacity: octets in @buffer
 *
 * Writes a first flight. The ClientHellos are real ones, whose handshake the caller cannot finish, for it has no secret
 * to the key in them: an answer to one proves nothing but that some TLS server got it (the far end's record says whether
 * it was ours); use a TLS library where a proof is wanted.
 *
 * Returns: octets written: @flight->length; 0 if that is too short for the payload, if it does not fit, or if there is
 * no such payload or twin
 */
STUN_EXT_API gsize stun_ext_detect_flight_write (const StunExtDetectFlight *flight,
                                                 guint8 *buffer,
                                                 gsize capacity) G_GNUC_WARN_UNUSED_RESULT;

/**
 * StunExtDetectRecognition:
 * @STUN_EXT_DETECT_RECOGNITION_MORE: the octets so far may be the beginning of something known
 * @STUN_EXT_DETECT_RECOGNITION_KNOWN: one of the payloads, of a run or of somebody else
 * @STUN_EXT_DETECT_RECOGNITION_UNKNOWN: none of them
 */
typedef enum {
  STUN_EXT_DETECT_RECOGNITION_MORE,
  STUN_EXT_DETECT_RECOGNITION_KNOWN,
  STUN_EXT_DETECT_RECOGNITION_UNKNOWN,
} StunExtDetectRecognition;

/**
 * StunExtDetectSeen:
 * @payload: what it is. A ClientHello or HTTP request without a run is TLS, TLS_NO_NAME, TLS_STUN or HTTP, whatever
 * name it has
 * @twin: what was done to it
 * @has_run: @run and @probe were found in it
 * @run: the run
 * @probe: number of the probe
 * @length: octets of the flight; 0 where that cannot be told
 *
 * What received octets turned out to be.
 */
typedef struct {
  StunExtDetectPayload payload;
  StunExtDetectTwin twin;
  gboolean has_run;
  StunExtDetectRun run;
  guint32 probe;
  gsize length;
} StunExtDetectSeen;

/**
 * stun_ext_detect_recognise:
 * @data: (nullable) (array length=length): the first octets of a connection, or one whole datagram
 * @length: how many
 * @is_datagram: there will not be more
 * @seen: (out): what it is; set on %STUN_EXT_DETECT_RECOGNITION_KNOWN
 *
 * Tells what arrived. Looks at no more than %STUN_EXT_DETECT_FLIGHT_MAX octets; after that many the verdict is never
 * MORE, nor for a datagram. Costs a few hash operations at most.
 *
 * Returns: the verdict
 */
STUN_EXT_API StunExtDetectRecognition stun_ext_detect_recognise (const guint8 *data,
                                                                 gsize length,
                                                                 gboolean is_datagram,
                                                                 StunExtDetectSeen *seen);

G_END_DECLS
