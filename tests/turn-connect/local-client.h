/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of the local TURN server, in memory; and whoever carries out that server's orders. The test owns the time. */
#pragma once

#include "stun-ext/credentials.h"
#include "stun-ext/message.h"
#include "turn-connect/local/turn-server.h"

#define LOCAL_USER "local"
#define LOCAL_PASSWORD "only here"
#define LOCAL_BUDGET_US (2 * G_USEC_PER_SEC)
#define LOCAL_PEER "198.51.100.1:4000"
#define S G_USEC_PER_SEC

typedef struct {
  TurnConnectTurnServer *server;
  gint64 now;
  StunExtKey key;
  char nonce[128];
  guint8 last_id;
  guint8 answer_octets[2048];
  StunExtMessage answer; /* the last one */
} LocalClient;

/* A request being written. */
typedef struct {
  guint8 octets[2048];
  StunExtBuilder builder;
  gsize length;
} LocalRequest;

StunExtAddress local_address (const char *text);
void local_open (LocalClient *client);
void local_close (LocalClient *client);
void local_begin (LocalClient *client, LocalRequest *request, guint16 method);
void local_add_peer (LocalRequest *request, const char *peer);
void local_finish (LocalClient *client, LocalRequest *request, gboolean is_signed);
TurnConnectOrder local_next (LocalClient *client);
TurnConnectOrder local_say (LocalClient *client, const void *octets, gsize length);
/* Takes the first unit that goes to the client. */
gsize local_take_unit (LocalClient *client);
/* The code of the one answer there is; 0: it is a success. */
guint local_take_answer (LocalClient *client, gboolean is_signed);
void local_assert_reason (LocalClient *client, const char *words);
void local_assert_silence (LocalClient *client);
void local_keep_nonce (LocalClient *client);
void local_get_nonce (LocalClient *client);
void local_write_allocate (LocalClient *client, LocalRequest *request);
TurnConnectTurnGrant local_make_grant (void);
void local_grant (LocalClient *client);
/* A client with an allocation. */
void local_allocate (LocalClient *client);
TurnConnectOrder local_ask_permission (LocalClient *client, const char *peer);
TurnConnectOrder local_ask_channel (LocalClient *client, guint16 number, const char *peer);
void local_done (LocalClient *client, const TurnConnectOrder *order);
void local_permit (LocalClient *client, const char *peer);
void local_bind_channel (LocalClient *client, guint16 number, const char *peer);
/* The order borrows what was sent, until the next of its kind. */
TurnConnectOrder local_send_channel_data (LocalClient *client, guint16 number, const char *text);
TurnConnectOrder local_send_indication (LocalClient *client, const char *peer, const char *text);
void local_assert_sends (const TurnConnectOrder *order, const char *peer, const char *text);
/* The answer's code. */
guint
local_refresh (LocalClient *client, int lifetime_s, guint8 family, TurnConnectOrderKind expected);
