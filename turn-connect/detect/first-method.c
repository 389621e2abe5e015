/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who wants to use a network, and not to know all about it, takes the first method that works. A better
 * one may be a lost packet later: it has a while to come, and nobody has to wait for it.
 */
#include "turn-connect/detect/first-method.h"

#define BIT(method) ((guint64)1 << (method))

void
turn_connect_first_method_init (TurnConnectFirstMethod *first, guint n_methods, gint64 grace_us)
{
  *first = (TurnConnectFirstMethod){
    .n_methods = MIN (n_methods, TURN_CONNECT_FIRST_METHODS_MAX),
    .grace_us = MAX (grace_us, 0),
    .best = -1,
  };
}

gboolean
turn_connect_first_method_works (TurnConnectFirstMethod *first, guint method, gint64 now_us)
{
  if (method >= first->n_methods || (first->ended & BIT (method)) != 0 ||
      (first->best >= 0 && method >= (guint)first->best))
    return FALSE;
  if (first->best < 0)
    first->until_us = now_us + first->grace_us;
  first->best = (gint)method;
  return TRUE;
}

void
turn_connect_first_method_ended (TurnConnectFirstMethod *first, guint method)
{
  if (method < first->n_methods)
    first->ended |= BIT (method);
}

gboolean
turn_connect_first_method_is_wanted (const TurnConnectFirstMethod *first, guint method)
{
  return method < first->n_methods && (first->ended & BIT (method)) == 0 &&
         (first->best < 0 || method < (guint)first->best);
}

gboolean
turn_connect_first_method_is_over (const TurnConnectFirstMethod *first, gint64 now_us)
{
  if (first->best >= 0 && now_us >= first->until_us)
    return TRUE;
  for (guint method = 0; method < first->n_methods; method++) {
    if (turn_connect_first_method_is_wanted (first, method))
      return FALSE;
  }
  return TRUE;
}
