/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/tls-private.h"

/* TLS sessions to be resumed. What a session may be used for is in its key, and nothing is ever
 * found under another one. */

TurnConnectTlsSessions *turn_connect_tls_sessions_new (void);
void turn_connect_tls_sessions_free (TurnConnectTlsSessions *sessions);
void turn_connect_tls_sessions_clear (TurnConnectTlsSessions *sessions);

/* Becomes the owner of @session. @verified_until: when the verification of the peer that it rests
 * on ends (seconds of the real clock). */
void turn_connect_tls_sessions_put (TurnConnectTlsSessions *sessions,
                                    const char *key,
                                    SSL_SESSION *session,
                                    gint64 verified_until);
/* One to offer, or NULL; the caller becomes an owner. A ticket of TLS 1.3 is given away once: RFC
 * 8446 appendix C.4. */
SSL_SESSION *turn_connect_tls_sessions_take (TurnConnectTlsSessions *sessions,
                                             const char *key,
                                             gint64 now,
                                             gint64 *verified_until);
/* What was offered led to nothing: the next connection begins anew. */
void turn_connect_tls_sessions_drop (TurnConnectTlsSessions *sessions, const char *key);
guint turn_connect_tls_sessions_count (const TurnConnectTlsSessions *sessions);

/* For SSL_CTX_sess_set_new_cb(): a ticket of TLS 1.3, some time after the handshake. */
int turn_connect_tls_sessions_keep_ticket (SSL *ssl, SSL_SESSION *session);
/* After a handshake of TLS 1.2. */
void turn_connect_tls_sessions_keep_tls12 (TurnConnectTls *tls);
