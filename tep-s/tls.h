/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TLS of the front door, without sockets: octets in, octets out. The folder's only door to libssl.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TEP_SERVER_EXPORTER_LENGTH 32 /* RFC 9266 section 2 */

/* Certificate, key and rules; immutable and shared by the workers. A reload makes a new one. */
typedef struct _TepServerTlsContext TepServerTlsContext;

/**
 * tep_server_tls_context_new:
 * @certificate_file: PEM file with the chain
 * @key_file: PEM file with the private key
 * @names: (nullable) (array zero-terminated=1): what clients may name in SNI; %NULL for anything. A client without SNI is let in
 * only if one of them is an address literal, which SNI cannot carry
 * @error: return location
 *
 * Returns: (transfer full): the context; NULL with TEP_SERVER_ERROR_TLS
 */
TepServerTlsContext *tep_server_tls_context_new (const char *certificate_file,
                                                 const char *key_file,
                                                 const char *const *names,
                                                 GError **error);
TepServerTlsContext *tep_server_tls_context_ref (TepServerTlsContext *context);
void tep_server_tls_context_unref (TepServerTlsContext *context);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerTlsContext, tep_server_tls_context_unref)

typedef enum {
  TEP_SERVER_TLS_DONE,   /* the handshake is complete; or octets were read */
  TEP_SERVER_TLS_MORE,   /* nothing more can be done before more octets arrive */
  TEP_SERVER_TLS_CLOSED, /* the peer said that it is done */
  TEP_SERVER_TLS_FAILED, /* the connection cannot go on; an alert may have been written */
} TepServerTlsVerdict;

/* One connection. */
typedef struct _TepServerTls TepServerTls;

/* Takes what is to be sent. FALSE if memory is lacking. */
typedef gboolean (*TepServerTlsWrite) (gpointer user_data, const guint8 *data, gsize length);

/* NULL if memory is lacking. */
TepServerTls *
tep_server_tls_new (TepServerTlsContext *context, TepServerTlsWrite write, gpointer user_data);
void tep_server_tls_free (TepServerTls *tls);

/* Somebody else takes what is to be sent from now on. */
void tep_server_tls_set_write (TepServerTls *tls, TepServerTlsWrite write, gpointer user_data);

/* Octets from the network, borrowed until the next call says MORE. Whoever stops earlier takes the
 * rest away with tep_server_tls_take_unread(). */
void tep_server_tls_push (TepServerTls *tls, const guint8 *data, gsize length);
GBytes *tep_server_tls_take_unread (TepServerTls *tls);

TepServerTlsVerdict tep_server_tls_handshake (TepServerTls *tls);
TepServerTlsVerdict
tep_server_tls_read (TepServerTls *tls, guint8 *buffer, gsize capacity, gsize *length);

/* Encrypts; the result goes to the write function at once. FALSE if the connection cannot go on. */
gboolean tep_server_tls_write (TepServerTls *tls, const guint8 *data, gsize length);

/* Says goodbye to the peer. */
void tep_server_tls_close (TepServerTls *tls);

/* Whether ALPN chose "http/1.1"; after the handshake. */
gboolean tep_server_tls_is_web_only (const TepServerTls *tls);

/* The tls-exporter channel binding (RFC 9266); after the handshake. */
gboolean tep_server_tls_exporter (TepServerTls *tls, guint8 out[TEP_SERVER_EXPORTER_LENGTH]);

/**
 * tep_server_tls_check_files:
 * @certificate_file: PEM file with the certificate and its chain
 * @key_file: PEM file with the private key, readable by its owner alone
 * @expires_ms: (out): wall clock time in milliseconds at which the first of the certificates ends
 * @error: return location
 *
 * An expired certificate passes: it is reported, but stops neither plain connections nor those that
 * exist.
 *
 * Returns: %FALSE with %TEP_SERVER_ERROR_CONFIG if a file cannot be read or the key belongs to
 * another certificate
 */
gboolean tep_server_tls_check_files (const char *certificate_file,
                                     const char *key_file,
                                     gint64 *expires_ms,
                                     GError **error);

G_END_DECLS
