/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of turn-connect share: bounded waiting, listeners of every temper, and a resolver
 * that says what a test wants.
 */
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static gboolean
set_flag (gpointer flag)
{
  *(gboolean *)flag = TRUE;
  return G_SOURCE_REMOVE;
}

void
support_run_until (const gboolean *flag)
{
  gboolean is_late = FALSE;
  guint id = g_timeout_add_seconds (20, set_flag, &is_late);

  while (!*flag && !is_late)
    g_main_context_iteration (NULL, TRUE);
  g_assert_false (is_late);
  g_source_remove (id);
}

void
support_run_for (guint ms)
{
  gboolean is_over = FALSE;

  g_timeout_add (ms, set_flag, &is_over);
  support_run_until (&is_over);
}

static socklen_t
to_native (const char *ip, guint16 port, struct sockaddr_storage *native)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (ip, port);

  g_assert_nonnull (address);
  g_assert_true (g_socket_address_to_native (address, native, sizeof *native, NULL));
  return (socklen_t)g_socket_address_get_native_size (address);
}

int
support_listen (const char *ip, int backlog, guint16 *port)
{
  struct sockaddr_storage native;
  socklen_t length = to_native (ip, *port, &native);
  int on = 1;
  int listener = socket (native.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (listener, >=, 0);
  setsockopt (listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  g_assert_no_errno (bind (listener, (struct sockaddr *)&native, length));
  g_assert_no_errno (listen (listener, backlog));
  g_assert_no_errno (getsockname (listener, (struct sockaddr *)&native, &length));
  *port = native.ss_family == AF_INET6 ? ntohs (((struct sockaddr_in6 *)&native)->sin6_port)
                                       : ntohs (((struct sockaddr_in *)&native)->sin_port);
  return listener;
}

int
support_bind_datagrams_at (const char *ip, guint16 port)
{
  struct sockaddr_storage native;
  socklen_t length = to_native (ip, port, &native);
  int descriptor = socket (native.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (descriptor, >=, 0);
  g_assert_no_errno (bind (descriptor, (struct sockaddr *)&native, length));
  return descriptor;
}

int
support_bind_datagrams (const char *ip, guint16 *port)
{
  /* Twice: only a port that was asked for by its number outlives a connect () and its undoing. */
  *port = 0;
  for (int i = 0;; i++) {
    struct sockaddr_storage native;
    socklen_t length = sizeof native;
    int descriptor = support_bind_datagrams_at (ip, *port);

    g_assert_no_errno (getsockname (descriptor, (struct sockaddr *)&native, &length));
    *port = native.ss_family == AF_INET6 ? ntohs (((struct sockaddr_in6 *)&native)->sin6_port)
                                         : ntohs (((struct sockaddr_in *)&native)->sin_port);
    if (i == 1)
      return descriptor;
    close (descriptor);
  }
}

static gboolean
is_readable (int descriptor, int timeout_ms)
{
  struct pollfd look = { .fd = descriptor, .events = POLLIN };

  return poll (&look, 1, timeout_ms) == 1;
}

int
support_accept (int listener)
{
  int peer;

  g_assert_true (is_readable (listener, 10000));
  peer = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  g_assert_cmpint (peer, >=, 0);
  return peer;
}

gboolean
support_has_visitor (int listener)
{
  return is_readable (listener, 0);
}

void
support_black_hole_open (SupportBlackHole *hole, const char *ip, guint16 port)
{
  struct sockaddr_storage native;
  socklen_t length;

  hole->port = port;
  hole->listener = support_listen (ip, 0, &hole->port);
  length = to_native (ip, hole->port, &native);
  for (gsize i = 0; i < G_N_ELEMENTS (hole->fill); i++) {
    hole->fill[i] = socket (native.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint (hole->fill[i], >=, 0);
    if (connect (hole->fill[i], (struct sockaddr *)&native, length) != 0)
      g_assert_cmpint (errno, ==, EINPROGRESS);
  }
}

void
support_black_hole_close (SupportBlackHole *hole)
{
  close (hole->listener);
  for (gsize i = 0; i < G_N_ELEMENTS (hole->fill); i++)
    close (hole->fill[i]);
}

void
support_read_exactly (int descriptor, void *buffer, gsize n)
{
  gsize have = 0;

  while (have < n) {
    ssize_t got;

    g_assert_true (is_readable (descriptor, 10000));
    got = read (descriptor, (guint8 *)buffer + have, n - have);
    g_assert_cmpint (got, >, 0);
    have += (gsize)got;
  }
}

void
support_write_all (int descriptor, const void *data, gsize n)
{
  g_assert_cmpint (send (descriptor, data, n, MSG_NOSIGNAL), ==, (ssize_t)n);
}

int
support_call (guint16 port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = g_htons (port) };
  int descriptor = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_addr.s_addr = g_htonl (INADDR_LOOPBACK);
  g_assert_cmpint (connect (descriptor, (struct sockaddr *)&address, sizeof address), ==, 0);
  return descriptor;
}

void
support_await (int descriptor)
{
  struct pollfd look = { .fd = descriptor, .events = POLLIN };
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (poll (&look, 1, 1) == 0) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
}

gsize
support_receive (int descriptor, guint8 *octets, gsize size)
{
  ssize_t n;

  support_await (descriptor);
  n = recv (descriptor, octets, size, 0);
  return n > 0 ? (gsize)n : 0;
}

typedef struct {
  SupportDial *dial;
  gboolean is_over;
} Running;

static void
note_step (const TurnConnectProgress *progress, gpointer user_data)
{
  Running *running = user_data;
  GString *steps = running->dial->steps;

  g_string_append_printf (steps, "%s%s", steps->len > 0 ? " " : "",
                          turn_connect_step_to_string (progress->step));
  if (progress->detail != NULL)
    g_string_append_printf (steps, ":%s", progress->detail);
  g_assert_cmpint (progress->elapsed_us, >=, 0);
}

static void
dial_over (GObject *target, GAsyncResult *result, gpointer user_data)
{
  Running *running = user_data;
  SupportDial *dial = running->dial;

  dial->stream = turn_connect_dial_finish (TURN_CONNECT_TARGET (target), result, &dial->error);
  g_assert_true ((dial->stream == NULL) != (dial->error == NULL));
  running->is_over = TRUE;
}

void
support_dial (SupportDial *dial, TurnConnectTarget *target)
{
  Running running = { .dial = dial };
  gint64 begun_at = g_get_monotonic_time ();

  memset (dial, 0, sizeof *dial);
  dial->steps = g_string_new (NULL);
  turn_connect_dial_async (target, note_step, &running, NULL, dial_over, &running);
  g_assert_false (running.is_over);
  support_run_until (&running.is_over);
  dial->took_us = g_get_monotonic_time () - begun_at;
  if (dial->error != NULL)
    g_test_message ("%s", dial->error->message);
}

void
support_dial_clear (SupportDial *dial)
{
  g_clear_object (&dial->stream);
  g_clear_error (&dial->error);
  if (dial->steps != NULL)
    g_string_free (g_steal_pointer (&dial->steps), TRUE);
}

/* The resolver. */

#define TYPE_TEST_RESOLVER (test_resolver_get_type ())
G_DECLARE_FINAL_TYPE (TestResolver, test_resolver, TEST, RESOLVER, GResolver)

struct _TestResolver {
  GResolver parent_instance;
  GHashTable *names;  /* name -> addresses */
  GHashTable *counts; /* name -> lookups */
};

G_DEFINE_FINAL_TYPE (TestResolver, test_resolver, G_TYPE_RESOLVER)

static TestResolver *installed;

static void
never (GCancellable *cancellable, gpointer task)
{
  g_task_return_error_if_cancelled (task);
}

static GList *
parse_addresses (const char *text, GSocketFamily family)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  GList *list = NULL;

  for (char **part = parts; *part != NULL; part++) {
    g_autoptr (GInetAddress) address = g_inet_address_new_from_string (*part);

    if (address != NULL && g_inet_address_get_family (address) == family)
      list = g_list_append (list, g_steal_pointer (&address));
  }
  return list;
}

static void
free_addresses (gpointer list)
{
  g_resolver_free_addresses (list);
}

static void
test_lookup_async (GResolver *resolver,
                   const char *name,
                   GResolverNameLookupFlags flags,
                   GCancellable *cancellable,
                   GAsyncReadyCallback callback,
                   gpointer user_data)
{
  TestResolver *self = TEST_RESOLVER (resolver);
  gboolean is_ipv6 = (flags & G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY) != 0;
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, callback, user_data);
  const char *text = g_hash_table_lookup (self->names, name);
  GList *list;

  g_hash_table_insert (
      self->counts, g_strdup (name),
      GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, name)) + 1));
  if (text != NULL && strstr (text, is_ipv6 ? "hang6" : "hang4") != NULL) {
    g_cancellable_connect (cancellable, G_CALLBACK (never), g_steal_pointer (&task),
                           g_object_unref);
    return;
  }
  if (g_strcmp0 (text, "fail") == 0) {
    g_task_return_new_error (task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE,
                             "name service is down");
    return;
  }
  list = parse_addresses (text != NULL ? text : "",
                          is_ipv6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4);
  if (list == NULL)
    g_task_return_new_error (task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no such name");
  else
    g_task_return_pointer (task, list, free_addresses);
}

static GList *
test_lookup_finish (GResolver *resolver, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
test_resolver_class_init (TestResolverClass *class)
{
  G_RESOLVER_CLASS (class)->lookup_by_name_with_flags_async = test_lookup_async;
  G_RESOLVER_CLASS (class)->lookup_by_name_with_flags_finish = test_lookup_finish;
}

static void
test_resolver_init (TestResolver *self)
{
  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

void
support_resolver_install (void)
{
  installed = g_object_new (TYPE_TEST_RESOLVER, NULL);
  g_resolver_set_default (G_RESOLVER (installed));
}

void
support_resolver_set (const char *name, const char *addresses)
{
  g_hash_table_insert (installed->names, g_strdup (name), g_strdup (addresses));
}

guint
support_resolver_count (const char *name)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (installed->counts, name));
}
