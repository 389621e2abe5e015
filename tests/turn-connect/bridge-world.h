/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bridge, a place where its server is or is not, and what it said. */
#pragma once

#include "stun-ext/message.h"
#include "turn-connect/local/bridge-private.h"

#define BRIDGE_WORLD_UP "HTTP/1.0 200 Connection established\r\n\r\n"

typedef struct {
  TurnConnectBridge *bridge;
  int listener; /* of the server; -1: nobody is there */
  guint16 server_port;
  guint16 port;
  guint number;
  guint n_failed;
  guint last_server;
  char *cause;
  gboolean closes; /* the bridge, when told of a failure */
} BridgeWorld;

void bridge_world_open (BridgeWorld *world, gboolean has_server);
void bridge_world_close (BridgeWorld *world);
/* The stream that the bridge has opened to the server; the caller closes it. */
int bridge_world_accept (BridgeWorld *world);
/* Exactly these octets arrive. */
void bridge_world_expect (int descriptor, const void *octets, gsize length);
/* Returns the length. alternate: (nullable): of a 300. */
gsize bridge_world_message (guint8 octets[256],
                            StunExtClass message_class,
                            guint16 method,
                            guint8 id,
                            const char *alternate);
/* Sends a request for an allocation, which goes to @octets; returns its length. */
gsize bridge_world_allocate (int descriptor, guint8 octets[256], guint8 id);
/* A 400 with these words. */
void bridge_world_expect_refusal (int descriptor, guint8 id, const char *words);
