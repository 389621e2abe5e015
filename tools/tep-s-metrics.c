/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* HTTP for those who watch the daemon. Somebody else's well-kept parser reads the requests; it runs in the main loop, away from
 * the workers, with bounds on connections, memory and time. The only door to libmicrohttpd. */
#include "tools/tep-s-metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "stun-ext/address.h"
#include "stun-ext/crypto.h"

#define MAX_CONNECTIONS 16
#define CONNECTION_MEMORY 16384
#define TIMEOUT_S 5
#define BACKLOG 16

struct _MetricsServer {
  MetricsSource source;
  gpointer user_data;
  struct MHD_Daemon *daemon;
  char *token;
  char *path; /* of a Unix socket */
  int fd;
  guint watch;
  guint timer;
};

static gboolean
fail (GError **error, const char *where, const char *what)
{
  int number = errno;

  g_set_error (error, G_IO_ERROR, (int)g_io_error_from_errno (number),
               "[metrics] listen: %s: %s: %s", where, what, g_strerror (number));
  return FALSE;
}

/* A socket file that nobody listens on is left over from a process that was killed. */
static gboolean
remove_stale (const struct sockaddr_un *address)
{
  struct stat info;
  gboolean is_alive;
  int fd;

  if (lstat (address->sun_path, &info) != 0)
    return errno == ENOENT;
  errno = EADDRINUSE;
  if (!S_ISSOCK (info.st_mode))
    return FALSE;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  is_alive = fd >= 0 && connect (fd, (const struct sockaddr *)address, sizeof *address) == 0;
  if (fd >= 0)
    close (fd);
  errno = EADDRINUSE;
  return !is_alive && unlink (address->sun_path) == 0;
}

static gboolean
open_unix (MetricsServer *server, const char *path, uid_t owner, gid_t group, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  mode_t before;
  gboolean is_bound;

  if (strlen (path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return fail (error, path, "the socket cannot be opened");
  }
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  if (!remove_stale (&address))
    return fail (error, path, "the socket cannot be opened");
  server->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  before = umask (0117);
  is_bound = server->fd >= 0 && bind (server->fd, (struct sockaddr *)&address, sizeof address) == 0;
  umask (before);
  if (!is_bound)
    return fail (error, path, "the socket cannot be opened");
  server->path = g_strdup (path);
  if (geteuid () == 0 && lchown (path, owner, group) != 0)
    return fail (error, path, "the socket cannot be given to the user");
  return listen (server->fd, BACKLOG) == 0 || fail (error, path, "the socket cannot listen");
}

static gboolean
open_tcp (MetricsServer *server, const char *where, GError **error)
{
  struct sockaddr_storage storage;
  StunExtAddress address;
  socklen_t length;
  int on = 1;

  errno = EINVAL;
  if (!stun_ext_address_parse (where, &address))
    return fail (error, where, "is no address");
  length = (socklen_t)stun_ext_address_to_sockaddr (&address, &storage);
  server->fd = socket (storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (server->fd < 0 || setsockopt (server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind (server->fd, (struct sockaddr *)&storage, length) != 0 ||
      listen (server->fd, BACKLOG) != 0)
    return fail (error, where, "the socket cannot be opened");
  return TRUE;
}

MetricsServer *
metrics_server_new (const char *where,
                    uid_t owner,
                    gid_t group,
                    const MetricsSource *source,
                    gpointer user_data,
                    GError **error)
{
  g_autoptr (MetricsServer) server = g_new0 (MetricsServer, 1);
  gboolean is_open;

  server->fd = -1;
  server->source = *source;
  server->user_data = user_data;
  is_open = g_str_has_prefix (where, "unix:")
                ? open_unix (server, where + strlen ("unix:"), owner, group, error)
                : open_tcp (server, where, error);
  return is_open ? g_steal_pointer (&server) : NULL;
}

void
metrics_server_set_token (MetricsServer *server, const char *token)
{
  g_free (server->token);
  server->token = g_strdup (token);
}

static gboolean
is_authorized (const MetricsServer *server, struct MHD_Connection *connection)
{
  const char *value =
      MHD_lookup_connection_value (connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
  static const char scheme[] = "Bearer ";

  if (server->token == NULL)
    return TRUE;
  if (value == NULL || !g_str_has_prefix (value, scheme))
    return FALSE;
  value += strlen (scheme);
  return strlen (value) == strlen (server->token) &&
         stun_ext_crypto_equal (value, server->token, strlen (value));
}

static enum MHD_Result
answer_text (struct MHD_Connection *connection, guint status, const char *type, char *text)
{
  struct MHD_Response *response =
      MHD_create_response_from_buffer (strlen (text), text, MHD_RESPMEM_MUST_COPY);
  enum MHD_Result result = MHD_NO;

  g_free (text);
  if (response == NULL)
    return MHD_NO;
  if (MHD_add_response_header (response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
      MHD_add_response_header (response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
      (status != MHD_HTTP_UNAUTHORIZED ||
       MHD_add_response_header (response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer") == MHD_YES))
    result = MHD_queue_response (connection, status, response);
  MHD_destroy_response (response);
  return result;
}

static enum MHD_Result
answer (void *data,
        struct MHD_Connection *connection,
        const char *url,
        const char *method,
        const char *version,
        const char *upload,
        size_t *upload_length,
        void **request)
{
  static const char plain[] = "text/plain; charset=utf-8";
  static int is_begun;
  MetricsServer *server = data;

  if (*request == NULL) { /* the library asks a first time before the body, which none needs */
    *request = &is_begun;
    return MHD_YES;
  }
  if (*upload_length != 0) { /* nobody wants a body: it is let go, and the answer comes behind it */
    *upload_length = 0;
    return MHD_YES;
  }
  if (strcmp (method, MHD_HTTP_METHOD_GET) != 0 && strcmp (method, MHD_HTTP_METHOD_HEAD) != 0)
    return answer_text (connection, MHD_HTTP_METHOD_NOT_ALLOWED, plain,
                        g_strdup ("only GET is answered\n"));
  if (!is_authorized (server, connection))
    return answer_text (connection, MHD_HTTP_UNAUTHORIZED, plain,
                        g_strdup ("the token is missing or wrong\n"));
  if (strcmp (url, "/metrics") == 0)
    return answer_text (connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                        server->source.text (server->user_data));
  if (strcmp (url, "/ready") == 0) {
    gboolean is_ready = server->source.is_ready (server->user_data);

    return answer_text (connection, is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, plain,
                        g_strdup (is_ready ? "ready\n" : "draining\n"));
  }
  return answer_text (connection, MHD_HTTP_NOT_FOUND, plain,
                      g_strdup ("there are /metrics and /ready\n"));
}

static gboolean on_timeout (gpointer data);

static void
run (MetricsServer *server)
{
  MHD_UNSIGNED_LONG_LONG wait_ms;

  MHD_run (server->daemon);
  if (server->timer != 0 || MHD_get_timeout (server->daemon, &wait_ms) != MHD_YES)
    return;
  server->timer = g_timeout_add ((guint)MIN (wait_ms, 1000 * TIMEOUT_S), on_timeout, server);
}

static gboolean
on_timeout (gpointer data)
{
  MetricsServer *server = data;

  server->timer = 0;
  run (server);
  return G_SOURCE_REMOVE;
}

static gboolean
on_ready (int fd, GIOCondition condition, gpointer data)
{
  run (data);
  return G_SOURCE_CONTINUE;
}

gboolean
metrics_server_start (MetricsServer *server, GError **error)
{
  const union MHD_DaemonInfo *info;

  server->daemon =
      MHD_start_daemon (MHD_USE_EPOLL, 0, NULL, NULL, answer, server, MHD_OPTION_LISTEN_SOCKET,
                        server->fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)MAX_CONNECTIONS,
                        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)TIMEOUT_S, MHD_OPTION_END);
  info = server->daemon != NULL ? MHD_get_daemon_info (server->daemon, MHD_DAEMON_INFO_EPOLL_FD)
                                : NULL;
  if (info == NULL) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                 "[metrics]: the HTTP library does not start");
    return FALSE;
  }
  server->fd = -1; /* the library closes it */
  server->watch = g_unix_fd_add (info->epoll_fd, G_IO_IN, on_ready, server);
  return TRUE;
}

void
metrics_server_free (MetricsServer *server)
{
  g_clear_handle_id (&server->watch, g_source_remove);
  g_clear_handle_id (&server->timer, g_source_remove);
  g_clear_pointer (&server->daemon, MHD_stop_daemon);
  if (server->fd >= 0)
    close (server->fd);
  if (server->path != NULL)
    unlink (server->path); /* fails where the folder is not the user's; the next start removes it */
  if (server->token != NULL)
    stun_ext_crypto_cleanse (server->token, strlen (server->token));
  g_clear_pointer (&server->token, g_free);
  g_clear_pointer (&server->path, g_free);
  g_free (server);
}
