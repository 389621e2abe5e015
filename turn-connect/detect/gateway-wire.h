/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "turn-connect/detect/observations.h"

/* What is asked of a router, and what its answers say. No I/O; any octets are survived. */

#define TURN_CONNECT_GATEWAY_REQUEST_MAX 256

typedef enum {
  TURN_CONNECT_GATEWAY_PCP,     /* RFC 6887: is it there? Nothing is mapped. */
  TURN_CONNECT_GATEWAY_NAT_PMP, /* RFC 6886: its public address */
  TURN_CONNECT_GATEWAY_SSDP,    /* UPnP Device Architecture 2.0: where it describes itself */
} TurnConnectGatewayProtocol;
#define TURN_CONNECT_N_GATEWAY_PROTOCOLS (TURN_CONNECT_GATEWAY_SSDP + 1)

const char *turn_connect_gateway_protocol_to_string (TurnConnectGatewayProtocol protocol);
guint16 turn_connect_gateway_get_port (TurnConnectGatewayProtocol protocol);

/* @local: whence it will be sent. Returns the octets of the request. */
gsize turn_connect_gateway_write (TurnConnectGatewayProtocol protocol,
                                  const StunExtAddress *local,
                                  guint8 buffer[TURN_CONNECT_GATEWAY_REQUEST_MAX]);

/* Notes in the probe what an answer says: its address as mapped, codes, facts. PENDING if it is no
 * answer. */
TurnConnectOutcome turn_connect_gateway_read (TurnConnectGatewayProtocol protocol,
                                              TurnConnectProbe *probe,
                                              const guint8 *data,
                                              gsize length);

/* The router's IPv4 address from the place of turn-connect/network.h; FALSE where there is none. */
gboolean turn_connect_gateway_find (const char *place, StunExtAddress *gateway);
