/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Which of several methods is taken, while they are tried side by side: decisions only. Methods go by
 * their place in the order of preference, 0 best. */

#define TURN_CONNECT_FIRST_METHODS_MAX 64

typedef struct {
  guint n_methods;
  gint64 grace_us;
  guint64 ended;   /* a bit for each that failed, or is done */
  gint best;       /* of those that work; -1: none yet */
  gint64 until_us; /* how long better ones are waited for; 0 before one works */
} TurnConnectFirstMethod;

/* @n_methods: up to the maximum. @grace_us: how long better methods have, once one works. */
void
turn_connect_first_method_init (TurnConnectFirstMethod *first, guint n_methods, gint64 grace_us);
/* A packet came back. FALSE: a better one works already, or one that failed cannot work. */
gboolean
turn_connect_first_method_works (TurnConnectFirstMethod *first, guint method, gint64 now_us);
/* It came to its end, having worked or not. */
void turn_connect_first_method_ended (TurnConnectFirstMethod *first, guint method);
/* Need it be tried any longer? Not if one as good or better works. */
gboolean turn_connect_first_method_is_wanted (const TurnConnectFirstMethod *first, guint method);
/* Is there nothing left that could change the choice? */
gboolean turn_connect_first_method_is_over (const TurnConnectFirstMethod *first, gint64 now_us);
