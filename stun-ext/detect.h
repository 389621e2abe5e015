/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "stun-ext/crypto.h"
#include "stun-ext/message.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

/* Detection, version 1 (PROTOCOL.md section 15): what tep-detect and its far end say to each other. Pure bytes;
 * everything here may be called in any thread. Text (HTTP, SIP) is in detect-text.h, what the far end saw in
 * detect-record.h, the first flights of the payload matrix in detect-payload.h. */

#define STUN_EXT_DETECT_VERSION 1
#define STUN_EXT_DETECT_RUN_LENGTH 16      /* octets */
#define STUN_EXT_DETECT_RUN_TEXT_LENGTH 33 /* characters of the printed form, with the terminator */
#define STUN_EXT_DETECT_NONCE_LENGTH 16    /* octets */
#define STUN_EXT_DETECT_TOKEN_LENGTH 32    /* octets */
#define STUN_EXT_DETECT_DIGEST_LENGTH 32   /* octets, SHA-256 */
#define STUN_EXT_DETECT_PROOF_LENGTH 32    /* octets, HMAC-SHA-256 */
#define STUN_EXT_DETECT_COOKIE_MAX_LENGTH 32 /* octets */
#define STUN_EXT_DETECT_DELAY_MAX_S 300      /* the longest delay of an answer */
#define STUN_EXT_DETECT_REQUEST_LENGTH                                                             \
  240 /* octets of a request to which the longest answer is no longer */
#define STUN_EXT_DETECT_ANSWER_LENGTH 100  /* octets of a digest answer */
#define STUN_EXT_DETECT_BLOCK_LENGTH 512   /* octets of a block of the survival test */
#define STUN_EXT_DETECT_SPEAK_FIRST_MS 800 /* silence after which a detect port speaks first */
#define STUN_EXT_DETECT_SHORT_FLIGHT_MS                                                            \
  300 /* after which a short first flight is taken for a whole one */
#define STUN_EXT_DETECT_KEEP_MS                                                                    \
  10000 /* how long a TCP connection stays open after the last octet */

/**
 * StunExtDetectRun:
 * @octets: 128 random bits of the client
 *
 * Names one run of detection; every probe of the run that can carry it does.
 */
typedef struct {
  guint8 octets[STUN_EXT_DETECT_RUN_LENGTH];
} StunExtDetectRun;

/**
 * StunExtDetectProof:
 * @STUN_EXT_DETECT_PROOF_NONE: none, or a wrong one: anybody on the way may have made the answer, or an ordinary
 * server did
 * @STUN_EXT_DETECT_PROOF_UNKEYED: a far end that speaks this protocol made it, and no box in between that plays STUN
 * or HTTP by rote. It is no defence against one that knows this protocol
 * @STUN_EXT_DETECT_PROOF_KEYED: made by who knows the user's key
 *
 * What an answer proves.
 */
typedef enum {
  STUN_EXT_DETECT_PROOF_NONE,
  STUN_EXT_DETECT_PROOF_UNKEYED,
  STUN_EXT_DETECT_PROOF_KEYED,
} StunExtDetectProof;

/**
 * StunExtDetectKey:
 * @octets: the key of one run
 * @is_keyed: it was derived from a user's key
 *
 * Signs requests and answers of a run. Plain data; overwrite it with stun_ext_crypto_cleanse().
 */
typedef struct {
  guint8 octets[STUN_EXT_DETECT_PROOF_LENGTH];
  gboolean is_keyed;
} StunExtDetectKey;

/**
 * stun_ext_detect_run_print:
 * @run: a run
 * @text: (out caller-allocates): 32 hexadecimal digits, lower case, terminated
 *
 * Returns: (transfer none): @text
 */
STUN_EXT_API const char *stun_ext_detect_run_print (const StunExtDetectRun *run,
                                                    char text[STUN_EXT_DETECT_RUN_TEXT_LENGTH]);

/**
 * stun_ext_detect_hex_parse:
 * @text: (array length=text_length): hexadecimal digits, of either case
 * @text_length: how many characters
 * @octets: (out caller-allocates) (array length=length): where the octets go; untouched on failure
 * @length: octets wanted, at most 64
 *
 * Returns: %FALSE unless @text is exactly 2 × @length digits
 */
STUN_EXT_API gboolean stun_ext_detect_hex_parse (const char *text,
                                                 gsize text_length,
                                                 guint8 *octets,
                                                 gsize length);

/**
 * stun_ext_detect_hex_print:
 * @octets: (array length=length): octets
 * @length: how many
 * @text: (out caller-allocates): 2 × @length digits, lower case, and the terminator
 *
 * Returns: (transfer none): @text
 */
STUN_EXT_API const char *stun_ext_detect_hex_print (const guint8 *octets, gsize length, char *text);

/**
 * stun_ext_detect_key_derive:
 * @key: (out): the key of the run
 * @user_key: the user's key: of the short-term mechanism (the prepared password), or with a realm that of the
 * long-term mechanism with SHA-256; empty for a run without credentials
 * @run: the run
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_detect_key_derive (StunExtDetectKey *key,
                                                  StunExtSpan user_key,
                                                  const StunExtDetectRun *run)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_detect_prove:
 * @key: key of the run
 * @label: what the octets are, so that no proof serves for something else
 * @parts: (array length=n_parts): what is proven
 * @n_parts: number of pieces, at most 8
 * @proof: (out caller-allocates): the proof
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_detect_prove (const StunExtDetectKey *key,
                                             const char *label,
                                             const StunExtSpan *parts,
                                             gsize n_parts,
                                             guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH])
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_detect_check:
 * @run: the run
 * @user: (nullable): key of the run made from the user's key; %NULL for a run without credentials
 * @is_keyed: whether the answer says that it is proven with the user's key
 * @label: as in stun_ext_detect_prove()
 * @parts: (array length=n_parts): what is proven
 * @n_parts: number of pieces, at most 8
 * @proof: (array fixed-size=32): the proof
 *
 * Returns: what the proof is worth
 */
STUN_EXT_API StunExtDetectProof
stun_ext_detect_check (const StunExtDetectRun *run,
                       const StunExtDetectKey *user,
                       gboolean is_keyed,
                       const char *label,
                       const StunExtSpan *parts,
                       gsize n_parts,
                       const guint8 proof[STUN_EXT_DETECT_PROOF_LENGTH]);

/* ---------------------------------------------------------------------------------------------------------------------
 * STUN (section 15.2)
 * ------------------------------------------------------------------------------------------------------------------ */

/**
 * StunExtDetectFlags:
 * @STUN_EXT_DETECT_FLAG_FILL: request: the answer is to be as long as the request, for measuring the MTU downwards;
 * answer: it is
 * @STUN_EXT_DETECT_FLAG_KEYED: answer: signed with the key made from the user's key
 * @STUN_EXT_DETECT_FLAG_REFUSED: answer: the request named a user and that did not verify, or was not looked at because
 * too many did not before; the answer is signed with the unkeyed key
 * @STUN_EXT_DETECT_FLAG_WAIT: answer: it comes at once because its delay was not granted, for lack of a fresh cookie
 * or because too many wait already; repeat the request with the cookie of this answer
 *
 * Other bits are sent as zero and ignored.
 */
typedef enum {
  STUN_EXT_DETECT_FLAG_FILL = 0x80,
  STUN_EXT_DETECT_FLAG_KEYED = 0x40,
  STUN_EXT_DETECT_FLAG_REFUSED = 0x20,
  STUN_EXT_DETECT_FLAG_WAIT = 0x10,
} StunExtDetectFlags;

/**
 * StunExtDetectMark:
 * @run: the run
 * @probe: number of the probe, chosen by the client: all it sends for one observation bears the same
 * @delay_s: seconds to wait with the answer, 0 to 300; in an answer: how many it was held
 * @flags: set of #StunExtDetectFlags
 *
 * Value of TEP-DETECT.
 */
typedef struct {
  StunExtDetectRun run;
  guint32 probe;
  guint16 delay_s;
  guint8 flags;
} StunExtDetectMark;

/**
 * StunExtDetectRequest:
 * @mark: what TEP-DETECT says
 * @transaction_id: 96 random bits; the same in retransmissions
 * @change: set of %STUN_EXT_CHANGE_IP and %STUN_EXT_CHANGE_PORT; 0 for no CHANGE-REQUEST
 * @response_port: where the answer is to go at the same address (RESPONSE-PORT); 0 for where the request comes from.
 * A server that cannot sends 420
 * @length: octets of the whole message, filled with zeros; a multiple of 4 up to 65532. 0 stands for
 * %STUN_EXT_DETECT_REQUEST_LENGTH. A shorter one gets an answer that leaves attributes out
 * @username: (nullable): name of the user, with a key made from the user's; prepared, see stun_ext_opaque_string()
 * @realm: (nullable): realm; then the user's key is that of the long-term mechanism with SHA-256, else of the short-term
 * @cookie: cookie of an earlier answer in this run; empty for none. A delay wants a fresh one
 *
 * A Binding request of a run. Everything borrowed.
 */
typedef struct {
  StunExtDetectMark mark;
  guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH];
  guint32 change;
  guint16 response_port;
  gsize length;
  const char *username;
  const char *realm;
  StunExtSpan cookie;
} StunExtDetectRequest;

/**
 * StunExtDetectAnswer:
 * @has_mark: it has TEP-DETECT; else an ordinary server, or somebody on the way, answered
 * @mark: what TEP-DETECT says; @mark.delay_s is how many seconds the answer was held
 * @code: 0 for a success response, else the code of the error response, 300 to 699
 * @mapped: XOR-MAPPED-ADDRESS; no address if there is none, as for the other three
 * @mapped_plain: MAPPED-ADDRESS; different from @mapped where something on the way rewrites addresses in payloads
 * @origin: RESPONSE-ORIGIN: from where the far end says it sent. Compare with where the packet came from
 * @other: OTHER-ADDRESS: the other address and port that CHANGE-REQUEST leads to; without, the far end has one address
 * @cookie: cookie for later requests of this run from the same address, inside the message
 * @length: octets of the message, fill included
 *
 * An answer to a Binding request, also one of an ordinary STUN or RFC 5780 server. %STUN_EXT_DETECT_PROOF_NONE means
 * that any of it may be anybody's invention.
 */
typedef struct {
  gboolean has_mark;
  StunExtDetectMark mark;
  guint code;
  StunExtAddress mapped;
  StunExtAddress mapped_plain;
  StunExtAddress origin;
  StunExtAddress other;
  StunExtSpan cookie;
  gsize length;
} StunExtDetectAnswer;

/**
 * stun_ext_detect_request_write:
 * @request: what to write
 * @user: (nullable): key of the run made from the user's key; %NULL if @request names no user
 * @buffer: (out caller-allocates) (array length=capacity): where it goes
 * @capacity: octets in @buffer
 * @length: (out): octets of the message
 *
 * Writes a Binding request with FINGERPRINT, filled to its length, and with MESSAGE-INTEGRITY-SHA256 if it names a user.
 *
 * Returns: %FALSE if it does not fit into @buffer or into its own length, or the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_detect_request_write (const StunExtDetectRequest *request,
                                                     const StunExtDetectKey *user,
                                                     guint8 *buffer,
                                                     gsize capacity,
                                                     gsize *length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_message_get_detect:
 * @message: a parsed message
 * @mark: (out): value of TEP-DETECT
 *
 * Returns: %TRUE if there is one of version 1, well formed
 */
STUN_EXT_API gboolean stun_ext_message_get_detect (const StunExtMessage *message,
                                                   StunExtDetectMark *mark);

/**
 * stun_ext_detect_answer_write:
 * @answer: what to write; addresses without family are left out, @has_mark and @length are not read
 * @request: the request that is answered, of any method
 * @key: key of the run; keyed only if @answer says so
 * @largest: octets it may have at most, as a rule those of the request; with %STUN_EXT_DETECT_FLAG_FILL it is filled up
 * to them
 * @buffer: (out caller-allocates) (array length=capacity): where it goes
 * @capacity: octets in @buffer
 * @length: (out): octets of the message
 *
 * The far end's half. Leaves out, until it fits, cookie, MAPPED-ADDRESS, OTHER-ADDRESS and RESPONSE-ORIGIN, in this
 * order.
 *
 * Returns: %FALSE if not even the rest fits
 */
STUN_EXT_API gboolean stun_ext_detect_answer_write (const StunExtDetectAnswer *answer,
                                                    const StunExtMessage *request,
                                                    const StunExtDetectKey *key,
                                                    gsize largest,
                                                    guint8 *buffer,
                                                    gsize capacity,
                                                    gsize *length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_detect_answer_read:
 * @message: a parsed message: a success or error response to a Binding request, whose transaction id the caller has
 * compared
 * @run: the run
 * @user: (nullable): key of the run made from the user's key
 * @answer: (out): what it says; always set
 *
 * The client's half. An attribute that breaks a rule counts as absent, and takes the proof with it.
 *
 * Returns: what the answer is worth
 */
STUN_EXT_API StunExtDetectProof stun_ext_detect_answer_read (const StunExtMessage *message,
                                                             const StunExtDetectRun *run,
                                                             const StunExtDetectKey *user,
                                                             StunExtDetectAnswer *answer);

/* ---------------------------------------------------------------------------------------------------------------------
 * Octets that are no protocol (sections 15.4 and 15.5)
 * ------------------------------------------------------------------------------------------------------------------ */

/**
 * StunExtDetectToken:
 * @run: the run
 * @probe: number of the probe
 * @length: octets of the whole first flight that it stands in
 * @payload: what the flight is, a value of #StunExtDetectPayload
 *
 * What first flights carry that have no place for TEP-DETECT: 32 octets that look random.
 */
typedef struct {
  StunExtDetectRun run;
  guint32 probe;
  guint16 length;
  guint8 payload;
} StunExtDetectToken;

/**
 * stun_ext_detect_token_write:
 * @token: what to write
 * @octets: (out caller-allocates): the token
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_detect_token_write (const StunExtDetectToken *token,
                                                   guint8 octets[STUN_EXT_DETECT_TOKEN_LENGTH])
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_detect_token_read:
 * @octets: (array fixed-size=32): what may be a token
 * @token: (out): what it says; set only on success
 *
 * Returns: %TRUE if it is one; random octets pass once in 2^72 times
 */
STUN_EXT_API gboolean stun_ext_detect_token_read (const guint8 octets[STUN_EXT_DETECT_TOKEN_LENGTH],
                                                  StunExtDetectToken *token);

/**
 * StunExtDetectEcho:
 * @payload: what the far end takes the octets for, a value of #StunExtDetectPayload
 * @twin: a value of #StunExtDetectTwin
 * @is_keyed: the proof is made with the user's key
 * @has_run: @run and @probe were found in the octets; else the answer is not proven
 * @run: the run
 * @probe: number of the probe
 * @octets: how many octets arrived in the first flight; 0 in an answer to silence
 * @digest: SHA-256 of them
 * @source: where they came from
 *
 * A digest answer: what the far end says about a first flight in whose protocol it has no answer.
 */
typedef struct {
  guint8 payload;
  guint8 twin;
  gboolean is_keyed;
  gboolean has_run;
  StunExtDetectRun run;
  guint32 probe;
  guint32 octets;
  guint8 digest[STUN_EXT_DETECT_DIGEST_LENGTH];
  StunExtAddress source;
} StunExtDetectEcho;

/**
 * stun_ext_detect_echo_write:
 * @echo: what to write
 * @key: (nullable): key of the run; %NULL if none is known: the proof is then zeros
 * @octets: (out caller-allocates): the answer
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_detect_echo_write (const StunExtDetectEcho *echo,
                                                  const StunExtDetectKey *key,
                                                  guint8 octets[STUN_EXT_DETECT_ANSWER_LENGTH])
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_detect_echo_read:
 * @octets: (array length=length): what arrived
 * @length: octets, at least %STUN_EXT_DETECT_ANSWER_LENGTH for a whole answer; what follows it is not read
 * @run: the run
 * @user: (nullable): key of the run made from the user's key
 * @echo: (out): what it says; @echo->run is @run
 * @proof: (out): what it is worth
 *
 * Returns: %FALSE if this is no digest answer; nothing is set then
 */
STUN_EXT_API gboolean stun_ext_detect_echo_read (const guint8 *octets,
                                                 gsize length,
                                                 const StunExtDetectRun *run,
                                                 const StunExtDetectKey *user,
                                                 StunExtDetectEcho *echo,
                                                 StunExtDetectProof *proof);

/**
 * StunExtDetectSurvival:
 * @total: octets of whole blocks so far, the first flight not counted
 * @digest: SHA-256 over the first flight, then for each block SHA-256 over the digest so far and the block
 *
 * State of the survival test on a TCP connection, the same at both ends: after the answer to its first flight the client
 * sends blocks of 512 octets of its choice, and the far end answers each with a block of 512.
 */
typedef struct {
  guint64 total;
  guint8 digest[STUN_EXT_DETECT_DIGEST_LENGTH];
} StunExtDetectSurvival;

/**
 * stun_ext_detect_survival_begin:
 * @survival: (out): the state
 * @first: (nullable) (array length=length): the first flight
 * @length: octets in it
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_detect_survival_begin (StunExtDetectSurvival *survival,
                                                      const guint8 *first,
                                                      gsize length) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_detect_survival_block:
 * @survival: the state; goes on by one block
 * @block: (array fixed-size=512): what the client sends, or sent
 * @answer: (out caller-allocates): what the far end answers: "TEPS", total (u64), digest, then the inverted octets of
 * @block from 44 on
 *
 * The far end sends @answer; the client compares what it got with it.
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean stun_ext_detect_survival_block (
    StunExtDetectSurvival *survival,
    const guint8 block[STUN_EXT_DETECT_BLOCK_LENGTH],
    guint8 answer[STUN_EXT_DETECT_BLOCK_LENGTH]) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
