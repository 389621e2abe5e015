/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bridge that logs in itself, between a client of TURN and a server, both of which say what they like and leave when
 * they like. */
#pragma once

#include "stun-ext/credentials.h"
#include "stun-ext/stream.h"
#include "turn-connect/local/bridge.h"

#define SESSION_PEER "198.51.100.1:4000"

/* The real server, which the bridge alone talks to, and the client's end of its stream. */
typedef struct {
  TurnConnectBridge *bridge;
  guint16 port;
  guint n_failed, n_connected;
  char *cause;
  gboolean closes; /* the bridge, when told of a failure */

  int listener, socket; /* -1: nobody is there */
  guint accepting, reading;
  guint16 server_port;
  StunExtStream cutter;
  guint n_visitors, n_requests, n_released;
  guint close_after;  /* requests; 0: never */
  gboolean is_silent; /* takes visitors and says nothing */
  const char *relayed, *relayed_also, *ticket;
  guint refusal; /* code for permissions and channels; 0: none */
  GString *got;  /* of packets to peers */
  const char *user, *password;
  gboolean is_whole; /* its Allocate wants DONT-FRAGMENT */
  gboolean is_both;  /* and both families */

  int client; /* -1: not there */
  StunExtStream answers;
  guint8 last_id;
  char nonce[128];
  StunExtKey key;
} SessionWorld;

void session_say_octets (int descriptor, const void *octets, gsize length);
/* The server leaves. */
void session_hang_up (SessionWorld *world);
/* For g_unix_fd_add() with the listener. */
gboolean session_visitor_came (int descriptor, GIOCondition condition, gpointer data);
void session_open (SessionWorld *world);
/* The client does. */
void session_leave (SessionWorld *world);
void session_close (SessionWorld *world);
void session_come (SessionWorld *world);
/* Asks for something; @channel 0: none, @peer NULL: none. */
void session_ask (
    SessionWorld *world, guint16 method, gboolean is_signed, guint16 channel, const char *peer);
/* The next unit that the client gets; FALSE: it was hung up on. */
gboolean session_hear (SessionWorld *world, guint8 unit[2048], gsize *length);
/* The code of the next answer, 0 for a success; its reason in @reason. */
guint session_hear_answer (SessionWorld *world, char reason[256]);
guint session_request (SessionWorld *world, guint16 method, guint16 channel, const char *peer);
/* A client comes and is challenged. */
void session_get_nonce (SessionWorld *world);
/* And one that gets its allocation. */
void session_allocate (SessionWorld *world);
/* Runs the main loop until the count is reached, at most 10 s. */
void session_run_until (SessionWorld *world, const guint *count, guint wanted);
void session_send_channel_data (SessionWorld *world, guint16 channel, const char *text);
/* Packets pass both ways, by channel 0x4003. */
void session_assert_passes (SessionWorld *world);
