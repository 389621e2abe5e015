/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/stream.h"

/* Waits for many streams by one source, so that what a wake-up costs does not grow with those that
 * are silent. For few streams: turn_connect_stream_create_source (). One thread: the context's. */
typedef struct _TurnConnectWatcher TurnConnectWatcher;
/* One stream of it. */
typedef struct _TurnConnectWatch TurnConnectWatch;

/* As TurnConnectStreamFunc. It may do anything: remove this watch and others, free the watcher, run
 * the main loop. Watches whose function runs are not called again in there. */
typedef void (*TurnConnectWatchFunc) (TurnConnectStream *stream,
                                      GIOCondition condition,
                                      gpointer user_data);

/* NULL: the process has no descriptor left for it. */
TurnConnectWatcher *turn_connect_watcher_new (GMainContext *context, GError **error);
/* Nothing is called any more; watches that are left still want to be removed. */
void turn_connect_watcher_free (TurnConnectWatcher *watcher);

/* @stream: an open one, of which a reference is kept; @condition: as
 * turn_connect_stream_create_source () takes it. NULL: the system has no memory for it. */
TurnConnectWatch *turn_connect_watcher_add (TurnConnectWatcher *watcher,
                                            TurnConnectStream *stream,
                                            GIOCondition condition,
                                            TurnConnectWatchFunc func,
                                            gpointer user_data,
                                            GError **error);

/* What to wait for. Has to be called too, with the same condition if it has not changed, after the
 * stream was read or written outside of the watch's own function: nothing else would notice what
 * the layers hold now. Allocates nothing. */
void turn_connect_watch_set_condition (TurnConnectWatch *watch, GIOCondition condition);

/* Before the stream is closed. The function is not called any more. */
void turn_connect_watch_remove (TurnConnectWatch *watch);
