/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client's end of TLS between two buffers, and certificates for tests. */
#pragma once

#include <glib.h>

typedef struct _TlsClient TlsClient;

/* name: for SNI, NULL for none; alpn: in wire form, NULL for none. */
TlsClient *tls_client_new (const char *name, const char *alpn, int max_version);
void tls_client_free (TlsClient *client);

/* Octets of the server in; what it means is appended to plain. FALSE if the connection failed. */
gboolean tls_client_input (TlsClient *client, const void *data, gsize length, GByteArray *plain);
/* Plain octets out; before the handshake is over they wait. */
void tls_client_write (TlsClient *client, const void *data, gsize length);
/* What must be sent to the server. */
GByteArray *tls_client_output (TlsClient *client);
/* Asks the server for new keys, which makes it answer. */
void tls_client_ask_for_keys (TlsClient *client);
gboolean tls_client_is_ready (TlsClient *client);
gboolean tls_client_exporter (TlsClient *client, guint8 out[32]);

/* Writes a self-signed certificate and its key. */
void tls_write_certificate (const char *certificate_path, const char *key_path);
