/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/dial.h"

/* One connection of a forward: from the local socket to the server and back. */
typedef struct _TurnConnectLink TurnConnectLink;

typedef struct {
  void (*connected) (TurnConnectLink *link, TurnConnectStream *stream, gpointer user_data);
  /* Called once; the link is freed after it. @error: NULL if it ended in order. */
  void (*ended) (TurnConnectLink *link, const GError *error, gpointer user_data);
} TurnConnectLinkFuncs;

/* Runs in the thread-default main context. */
TurnConnectLink *turn_connect_link_new (guint64 id,
                                        TurnConnectStream *local,
                                        TurnConnectTarget *target,
                                        const TurnConnectLinkFuncs *funcs,
                                        gpointer user_data);
guint64 turn_connect_link_get_id (const TurnConnectLink *link);
guint64 turn_connect_link_get_to_server (const TurnConnectLink *link);
guint64 turn_connect_link_get_from_server (const TurnConnectLink *link);
/* Ends it at once, from outside. */
void turn_connect_link_end (TurnConnectLink *link, GError *cause);
