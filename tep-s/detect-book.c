/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has a NAT in front and a thousand colleagues behind it must not lose his record to them, nor to a scan of the whole
 * internet. So what named a run and what did not lie in rings of their own, and of one source there is only so much in each:
 * its next line takes the place of its oldest.
 */
#include "tep-s/detect-book.h"

#include <string.h>

#include "tep-s/quota.h"

#define SOURCES_MAX 16 /* addresses of one run: pools, several lines, both families */
#define MARGIN_US                                                                                  \
  (2 * G_USEC_PER_SEC)  /* what came a little before the run's first probe, or after its last */
#define PRINTED_MAX 512 /* lines of one answer */

typedef struct {
  StunExtDetectRun run;
  StunExtDetectKey key;
  guint64 source_key; /* of who opened it */
  StunExtAddress sources[SOURCES_MAX];
  guint n_sources;
  gint64 first_us;
  gint64 last_us;
  gboolean is_used;
} Run;

typedef struct {
  StunExtDetectRecord record;
  StunExtDetectRun run;
  gint64 time_us;
  guint64 source_key;
  TepServerDetectEntry number; /* 0: not used */
} Line;

typedef struct {
  Line *lines;
  guint n;
  guint per_source;
  guint64 begun;
  guint64 lost;
} Ring;

struct _TepServerDetectBook {
  Run *runs;
  Ring named;
  Ring stray;
};

static void
init_ring (Ring *ring, guint n, guint per_source)
{
  ring->lines = g_new0 (Line, n);
  ring->n = n;
  ring->per_source = per_source;
}

TepServerDetectBook *
tep_server_detect_book_new (void)
{
  TepServerDetectBook *book = g_new0 (TepServerDetectBook, 1);

  book->runs = g_new0 (Run, TEP_SERVER_DETECT_RUNS);
  init_ring (&book->named, TEP_SERVER_DETECT_RECORDS, TEP_SERVER_DETECT_RECORDS_PER_SOURCE);
  init_ring (&book->stray, TEP_SERVER_DETECT_STRAY_RECORDS, TEP_SERVER_DETECT_STRAYS_PER_SOURCE);
  return book;
}

void
tep_server_detect_book_free (TepServerDetectBook *book)
{
  stun_ext_crypto_cleanse (book->runs, TEP_SERVER_DETECT_RUNS * sizeof *book->runs);
  g_free (book->runs);
  g_free (book->named.lines);
  g_free (book->stray.lines);
  g_free (book);
}

/* ---- runs ---- */

static gboolean
same_run (const StunExtDetectRun *a, const StunExtDetectRun *b)
{
  return memcmp (a->octets, b->octets, sizeof a->octets) == 0;
}

static Run *
find_run (TepServerDetectBook *book, const StunExtDetectRun *run)
{
  for (guint i = 0; i < TEP_SERVER_DETECT_RUNS; i++)
    if (book->runs[i].is_used && same_run (&book->runs[i].run, run))
      return &book->runs[i];
  return NULL;
}

/* A place for a new run: a free one, else that of the source's oldest if it has too many, else the oldest of all. */
static Run *
place_for (TepServerDetectBook *book, guint64 source_key, gint64 now_us)
{
  Run *free_place = NULL, *oldest = NULL, *own_oldest = NULL;
  guint n_own = 0;

  for (guint i = 0; i < TEP_SERVER_DETECT_RUNS; i++) {
    Run *run = &book->runs[i];

    if (run->is_used && now_us - run->last_us > TEP_SERVER_DETECT_KEEP_US)
      run->is_used = FALSE;
    if (!run->is_used) {
      free_place = run;
      continue;
    }
    if (oldest == NULL || run->last_us < oldest->last_us)
      oldest = run;
    if (run->source_key != source_key)
      continue;
    n_own++;
    if (own_oldest == NULL || run->last_us < own_oldest->last_us)
      own_oldest = run;
  }
  if (n_own >= TEP_SERVER_DETECT_RUNS_PER_SOURCE)
    return own_oldest;
  return free_place != NULL ? free_place : oldest;
}

static void
note_source (Run *run, const StunExtAddress *source)
{
  for (guint i = 0; i < run->n_sources; i++)
    if (stun_ext_address_equal_host (&run->sources[i], source))
      return;
  if (run->n_sources < SOURCES_MAX)
    run->sources[run->n_sources++] = *source;
}

gboolean
tep_server_detect_book_key (TepServerDetectBook *book,
                            const StunExtDetectRun *run,
                            const StunExtAddress *source,
                            gint64 now_us,
                            StunExtDetectKey *key)
{
  const StunExtSpan no_key = { NULL, 0 };
  Run *found = find_run (book, run);

  if (found == NULL) {
    guint64 source_key = tep_server_quota_source_key (source);

    found = place_for (book, source_key, now_us);
    *found = (Run){ .run = *run, .source_key = source_key, .first_us = now_us, .is_used = TRUE };
    if (!stun_ext_detect_key_derive (&found->key, no_key, run)) {
      found->is_used = FALSE;
      return FALSE;
    }
  }
  found->last_us = now_us;
  note_source (found, source);
  *key = found->key;
  return TRUE;
}

void
tep_server_detect_book_set_key (TepServerDetectBook *book,
                                const StunExtDetectRun *run,
                                const StunExtDetectKey *key)
{
  Run *found = find_run (book, run);

  if (found != NULL)
    found->key = *key;
}

/* ---- lines ---- */

static Line *
take_place (Ring *ring, guint64 source_key, gint64 now_us)
{
  Line *oldest = &ring->lines[0], *own_oldest = NULL, *chosen;
  guint n_own = 0;

  for (guint i = 0; i < ring->n; i++) {
    Line *line = &ring->lines[i];

    if (line->number != 0 && now_us - line->time_us > TEP_SERVER_DETECT_KEEP_US)
      line->number = 0;
    if (line->number < oldest->number)
      oldest = line;
    if (line->number == 0 || line->source_key != source_key)
      continue;
    n_own++;
    if (own_oldest == NULL || line->number < own_oldest->number)
      own_oldest = line;
  }
  chosen = n_own >= ring->per_source ? own_oldest : oldest;
  if (chosen->number != 0)
    ring->lost++;
  return chosen;
}

/* The lowest bit of a line's number tells its ring, the next ones its place. */
#define PLACE_BITS 12
G_STATIC_ASSERT (TEP_SERVER_DETECT_RECORDS <= 1 << PLACE_BITS);

static Line *
find_line (TepServerDetectBook *book, TepServerDetectEntry entry)
{
  Ring *ring = (entry & 1) != 0 ? &book->named : &book->stray;
  guint place = (guint)(entry >> 1) & ((1u << PLACE_BITS) - 1);

  return entry != 0 && place < ring->n && ring->lines[place].number == entry ? &ring->lines[place]
                                                                             : NULL;
}

TepServerDetectEntry
tep_server_detect_book_add (TepServerDetectBook *book,
                            const StunExtDetectRecord *record,
                            const StunExtDetectRun *run,
                            gint64 now_us)
{
  Ring *ring = run != NULL ? &book->named : &book->stray;
  guint64 source_key = tep_server_quota_source_key (&record->source);
  Line *line = take_place (ring, source_key, now_us);

  *line = (Line){ .record = *record, .time_us = now_us, .source_key = source_key };
  if (run != NULL)
    line->run = *run;
  line->record.has_run = run != NULL;
  ring->begun++;
  line->number =
      (ring->begun << PLACE_BITS | (guint64)(line - ring->lines)) << 1 | (run != NULL ? 1 : 0);
  return line->number;
}

void
tep_server_detect_book_change (TepServerDetectBook *book,
                               TepServerDetectEntry entry,
                               const StunExtDetectRecord *record)
{
  Line *line = find_line (book, entry);

  if (line == NULL)
    return;
  line->record = *record;
  line->record.has_run = (entry & 1) != 0;
}

TepServerDetectEntry
tep_server_detect_book_name (TepServerDetectBook *book,
                             TepServerDetectEntry entry,
                             const StunExtDetectRecord *record,
                             const StunExtDetectRun *run,
                             gint64 time_us)
{
  Line *line = find_line (book, entry);

  if (line != NULL)
    line->number = 0;
  return tep_server_detect_book_add (book, record, run, time_us);
}

static gboolean
is_of (const Line *line, const Run *found, const StunExtDetectRun *run, gboolean is_stray)
{
  if (line->number == 0)
    return FALSE;
  if (!is_stray)
    return same_run (&line->run, run);
  if (found == NULL || line->time_us < found->first_us - MARGIN_US ||
      line->time_us > found->last_us + MARGIN_US)
    return FALSE;
  for (guint i = 0; i < found->n_sources; i++)
    if (stun_ext_address_equal_host (&found->sources[i], &line->record.source))
      return TRUE;
  return FALSE;
}

static gint
older_first (gconstpointer a, gconstpointer b)
{
  const Line *const *one = a, *const *other = b;

  return (*one)->time_us < (*other)->time_us ? -1 : (*one)->time_us > (*other)->time_us;
}

static void
collect (const Ring *ring,
         const Run *found,
         const StunExtDetectRun *run,
         gboolean is_stray,
         gint64 now_us,
         GPtrArray *lines)
{
  for (guint i = 0; i < ring->n; i++) {
    Line *line = &ring->lines[i];

    if (is_of (line, found, run, is_stray) && now_us - line->time_us <= TEP_SERVER_DETECT_KEEP_US)
      g_ptr_array_add (lines, line);
  }
}

void
tep_server_detect_book_print (TepServerDetectBook *book,
                              const StunExtDetectRun *run,
                              gint64 now_us,
                              gint64 now_ms,
                              GString *text)
{
  const Run *found = find_run (book, run);
  g_autoptr (GPtrArray) lines = g_ptr_array_new ();
  guint first;

  collect (&book->named, found, run, FALSE, now_us, lines);
  collect (&book->stray, found, run, TRUE, now_us, lines);
  g_ptr_array_sort (lines, older_first);
  first = lines->len > PRINTED_MAX ? lines->len - PRINTED_MAX : 0;
  for (guint i = first; i < lines->len; i++)
    stun_ext_detect_record_write (&((const Line *)g_ptr_array_index (lines, i))->record, text);
  g_string_append_printf (text,
                          "{\"line\":\"end\",\"records\":%u,\"lost\":%" G_GUINT64_FORMAT
                          ",\"time\":%" G_GINT64_FORMAT "}\n",
                          lines->len - first, book->named.lost + book->stray.lost + first, now_ms);
}
