/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the times of packets say about a call that would go the same way. Of several ways of putting
 * it into one number the E-model is the one that planners of telephone networks use.
 */
#include "turn-connect/detect/quality.h"

#include <stdlib.h>

#define PACKETS_MAX 1024    /* arbitrary; more are not looked at */
#define PACKET_MS 20.0      /* of speech in one packet */
#define BUFFER_JITTERS 2.0  /* usual size of a jitter buffer */
#define DELAY_BEND_MS 177.3 /* G.107 with the usual simplification: from here delay weighs more */
#define R_BEST 93.2         /* G.107: nothing impaired but by what is always there */
#define BPL_CONCEALED 25.1  /* G.113 table I.4: G.711 with concealment, random loss */
#define MOS_MAX 4.5

static gint
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 one = *(const gint64 *)a, other = *(const gint64 *)b;

  return one < other ? -1 : one > other;
}

/* Of those that came back, in the order in which they did. */
typedef struct {
  gint64 back_us;
  gint64 rtt_us;
  guint number;
} Arrival;

static gint
compare_arrivals (gconstpointer a, gconstpointer b)
{
  const Arrival *one = a, *other = b;

  if (one->back_us != other->back_us)
    return one->back_us < other->back_us ? -1 : 1;
  return one->number < other->number ? -1 : one->number > other->number;
}

static void
count_losses (TurnConnectQuality *quality, const TurnConnectRoundTrip *packets, guint n)
{
  guint gap = 0;

  for (guint i = 0; i < n; i++) {
    if (packets[i].sent_us == 0)
      continue;
    quality->n_sent++;
    gap = packets[i].back_us == 0 ? gap + 1 : 0;
    quality->n_received += packets[i].back_us != 0;
    quality->longest_gap = MAX (quality->longest_gap, gap);
  }
}

/* Transit here is there and back: what one way adds and the other takes away again does not count. */
static void
measure_arrivals (TurnConnectQuality *quality, const Arrival *arrivals, guint n)
{
  double jitter_us = 0;
  guint latest = 0;

  for (guint i = 0; i < n; i++) {
    if (i > 0)
      jitter_us +=
          (ABS ((double)arrivals[i].rtt_us - (double)arrivals[i - 1].rtt_us) - jitter_us) / 16;
    if (i > 0 && arrivals[i].number < latest)
      quality->n_reordered++;
    latest = MAX (latest, arrivals[i].number);
  }
  quality->jitter_us = (gint64)jitter_us;
}

void
turn_connect_quality_measure (TurnConnectQuality *quality,
                              const TurnConnectRoundTrip *packets,
                              guint n_packets)
{
  guint n = MIN (n_packets, PACKETS_MAX), n_back = 0;
  g_autofree Arrival *arrivals = g_new0 (Arrival, n + 1);
  g_autofree gint64 *rtts_us = g_new0 (gint64, n + 1);

  *quality = (TurnConnectQuality){ .set_up_us = quality->set_up_us, .size = quality->size };
  count_losses (quality, packets, n);
  for (guint i = 0; i < n; i++) {
    gint64 rtt_us = packets[i].back_us - packets[i].sent_us;

    if (packets[i].sent_us == 0 || packets[i].back_us == 0)
      continue;
    rtts_us[n_back] = MAX (rtt_us, 0);
    arrivals[n_back++] = (Arrival){ packets[i].back_us, MAX (rtt_us, 0), i };
  }
  if (n_back == 0)
    return;
  qsort (rtts_us, n_back, sizeof *rtts_us, compare_times);
  qsort (arrivals, n_back, sizeof *arrivals, compare_arrivals);
  quality->rtt_us = rtts_us[n_back / 2];
  for (guint i = 0; i < n_back; i++)
    quality->n_late += rtts_us[i] > quality->rtt_us + TURN_CONNECT_LATE_US;
  quality->rtt_p95_us = rtts_us[(n_back * 95 + 99) / 100 - 1];
  measure_arrivals (quality, arrivals, n_back);
}

double
turn_connect_quality_get_loss (const TurnConnectQuality *quality)
{
  if (quality->n_sent == 0)
    return 1;
  return 1 - (double)MIN (quality->n_received, quality->n_sent) / quality->n_sent;
}

double
turn_connect_quality_estimate_mos (const TurnConnectQuality *quality)
{
  /* Who listens does not hear what comes too late. */
  double late = quality->n_sent > 0 ? (double)quality->n_late / quality->n_sent : 0;
  double loss_percent = 100 * MIN (turn_connect_quality_get_loss (quality) + late, 1);
  double delay_ms = (double)quality->rtt_us / 2000 +
                    BUFFER_JITTERS * (double)quality->jitter_us / 1000 + PACKET_MS;
  double impaired = 0.024 * delay_ms + 95 * loss_percent / (loss_percent + BPL_CONCEALED);
  double r;

  if (delay_ms > DELAY_BEND_MS)
    impaired += 0.11 * (delay_ms - DELAY_BEND_MS);
  r = CLAMP (R_BEST - impaired, 0, 100);
  return CLAMP (1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6, 1, MOS_MAX);
}
