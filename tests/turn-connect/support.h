/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/dial.h"

/* Iterates the default context until *@flag, at most 20 s. */
void support_run_until (const gboolean *flag);
/* Iterates it for this long, for what must not happen. */
void support_run_for (guint ms);

/* A listener on @ip; *@port 0 picks a port and returns it. */
int support_listen (const char *ip, int backlog, guint16 *port);
/* A UDP socket on @ip and a port it picks. */
int support_bind_datagrams (const char *ip, guint16 *port);
int support_bind_datagrams_at (const char *ip, guint16 port);
/* Waits for a connection, at most 10 s. */
int support_accept (int listener);
/* Is anybody waiting to be accepted? */
gboolean support_has_visitor (int listener);
/* A listener whose queue is full: further connections get no answer at all. Close both arrays. */
typedef struct {
  int listener;
  int fill[4];
  guint16 port;
} SupportBlackHole;
void support_black_hole_open (SupportBlackHole *hole, const char *ip, guint16 port);
void support_black_hole_close (SupportBlackHole *hole);

/* Reads exactly @n octets from a descriptor, at most 10 s. */
void support_read_exactly (int descriptor, void *buffer, gsize n);
void support_write_all (int descriptor, const void *data, gsize n);

/* A connection to 127.0.0.1. */
int support_call (guint16 port);
/* Runs the default context until something can be read, at most 10 s. */
void support_await (int descriptor);
/* Does so and reads; 0: it was closed. */
gsize support_receive (int descriptor, guint8 *octets, gsize size);

/* One dial, run to its end on the default context. */
typedef struct {
  GString *steps; /* "resolve connect:192.0.2.1:1 ready" */
  TurnConnectStream *stream;
  GError *error;
  gint64 took_us;
} SupportDial;
void support_dial (SupportDial *dial, TurnConnectTarget *target);
void support_dial_clear (SupportDial *dial);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SupportDial, support_dial_clear)

/* A resolver that knows only what it is told, as the default one until the end of the process.
 * @addresses: "127.0.0.1,::1"; "" for a name without; "hang4"/"hang6" for a family that never
 * answers; "fail" for a service that is down. */
void support_resolver_install (void);
void support_resolver_set (const char *name, const char *addresses);
guint support_resolver_count (const char *name);
