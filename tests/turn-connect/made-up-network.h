/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks made up, as probes would see them. */
#pragma once

#include "turn-connect/detect/classifier.h"

#define FAR_END TRUE
#define PLAIN FALSE
#define ANY_PORT 0

#define EIM TURN_CONNECT_BEHAVIOUR_INDEPENDENT
#define ADM TURN_CONNECT_BEHAVIOUR_ADDRESS
#define APDM TURN_CONNECT_BEHAVIOUR_ADDRESS_AND_PORT
#define BIT(type) (1u << (type))

/* Ports end with 0; a list that begins with ANY_PORT lets all through. */
typedef struct {
  const char *name;
  gboolean is_far_end;
  gboolean is_translated;
  TurnConnectBehaviour mapping, filtering;
  guint16 udp[8], tcp[8];
  const char *held[4]; /* classes of octets that do not pass */
  guint proxy_code;    /* 0: no proxy; 200: CONNECT works */
  gint type;           /* what is expected */
  guint types;
  TurnConnectExit exit;
} Network;

extern const Network networks[];
extern const guint n_networks;

const Network *find_network (const char *name);
TurnConnectObservations *observe (const Network *network);
gboolean lets_through (const guint16 *ports, guint16 port);
/* By UDP alone it could not be asked where it listens. */
gboolean knows_listeners (const Network *network);

/* A probe of IPv4 or IPv6 at @target; one that does not pass is silent. */
TurnConnectProbe *add_probe (TurnConnectObservations *observations,
                             const Network *network,
                             TurnConnectProbeKind kind,
                             const char *variant,
                             TurnConnectCarry carry,
                             const StunExtAddress *target,
                             gboolean passes);
/* A method of carrying a call: so many of 16 packets came back; none: it could not be set up. */
TurnConnectProbe *
add_method (TurnConnectObservations *observations, const char *name, guint n_received);
/* Where the far end listens; others were heard there before. */
void add_listeners (TurnConnectObservations *observations);
StunExtAddress make_address (const char *text, guint16 port);
