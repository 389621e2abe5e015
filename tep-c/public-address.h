/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/address.h"
#include "tep-c/error.h"
#include "tep-c/version.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TepClientPublicAddressOptions:
 * @host: name or address of a STUN server; a TEP-S is one, on its own port
 * @port: UDP port, and TCP port if @tcp_port is 0
 * @tcp_port: TCP port, or 0
 * @proxy: (nullable): for TCP, as turn_connect_target_choose_proxy() has it; what is found then is the
 * address of the proxy's connection. UDP takes no proxy
 * @timeout_ms: for both transports together, or 0 for the 39.5 s of RFC 8489
 *
 * Whom to ask, and how.
 */
typedef struct {
  const char *host;
  guint16 port;
  guint16 tcp_port;
  const char *proxy;
  guint timeout_ms;
} TepClientPublicAddressOptions;

/**
 * TepClientPublicAddress:
 * @address: this device's address and port as the server saw it; family 0 if it was not found
 * @local: the address and port it was asked from: equal to @address where nothing translates; for
 * TCP through a proxy, that of the leg to the proxy
 * @took_us: microseconds from the beginning to the answer, or to giving up
 * @error: (nullable): why it was not found
 */
typedef struct {
  StunExtAddress address;
  StunExtAddress local;
  guint64 took_us;
  GError *error;
} TepClientPublicAddress;

/**
 * TepClientPublicAddresses:
 * @udp: as UDP sees it
 * @tcp: as TCP sees it
 */
typedef struct {
  TepClientPublicAddress udp;
  TepClientPublicAddress tcp;
} TepClientPublicAddresses;

/**
 * tep_client_public_address_find_async:
 * @options: copied
 * @cancellable: (nullable): ends the search
 * @callback: called once, never before this call returned
 * @user_data: for @callback
 *
 * Asks a STUN server for this device's public address by plain Binding requests, over UDP
 * (retransmitted as RFC 8489 section 6.2.1 says; of a name, its first IPv4 and its first IPv6
 * address at once) and over TCP, side by side. Whether UDP passes at all, and how addresses are
 * translated, is what the choice of path may want to know; a binding's address is the one TEP-S
 * saw, not this one. In the caller's thread-default main context.
 */
TEP_CLIENT_API void
tep_client_public_address_find_async (const TepClientPublicAddressOptions *options,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);

/**
 * tep_client_public_address_find_finish:
 * @result: what the callback was given
 * @error: return location
 *
 * Returns: (transfer full): what each transport found, or why it did not; %NULL only if the
 * search was cancelled, or with %TURN_CONNECT_ERROR_INVALID if @options cannot be used
 */
TEP_CLIENT_API TepClientPublicAddresses *
tep_client_public_address_find_finish (GAsyncResult *result, GError **error);

/**
 * tep_client_public_addresses_free:
 * @addresses: (transfer full): what was found
 *
 * Frees what a search found.
 */
TEP_CLIENT_API void tep_client_public_addresses_free (TepClientPublicAddresses *addresses);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientPublicAddresses, tep_client_public_addresses_free)

G_END_DECLS
