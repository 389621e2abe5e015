/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of client randoms that keeps a recorded opening from being played again (PROTOCOL.md
 * section 6). One for all workers, under a mutex; asked once for each tunnel. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TEP_SERVER_CLIENT_RANDOM_LENGTH 32

typedef struct _TepServerReplay TepServerReplay;

/**
 * tep_server_replay_new:
 * @capacity: randoms that are remembered at most
 * @window_ms: how long a random must be remembered, the longest time for which an opening can be
 * fresh
 * @seed: a secret random number
 * @now_ms: wall clock in milliseconds
 *
 * Returns: an empty memory, whose floor is now
 */
TepServerReplay *
tep_server_replay_new (gsize capacity, gint64 window_ms, guint64 seed, gint64 now_ms);
void tep_server_replay_free (TepServerReplay *replay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerReplay, tep_server_replay_free)

/* The moment before which nothing is remembered, in wall clock milliseconds. */
gint64 tep_server_replay_floor (TepServerReplay *replay);

/* Whether the random was accepted before; asks only. */
gboolean tep_server_replay_is_known (TepServerReplay *replay, const guint8 *client_random);

/* Remembers a random of an opening that verified. FALSE if it was there already, also if another
 * worker was faster. */
gboolean
tep_server_replay_accept (TepServerReplay *replay, const guint8 *client_random, gint64 now_ms);

G_END_DECLS
