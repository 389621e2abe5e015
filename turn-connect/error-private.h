/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/error.h"

/* Notes where a dial failed; nothing for errors of other domains. The first note stays. */
void turn_connect_error_set_step (GError *error, TurnConnectStep step);
void turn_connect_error_set_http_status (GError *error, guint status);
void turn_connect_error_set_turn_code (GError *error, guint code);
/* Which kinds of authentication a proxy offered that let nobody in: "basic, digest", quoted; or NULL. */
void turn_connect_error_set_schemes (GError *error, const char *schemes);
const char *turn_connect_error_get_schemes (const GError *error);

/* Describes what happened to a socket: @doing is "reading from 192.0.2.1:443" or alike, NULL for
 * the cause alone. */
GError *turn_connect_error_from_errno (int number, const char *doing);

/* A copy of what a peer sent, fit for a message: printable ASCII only, at most @max octets. */
char *turn_connect_error_quote (const char *text, gsize length, gsize max);
