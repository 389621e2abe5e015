/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a packet costs: N tunnels at 50 packets/s of 200-octet inner packets through the relay backend, server on one core,
 * generator on the other. Prints process CPU of the server per packet. Usage: bench-relay [TUNNELS [SECONDS [up|down|idle]]] */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#define PAYLOAD 172 /* 200 octets with IPv4 and UDP headers */

static void
pin (int core)
{
  cpu_set_t set;

  CPU_ZERO (&set);
  CPU_SET (core, &set);
  sched_setaffinity (0, sizeof set, &set);
}

/* Nanoseconds of CPU of all threads of a process. */
static guint64
cpu_ns (pid_t pid)
{
  g_autofree char *folder = g_strdup_printf ("/proc/%d/task", pid);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint64 sum = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, "schedstat", NULL);
    g_autofree char *text = NULL;

    if (g_file_get_contents (path, &text, NULL, NULL))
      sum += g_ascii_strtoull (text, NULL, 10);
  }
  return sum;
}

static guint64
resident_kib (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", pid);
  g_autofree char *text = NULL;
  const char *at;

  if (!g_file_get_contents (path, &text, NULL, NULL) || (at = strstr (text, "RssAnon:")) == NULL)
    return 0;
  return g_ascii_strtoull (at + 8 + strspn (at + 8, " \t"), NULL, 10);
}

/* The server in a process of its own; tells its port through a pipe. */
static pid_t
start_server (guint16 *port)
{
  int ends[2];
  pid_t pid;

  g_assert_cmpint (pipe (ends), ==, 0);
  pid = fork ();
  if (pid == 0) {
    World *world;
    StunExtAddress address;

    prctl (PR_SET_PDEATHSIG, SIGKILL);
    pin (0);
    world = world_new_real (
        "[media]\nbackend=relay\nrelay-addresses=127.0.0.1\n"
        "relay-ports=10000-31999\n[limits]\nconnections=100000\nunauthenticated=100000\n"
        "unauthenticated-per-source=100000\ntunnels-per-user=100000\n"
        "tunnels-per-source=100000\ntunnels-per-second=100000\n"
        "connections-per-source=100000\n",
        1, NULL, NULL);
    tep_server_get_listener_address (world->server, 0, &address);
    g_assert_cmpint (write (ends[1], &address.port, sizeof address.port), ==, 2);
    for (;;)
      g_main_context_iteration (NULL, TRUE);
  }
  g_assert_cmpint (read (ends[0], port, sizeof *port), ==, 2);
  return pid;
}

typedef struct {
  Client *client;
  StunExtTepLeased leased;
  struct sockaddr_storage address;
  guint16 sequence;
} Line;

static void
send_up (Line *line)
{
  guint8 buffer[256] = { 0 };
  StunExtCompactFrame frame = { .flow = 1,
                                .time = stun_ext_flow_time (g_get_monotonic_time ()),
                                .sequence = line->sequence++,
                                .length = PAYLOAD,
                                .payload = buffer + 64 };
  StunExtWriter writer;
  guint8 out[256];

  stun_ext_writer_init (&writer, out, sizeof out);
  stun_ext_compact_write (&writer, &frame);
  if (send (line->client->peer->fd, out, writer.length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return;
}

static void
swallow (int epoll, guint64 *octets)
{
  struct epoll_event events[256];
  static guint8 buffer[65536];
  int n = epoll_wait (epoll, events, 256, 0);

  for (int i = 0; i < n; i++) {
    ssize_t got = recv (events[i].data.fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (got > 0)
      *octets += (guint64)got;
  }
}

int
main (int argc, char **argv)
{
  guint n = argc > 1 ? (guint)atoi (argv[1]) : 1000;
  guint seconds = argc > 2 ? (guint)atoi (argv[2]) : 5;
  const char *mode = argc > 3 ? argv[3] : "up";
  guint16 port;
  pid_t pid = start_server (&port);
  World *world = g_new0 (World, 1);
  Line *lines = g_new0 (Line, n);
  StunExtAddress remote = world_address ("127.0.0.1:0");
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;
  int udp = socket (AF_INET, SOCK_DGRAM, 0), epoll = epoll_create1 (0);
  const int size = 8 << 20;
  guint64 before, after, sent = 0, received = 0, octets = 0, idle_kib, start_kib;
  gint64 start_us, now_us;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const guint8 payload[PAYLOAD] = { 0 };

  pin (1);
  signal (SIGPIPE, SIG_IGN);
  stun_ext_address_to_sockaddr (&remote, &storage);
  g_assert_cmpint (bind (udp, (struct sockaddr *)&storage, sizeof (struct sockaddr_in)), ==, 0);
  getsockname (udp, (struct sockaddr *)&storage, &length);
  stun_ext_address_from_sockaddr (&remote, (struct sockaddr *)&storage, length);
  setsockopt (udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  world->server = NULL;
  world->random = g_random_int ();
  world->peers = g_ptr_array_new ();
  world->real_port = port;
  start_kib = resident_kib (pid);
  for (guint i = 0; i < n; i++) {
    Line *line = &lines[i];
    struct epoll_event event = { .events = EPOLLIN };

    line->client = client_new (world, NULL);
    if (i > 0)
      line->client->nonce = g_strdup (lines[0].client->nonce);
    client_open (line->client, TRUE);
    g_assert_cmpuint (client_lease (line->client, 0, &line->leased), ==, 0);
    stun_ext_address_to_sockaddr (&line->leased.address, &line->address);
    g_assert_cmpuint (
        client_flow (line->client, &line->leased, 1, stun_ext_address_print (&remote, text)), ==,
        0);
    event.data.fd = line->client->peer->fd;
    epoll_ctl (epoll, EPOLL_CTL_ADD, event.data.fd, &event);
  }
  idle_kib = resident_kib (pid);
  before = cpu_ns (pid);
  start_us = g_get_monotonic_time ();
  do {
    guint64 due;

    now_us = g_get_monotonic_time ();
    due = strcmp (mode, "idle") == 0 ? 0 : (guint64)(now_us - start_us) * n * 50 / 1000000;
    while (sent < due) {
      Line *line = &lines[sent++ % n];

      if (mode[0] == 'u')
        send_up (line);
      else
        sendto (udp, payload, sizeof payload, MSG_DONTWAIT, (struct sockaddr *)&line->address,
                sizeof (struct sockaddr_in));
    }
    swallow (epoll, &octets);
    for (guint i = 0; i < 64; i++) {
      guint8 buffer[2048];

      if (recv (udp, buffer, sizeof buffer, MSG_DONTWAIT) < 0)
        break;
      received++;
    }
  } while (now_us - start_us < (gint64)seconds * 1000000);
  after = cpu_ns (pid);
  printf ("%s: %u tunnels, %" G_GUINT64_FORMAT " packets sent, %" G_GUINT64_FORMAT
          " arrived by UDP, %" G_GUINT64_FORMAT " octets by TCP, %.2f us CPU a packet, %.0f "
          "octets of anonymous memory a tunnel\n",
          mode, n, sent, received, octets, sent > 0 ? (double)(after - before) / 1000 / sent : 0,
          (double)(idle_kib - start_kib) * 1024 / n);
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
  return 0;
}
