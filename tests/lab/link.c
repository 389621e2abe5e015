/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The long way between two hosts of the lab. Debian's kernel here has no netem, and netem's losses
 * cannot be repeated; this joins two namespaces by a TUN device in each and lets packets through
 * late, or not at all. What happens to the n-th packet of a direction depends on the seed and on n
 * alone, so a run with the same packets has the same losses. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 1500 /* octets; the MTU of a TUN device when it is made */
#define BATCH_MAX 64    /* packets read from one side before the other gets its turn */
#define NS_PER_MS 1000000.0
#define NS_PER_S 1000000000LL

typedef struct {
  gint64 due_ns;
  guint16 length;
  guint8 octets[PACKET_MAX];
} Packet;

typedef struct {
  guint64 packets, octets, delivered, lost, outage, overflow, refused;
} Counts;

/* What both directions share. */
typedef struct {
  gint64 delay_ns;
  gdouble loss;      /* share of the packets, 0 to 1 */
  gdouble burst;     /* mean number of losses in a row; below 1 every packet is drawn for itself */
  gint64 rate_bit_s; /* 0: without limit */
  gint64 outage_from_ns, outage_length_ns, outage_every_ns; /* length 0: none; every 0: once */
  guint queue_packets; /* packets on the way at a time, per direction */
} Behaviour;

typedef struct {
  const char *name;
  int from, to;
  guint64 random;
  gboolean is_in_burst;
  gint64 free_ns; /* when the bottleneck has sent all that it took */
  Packet *packets;
  guint first, count;
  Counts counts;
} Direction;

static volatile sig_atomic_t is_ended;

static void
end (int number)
{
  is_ended = 1;
}

static gint64
now_ns (void)
{
  struct timespec now;
  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* The next number of the SplitMix64 sequence, as a share of 1. */
static gdouble
draw (guint64 *state)
{
  guint64 z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (gdouble)((z ^ (z >> 31)) >> 11) / (gdouble)(1ULL << 53);
}

/* Draws once for each packet, whatever else becomes of it, so that a later packet's fate does not
 * depend on it. Bursts follow Gilbert's model: while in a burst all is lost, and the ways in and
 * out give the wanted share. */
static gboolean
draws_loss (Direction *d, const Behaviour *b)
{
  gdouble drawn = draw (&d->random);
  if (b->burst < 1.0 || b->loss >= 1.0)
    return drawn < b->loss;
  if (d->is_in_burst)
    d->is_in_burst = drawn >= 1.0 / b->burst;
  else
    d->is_in_burst = drawn < b->loss / (b->burst * (1.0 - b->loss));
  return d->is_in_burst;
}

static gboolean
is_outage (const Behaviour *b, gint64 age_ns)
{
  gint64 since = age_ns - b->outage_from_ns;
  if (b->outage_length_ns == 0 || since < 0)
    return FALSE;
  if (b->outage_every_ns > 0)
    since %= b->outage_every_ns;
  return since < b->outage_length_ns;
}

static void
take (Direction *d, const Behaviour *b, gint64 start_ns, const guint8 *octets, gsize length)
{
  gint64 now = now_ns ();
  gboolean is_lost = draws_loss (d, b);
  d->counts.packets++;
  d->counts.octets += length;
  if (is_outage (b, now - start_ns)) {
    d->counts.outage++;
  } else if (is_lost) {
    d->counts.lost++;
  } else if (d->count == b->queue_packets) {
    d->counts.overflow++;
  } else {
    gint64 sent = now;
    if (b->rate_bit_s > 0) {
      sent = MAX (now, d->free_ns) + (gint64)length * 8 * NS_PER_S / b->rate_bit_s;
      d->free_ns = sent;
    }
    Packet *p = &d->packets[(d->first + d->count++) % b->queue_packets];
    p->due_ns = sent + b->delay_ns;
    p->length = (guint16)length;
    memcpy (p->octets, octets, length);
  }
}

/* The kernel reports its own multicast groups when it likes. A link of routed hosts has no use for
 * that, and it would take part in the draws. */
static gboolean
is_multicast (const guint8 *octets, gsize length)
{
  if (length >= 40 && octets[0] >> 4 == 6)
    return octets[24] == 0xff;
  return length >= 20 && octets[16] >> 4 == 0xe;
}

static void
read_all (Direction *d, const Behaviour *b, gint64 start_ns)
{
  guint8 octets[PACKET_MAX];
  for (guint i = 0; i < BATCH_MAX; i++) {
    gssize n = read (d->from, octets, sizeof octets);
    if (n <= 0)
      return;
    if (!is_multicast (octets, (gsize)n))
      take (d, b, start_ns, octets, (gsize)n);
  }
}

/* Returns: when the next packet is due, or G_MAXINT64. */
static gint64
write_due (Direction *d, const Behaviour *b)
{
  while (d->count > 0) {
    const Packet *p = &d->packets[d->first];
    if (p->due_ns > now_ns ())
      return p->due_ns;
    /* A device that is down or gone refuses; the packet is gone as on any cut wire. */
    if (write (d->to, p->octets, p->length) == p->length)
      d->counts.delivered++;
    else
      d->counts.refused++;
    d->first = (d->first + 1) % b->queue_packets;
    d->count--;
  }
  return G_MAXINT64;
}

static void
carry (Direction directions[2], const Behaviour *b)
{
  gint64 start_ns = now_ns ();
  sigset_t wanted;
  sigemptyset (&wanted);
  while (!is_ended) {
    gint64 due = MIN (write_due (&directions[0], b), write_due (&directions[1], b));
    struct pollfd ready[2] = {
      { .fd = directions[0].from, .events = POLLIN },
      { .fd = directions[1].from, .events = POLLIN },
    };
    gint64 wait_ns = due == G_MAXINT64 ? 0 : MAX (0, due - now_ns ());
    struct timespec wait = { .tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S };
    /* Signals are let in only here, so that none is missed between the test and the wait. */
    if (ppoll (ready, 2, due == G_MAXINT64 ? NULL : &wait, &wanted) < 0)
      continue;
    for (guint i = 0; i < 2; i++) {
      if (ready[i].revents)
        read_all (&directions[i], b, start_ns);
    }
  }
}

/* end_of_link: NAMESPACE:DEVICE. Leaves the process in that namespace. */
static int
open_tun (const char *end_of_link, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (end_of_link, ":", 2);
  if (g_strv_length (parts) != 2 || strlen (parts[1]) >= IFNAMSIZ) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "'%s' is not NAMESPACE:DEVICE",
                 end_of_link);
    return -1;
  }
  g_autofree char *path = g_build_filename ("/run/netns", parts[0], NULL);
  int place = open (path, O_RDONLY | O_CLOEXEC);
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
  memcpy (request.ifr_name, parts[1], strlen (parts[1]) + 1);
  int device = -1;
  if (place >= 0 && setns (place, CLONE_NEWNET) == 0)
    device = open ("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0 || ioctl (device, TUNSETIFF, &request) < 0) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", end_of_link,
                 g_strerror (errno));
    if (device >= 0)
      close (device);
    device = -1;
  }
  if (place >= 0)
    close (place);
  return device;
}

/* A late wake-up is a delay that nobody asked for. Without the right to it the link works, less
 * exactly. */
static void
ask_for_punctuality (void)
{
  struct sched_param priority = { .sched_priority = 1 };
  (void)sched_setscheduler (0, SCHED_RR, &priority);
  (void)prctl (PR_SET_TIMERSLACK, 1UL);
}

static void
print_counts (const Direction directions[2], gboolean is_json)
{
  static const char as_text[] =
      "%s%s: %" G_GUINT64_FORMAT " packets, %" G_GUINT64_FORMAT
      " octets; delivered %" G_GUINT64_FORMAT ", lost %" G_GUINT64_FORMAT
      ", in outages %" G_GUINT64_FORMAT ", over the queue %" G_GUINT64_FORMAT
      ", refused %" G_GUINT64_FORMAT "\n";
  static const char as_json[] =
      "%s\"%s\":{\"packets\":%" G_GUINT64_FORMAT ",\"octets\":%" G_GUINT64_FORMAT
      ",\"delivered\":%" G_GUINT64_FORMAT ",\"lost\":%" G_GUINT64_FORMAT
      ",\"outage\":%" G_GUINT64_FORMAT ",\"overflow\":%" G_GUINT64_FORMAT
      ",\"refused\":%" G_GUINT64_FORMAT "}";
  for (guint i = 0; i < 2; i++) {
    const Counts *c = &directions[i].counts;
    fprintf (stderr, is_json ? as_json : as_text, !is_json ? "" : (i == 0 ? "{" : ","),
             directions[i].name, c->packets, c->octets, c->delivered, c->lost, c->outage,
             c->overflow, c->refused);
  }
  if (is_json)
    fputs ("}\n", stderr);
}

typedef struct {
  char *left, *right, *outage;
  gdouble delay_ms, loss_percent, burst, rate_kbit_s;
  gint queue;
  gint64 seed;
  gboolean is_json;
} Options;

static gboolean
parse_outage (const char *text, Behaviour *b, GError **error)
{
  gdouble from = 0, length = 0, every = 0;
  char rest;
  int n = sscanf (text, "%lf:%lf:%lf%c", &from, &length, &every, &rest);
  if (n < 2 || n > 3 || from < 0 || length <= 0 || (n == 3 && every < length)) {
    g_set_error (
        error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "--outage '%s' is not FROM:LENGTH or FROM:LENGTH:EVERY in milliseconds, LENGTH <= EVERY",
        text);
    return FALSE;
  }
  b->outage_from_ns = (gint64)(from * NS_PER_MS);
  b->outage_length_ns = (gint64)(length * NS_PER_MS);
  b->outage_every_ns = (gint64)(every * NS_PER_MS);
  return TRUE;
}

static gboolean
parse (Options *o, Behaviour *b, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "left", 0, 0, G_OPTION_ARG_STRING, &o->left, "One end", "NAMESPACE:DEVICE" },
    { "right", 0, 0, G_OPTION_ARG_STRING, &o->right, "The other end", "NAMESPACE:DEVICE" },
    { "delay", 0, 0, G_OPTION_ARG_DOUBLE, &o->delay_ms, "One way, milliseconds", "MS" },
    { "loss", 0, 0, G_OPTION_ARG_DOUBLE, &o->loss_percent, "Share lost in each direction, percent",
      "PCT" },
    { "burst", 0, 0, G_OPTION_ARG_DOUBLE, &o->burst, "Mean number of losses in a row", "N" },
    { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &o->rate_kbit_s, "In each direction, kbit/s (0: no limit)",
      "KBIT" },
    { "queue", 0, 0, G_OPTION_ARG_INT, &o->queue, "Packets on the way at a time, per direction",
      "N" },
    { "outage", 0, 0, G_OPTION_ARG_STRING, &o->outage, "Nothing passes, ms from the start",
      "FROM:LENGTH[:EVERY]" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &o->seed, "Of the losses", "N" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &o->is_json, "Counts at the end as JSON", NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_set_summary (
      context, "Joins two network namespaces by TUN devices. Says 'ready' on stdout, runs until "
               "SIGTERM or SIGINT,\nthen prints counts on stderr.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (!o->left || !o->right || o->delay_ms < 0 || o->loss_percent < 0 || o->loss_percent > 100 ||
      o->burst < 0 || o->rate_kbit_s < 0 || o->queue < 1) {
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                         "--left and --right are needed, --loss is 0 to 100, --queue at least 1, "
                         "and nothing is negative");
    return FALSE;
  }
  b->delay_ns = (gint64)(o->delay_ms * NS_PER_MS);
  b->loss = o->loss_percent / 100;
  b->burst = o->burst;
  b->rate_bit_s = (gint64)(o->rate_kbit_s * 1000);
  b->queue_packets = (guint)o->queue;
  return o->outage == NULL || parse_outage (o->outage, b, error);
}

int
main (int argc, char **argv)
{
  Options o = { .queue = 10000, .seed = 1 };
  Behaviour b = { 0 };
  g_autoptr (GError) error = NULL;
  int left = -1, right = -1;
  if (!parse (&o, &b, &argc, &argv, &error) || (left = open_tun (o.left, &error)) < 0 ||
      (right = open_tun (o.right, &error)) < 0) {
    fprintf (stderr, "link: %s\n", error->message);
    return g_error_matches (error, G_FILE_ERROR, (gint)error->code) ? 1 : 64;
  }

  Direction directions[2] = {
    { .name = "left-to-right", .from = left, .to = right, .random = (guint64)o.seed * 2 },
    { .name = "right-to-left", .from = right, .to = left, .random = (guint64)o.seed * 2 + 1 },
  };
  for (guint i = 0; i < 2; i++)
    directions[i].packets = g_new0 (Packet, b.queue_packets);

  struct sigaction action = { .sa_handler = end };
  sigset_t ends;
  sigemptyset (&ends);
  sigaddset (&ends, SIGTERM);
  sigaddset (&ends, SIGINT);
  sigprocmask (SIG_BLOCK, &ends, NULL);
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);

  ask_for_punctuality ();
  puts ("ready");
  fclose (stdout);
  carry (directions, &b);
  print_counts (directions, o.is_json);
  for (guint i = 0; i < 2; i++)
    g_free (directions[i].packets);
  return 0;
}
