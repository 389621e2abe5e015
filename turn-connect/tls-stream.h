/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/stream.h"
#include "turn-connect/tls-options.h"

/* TLS over any stream. @name is whom the certificate is for, @who describes it for messages,
 * @session_key what an earlier session must have been for, NULL for none. */
TurnConnectStream *turn_connect_tls_stream_new (TurnConnectStream *base,
                                                TurnConnectTlsOptions *options,
                                                const char *name,
                                                const char *who,
                                                const char *session_key,
                                                GError **error);

/* Goes on with the handshake without waiting. OK: done and verified. BLOCKED: call again when the
 * stream is ready to read. FAILED. */
TurnConnectIo turn_connect_tls_stream_handshake (TurnConnectStream *stream, GError **error);

/* This layer is not the application's (TLS with a proxy): what is known about it is not shown. */
void turn_connect_tls_stream_hide (TurnConnectStream *stream);
