/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The metrics of the daemon over HTTP, apart from everything that peers reach. */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/**
 * MetricsServer:
 *
 * Answers GET /metrics and GET /ready in the main context of its construction, without a thread.
 */
typedef struct _MetricsServer MetricsServer;

/**
 * MetricsSource:
 * @text: (transfer full): what /metrics answers
 * @is_ready: whether new calls are welcome, for /ready
 */
typedef struct {
  char *(*text) (gpointer user_data);
  gboolean (*is_ready) (gpointer user_data);
} MetricsSource;

/**
 * metrics_server_new:
 * @where: "unix:/PATH" or "ADDRESS:PORT"
 * @owner: who may connect to a Unix socket besides root
 * @group: and its group
 * @source: where the numbers come from
 * @user_data: for @source
 * @error: return location
 *
 * Opens the socket, which may need rights.
 *
 * Returns: (transfer full): the server; %NULL if the socket cannot be opened
 */
MetricsServer *metrics_server_new (const char *where,
                                   uid_t owner,
                                   gid_t group,
                                   const MetricsSource *source,
                                   gpointer user_data,
                                   GError **error);

/**
 * metrics_server_set_token:
 * @server: the server
 * @token: (nullable): what readers have to show as bearer token; %NULL for nothing
 */
void metrics_server_set_token (MetricsServer *server, const char *token);

/**
 * metrics_server_start:
 * @server: the server
 * @error: return location
 *
 * Begins to answer.
 *
 * Returns: %FALSE if the HTTP library refused
 */
gboolean metrics_server_start (MetricsServer *server, GError **error);

void metrics_server_free (MetricsServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MetricsServer, metrics_server_free)

G_END_DECLS
