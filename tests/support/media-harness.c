/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A media backend without the rest of the server: stands in for the workers, one thread for all of
 * them, and does what it is told on stdin. What the gateway sends comes out on stdout.
 *
 *   media-harness CONFIG-FILE WORKERS
 *   lease W ADDR:PORT [pair]      release W ADDR:PORT      send W SOURCE DESTINATION DSCP HEX...
 *   counters                      costs-begin              costs-end
 *   abort                         quit
 *
 * Answers: "ready HELPER-PID", "ok", "failed N", "error TEXT", "counter NAME N", "costs ALLOCATIONS LOCKS
 * RECORDS" of the backend's functions since costs-begin ("-" where a sanitizer keeps them from being counted), and at any time
 * "packet W SOURCE DESTINATION HEX".
 */
#include "tep-s/worker-private.h"

#include "costs.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WATCHED 8
#define MOST_WORKERS 8
#define MOST_BINDINGS 64

typedef struct {
  int fd;
  gpointer tag;
} Watched;

struct _TepServerWorker {
  guint index;
  TepServerMedia *media;
  Watched watched[MOST_WATCHED];
  guint n_watched;
  TepServerBinding bindings[MOST_BINDINGS];
  gint64 counters[TEP_SERVER_N_COUNTERS];
};

static TepServerWorker workers[MOST_WORKERS];
static guint n_workers;
static TepServerHelper *helper;
static const TepServerMediaOps *ops;
static guint8 scratch[1 << 18];

static void say (const char *format, ...) G_GNUC_PRINTF (1, 2);

static void
say (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  vprintf (format, arguments);
  va_end (arguments);
  printf ("\n");
  fflush (stdout);
}

void
tep_server_worker_deliver (TepServerWorker *worker, const TepServerPacket *packets, gsize n)
{
  costs_leave_out_this_thread (TRUE);
  for (gsize i = 0; i < n; i++) {
    char from[STUN_EXT_ADDRESS_TEXT_LENGTH], to[STUN_EXT_ADDRESS_TEXT_LENGTH];

    printf ("packet %u %s %s ", worker->index, stun_ext_address_print (packets[i].source, from),
            stun_ext_address_print (packets[i].destination, to));
    for (gsize k = 0; k < packets[i].length; k++)
      printf ("%02x", packets[i].payload[k]);
    printf ("\n");
  }
  fflush (stdout);
  costs_leave_out_this_thread (FALSE);
}

void
tep_server_worker_leased (TepServerWorker *worker, TepServerBinding *binding, gboolean is_usable)
{
  binding->is_pending = FALSE;
  if (is_usable) {
    say ("ok");
    return;
  }
  ops->release (worker->media, binding);
  memset (binding, 0, sizeof *binding);
  say ("error it cannot be diverted");
}

gboolean
tep_server_worker_watch (TepServerWorker *worker, int fd, gpointer tag)
{
  g_assert_cmpuint (worker->n_watched, <, MOST_WATCHED);
  worker->watched[worker->n_watched++] = (Watched){ fd, tag };
  return TRUE;
}

void
tep_server_worker_unwatch (TepServerWorker *worker, int fd)
{
  for (guint i = 0; i < worker->n_watched; i++)
    if (worker->watched[i].fd == fd)
      worker->watched[i] = worker->watched[--worker->n_watched];
}

guint
tep_server_worker_index (const TepServerWorker *worker)
{
  return worker->index;
}

guint
tep_server_worker_total (const TepServerWorker *worker)
{
  return n_workers;
}

TepServerHelper *
tep_server_worker_helper (const TepServerWorker *worker)
{
  return helper;
}

gint64
tep_server_worker_now (const TepServerWorker *worker)
{
  return g_get_monotonic_time ();
}

void
tep_server_worker_count (TepServerWorker *worker, TepServerCounter counter, gint64 n)
{
  worker->counters[counter] += n;
}

guint8 *
tep_server_worker_scratch (TepServerWorker *worker, gsize *length)
{
  *length = sizeof scratch;
  return scratch;
}

static StunExtAddress
address_of (const char *text)
{
  StunExtAddress address;

  if (text == NULL || !stun_ext_address_parse (text, &address))
    g_error ("no address: %s", text);
  return address;
}

static void
lease (TepServerWorker *worker, const char *text, gboolean is_pair)
{
  g_autoptr (GError) error = NULL;
  TepServerBinding *binding = worker->bindings;
  gboolean is_leased;

  while (binding->address.family != 0)
    binding++;
  binding->address = address_of (text);
  binding->is_pair = is_pair;
  costs_leave_out_this_thread (FALSE);
  is_leased = ops->lease (worker->media, binding, &error);
  costs_leave_out_this_thread (TRUE);
  if (is_leased)
    return; /* pending; leased() answers */
  memset (binding, 0, sizeof *binding);
  say ("error %s", error->message);
}

static void
release (TepServerWorker *worker, const char *text)
{
  StunExtAddress address = address_of (text);

  for (TepServerBinding *binding = worker->bindings; binding < worker->bindings + MOST_BINDINGS;
       binding++) {
    if (!stun_ext_address_equal (&binding->address, &address))
      continue;
    ops->release (worker->media, binding);
    memset (binding, 0, sizeof *binding);
  }
  say ("ok");
}

/* HEX of all packets of the batch, "-" for an empty one. */
static void
send_batch (TepServerWorker *worker, char **words)
{
  StunExtAddress source = address_of (words[2]), destination = address_of (words[3]);
  TepServerPacket packets[256];
  guint8 *payload = scratch;
  gsize n, n_failed;

  for (n = 0; words[5 + n] != NULL && n < G_N_ELEMENTS (packets); n++) {
    const char *hex = words[5 + n];

    packets[n] = (TepServerPacket){ .source = &source,
                                    .destination = &destination,
                                    .payload = payload,
                                    .dscp = (guint8)atoi (words[4]) };
    for (; g_ascii_isxdigit (hex[0]); hex += 2)
      *payload++ = (guint8)(g_ascii_xdigit_value (hex[0]) << 4 | g_ascii_xdigit_value (hex[1]));
    packets[n].length = (gsize)(payload - packets[n].payload);
  }
  costs_leave_out_this_thread (FALSE);
  n_failed = ops->send (worker->media, packets, n);
  costs_leave_out_this_thread (TRUE);
  say ("failed %zu", n_failed);
}

static void
print_counters (void)
{
  for (guint c = 0; c < TEP_SERVER_N_COUNTERS; c++) {
    gint64 sum = 0;

    for (guint w = 0; w < n_workers; w++)
      sum += workers[w].counters[c];
    if (sum != 0)
      say ("counter %s{%s} %" G_GINT64_FORMAT, tep_server_counter_info (c)->family,
           tep_server_counter_info (c)->label, sum);
  }
  say ("ok");
}

static void
start_costs (void)
{
  costs_begin ();
  say ("ok");
}

static void
print_costs (void)
{
  Costs costs = costs_end ();

  if (COSTS_HAS_MEMORY)
    say ("costs %u %u %u", costs.allocations, costs.locks, costs.records);
  else
    say ("costs - - %u", costs.records);
}

/* FALSE: the end. */
static gboolean
obey (char *line)
{
  g_auto (GStrv) words = g_strsplit (g_strstrip (line), " ", -1);
  TepServerWorker *worker = words[0] != NULL && words[1] != NULL ? &workers[atoi (words[1])] : NULL;

  if (g_strcmp0 (words[0], "lease") == 0)
    lease (worker, words[2], words[3] != NULL);
  else if (g_strcmp0 (words[0], "release") == 0)
    release (worker, words[2]);
  else if (g_strcmp0 (words[0], "send") == 0)
    send_batch (worker, words);
  else if (g_strcmp0 (words[0], "counters") == 0)
    print_counters ();
  else if (g_strcmp0 (words[0], "costs-begin") == 0)
    start_costs ();
  else if (g_strcmp0 (words[0], "costs-end") == 0)
    print_costs ();
  else
    return FALSE;
  return TRUE;
}

static void
serve (void)
{
  static char line[1 << 20];
  gboolean goes_on = TRUE;

  while (goes_on) {
    struct pollfd polled[1 + MOST_WORKERS * MOST_WATCHED] = { { .fd = 0, .events = POLLIN } };
    TepServerWorker *owners[G_N_ELEMENTS (polled)];
    gpointer tags[G_N_ELEMENTS (polled)];
    nfds_t n = 1;

    for (guint w = 0; w < n_workers; w++)
      for (guint i = 0; i < workers[w].n_watched; i++, n++) {
        polled[n] = (struct pollfd){ .fd = workers[w].watched[i].fd, .events = POLLIN };
        owners[n] = &workers[w];
        tags[n] = workers[w].watched[i].tag;
      }
    if (poll (polled, n, -1) < 0)
      continue;
    costs_leave_out_this_thread (FALSE);
    for (nfds_t i = 1; i < n; i++)
      if (polled[i].revents != 0)
        ops->readable (owners[i]->media, polled[i].fd, tags[i], g_get_monotonic_time ());
    costs_leave_out_this_thread (TRUE);
    if (polled[0].revents != 0)
      goes_on = fgets (line, sizeof line, stdin) != NULL && obey (line);
  }
}

static gboolean
start (const TepServerConfig *config, GError **error)
{
  TepServerHelperPlan plan;

  ops = config->media.kind == TEP_SERVER_MEDIA_TUN ? &tep_server_media_tun : &tep_server_media_pcap;
  tep_server_helper_plan_init (&plan, config, n_workers);
  helper = tep_server_helper_start (&plan, error);
  for (guint w = 0; helper != NULL && w < n_workers; w++) {
    workers[w].index = w;
    workers[w].media = ops->open (&workers[w], config, error);
    if (workers[w].media == NULL)
      return FALSE;
  }
  return helper != NULL;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepServerConfig) config = NULL;

  costs_init (argv);
  costs_leave_out_this_thread (TRUE);
  g_assert_cmpint (argc, ==, 3);
  n_workers = (guint)atoi (argv[2]);
  g_assert_cmpuint (n_workers, <=, MOST_WORKERS);
  /* One command at a time: what stdio has read ahead, poll() would not see. */
  setvbuf (stdin, NULL, _IONBF, 0);
  config = tep_server_config_load (argv[1], &error);
  if (config == NULL || !start (config, &error)) {
    say ("error %s", error->message);
    return 1;
  }
  say ("ready %d", (int)tep_server_helper_pid (helper));
  serve ();
  for (guint w = 0; w < n_workers; w++)
    ops->close (workers[w].media);
  tep_server_helper_stop (helper);
  return 0;
}
