/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other side of a dial: real proxies as child processes, and threads that play a proxy or
 * server with manners chosen by the test. Threads use blocking sockets with timeouts, so a broken
 * test ends.
 */
#include "peers.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

const char *
peers_address (void)
{
  static char address[32];

  if (address[0] == '\0')
    g_snprintf (address, sizeof address, "127.%d.%d.1", 64 + (getpid () >> 8) % 128,
                getpid () & 0xff);
  return address;
}

guint16
peers_free_port (void)
{
  guint16 port = 0;

  close (support_listen (peers_address (), 1, &port));
  return port;
}

static void
limit_waiting (int peer)
{
  struct timeval limit = { .tv_sec = 10 };

  setsockopt (peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt (peer, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void
echo_until_end (int peer)
{
  char buffer[4096];
  ssize_t n;

  while ((n = recv (peer, buffer, sizeof buffer, 0)) > 0)
    send (peer, buffer, (size_t)n, MSG_NOSIGNAL);
}

/* The echo server. */

struct _PeersEcho {
  int listener;
  gint count;
  GThread *thread;
};

static gpointer
echo_thread (gpointer data)
{
  PeersEcho *echo = data;
  int peer;

  while ((peer = accept (echo->listener, NULL, NULL)) >= 0) {
    g_atomic_int_inc (&echo->count);
    limit_waiting (peer);
    echo_until_end (peer);
    close (peer);
  }
  return NULL;
}

PeersEcho *
peers_echo_new (guint16 *port)
{
  PeersEcho *echo = g_new0 (PeersEcho, 1);

  echo->listener = support_listen (peers_address (), 16, port);
  echo->thread = g_thread_new ("echo", echo_thread, echo);
  return echo;
}

guint
peers_echo_count (PeersEcho *echo)
{
  return (guint)g_atomic_int_get (&echo->count);
}

void
peers_echo_free (PeersEcho *echo)
{
  shutdown (echo->listener, SHUT_RDWR);
  g_thread_join (echo->thread);
  close (echo->listener);
  g_free (echo);
}

/* Programs. */

struct _PeersProgram {
  char *dir;
  char *shared; /* how names of its shared memory begin, or NULL */
  GSubprocess *process;
};

/* In the child: without rights, and gone when the test is. */
static void
before_exec (gpointer user)
{
  struct passwd *account = user;

  if (getuid () == 0 && (setgid (account->pw_gid) != 0 || setuid (account->pw_uid) != 0))
    _exit (126);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static PeersProgram *
program_new (void)
{
  PeersProgram *program = g_new0 (PeersProgram, 1);
  g_autoptr (GError) error = NULL;

  program->dir = g_dir_make_tmp ("tepkit-peer-XXXXXX", &error);
  g_assert_no_error (error);
  return program;
}

static void
give_away (const char *path, const struct passwd *account)
{
  if (getuid () == 0)
    g_assert_no_errno (chown (path, account->pw_uid, account->pw_gid));
}

static void
write_file (PeersProgram *program, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (program->dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, &error);
  g_assert_no_error (error);
}

static gboolean
is_listening (guint16 port)
{
  struct sockaddr_storage native;
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string (peers_address (), port);
  int probe = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean is_up;

  g_socket_address_to_native (address, &native, sizeof native, NULL);
  is_up = connect (probe, (struct sockaddr *)&native, sizeof (struct sockaddr_in)) == 0;
  close (probe);
  return is_up;
}

static void
run (PeersProgram *program, const char *const *argv, guint16 port)
{
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  struct passwd *account = getpwnam ("nobody");
  g_autoptr (GError) error = NULL;
  gint64 until = g_get_monotonic_time () + 15 * G_USEC_PER_SEC;

  give_away (program->dir, account);
  launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE |
                                        G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_set_child_setup (launcher, before_exec, account, NULL);
  program->process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  while (!is_listening (port)) {
    g_assert_cmpint (g_get_monotonic_time (), <, until);
    g_usleep (10000);
  }
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    remove_tree (child);
  }
  g_remove (path);
}

/* squid leaves it behind when it is killed. */
static void
remove_shared_memory (const char *prefix)
{
  g_autoptr (GDir) dir = g_dir_open ("/dev/shm", 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename ("/dev/shm", name, NULL);

    if (g_str_has_prefix (name, prefix))
      g_remove (path);
  }
}

void
peers_program_free (PeersProgram *program)
{
  if (program->process != NULL) {
    g_subprocess_force_exit (program->process);
    g_subprocess_wait (program->process, NULL, NULL);
    g_object_unref (program->process);
  }
  if (program->shared != NULL)
    remove_shared_memory (program->shared);
  remove_tree (program->dir);
  g_free (program->shared);
  g_free (program->dir);
  g_free (program);
}

PeersProgram *
peers_tinyproxy_new (const char *user, const char *password, guint16 allowed_port, guint16 *port)
{
  PeersProgram *program = program_new ();
  g_autofree char *file = g_build_filename (program->dir, "tinyproxy.conf", NULL);
  const char *argv[] = { "tinyproxy", "-d", "-c", file, NULL };
  g_autoptr (GString) text = g_string_new ("Timeout 60\nMaxClients 50\n");

  *port = peers_free_port ();
  g_string_append_printf (text, "Port %u\nListen %s\n", *port, peers_address ());
  if (allowed_port != 0)
    g_string_append_printf (text, "ConnectPort %u\n", allowed_port);
  if (user != NULL)
    g_string_append_printf (text, "BasicAuth %s %s\n", user, password);
  write_file (program, "tinyproxy.conf", text->str);
  run (program, argv, *port);
  return program;
}

/* The password file that squid's helper reads. */
static void
write_squid_users (PeersProgram *program, const char *user, const char *password)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *hash = NULL;
  g_autofree char *line = NULL;

  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "openssl", "passwd", "-apr1",
                              password, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &hash, NULL, &error);
  g_assert_no_error (error);
  line = g_strdup_printf ("%s:%s", user, hash);
  write_file (program, "users", line);
}

PeersProgram *
peers_squid_new (const char *user,
                 const char *password,
                 guint16 allowed_port,
                 const char *host_line,
                 guint16 *port)
{
  PeersProgram *program = program_new ();
  g_autofree char *file = g_build_filename (program->dir, "squid.conf", NULL);
  g_autofree char *name = g_strdup_printf ("tepkit%d", getpid ());
  /* Not everybody has /usr/sbin in their path. */
  const char *argv[] = { "/usr/sbin/squid", "-N", "-n", name, "-f", file, NULL };
  g_autoptr (GString) text = g_string_new (NULL);

  program->shared = g_strconcat (name, "-cf__", NULL);
  *port = peers_free_port ();
  g_string_append_printf (text, "http_port %s:%u\n", peers_address (), *port);
  g_string_append_printf (text, "acl fine port %u\n", allowed_port);
  g_string_append (text, "acl CONNECT method CONNECT\nhttp_access deny CONNECT !fine\n");
  if (user != NULL) {
    write_squid_users (program, user, password);
    g_string_append_printf (
        text, "auth_param basic program /usr/lib/squid/basic_ncsa_auth %s/users\n", program->dir);
    g_string_append (text, "acl known proxy_auth REQUIRED\nhttp_access allow known\n");
  } else
    g_string_append (text, "http_access allow all\n");
  g_string_append_printf (text, "http_access deny all\nhosts_file %s/hosts\n", program->dir);
  g_string_append_printf (text, "pid_filename %s/pid\ncoredump_dir %s\n", program->dir,
                          program->dir);
  g_string_append_printf (text, "cache_log %s/cache.log\naccess_log none\n", program->dir);
  g_string_append (text, "cache deny all\nnetdb_filename none\npinger_enable off\n"
                         "dns_nameservers 127.0.0.1\nvisible_hostname squid.test\n"
                         "shutdown_lifetime 0 seconds\nforward_max_tries 1\n");
  write_file (program, "hosts", host_line);
  write_file (program, "squid.conf", text->str);
  run (program, argv, *port);
  return program;
}

/* The scripted proxy. */

struct _PeersScript {
  PeersAct *acts;
  guint n_acts;
  char *repeat;
  int listener;
  GString *asked;
  guint n_connections;
  GThread *thread;
};

static gboolean
read_request (PeersScript *script, int peer)
{
  gsize from = script->asked->len;
  char octet;

  while (recv (peer, &octet, 1, 0) == 1) {
    g_string_append_c (script->asked, octet);
    if (g_str_has_suffix (script->asked->str + from, "\r\n\r\n"))
      return TRUE;
  }
  return FALSE;
}

static void
wait_for_leave (int peer)
{
  char buffer[4096];

  while (recv (peer, buffer, sizeof buffer, 0) > 0)
    continue;
}

/* Plays acts on one connection; returns the index of the next act. */
static guint
play (PeersScript *script, guint at, int peer)
{
  for (; at < script->n_acts; at++) {
    const PeersAct *act = &script->acts[at];

    if (act->reply != NULL) {
      if (!read_request (script, peer))
        return at;
      send (peer, act->reply, strlen (act->reply), MSG_NOSIGNAL);
    }
    while (script->repeat != NULL && at + 1 == script->n_acts &&
           send (peer, script->repeat, strlen (script->repeat), MSG_NOSIGNAL) > 0)
      continue;
    if (act->then == PEERS_THEN_ECHO)
      echo_until_end (peer);
    if (act->then == PEERS_THEN_STAY)
      wait_for_leave (peer);
    if (act->then == PEERS_THEN_RESET) {
      struct linger hard = { .l_onoff = 1 };

      setsockopt (peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    if (act->then != PEERS_THEN_LISTEN)
      return at + 1;
  }
  return at;
}

static gpointer
script_thread (gpointer data)
{
  PeersScript *script = data;
  guint at = 0;
  int peer;

  while ((peer = accept (script->listener, NULL, NULL)) >= 0) {
    script->n_connections++;
    limit_waiting (peer);
    at = play (script, at, peer);
    close (peer);
  }
  return NULL;
}

PeersScript *
peers_script_new (const PeersAct *acts, guint n_acts, const char *repeat, guint16 *port)
{
  PeersScript *script = g_new0 (PeersScript, 1);

  script->acts = g_memdup2 (acts, n_acts * sizeof *acts);
  script->n_acts = n_acts;
  script->repeat = g_strdup (repeat);
  script->asked = g_string_new (NULL);
  script->listener = support_listen (peers_address (), 16, port);
  script->thread = g_thread_new ("proxy", script_thread, script);
  return script;
}

char *
peers_script_free (PeersScript *script, guint *n_connections)
{
  char *asked;

  shutdown (script->listener, SHUT_RDWR);
  g_thread_join (script->thread);
  close (script->listener);
  if (n_connections != NULL)
    *n_connections = script->n_connections;
  asked = g_string_free (script->asked, FALSE);
  g_free (script->acts);
  g_free (script->repeat);
  g_free (script);
  return asked;
}

/* Does ICMP say that nobody listens there? */
static gboolean
is_refusing_datagrams (guint16 port)
{
  struct sockaddr_storage native;
  g_autoptr (GSocketAddress) address =
      g_inet_socket_address_new_from_string (peers_address (), port);
  struct timeval patience = { .tv_usec = 20000 };
  int probe = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  gboolean is_refused;
  char octet = 0;

  g_socket_address_to_native (address, &native, sizeof native, NULL);
  setsockopt (probe, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  g_assert_no_errno (connect (probe, (struct sockaddr *)&native, sizeof (struct sockaddr_in)));
  send (probe, &octet, 1, 0);
  is_refused = recv (probe, &octet, 1, 0) < 0 && errno == ECONNREFUSED;
  close (probe);
  return is_refused;
}

PeersProgram *
peers_turnserver_new (const char *certificate,
                      const char *key,
                      const char *const *options,
                      guint16 *port)
{
  PeersProgram *program = program_new ();
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

  if (*port == 0)
    *port = peers_free_port ();
  g_ptr_array_add (argv, g_strdup ("turnserver"));
  for (const char *const *fixed =
           (const char *const[]){ "-n", "--no-cli", "--lt-cred-mech", "--realm=test",
                                  "--user=alice:secret", "--allow-loopback-peers", "--simple-log",
                                  "--relay-threads=1", NULL };
       *fixed != NULL; fixed++)
    g_ptr_array_add (argv, g_strdup (*fixed));
  g_ptr_array_add (argv, g_strdup_printf ("--listening-ip=%s", peers_address ()));
  g_ptr_array_add (argv, g_strdup_printf ("--relay-ip=%s", peers_address ()));
  g_ptr_array_add (argv, g_strdup_printf ("--log-file=%s/log", program->dir));
  g_ptr_array_add (argv, g_strdup_printf ("--pidfile=%s/pid", program->dir));
  g_ptr_array_add (argv, g_strdup_printf ("--userdb=%s/db", program->dir));
  if (certificate != NULL) {
    g_autofree char *text = NULL;

    g_assert_true (g_file_get_contents (certificate, &text, NULL, NULL));
    write_file (program, "certificate.pem", text);
    g_clear_pointer (&text, g_free);
    g_assert_true (g_file_get_contents (key, &text, NULL, NULL));
    write_file (program, "key.pem", text);
    g_ptr_array_add (argv, g_strdup_printf ("--cert=%s/certificate.pem", program->dir));
    g_ptr_array_add (argv, g_strdup_printf ("--pkey=%s/key.pem", program->dir));
    g_ptr_array_add (argv, g_strdup_printf ("--tls-listening-port=%u", *port));
    g_ptr_array_add (argv, g_strdup ("--no-tcp"));
    g_ptr_array_add (argv, g_strdup ("--no-udp"));
  } else {
    g_ptr_array_add (argv, g_strdup_printf ("--listening-port=%u", *port));
    g_ptr_array_add (argv, g_strdup ("--no-tls"));
    g_ptr_array_add (argv, g_strdup ("--no-dtls"));
  }
  for (; options != NULL && *options != NULL; options++)
    g_ptr_array_add (argv, g_strdup (*options));
  g_ptr_array_add (argv, NULL);
  run (program, (const char *const *)argv->pdata, *port);
  while (is_refusing_datagrams (*port))
    g_usleep (10000);
  return program;
}

void
peers_program_kill (PeersProgram *program)
{
  g_subprocess_force_exit (program->process);
  g_subprocess_wait (program->process, NULL, NULL);
}
