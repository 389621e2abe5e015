/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/crypto.h"
#include "turn-connect/dial.h"
#include "turn-connect/local/bridge.h"
#include "turn-connect/local/relay-counts.h"
#include "turn-connect/watcher.h"

/* How the bridge itself logs in to a TURN server: by name and password, or by what it makes from a
 * secret that it shares with the server. */
typedef struct {
  char *user;
  char *password;
  GBytes *secret;
  guint lifetime_s;
  StunExtHash hash;
} TurnConnectBridgeLogin;

typedef struct {
  guint number;
  TurnConnectTarget *target;
  TurnConnectBridgeFlags flags;
  char *literals[2];             /* IPv4, IPv6 */
  char *name;                    /* "the server turn.example.org:443" */
  TurnConnectBridgeLogin *login; /* NULL: clients have their own, which pass */
  GError *cause;
  GQueue spares; /* streams opened ahead, oldest first; of ahead.c */
  GQueue claims; /* of those being opened; of ahead.c */
  guint n_opening;
  char *doing; /* with what the opening is busy, for words */
} TurnConnectBridgeServer;

struct _TurnConnectBridge {
  GObject parent_instance;
  GMainContext *context;
  GPtrArray *servers;
  GPtrArray *listeners;
  GQueue passages;             /* TurnConnectPassage */
  GQueue sessions;             /* TurnConnectSession */
  TurnConnectWatcher *watcher; /* of their streams; NULL until it listens */
  GSource *clock;              /* for the first of them that is due */
  GCancellable *life;          /* cancelled by closing */
  char *user;
  char *password;
  guint uids[8];
  guint n_uids;
  guint n_unknown; /* passages whose client has not yet shown what it is */
  guint n_denied;  /* passages that are kept though they get nowhere */
  gint64 told_at;  /* of refusals on loopback: strangers must not fill anybody's log */
  guint budget_ms;
  guint late_media;
  gint64 keepalive_us;
  GError *cause; /* of refusals on loopback */
  TurnConnectBridgeCounts counts;
};

/* Says that something failed. @server: NULL for refusals on loopback; @error (transfer full). The
 * application may close the bridge in return. */
void turn_connect_bridge_report (TurnConnectBridge *bridge,
                                 TurnConnectBridgeServer *server,
                                 GError *error);
void turn_connect_bridge_reached (TurnConnectBridge *bridge, TurnConnectBridgeServer *server);

TurnConnectBridgeServer *turn_connect_bridge_get_server (TurnConnectBridge *bridge, guint number);
TurnConnectBridgeServer *
turn_connect_bridge_find_server (TurnConnectBridge *bridge, const char *host, guint16 port);
gboolean turn_connect_bridge_allows_user (TurnConnectBridge *bridge, int descriptor);

/* Begins a dial whose callback comes in the bridge's context. */
void turn_connect_bridge_dial (TurnConnectBridge *bridge,
                               TurnConnectTarget *target,
                               TurnConnectProgressFunc progress,
                               gpointer progress_data,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data);
/* The end of it; refuses a stream without TLS where that is not allowed. */
TurnConnectStream *turn_connect_bridge_dial_finish (TurnConnectBridgeServer *server,
                                                    TurnConnectTarget *target,
                                                    GAsyncResult *result,
                                                    GError **error);
void turn_connect_bridge_add_counts (TurnConnectBridgeCounts *counts,
                                     const TurnConnectRelayCounts *more);

void turn_connect_bridge_login_free (TurnConnectBridgeLogin *login);

/* For tests: silence before a Binding request. */
void turn_connect_bridge_set_keepalive (TurnConnectBridge *bridge, guint keepalive_ms);
