/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/turn/uri.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TurnConnectServer:
 * @transport: how it is spoken to
 * @host: where it is: a name, whose addresses are looked up by whoever connects, or an address
 * @port: its port
 *
 * One server to try. Whatever DNS put into @host, a certificate has to be for the URI's own host:
 * that is what turn_connect_tls_options_set_server_name() gets.
 */
typedef struct {
  TurnConnectTransport transport;
  char *host;
  guint16 port;
} TurnConnectServer;

#define TURN_CONNECT_TYPE_SERVER (turn_connect_server_get_type ())

/**
 * turn_connect_server_get_type:
 *
 * Any thread.
 *
 * Returns: the boxed type
 */
TURN_CONNECT_API GType turn_connect_server_get_type (void);

/**
 * turn_connect_server_copy:
 * @server: a server
 *
 * Any thread.
 *
 * Returns: (transfer full): another with the same content
 */
TURN_CONNECT_API TurnConnectServer *turn_connect_server_copy (const TurnConnectServer *server);

/**
 * turn_connect_server_free:
 * @server: (transfer full): a server
 *
 * Any thread.
 */
TURN_CONNECT_API void turn_connect_server_free (TurnConnectServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectServer, turn_connect_server_free)

#define TURN_CONNECT_SERVERS_MAX 32 /* of one URI; arbitrary, further ones are not found */

/**
 * TurnConnectResolveFlags:
 * @TURN_CONNECT_RESOLVE_DIRECT: the servers will be connected to from here
 * @TURN_CONNECT_RESOLVE_BY_PROXY: they will be reached through an HTTP proxy: nothing is asked of
 * DNS here, the URI's own host and port go to the proxy, and UDP and DTLS drop out
 *
 * Who looks names up.
 */
typedef enum {
  TURN_CONNECT_RESOLVE_DIRECT = 0,
  TURN_CONNECT_RESOLVE_BY_PROXY = 1 << 0,
} TurnConnectResolveFlags;

/**
 * turn_connect_resolve_async:
 * @uri: what to find servers for
 * @transports: (array length=n_transports): what the caller can speak, the preferred first
 * @n_transports: their number, 1 to 4
 * @flags: who looks names up
 * @cancellable: (nullable): ends it
 * @callback: (scope async) (closure user_data): called once, from the thread-default main context
 *   of the caller, never before this call returned
 * @user_data: for @callback
 *
 * Finds the servers that a URI stands for, as RFC 5928 section 3 says: an address or a port given
 * is taken as it is; else SRV records, and where no transport is given either, S-NAPTR before them.
 * Without any records it is the host itself at its default port. A `turn:` URI whose domain offers
 * TLS by S-NAPTR gets that; a secure URI never gets anything else. STUN URIs have SRV records only.
 *
 * It takes at most 2.5 s: a name service that is silent, or lies in circles, is as one without such
 * records.
 */
TURN_CONNECT_API void turn_connect_resolve_async (TurnConnectUri *uri,
                                                  const TurnConnectTransport *transports,
                                                  guint n_transports,
                                                  TurnConnectResolveFlags flags,
                                                  GCancellable *cancellable,
                                                  GAsyncReadyCallback callback,
                                                  gpointer user_data);

/**
 * turn_connect_resolve_finish:
 * @result: as given to the callback
 * @error: %TURN_CONNECT_ERROR_UNSUPPORTED if the URI wants a transport that is not among those
 *   given, or that no proxy carries; %TURN_CONNECT_ERROR_NAME_NOT_FOUND if the domain says that it
 *   has no such server; %TURN_CONNECT_ERROR_NAME_FAILED if the name service broke off on the way;
 *   %G_IO_ERROR_CANCELLED. The step is %TURN_CONNECT_STEP_RESOLVE
 *
 * Returns: (transfer full) (element-type TurnConnectServer): servers in the order in which they
 *   are to be tried, one at least, or %NULL
 */
TURN_CONNECT_API GPtrArray *turn_connect_resolve_finish (GAsyncResult *result, GError **error);

G_END_DECLS
