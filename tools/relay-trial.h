/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One TURN server tried by one transport: allocate, send packets to and fro, measure, give back. */
#pragma once

#include "turn-connect/turn/client.h"
#include "turn-connect/turn/resolve.h"

G_BEGIN_DECLS

#define RELAY_TRIAL_PACKETS 16 /* each way */

/**
 * RelayTrial:
 * @transport: by what
 * @host: which server
 * @port: its port
 * @error: (nullable): why it does not work; %NULL if packets came back
 * @connect_us: until the transport was up, name and proxy and TLS included
 * @allocate_us: from there until the allocation was there
 * @bind_us: the shortest time in which the server answered a request
 * @total_us: from the beginning until packets could be sent
 * @has_timings: the next is known: not for UDP and DTLS
 * @timings: what @connect_us is made of
 * @proxy: (nullable): URL of the proxy
 * @tls: (nullable): "TLSv1.3, TLS_AES_256_GCM_SHA384" and alike
 * @alpn: (nullable): the protocol that the server chose
 * @software: (nullable): what the server calls itself
 * @server: (nullable): the server in use, which may be another after a redirection
 * @relayed: (nullable): the relayed address
 * @mapped: (nullable): how the server sees this end
 * @lifetime_s: how long the server keeps the allocation
 * @is_alone: there was no second allocation: packets went from the first to itself
 * @alone_because: (nullable): why
 * @n_sent: packets sent
 * @n_there: of these, those that arrived
 * @n_back: of these, those that came back
 * @rtts_us: (array length=n_back): round trips, in ascending order
 * @jitter_us: mean difference between neighbours
 *
 * What became of a trial.
 */
typedef struct {
  TurnConnectTransport transport;
  char *host;
  guint16 port;
  GError *error;
  gint64 connect_us;
  gint64 allocate_us;
  gint64 bind_us;
  gint64 total_us;
  gboolean has_timings;
  TurnConnectTimings timings;
  char *proxy;
  char *tls;
  char *alpn;
  char *software;
  char *server;
  char *relayed;
  char *mapped;
  guint lifetime_s;
  gboolean is_alone;
  char *alone_because;
  guint n_sent;
  guint n_there;
  guint n_back;
  gint64 rtts_us[RELAY_TRIAL_PACKETS];
  gint64 jitter_us;
} RelayTrial;

/**
 * RelayTrialWay:
 * @target: the server and the way to it
 * @transport: by what; TLS and DTLS are those of @target
 * @user: (nullable): TURN user
 * @password: (nullable): and password
 * @limit_s: for each step that waits for the server
 *
 * What to try.
 */
typedef struct {
  TurnConnectTarget *target;
  TurnConnectTransport transport;
  const char *user;
  const char *password;
  guint limit_s;
} RelayTrialWay;

/**
 * RelayTrialProgress:
 * @doing: what begins now, in words
 * @user_data: as given
 */
typedef void (*RelayTrialProgress) (const char *doing, gpointer user_data);

/**
 * relay_trial_run:
 * @way: what to try
 * @progress: told what is being done
 * @user_data: for @progress
 *
 * Tries it, on the default main context, which it iterates until the end.
 *
 * Returns: (transfer full): what became of it
 */
RelayTrial *
relay_trial_run (const RelayTrialWay *way, RelayTrialProgress progress, gpointer user_data);

/**
 * relay_trial_free:
 * @trial: (transfer full): a trial
 */
void relay_trial_free (RelayTrial *trial);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelayTrial, relay_trial_free)

G_END_DECLS
