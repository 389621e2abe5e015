/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/tls-options.h"
#include "turn-connect/tls.h"

TurnConnectTlsContext *turn_connect_tls_options_get_context (TurnConnectTlsOptions *options);
/* Whom the certificate must be for if the connection is to @host. */
const char *turn_connect_tls_options_get_name_for (TurnConnectTlsOptions *options,
                                                   const char *host);
/* The same issuers, and nothing else of @other: neither its pins nor its own certificate or name. */
void turn_connect_tls_options_trust_as (TurnConnectTlsOptions *options,
                                        TurnConnectTlsOptions *other);

/* TLS with whoever answers, for finding out who that is (detect/exporter.h), and for nothing else:
 * what is said over it may be anybody's to read and to change. It trusts nobody, so it offers none of
 * what the user's own options have, and nothing is resumed. */
TurnConnectTlsOptions *turn_connect_tls_options_new_blind (void);
