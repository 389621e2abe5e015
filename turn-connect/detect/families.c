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
  [TURN_CONNECT_FAMILY_NAT] = { "nat", "asking how IPv4 addresses are translated",
                                TURN_CONNECT_WAITS_FOR (STUN), turn_connect_nat_probe_is_ready_ipv4,
                                turn_connect_nat_probe_start_ipv4, turn_connect_nat_probe_stop },
  [TURN_CONNECT_FAMILY_NAT6] = { "nat6", "asking how IPv6 addresses are translated",
                                 TURN_CONNECT_WAITS_FOR (STUN),
                                 turn_connect_nat_probe_is_ready_ipv6,
                                 turn_connect_nat_probe_start_ipv6, turn_connect_nat_probe_stop },
  [TURN_CONNECT_FAMILY_SELF] = { "self", "asking the far end where it listens", 0, NULL,
                                 turn_connect_self_probe_start, turn_connect_self_probe_stop },
  [TURN_CONNECT_FAMILY_SELF_LATE] = { "self-late", NULL,
                                      TURN_CONNECT_WAITS_FOR (SELF) | TURN_CONNECT_WAITS_FOR (PORT),
                                      turn_connect_self_probe_is_late,
                                      turn_connect_self_probe_start_late,
                                      turn_connect_self_probe_stop },
  [TURN_CONNECT_FAMILY_STUN_FURTHER] = { "stun-further", NULL, TURN_CONNECT_WAITS_FOR (SELF_LATE),
                                         turn_connect_self_probe_is_known,
                                         turn_connect_stun_probe_start_further,
                                         turn_connect_stun_probe_stop },
  [TURN_CONNECT_FAMILY_PORT_FURTHER] = { "port-further", NULL, TURN_CONNECT_WAITS_FOR (SELF_LATE),
                                         turn_connect_self_probe_is_known,
                                         turn_connect_port_probe_start_further,
                                         turn_connect_port_probe_stop },
  [TURN_CONNECT_FAMILY_NAME] = { "name", "asking for names, and for a portal", 0, NULL,
                                 turn_connect_name_probe_start, turn_connect_name_probe_stop },
  [TURN_CONNECT_FAMILY_GATEWAY] = { "gateway", "asking the router", 0, NULL,
                                    turn_connect_gateway_probe_start,
                                    turn_connect_gateway_probe_stop },
  [TURN_CONNECT_FAMILY_METHOD] = { "method", "sending packets of a call by every method",
                                   TURN_CONNECT_WAITS_FOR (STUN) | TURN_CONNECT_WAITS_FOR (PORT),
                                   turn_connect_method_probe_is_ready,
                                   turn_connect_method_probe_start,
                                   turn_connect_method_probe_stop },
  [TURN_CONNECT_FAMILY_LIFETIME] = { "lifetime", NULL, TURN_CONNECT_WAITS_FOR (STUN),
                                     turn_connect_lifetime_probe_is_ready,
                                     turn_connect_lifetime_probe_start,
                                     turn_connect_lifetime_probe_stop },
};
