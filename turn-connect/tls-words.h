/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/error.h"

/* What TLS found, said to people: code, party, cause, and what may be behind it. */

typedef enum {
  TURN_CONNECT_TLS_FINDING_NAME,        /* fact: the names the certificate is for */
  TURN_CONNECT_TLS_FINDING_EXPIRED,     /* fact: since when */
  TURN_CONNECT_TLS_FINDING_NOT_YET,     /* fact: from when on it is valid */
  TURN_CONNECT_TLS_FINDING_SELF_SIGNED, /* fact: whose it says it is */
  TURN_CONNECT_TLS_FINDING_ISSUER,      /* fact: who signed it */
  TURN_CONNECT_TLS_FINDING_OTHER,       /* fact: which check */
  TURN_CONNECT_TLS_FINDING_PIN,         /* fact: who signed its certificate */
  TURN_CONNECT_TLS_FINDING_CUT,         /* after the handshake */
  TURN_CONNECT_TLS_FINDING_CUT_OFF,     /* in the handshake */
  TURN_CONNECT_TLS_FINDING_SILENT,      /* DTLS repeated its flight in vain */
  TURN_CONNECT_TLS_FINDING_NO_TLS,
  TURN_CONNECT_TLS_FINDING_OLD,
  TURN_CONNECT_TLS_FINDING_BROKEN, /* fact: the reason */
} TurnConnectTlsFinding;

/* @who: "the server example.org:443"; @name: what the certificate should have been for. */
GError *turn_connect_tls_words_finding (TurnConnectTlsFinding finding,
                                        const char *who,
                                        const char *name,
                                        const char *fact);
/* The peer's alert, by its number in RFC 8446 section 6. */
GError *turn_connect_tls_words_alert (const char *who, int number, const char *description);
