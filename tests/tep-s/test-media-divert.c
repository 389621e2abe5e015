/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the backends tun and pcap do with a packet before the worker gets it: packets as a kernel
 * hands them over and as it never should, by a worker that only counts.
 */
#include "stun-ext/inner-packet.h"
#include "tep-s/media-divert.h"

#include <string.h>

#define LARGEST 1500

struct _TepServerWorker {
  gint64 counters[TEP_SERVER_N_COUNTERS];
};

void
tep_server_worker_count (TepServerWorker *worker, TepServerCounter counter, gint64 n)
{
  worker->counters[counter] += n;
}

void
tep_server_worker_deliver (TepServerWorker *worker, const TepServerPacket *packets, gsize n)
{
  g_assert_not_reached ();
}

void
tep_server_worker_leased (TepServerWorker *worker, TepServerBinding *binding, gboolean is_usable)
{
  g_assert_not_reached ();
}

gboolean
tep_server_worker_watch (TepServerWorker *worker, int fd, gpointer tag)
{
  g_assert_not_reached ();
}

void
tep_server_worker_unwatch (TepServerWorker *worker, int fd)
{
  g_assert_not_reached ();
}

guint
tep_server_worker_index (const TepServerWorker *worker)
{
  return 0;
}

TepServerHelper *
tep_server_worker_helper (const TepServerWorker *worker)
{
  return NULL;
}

typedef struct {
  TepServerWorker worker;
  TepServerDivert divert;
  TepServerDivertBatch batch;
  guint8 packet[2 * LARGEST];
  gsize length;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  static const guint8 payload[LARGEST] = { 'v', 'o', 'i', 'c', 'e' };
  StunExtInnerPacket inner = { .hop_limit = 64, .dscp = 46, .length = 160, .payload = payload };
  gboolean is_ipv6 = g_strcmp0 (data, "ipv6") == 0;
  StunExtWriter writer;

  g_assert_true (
      stun_ext_address_parse (is_ipv6 ? "[2001:db8::1]:20000" : "192.0.2.1:20000", &inner.source));
  g_assert_true (stun_ext_address_parse (is_ipv6 ? "[2001:db8::5]:5000" : "203.0.113.5:5000",
                                         &inner.destination));
  stun_ext_writer_init (&writer, fixture->packet, sizeof fixture->packet);
  stun_ext_inner_packet_write (&writer, &inner);
  fixture->length = writer.length;
  fixture->divert.worker = &fixture->worker;
  fixture->divert.largest = LARGEST;
}

static void
take (Fixture *fixture)
{
  tep_server_divert_take (&fixture->divert, &fixture->batch, fixture->packet, fixture->length);
}

/* One packet came in and went nowhere but into this number. */
static void
assert_dropped (Fixture *fixture, TepServerCounter reason)
{
  g_assert_cmpuint (fixture->batch.n, ==, 0);
  for (guint i = 0; i < TEP_SERVER_N_COUNTERS; i++)
    g_assert_cmpint (fixture->worker.counters[i], ==,
                     i == reason || i == TEP_SERVER_COUNTER_DOWN_PACKETS);
}

static void
assert_uncounted (Fixture *fixture)
{
  for (guint i = 0; i < TEP_SERVER_N_COUNTERS; i++)
    g_assert_cmpint (fixture->worker.counters[i], ==, 0);
}

static void
test_good (Fixture *fixture, gconstpointer data)
{
  const TepServerPacket *packet = &fixture->batch.packets[1];
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  take (fixture);
  take (fixture);
  assert_uncounted (fixture);
  g_assert_cmpuint (fixture->batch.n, ==, 2);
  g_assert_cmpuint (packet->length, ==, 160);
  g_assert_cmpmem (packet->payload, 5, "voice", 5);
  g_assert_cmpuint (packet->source->port, ==, 20000);
  g_assert_cmpstr (stun_ext_address_print (packet->destination, text), ==,
                   packet->destination->family == 4 ? "203.0.113.5:5000" : "[2001:db8::5]:5000");
}

static void
test_truncated (Fixture *fixture, gconstpointer data)
{
  gsize whole = fixture->length;

  for (fixture->length = 0; fixture->length < whole; fixture->length++) {
    memset (&fixture->worker, 0, sizeof fixture->worker);
    take (fixture);
    assert_dropped (fixture, TEP_SERVER_COUNTER_DOWN_DROP_MALFORMED);
  }
}

/* Every octet changed in every bit: taken only where nothing checks it (DSCP, hop limit and flow
 * label over IPv6, where no header checksum is), counted or ignored else; never taken twice. */
static void
test_flipped (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < fixture->length; i++) {
    for (guint bit = 0; bit < 8; bit++) {
      gint64 *counted = fixture->worker.counters;

      memset (&fixture->worker, 0, sizeof fixture->worker);
      fixture->batch.n = 0;
      fixture->packet[i] ^= (guint8)(1 << bit);
      take (fixture);
      fixture->packet[i] ^= (guint8)(1 << bit);
      g_assert_cmpint (counted[TEP_SERVER_COUNTER_DOWN_PACKETS], ==,
                       counted[TEP_SERVER_COUNTER_DOWN_DROP_MALFORMED] +
                           counted[TEP_SERVER_COUNTER_DOWN_DROP_LARGE]);
      g_assert_cmpint (counted[TEP_SERVER_COUNTER_DOWN_PACKETS] + (gint64)fixture->batch.n, <=, 1);
      if (i >= 8 || g_strcmp0 (data, "ipv6") != 0)
        g_assert_cmpuint (fixture->batch.n, ==, 0);
    }
  }
}

static void
test_large (Fixture *fixture, gconstpointer data)
{
  fixture->divert.largest = fixture->length;
  take (fixture);
  g_assert_cmpuint (fixture->batch.n, ==, 1);
  fixture->batch.n = 0;
  fixture->divert.largest--;
  take (fixture);
  assert_dropped (fixture, TEP_SERVER_COUNTER_DOWN_DROP_LARGE);
}

static void
test_last_hop (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 62; i++)
    stun_ext_inner_packet_forward (fixture->packet, fixture->length);
  take (fixture);
  g_assert_cmpuint (fixture->batch.n, ==, 1);
  fixture->batch.n = 0;
  stun_ext_inner_packet_forward (fixture->packet, fixture->length);
  take (fixture);
  assert_dropped (fixture, TEP_SERVER_COUNTER_DOWN_DROP_MALFORMED);
}

/* An MLD report, which the kernel sends by itself on every interface with IPv6. */
static void
test_noise (Fixture *fixture, gconstpointer data)
{
  guint8 report[76] = { 0x60, [5] = 36, [7] = 1, [8] = 0xfe, 0x80, [24] = 0xff, 0x02, [39] = 0x16 };

  report[40] = 58;
  tep_server_divert_take (&fixture->divert, &fixture->batch, report, sizeof report);
  assert_uncounted (fixture);
  g_assert_cmpuint (fixture->batch.n, ==, 0);
}

static void
test_headers (Fixture *fixture, gconstpointer data)
{
  guint8 built[LARGEST];
  StunExtInnerPacket inner;
  TepServerPacket *packet = &fixture->batch.packets[0];
  gsize n;

  take (fixture);
  packet->dscp = 46;
  n = tep_server_divert_headers (packet, built, 48);
  g_assert_cmpuint (n, ==, packet->source->family == 4 ? 28 : 48);
  memcpy (built + n, packet->payload, packet->length);
  g_assert_cmpint (stun_ext_inner_packet_check (built, n + packet->length, LARGEST, &inner), ==,
                   STUN_EXT_INNER_OK);
  g_assert_cmpuint (inner.hop_limit, ==, 63);
  g_assert_cmpuint (inner.dscp, ==, 46);
  g_assert_cmpuint (inner.ecn, ==, 0);
  for (gsize room = 0; room < n; room++)
    g_assert_cmpuint (tep_server_divert_headers (packet, built, room), ==, 0);
}

static void
add (const char *name, const char *family, void (*function) (Fixture *, gconstpointer))
{
  g_autofree char *path = g_strjoin ("/", "/tep-s/media-divert", family, name, NULL);

  g_test_add (path, Fixture, family, set_up, function, NULL);
}

int
main (int argc, char **argv)
{
  static const char *const families[] = { "ipv4", "ipv6" };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (families); i++) {
    add ("good-packets-are-taken", families[i], test_good);
    add ("every-truncation-is-counted", families[i], test_truncated);
    add ("every-flipped-bit-is-counted-once", families[i], test_flipped);
    add ("large-packets-are-counted", families[i], test_large);
    add ("the-last-hop-is-counted", families[i], test_last_hop);
    add ("headers-follow-the-protocol", families[i], test_headers);
  }
  add ("the-kernels-own-talk-is-ignored", "ipv6", test_noise);
  return g_test_run ();
}
