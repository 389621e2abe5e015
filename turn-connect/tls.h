/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/stream.h"
#include "turn-connect/tls-buffers.h"

/* The door to OpenSSL: a client without sockets. Octets from the peer go in, octets for the peer
 * come out, plaintext passes on the other side. DTLS is the same with datagrams. One thread at a
 * time. */

/* What connections have in common: trust, pins, ALPN, the client's certificate. */
typedef struct _TurnConnectTlsContext TurnConnectTlsContext;

TurnConnectTlsContext *turn_connect_tls_context_new (void);
void turn_connect_tls_context_free (TurnConnectTlsContext *context);
gboolean turn_connect_tls_context_set_ca_file (TurnConnectTlsContext *context,
                                               const char *path,
                                               GError **error);
/* Reads the system's authorities, unless others were set or they were read: takes 80 ms, and else
 * is done at the first handshake. */
void turn_connect_tls_context_load_trust (TurnConnectTlsContext *context);
void turn_connect_tls_context_trust_as (TurnConnectTlsContext *context,
                                        TurnConnectTlsContext *other);
gboolean turn_connect_tls_context_set_certificate (TurnConnectTlsContext *context,
                                                   const char *certificate_path,
                                                   const char *key_path,
                                                   GError **error);
/* @wire: names with their lengths before them: RFC 7301 section 3.1. */
void turn_connect_tls_context_set_alpn (TurnConnectTlsContext *context,
                                        const guint8 *wire,
                                        guint length);
void turn_connect_tls_context_add_pin (TurnConnectTlsContext *context,
                                       const guint8 pin[TURN_CONNECT_SHA256_SIZE]);
void turn_connect_tls_context_set_pins_only (TurnConnectTlsContext *context, gboolean pins_only);
/* Takes whoever answers; see turn_connect_tls_options_new_blind(). */
void turn_connect_tls_context_set_blind (TurnConnectTlsContext *context);
/* Offers this suite without encryption and nothing else; NULL: none such. On failure there is
 * encryption as before the first call. */
gboolean turn_connect_tls_context_set_null_suite (TurnConnectTlsContext *context,
                                                  const char *name,
                                                  GError **error);

typedef struct _TurnConnectTls TurnConnectTls;

/* @name: normalised, what the certificate must be for. @who: "the server example.org:443". The
 * context has to outlive the connection. */
TurnConnectTls *turn_connect_tls_new (TurnConnectTlsContext *context,
                                      const char *name,
                                      const char *who,
                                      GError **error);
/* Takes one datagram for the peer; what it cannot send is lost, as datagrams are. */
typedef void (*TurnConnectTlsSendFunc) (const void *data, gsize length, gpointer user_data);
/* DTLS. Of the buffers only the input is used: one datagram, put in when the one before is gone. */
TurnConnectTls *turn_connect_tls_new_datagram (TurnConnectTlsContext *context,
                                               const char *name,
                                               const char *who,
                                               TurnConnectTlsSendFunc send,
                                               gpointer send_data,
                                               GError **error);
void turn_connect_tls_free (TurnConnectTls *tls);

/* Before the handshake: lets it resume what was agreed on under @key by the same context, and keeps
 * what comes up for the next. The name checked for is part of the key by itself. */
void turn_connect_tls_set_session_key (TurnConnectTls *tls, const char *key);
/* A key: a connection to @place ("server example.org:443") by this way. A password is in it only as
 * a digest. All but @place may be NULL. */
char *turn_connect_tls_session_key (const char *place,
                                    const char *proxy_url,
                                    const char *user,
                                    const char *password);

/* Where its owner puts octets from the peer and finds octets for it. */
TurnConnectTlsBuffers *turn_connect_tls_get_buffers (TurnConnectTls *tls);

/* BLOCKED: octets from the peer are needed. Output may have come up, also on failure (an alert). */
TurnConnectIo turn_connect_tls_handshake (TurnConnectTls *tls, GError **error);
TurnConnectIo
turn_connect_tls_read (TurnConnectTls *tls, void *buffer, gsize size, gsize *got, GError **error);
/* Octets that reading would yield without any from the peer. */
gboolean turn_connect_tls_has_pending (TurnConnectTls *tls);
/* One record; all of it is taken. At most TURN_CONNECT_WRITE_MAX octets, when no output waits. */
TurnConnectIo
turn_connect_tls_write (TurnConnectTls *tls, const void *data, gsize length, GError **error);
/* When DTLS wants to repeat what it sent, microseconds from now; -1: not by itself. */
gint64 turn_connect_tls_get_timeout (TurnConnectTls *tls);
/* That time is over. FALSE: it was repeated often enough. */
gboolean turn_connect_tls_repeat (TurnConnectTls *tls, GError **error);
/* Makes a close_notify, once, where that is still possible; reading goes on. */
void turn_connect_tls_close (TurnConnectTls *tls);

/* After the handshake. */
const TurnConnectTlsInfo *turn_connect_tls_get_info (TurnConnectTls *tls);
gboolean turn_connect_tls_export_binding (TurnConnectTls *tls,
                                          guint8 binding[TURN_CONNECT_BINDING_SIZE]);
