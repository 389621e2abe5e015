/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A packet, and what its headers say. The octets may be changed and the length too. */
typedef struct {
  guint8 *octets;
  gsize length;
  gboolean is_v6, is_tcp, is_syn, is_ack;
  guint16 from, to; /* ports */
  guint32 sequence, acknowledged;
  gsize transport; /* where the header of TCP or UDP begins */
  guint8 *payload;
  gsize payload_length;
} Packet;

/* FALSE: neither TCP nor UDP over IPv4 or IPv6, a later fragment, or lengths that lie. */
gboolean packet_parse (Packet *packet);
/* After a change: lengths and checksums that fit the octets. */
void packet_seal (Packet *packet);
/* Puts other octets in place of the payload's. FALSE if there is no room. */
gboolean packet_replace (
    Packet *packet, gsize capacity, gsize at, gsize length, const guint8 *octets, gsize new_length);
/* A packet back to the sender, as if from whom it was sent to. flags: of TCP. */
gboolean packet_answer (
    const Packet *packet, guint8 flags, const guint8 *payload, gsize length, int raw4, int raw6);
/* A packet of TCP onwards, as if from the sender: a reset. */
gboolean packet_reset_onwards (const Packet *packet, int raw4, int raw6);

typedef struct {
  guint8 addresses[2][16];
  guint16 ports[2];
  gboolean is_tcp;
} FlowKey;

void flow_key (const Packet *packet, gboolean is_reversed, FlowKey *key);
guint flow_key_hash (gconstpointer key);
gboolean flow_key_equal (gconstpointer a, gconstpointer b);

typedef enum {
  TUNNEL_NONE,
  TUNNEL_ASKED, /* CONNECT went out */
  TUNNEL_OPEN,  /* and was answered: what comes now is a first flight again */
} Tunnel;

typedef struct {
  gboolean is_reply; /* of the packet at hand: against the way of the first one */
  gboolean has_spoken, has_been_spoken_to; /* the first flight of either end is over */
  Tunnel tunnel;
  gboolean is_condemned;
  guint grace; /* packets with payload that still pass, though condemned */
} Flow;

typedef enum {
  ACTION_DROP,
  ACTION_RESET,
  ACTION_LATE,
  ACTION_FORGE,
  ACTION_REWRITE,
} Action;

typedef enum {
  CLASS_SIP,
  CLASS_SIP_INVITE,
  CLASS_STUN,
  CLASS_TLS,
  CLASS_HTTP,
  CLASS_NOT_TLS,
  CLASS_NOT_WEB,
  CLASS_RANDOM,
  CLASS_ALPN,
  CLASS_NAME,
  CLASS_TEXT,
} Class;

typedef struct {
  Action action;
  Class class;
  char *word;   /* ALPN label, server name, or text */
  char *other;  /* what is put in its place */
  guint16 port; /* 0: any */
  guint8 only;  /* IPPROTO_TCP, IPPROTO_UDP, or 0 for both */
} Rule;

#define RULES_MAX 8

typedef struct {
  Rule rules[RULES_MAX];
  guint n_rules;
  int raw4, raw6;
} Inspection;

typedef enum {
  INSPECT_PASS,
  INSPECT_DROP,
  INSPECT_REWRITTEN,
} InspectVerdict;

/* "ACTION=CLASS": [tcp/ or udp/][PORT/]CLASS[:WORD]. The words stay allocated. */
gboolean inspection_add_rule (Inspection *inspection, const char *text);
InspectVerdict inspect (Inspection *inspection, Flow *flow, Packet *packet);
