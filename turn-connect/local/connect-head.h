/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/http-request.h"

/* The CONNECT of a client that takes the bridge for its proxy. No I/O. Embed it. */
typedef struct {
  StunExtHttpRequest request; /* host and port once it is done */
  char text[STUN_EXT_HTTP_REQUEST_MAX_LENGTH];
  gsize length;
} TurnConnectHead;

void turn_connect_head_init (TurnConnectHead *head);
/* Leaves nothing of a login in memory. */
void turn_connect_head_clear (TurnConnectHead *head);

/* @consumed: octets of @data that belong to the request; what follows is the tunnel's. */
StunExtHttpRequestState
turn_connect_head_feed (TurnConnectHead *head, const guint8 *data, gsize length, gsize *consumed);

/* Does it log in with these? Takes the same time wherever the first difference lies. */
gboolean
turn_connect_head_logs_in (const TurnConnectHead *head, const char *user, const char *password);
