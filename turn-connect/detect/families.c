/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All families of probes, and the order there is between them. How one is added is said in
 * run-private.h.
 */
#include "turn-connect/detect/run-private.h"

const TurnConnectProbeFamily turn_connect_families[TURN_CONNECT_N_FAMILIES] = {
  [TURN_CONNECT_FAMILY_STUN] = { "stun", "asking over UDP", 0, NULL, turn_connect_stun_probe_start,
                                 turn_connect_stun_probe_stop },
  [TURN_CONNECT_FAMILY_PORT] = { "port", "trying TCP ports", 0, NULL, turn_connect_port_probe_start,
                                 turn_connect_port_probe_stop },
};
