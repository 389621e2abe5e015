/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What Proxy-Authenticate says, taken apart: RFC 9110 section 11.6.1. No I/O. */
typedef struct {
  char *scheme;     /* lower case */
  char *token;      /* token68, or NULL */
  GPtrArray *names; /* of parameters, lower case; char * */
  GPtrArray *values;
  gboolean is_broken; /* it holds what the grammar does not allow, or a parameter twice */
} TurnConnectChallenge;

/* All challenges of all lines (NULL-terminated), in order, at most 16; (element-type
 * TurnConnectChallenge). */
GPtrArray *turn_connect_challenges_parse (const char *const *lines);

/* The value of a parameter, without quotes and escapes; NULL if it is not there. */
const char *turn_connect_challenge_get (const TurnConnectChallenge *challenge, const char *name);

/* The parameters of Proxy-Authentication-Info (RFC 7615), in a challenge without scheme. */
TurnConnectChallenge *turn_connect_challenge_parse_info (const char *line);
void turn_connect_challenge_free (TurnConnectChallenge *challenge);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectChallenge, turn_connect_challenge_free)
