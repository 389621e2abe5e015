/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The far end of detection with its sockets, on the control thread's main context, where it can disturb no call. */
#pragma once

#include <gio/gio.h>

#include "tep-s/core.h"
#include "tep-s/shared.h"

G_BEGIN_DECLS

typedef struct _TepServerDetect TepServerDetect;

/**
 * tep_server_detect_new:
 * @settings: the configuration, whose [detect] is on, and TLS
 * @context: where it will run
 * @random: fills a buffer with octets nobody can guess
 * @error: return location
 *
 * Opens the sockets and reads nothing yet.
 *
 * Returns: (transfer full): the far end; NULL with TEP_SERVER_ERROR_LISTEN
 */
TepServerDetect *tep_server_detect_new (const TepServerSettings *settings,
                                        GMainContext *context,
                                        void (*random) (gpointer data, void *octets, gsize length),
                                        GError **error);
void tep_server_detect_free (TepServerDetect *detect);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerDetect, tep_server_detect_free)

/* Answers from now on. */
void tep_server_detect_start (TepServerDetect *detect);

/* Where the front door listens, for the self-test; before start(). */
void tep_server_detect_add_door (TepServerDetect *detect,
                                 const StunExtAddress *address,
                                 gboolean has_udp);

/* A worker's connection that is no tunnel, with its descriptor. Any thread. */
void tep_server_detect_take_connection (TepServerDetect *detect,
                                        int fd,
                                        TepServerHandoverContents *contents);

/* A datagram at the front door, to be answered from fd. FALSE: it is none of detection's. Any thread. */
gboolean tep_server_detect_take_datagram (TepServerDetect *detect,
                                          int fd,
                                          const StunExtAddress *source,
                                          const guint8 *data,
                                          gsize length);

/* What was counted since it began. Any thread. */
void tep_server_detect_add_counters (TepServerDetect *detect, TepServerCounters *counters);

/* New rules from a reload; addresses and ports stay. */
void tep_server_detect_reconfigure (TepServerDetect *detect, const TepServerSettings *settings);

G_END_DECLS
