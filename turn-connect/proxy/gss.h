/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/target.h"

#include <gio/gio.h>

/* The client's side of one Negotiate or NTLM dialogue: the only unit that speaks GSSAPI. */
typedef struct _TurnConnectGss TurnConnectGss;

/* @scheme: NEGOTIATE or NTLM. @host: the proxy's name. @user: NULL for the ticket cache. */
TurnConnectGss *turn_connect_gss_new (TurnConnectProxySchemes scheme,
                                      const char *host,
                                      const char *user,
                                      const char *password);
TurnConnectGss *turn_connect_gss_ref (TurnConnectGss *gss);
void turn_connect_gss_unref (TurnConnectGss *gss);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectGss, turn_connect_gss_unref)

/* Makes the next token from what the peer sent (NULL at first), in a thread, for it may wait for a
 * KDC. Cancelling ends the wait at once; the thread keeps what it needs until it is done, and @gss
 * is of no further use. One at a time. */
void turn_connect_gss_step_async (TurnConnectGss *gss,
                                  GBytes *input,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);

/* NULL with the cause in words, free of secrets. */
GBytes *turn_connect_gss_step_finish (GAsyncResult *result, GError **error);
