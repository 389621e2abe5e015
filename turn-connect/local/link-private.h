/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/dial.h"
#include "turn-connect/local/ways.h"
#include "turn-connect/watcher.h"

/* One connection of a forward: from the local socket to the server and back. */
typedef struct _TurnConnectLink TurnConnectLink;

/* From the link's main context. Each of them may end the link. */
typedef struct {
  /* The server is reached by a way; it may still turn out not to answer. */
  void (*connected) (TurnConnectLink *link,
                     const char *way,
                     TurnConnectStream *stream,
                     gpointer user_data);
  /* A way did not work; the next one is tried if there is one. */
  void (*way_failed) (TurnConnectLink *link,
                      const char *way,
                      const GError *error,
                      gpointer user_data);
  /* Called once; the link is freed after it. @error: NULL if it ended in order. */
  void (*ended) (TurnConnectLink *link, const GError *error, gpointer user_data);
} TurnConnectLinkFuncs;

/* Runs in the thread-default main context, of which @watcher is; that has to live until it ended. */
TurnConnectLink *turn_connect_link_new (guint64 id,
                                        TurnConnectStream *local,
                                        TurnConnectWays *ways,
                                        TurnConnectWatcher *watcher,
                                        const TurnConnectLinkFuncs *funcs,
                                        gpointer user_data);
guint64 turn_connect_link_get_id (const TurnConnectLink *link);
guint64 turn_connect_link_get_to_server (const TurnConnectLink *link);
guint64 turn_connect_link_get_from_server (const TurnConnectLink *link);
/* This machine is in another network: what was begun in the old one is begun anew, or ends if its
 * address is gone. */
void turn_connect_link_network_changed (TurnConnectLink *link);
/* Ends it at once, from outside. */
void turn_connect_link_end (TurnConnectLink *link, GError *cause);
