/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/address.h"
#include "tep-s/version.h"

G_BEGIN_DECLS

/**
 * TepServerThrottle:
 *
 * Slows down guessing of passwords (requirement 23): counts failures per (source, user), where an
 * IPv6 source is its /64, and per source alone as long as no valid login was seen from it. A table
 * of fixed size, shared by all workers under one mutex; it stands on the way of authentication
 * alone, never on that of packets.
 */
typedef struct _TepServerThrottle TepServerThrottle;

/**
 * tep_server_throttle_new:
 * @per_window: attempts of one key evaluated in a window of 60 s
 * @seed: a secret random number
 *
 * Returns: (transfer full): the table, about 400 KiB
 */
TEP_SERVER_API TepServerThrottle *tep_server_throttle_new (guint per_window, guint64 seed);

/**
 * tep_server_throttle_free:
 * @throttle: (transfer full): the table, no longer in use by any thread
 */
TEP_SERVER_API void tep_server_throttle_free (TepServerThrottle *throttle);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerThrottle, tep_server_throttle_free)

/**
 * tep_server_throttle_may_try:
 * @throttle: the table
 * @source: where the request comes from; the port does not matter
 * @identity: the user, as in #TepServerCredential
 * @now_us: monotonic time in microseconds
 *
 * Asks before a signature is verified. %FALSE means: answer as if the password were wrong, without
 * looking. Any thread.
 *
 * Returns: %TRUE if the request may be evaluated
 */
TEP_SERVER_API gboolean tep_server_throttle_may_try (TepServerThrottle *throttle,
                                                     const StunExtAddress *source,
                                                     guint64 identity,
                                                     gint64 now_us);

/**
 * tep_server_throttle_verified:
 * @throttle: the brake
 * @source: where the guess came from
 * @identity: as given to tep_server_throttle_may_try()
 * @now_us: the same time
 *
 * Gives back what one try was charged: the key was right, though the request may have been stale. Nothing else is forgiven, for
 * a replayed request has the right key too. Any thread.
 */
void tep_server_throttle_verified (TepServerThrottle *throttle,
                                   const StunExtAddress *source,
                                   guint64 identity,
                                   gint64 now_us);

/**
 * tep_server_throttle_failed:
 * @throttle: the table
 * @source: where the request came from
 * @identity: the user it named
 * @now_us: monotonic time in microseconds
 *
 * A signature did not verify. Any thread.
 */
TEP_SERVER_API void tep_server_throttle_failed (TepServerThrottle *throttle,
                                                const StunExtAddress *source,
                                                guint64 identity,
                                                gint64 now_us);

/**
 * tep_server_throttle_succeeded:
 * @throttle: the table
 * @source: where the request came from
 * @identity: the user it named
 * @now_us: monotonic time in microseconds
 *
 * A login was valid: the source is a shared one perhaps, and from now on only its (source, user)
 * pairs count. Any thread.
 */
TEP_SERVER_API void tep_server_throttle_succeeded (TepServerThrottle *throttle,
                                                   const StunExtAddress *source,
                                                   guint64 identity,
                                                   gint64 now_us);

/**
 * TepServerReplyLimit:
 *
 * Limits STUN answers on UDP per source, without its port (requirement 30), so that nobody is
 * flooded through this server. Of fixed size; each worker has one of its own, with its share of the
 * rate.
 */
typedef struct _TepServerReplyLimit TepServerReplyLimit;

/**
 * tep_server_reply_limit_new:
 * @per_second: answers to one source in a second
 * @seed: a secret random number
 *
 * Returns: (transfer full): the table, about 100 KiB
 */
TEP_SERVER_API TepServerReplyLimit *tep_server_reply_limit_new (guint per_second, guint64 seed);

/**
 * tep_server_reply_limit_free:
 * @limit: (transfer full): the table
 */
TEP_SERVER_API void tep_server_reply_limit_free (TepServerReplyLimit *limit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerReplyLimit, tep_server_reply_limit_free)

/**
 * tep_server_reply_limit_may_reply:
 * @limit: the table
 * @source: where the request comes from
 * @now_us: monotonic time in microseconds
 * @is_first: (out) (optional): %TRUE if this is the first refusal of the source in its window: log
 * one line
 *
 * Counts the answer if it may be sent. Of sources that share a place in the table, all are limited
 * together. The caller's thread.
 *
 * Returns: %TRUE if it may be sent
 */
TEP_SERVER_API gboolean tep_server_reply_limit_may_reply (TepServerReplyLimit *limit,
                                                          const StunExtAddress *source,
                                                          gint64 now_us,
                                                          gboolean *is_first);

G_END_DECLS
