/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/tls-options.h"
#include "turn-connect/tls.h"

TurnConnectTlsContext *turn_connect_tls_options_get_context (TurnConnectTlsOptions *options);
/* NULL: the host connected to. */
const char *turn_connect_tls_options_get_server_name (TurnConnectTlsOptions *options);
/* The same issuers, and nothing else of @other: neither its pins nor its own certificate or name. */
void turn_connect_tls_options_trust_as (TurnConnectTlsOptions *options,
                                        TurnConnectTlsOptions *other);
