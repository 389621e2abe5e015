/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/tls-options.h"
#include "turn-connect/tls.h"

TurnConnectTlsContext *turn_connect_tls_options_get_context (TurnConnectTlsOptions *options);
/* NULL: the host connected to. */
const char *turn_connect_tls_options_get_server_name (TurnConnectTlsOptions *options);
