/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"

/* Which servers were asked lately, so that redirections end. */
typedef struct {
  GArray *asked; /* private */
  guint followed;
} TurnConnectRedirects;

typedef enum {
  TURN_CONNECT_REDIRECT_FOLLOW,
  TURN_CONNECT_REDIRECT_CIRCLE,   /* asked within the last 5 min */
  TURN_CONNECT_REDIRECT_TOO_MANY, /* more than allowed in a row */
} TurnConnectRedirectVerdict;

void turn_connect_redirects_init (TurnConnectRedirects *redirects);
void turn_connect_redirects_clear (TurnConnectRedirects *redirects);
/* A new connection is made from the beginning. */
void turn_connect_redirects_restart (TurnConnectRedirects *redirects);
/* @from sent us to @to. "host:port" of both; FOLLOW notes them. */
TurnConnectRedirectVerdict turn_connect_redirects_judge (
    TurnConnectRedirects *redirects, const char *from, const char *to, guint most, gint64 now_us);
