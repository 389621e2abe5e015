/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What detection remembers: runs, and what arrived in them. All of it bounded, in all and for each source, and forgotten after
 * five minutes. One thread at a time. */
#pragma once

#include "stun-ext/detect-record.h"
#include "stun-ext/detect.h"

G_BEGIN_DECLS

#define TEP_SERVER_DETECT_KEEP_US (300 * G_USEC_PER_SEC) /* PROTOCOL.md section 15.6 */
#define TEP_SERVER_DETECT_RUNS 1024
#define TEP_SERVER_DETECT_RUNS_PER_SOURCE 32
#define TEP_SERVER_DETECT_RECORDS 4096 /* that named a run */
#define TEP_SERVER_DETECT_RECORDS_PER_SOURCE 512
#define TEP_SERVER_DETECT_STRAY_RECORDS 1024 /* that named none */
#define TEP_SERVER_DETECT_STRAYS_PER_SOURCE 64

typedef struct _TepServerDetectBook TepServerDetectBook;

/* One line of the record; its number names it as long as it is there. */
typedef guint64 TepServerDetectEntry;

TepServerDetectBook *tep_server_detect_book_new (void);
void tep_server_detect_book_free (TepServerDetectBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerDetectBook, tep_server_detect_book_free)

/* The key with which answers of a run are proven: the user's if one was proven in this run, else the unkeyed one. Notes that the
 * run was heard from there. */
gboolean tep_server_detect_book_key (TepServerDetectBook *book,
                                     const StunExtDetectRun *run,
                                     const StunExtAddress *source,
                                     gint64 now_us,
                                     StunExtDetectKey *key);

/* From now on the run's answers are proven with that key. */
void tep_server_detect_book_set_key (TepServerDetectBook *book,
                                     const StunExtDetectRun *run,
                                     const StunExtDetectKey *key);

/* Begins a line; run is NULL where none was named. */
TepServerDetectEntry tep_server_detect_book_add (TepServerDetectBook *book,
                                                 const StunExtDetectRecord *record,
                                                 const StunExtDetectRun *run,
                                                 gint64 now_us);

/* A line that was begun without a run is that run's now. Returns the number that it has from now on. */
TepServerDetectEntry tep_server_detect_book_name (TepServerDetectBook *book,
                                                  TepServerDetectEntry entry,
                                                  const StunExtDetectRecord *record,
                                                  const StunExtDetectRun *run,
                                                  gint64 time_us);

/* Changes a line that was begun, if it is still there. */
void tep_server_detect_book_change (TepServerDetectBook *book,
                                    TepServerDetectEntry entry,
                                    const StunExtDetectRecord *record);

/* Appends the lines of a run, oldest first, and the line that ends them. */
void tep_server_detect_book_print (TepServerDetectBook *book,
                                   const StunExtDetectRun *run,
                                   gint64 now_us,
                                   gint64 now_ms,
                                   GString *text);

G_END_DECLS
