/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/detect.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

/* HTTP and SIP of detection, version 1 (PROTOCOL.md section 15.3). */

#define STUN_EXT_DETECT_TARGET_MAX 2048 /* octets of the longest target of a request */
#define STUN_EXT_DETECT_SEEN_MAX 64     /* characters of a value in a SIP answer */

/**
 * StunExtDetectWhat:
 * @STUN_EXT_DETECT_WHAT_ECHO: what arrived: source, digest and octets of the request's head. Needs a run
 * @STUN_EXT_DETECT_WHAT_RECORD: what arrived in this run. Needs a run
 * @STUN_EXT_DETECT_WHAT_EXPORTER: the TLS exporter (RFC 9266) of this connection. Needs a run
 * @STUN_EXT_DETECT_WHAT_SELF: which listeners stand, and when each last heard anybody. May have a run
 * @STUN_EXT_DETECT_N_WHATS: how many there are
 *
 * What can be asked by GET.
 */
typedef enum {
  STUN_EXT_DETECT_WHAT_ECHO,
  STUN_EXT_DETECT_WHAT_RECORD,
  STUN_EXT_DETECT_WHAT_EXPORTER,
  STUN_EXT_DETECT_WHAT_SELF,
  STUN_EXT_DETECT_N_WHATS,
} StunExtDetectWhat;

/**
 * StunExtDetectQuery:
 * @what: what is asked for
 * @has_run: @run is there; always with what needs it
 * @run: the run
 * @probe: number of the probe
 * @payload: what the flight is, a value of #StunExtDetectPayload; 0 for a request that is no payload of the matrix
 * @nonce: random octets that the proof of the answer covers
 * @username: name of the user, terminated; empty for none
 * @realm: realm, terminated; empty for the short-term mechanism
 * @has_proof: @proof is there; set by the reader
 * @proof: shows that the client has the user's key
 *
 * Target of a request.
 */
typedef struct {
  StunExtDetectWhat what;
  gboolean has_run;
  StunExtDetectRun run;
  guint32 probe;
  guint8 payload;
  guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH];
  char username[STUN_EXT_USERNAME_MAX_LENGTH + 1];
  char realm[STUN_EXT_DOMAIN_MAX_LENGTH + 1];
  gboolean has_proof;
  guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH];
} StunExtDetectQuery;

/**
 * stun_ext_detect_target_write:
 * @query: what to ask; its proof is made here if it names a user
 * @user: (nullable): key of the run made from the user's key
 *
 * Returns: (transfer full): the target, "/tep-detect/1/echo?run=...", to stand behind "GET "; %NULL if the name is too
 * long or the cryptographic library refused
 */
STUN_EXT_API char *stun_ext_detect_target_write (const StunExtDetectQuery *query,
                                                 const StunExtDetectKey *user);

/**
 * stun_ext_detect_target_read:
 * @target: (array length=length): target of a request; also in absolute form, "http://host/tep-detect/..."
 * @length: octets in it
 * @query: (out): what is asked; set only on success
 *
 * Strict: a parameter twice, unknown or malformed is a failure.
 *
 * Returns: %FALSE if it is no target of detection
 */
STUN_EXT_API gboolean stun_ext_detect_target_read (const char *target,
                                                   gsize length,
                                                   StunExtDetectQuery *query);

/**
 * stun_ext_detect_target_is_signed_by:
 * @query: a query that was read
 * @user: key of the run made from the user's key
 *
 * Returns: %TRUE if the client has that key
 */
STUN_EXT_API gboolean stun_ext_detect_target_is_signed_by (const StunExtDetectQuery *query,
                                                           const StunExtDetectKey *user);

/**
 * stun_ext_detect_body_seal:
 * @body: (transfer full): lines of JSON, each ended by a line feed
 * @key: key of the run; a line with the proof is appended
 * @nonce: nonce of the request
 *
 * The proof covers all octets in front of its line, so that it survives whatever changes the head of the answer.
 *
 * Returns: (transfer full): the whole body; %NULL if the cryptographic library refused
 */
STUN_EXT_API GString *stun_ext_detect_body_seal (GString *body,
                                                 const StunExtDetectKey *key,
                                                 const guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH]);

/**
 * stun_ext_detect_body_check:
 * @body: (array length=length): body of an answer, without transfer coding
 * @length: octets in it
 * @run: the run
 * @user: (nullable): key of the run made from the user's key
 * @nonce: nonce of the request
 * @content_length: (out): octets in front of the line with the proof; @length if there is none
 *
 * Returns: what the body is worth
 */
STUN_EXT_API StunExtDetectProof
stun_ext_detect_body_check (const char *body,
                            gsize length,
                            const StunExtDetectRun *run,
                            const StunExtDetectKey *user,
                            const guint8 nonce[STUN_EXT_DETECT_NONCE_LENGTH],
                            gsize *content_length);

/**
 * StunExtDetectSip:
 * @code: status code of the answer
 * @is_keyed: proven with the user's key
 * @octets: how many octets the far end received
 * @digest: SHA-256 of them
 * @source: where they came from
 * @via: address in the top Via as it arrived, terminated; empty if there was none or it was longer than 64 octets
 * @contact: host and port in Contact as it arrived
 * @sdp: address in the first c= line as it arrived
 *
 * What a SIP answer of the far end says. Where @via, @contact or @sdp is not what was sent, something on the way rewrites
 * SIP; they travel in hexadecimal, so that it does not write them back.
 */
typedef struct {
  guint code;
  gboolean is_keyed;
  guint32 octets;
  guint8 digest[STUN_EXT_DETECT_DIGEST_LENGTH];
  StunExtAddress source;
  char via[STUN_EXT_DETECT_SEEN_MAX + 1];
  char contact[STUN_EXT_DETECT_SEEN_MAX + 1];
  char sdp[STUN_EXT_DETECT_SEEN_MAX + 1];
} StunExtDetectSip;

/**
 * stun_ext_detect_sip_answer_write:
 * @request: (array length=length): a SIP request as it arrived
 * @length: octets in it
 * @token: the token in it
 * @source: where it came from
 * @key: key of the run
 * @largest: octets the answer may have at most
 *
 * The far end's half: 200 to REGISTER and OPTIONS, 486 to INVITE, with Via (received and rport added), From, To, Call-ID
 * and CSeq of the request.
 *
 * Returns: (transfer full): the answer; %NULL if the request lacks what an answer needs, or it would be too long
 */
STUN_EXT_API GString *stun_ext_detect_sip_answer_write (const char *request,
                                                        gsize length,
                                                        const StunExtDetectToken *token,
                                                        const StunExtAddress *source,
                                                        const StunExtDetectKey *key,
                                                        gsize largest);

/**
 * stun_ext_detect_sip_answer_read:
 * @answer: (array length=length): a SIP response
 * @length: octets in it, up to its blank line or more
 * @token: the token that was in the request
 * @user: (nullable): key of the run made from the user's key
 * @sip: (out): what it says; always set, zeros where it says nothing
 *
 * The client's half.
 *
 * Returns: what the answer is worth
 */
STUN_EXT_API StunExtDetectProof stun_ext_detect_sip_answer_read (const char *answer,
                                                                 gsize length,
                                                                 const StunExtDetectToken *token,
                                                                 const StunExtDetectKey *user,
                                                                 StunExtDetectSip *sip);

G_END_DECLS
