/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The credentials that a bridge keeps for itself, so that its clients need none: they may be set
 * before clients come and while they are there.
 */
#include "turn-connect/local/bridge-login.h"

#include "turn-connect/local/session.h"
#include "turn-connect/secret-file.h"

void
turn_connect_bridge_login_free (TurnConnectBridgeLogin *login)
{
  g_free (login->user);
  turn_connect_secret_free (login->password);
  g_clear_pointer (&login->secret, g_bytes_unref);
  g_free (login);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectBridgeLogin, turn_connect_bridge_login_free)

gboolean
turn_connect_bridge_login_apply (const TurnConnectBridgeLogin *login,
                                 TurnConnectClient *client,
                                 GError **error)
{
  gsize length;
  const void *secret;

  if (login->secret == NULL)
    return turn_connect_client_set_credentials (client, login->user, login->password, error);
  secret = g_bytes_get_data (login->secret, &length);
  return turn_connect_client_set_shared_secret (client, secret, length, login->user,
                                                login->lifetime_s, login->hash, error);
}

/* Takes @login once it has proven to be one that a client of TURN takes. */
static gboolean
set_login (TurnConnectBridge *bridge, guint server, TurnConnectBridgeLogin *login, GError **error)
{
  g_autoptr (TurnConnectBridgeLogin) owned = login;
  TurnConnectBridgeServer *found = turn_connect_bridge_get_server (bridge, server);
  g_autoptr (TurnConnectClient) trial = NULL;

  if (found == NULL || bridge->user == NULL) {
    g_set_error_literal (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID,
                         found == NULL ? "credentials for a server that the bridge does not have"
                                       : "clients need local credentials where the bridge has the "
                                         "TURN server's: turn_connect_bridge_set_credentials ()");
    return FALSE;
  }
  trial = turn_connect_client_new (found->target, TURN_CONNECT_CARRIER_STREAM);
  if (!turn_connect_bridge_login_apply (login, trial, error))
    return FALSE;
  g_clear_pointer (&found->login, turn_connect_bridge_login_free);
  found->login = g_steal_pointer (&owned);
  turn_connect_session_renew_all (bridge, found);
  return TRUE;
}

gboolean
turn_connect_bridge_set_turn_credentials (
    TurnConnectBridge *bridge, guint server, const char *user, const char *password, GError **error)
{
  TurnConnectBridgeLogin *login;

  g_return_val_if_fail (TURN_CONNECT_IS_BRIDGE (bridge), FALSE);
  g_return_val_if_fail (user != NULL && password != NULL, FALSE);
  login = g_new0 (TurnConnectBridgeLogin, 1);
  login->user = g_strdup (user);
  login->password = g_strdup (password);
  return set_login (bridge, server, login, error);
}

gboolean
turn_connect_bridge_set_turn_secret (TurnConnectBridge *bridge,
                                     guint server,
                                     const void *secret,
                                     gsize length,
                                     const char *user,
                                     guint lifetime_s,
                                     StunExtHash hash,
                                     GError **error)
{
  TurnConnectBridgeLogin *login;

  g_return_val_if_fail (TURN_CONNECT_IS_BRIDGE (bridge), FALSE);
  login = g_new0 (TurnConnectBridgeLogin, 1);
  login->user = g_strdup (user);
  login->secret = g_bytes_new (secret, length);
  login->lifetime_s = lifetime_s;
  login->hash = hash;
  return set_login (bridge, server, login, error);
}
