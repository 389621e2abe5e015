/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/turn/dns.h"

/* What DNS says, one record a line, and a server that says it. A name may have a manner instead.
 *
 *   _turn._udp.a.test SRV 10 60 3478 relay.a.test
 *   a.test NAPTR 100 10 s RELAY:turn.udp:turn.tcp - _turn._udp.a.test
 *   b.test silent      (no answer at all)
 *   b.test fails       (SERVFAIL)
 *   b.test garbage     (octets after the question that are no records)
 *   b.test truncated   (TC is set, but there is no server for TCP)
 *
 * "-" stands for an empty field, "." for the root. */
typedef struct _Zone Zone;

Zone *zone_new (const char *text);
void zone_free (Zone *zone);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Zone, zone_free)

/* Records of a name, which may be none; NULL if its manner is not to answer in order. */
GPtrArray *zone_find (const Zone *zone, TurnConnectDnsType type, const char *name);

/* Answers on loopback from the default main context, until the zone is freed. */
const char *zone_serve (Zone *zone);
guint zone_count_questions (const Zone *zone);
