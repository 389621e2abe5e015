/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/crypto.h"
#include "stun-ext/version.h"

G_BEGIN_DECLS

#define STUN_EXT_TUNNEL_KEY_LENGTH 32       /* octets of a flight or tunnel key */
#define STUN_EXT_TUNNEL_RANDOM_LENGTH 32    /* octets of CLIENT-RANDOM and SERVER-RANDOM */
#define STUN_EXT_TUNNEL_ID_LENGTH 20        /* octets of the tunnel ids made here */
#define STUN_EXT_TUNNEL_ID_RANDOM_LENGTH 16 /* octets of them that are random */
#define STUN_EXT_TUNNEL_MAX_WORKERS 256     /* workers that a tunnel id can tell apart */
#define STUN_EXT_ORDINAL_WINDOW 64          /* ordinals below the highest that may still come */

/**
 * StunExtTunnelSecrets:
 * @credential_key: key of the user's credential, 16 octets or more as RFC 8489 makes it
 * @client_random: (array fixed-size=32): CLIENT-RANDOM of the opening request
 * @server_random: (array fixed-size=32) (nullable): SERVER-RANDOM of its answer; not used for the
 * flight key
 * @timestamp_ms: TIMESTAMP of the opening request; not used for the tunnel key
 * @server_name: SERVER-NAME of the opening request
 * @nonce: NONCE of the opening request, empty if it had none; not used for the tunnel key
 * @tunnel_id: TUNNEL-ID of the answer; not used for the flight key
 * @channel_binding: CHANNEL-BINDING of the opening request, empty if it had none; not used for the
 * flight key
 *
 * What both ends know once the opening request, or its answer, has been sent. Everything is
 * borrowed for the call.
 */
typedef struct {
  StunExtSpan credential_key;
  const guint8 *client_random;
  const guint8 *server_random;
  guint64 timestamp_ms;
  StunExtSpan server_name;
  StunExtSpan nonce;
  StunExtSpan tunnel_id;
  StunExtSpan channel_binding;
} StunExtTunnelSecrets;

/**
 * StunExtOrdinalWindow:
 * @highest: highest ordinal seen; 0 before the first one
 * @seen: one bit for each of the 64 below it
 *
 * Which requests of a tunnel have been seen. All zeros is the state before the first one.
 */
typedef struct {
  guint32 highest;
  guint64 seen;
} StunExtOrdinalWindow;

/**
 * stun_ext_flight_key:
 * @secrets: what both ends know
 * @key: (out caller-allocates): the key; zeros on failure
 *
 * Derives the key of the requests in one flight with the opening one (PROTOCOL.md section 6). Any
 * thread. Overwrite the key with stun_ext_crypto_cleanse() when it is no longer needed.
 *
 * Returns: %FALSE if a field is longer than its attribute can be, or the cryptographic library
 * refused
 */
STUN_EXT_API gboolean stun_ext_flight_key (const StunExtTunnelSecrets *secrets,
                                           guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH])
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tunnel_key:
 * @secrets: what both ends know
 * @key: (out caller-allocates): the key; zeros on failure
 *
 * Derives the key of everything behind the answer to the opening request (PROTOCOL.md section 6).
 * Any thread. Overwrite the key with stun_ext_crypto_cleanse() when it is no longer needed.
 *
 * Returns: %FALSE if a field is longer than its attribute can be, or the cryptographic library
 * refused
 */
STUN_EXT_API gboolean stun_ext_tunnel_key (const StunExtTunnelSecrets *secrets,
                                           guint8 key[STUN_EXT_TUNNEL_KEY_LENGTH])
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_ordinal_window_accept:
 * @window: the window of a tunnel
 * @ordinal: ORDINAL of a request whose signature has verified
 *
 * Takes note of an ordinal: each is good once, and none that is more than 64 below the highest.
 * Call it only after the signature verified, or a stranger could use ordinals up.
 *
 * Returns: %FALSE if the ordinal is 0, was used, or is too old
 */
STUN_EXT_API gboolean stun_ext_ordinal_window_accept (StunExtOrdinalWindow *window,
                                                      guint32 ordinal) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tunnel_id_make:
 * @secret: key of this server, random, 16 octets or more, the same in all its workers
 * @random: (array fixed-size=16): fresh octets from the kernel
 * @worker: index of the worker that owns the tunnel
 * @id: (out caller-allocates): the tunnel id; zeros on failure
 *
 * Makes a tunnel id that tells this server, and nobody else, which worker owns the tunnel. Any
 * thread.
 *
 * Returns: %FALSE if the cryptographic library refused
 */
STUN_EXT_API gboolean
stun_ext_tunnel_id_make (StunExtSpan secret,
                         const guint8 random[STUN_EXT_TUNNEL_ID_RANDOM_LENGTH],
                         guint8 worker,
                         guint8 id[STUN_EXT_TUNNEL_ID_LENGTH]) G_GNUC_WARN_UNUSED_RESULT;

/**
 * stun_ext_tunnel_id_check:
 * @secret: key of this server
 * @id: (nullable) (array length=length): TUNNEL-ID as received
 * @length: its octets
 * @worker: (out): index of the worker that owns the tunnel; untouched on failure
 *
 * Tells to which worker a connection that joins must go. 24 bits keep strangers from stirring up
 * other workers; whoever passes them still has to sign with the tunnel key. Any thread.
 *
 * Returns: %FALSE if this server did not make the id
 */
STUN_EXT_API gboolean stun_ext_tunnel_id_check (StunExtSpan secret,
                                                const guint8 *id,
                                                gsize length,
                                                guint8 *worker) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
