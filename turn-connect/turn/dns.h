/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define TURN_CONNECT_DNS_RECORDS_MAX 64 /* of one answer; arbitrary, the rest is not looked at */

typedef enum {
  TURN_CONNECT_DNS_SRV = 33,   /* RFC 2782 */
  TURN_CONNECT_DNS_NAPTR = 35, /* RFC 3403 */
} TurnConnectDnsType;

typedef enum {
  TURN_CONNECT_DNS_FOUND,  /* there are records */
  TURN_CONNECT_DNS_NONE,   /* the name service says that there are none */
  TURN_CONNECT_DNS_FAILED, /* it said nothing, or nothing that can be understood */
} TurnConnectDnsAnswer;

/* One record, as it came: nothing in it was looked at. */
typedef struct {
  guint16 priority; /* NAPTR: order */
  guint16 weight;   /* NAPTR: preference */
  guint16 port;     /* SRV only */
  char *name;       /* SRV: target; NAPTR: replacement; "" for the root */
  char *flags;      /* these three NAPTR only */
  char *service;
  char *regexp;
} TurnConnectDnsRecord;

void turn_connect_dns_record_free (TurnConnectDnsRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectDnsRecord, turn_connect_dns_record_free)

/* Questions to the name service that are not about addresses. One thread, one main context. */
typedef struct _TurnConnectDns TurnConnectDns;

/* Told from the main context, never from within another function of this unit; may free the dns.
 * @records: TurnConnectDnsRecord, borrowed; not empty exactly if @answer is FOUND. */
typedef void (*TurnConnectDnsFunc) (TurnConnectDnsType type,
                                    const char *name,
                                    TurnConnectDnsAnswer answer,
                                    GPtrArray *records,
                                    gpointer user_data);

/* @servers: "192.0.2.1:53,[2001:db8::1]:53", or NULL for those of the system. NULL if there is no
 * way to ask at all. */
TurnConnectDns *
turn_connect_dns_new (const char *servers, TurnConnectDnsFunc func, gpointer user_data);
/* Nothing is told any more. */
void turn_connect_dns_free (TurnConnectDns *dns);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectDns, turn_connect_dns_free)

void turn_connect_dns_ask (TurnConnectDns *dns, TurnConnectDnsType type, const char *name);
