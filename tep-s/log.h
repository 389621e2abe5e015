/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "tep-s/config.h"
#include "tep-s/version.h"

G_BEGIN_DECLS

/**
 * TepServerLog:
 *
 * A writer for GLib's structured log, for programs; the library itself never installs one. A record
 * is one line (or one datagram to the journal) whatever text a peer put into it, the number of
 * records of one cause and of all is limited per second, and whoever logs never waits for a disk or
 * a reader: what does not fit is dropped and counted.
 */
typedef struct _TepServerLog TepServerLog;

/**
 * TepServerLogCounts:
 * @written: records that were written
 * @suppressed: records left out by the limit per second
 * @dropped: records lost because they could not be written
 */
typedef struct {
  guint64 written;
  guint64 suppressed;
  guint64 dropped;
} TepServerLogCounts;

/**
 * tep_server_log_new:
 * @config: format, level and file, not kept
 * @error: return location
 *
 * Opens where records go. Until tep_server_log_start() they are written by the caller's thread.
 *
 * Returns: (transfer full): the log; %NULL with %TEP_SERVER_ERROR_CONFIG if it cannot be opened
 */
TEP_SERVER_API TepServerLog *tep_server_log_new (const TepServerLogConfig *config, GError **error);

/**
 * tep_server_log_start:
 * @log: the log
 *
 * Starts the thread that writes. Call it when no more rights are to be dropped and no process is to
 * be forked.
 */
TEP_SERVER_API void tep_server_log_start (TepServerLog *log);

/**
 * tep_server_log_reopen:
 * @log: the log
 * @config: the new configuration, not kept
 * @error: return location
 *
 * Takes a new configuration, and opens the file anew, which may have been moved away.
 *
 * Returns: %FALSE if it cannot be opened; the old one stays in use
 */
TEP_SERVER_API gboolean tep_server_log_reopen (TepServerLog *log,
                                               const TepServerLogConfig *config,
                                               GError **error);

/**
 * tep_server_log_free:
 * @log: (transfer full): the log, no longer used as a writer
 *
 * Writes what is waiting, for at most a second.
 */
TEP_SERVER_API void tep_server_log_free (TepServerLog *log);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerLog, tep_server_log_free)

/**
 * tep_server_log_write:
 * @level: level of the record
 * @fields: (array length=n_fields): its fields. CAUSE names what is limited together; without it
 * the place in the source does. Upper-case fields besides those of GLib become part of the record
 * @n_fields: number of fields
 * @log: a #TepServerLog
 *
 * A #GLogWriterFunc: g_log_set_writer_func (tep_server_log_write, log, NULL). Any thread; never
 * blocks once the thread runs.
 *
 * Returns: %G_LOG_WRITER_HANDLED
 */
TEP_SERVER_API GLogWriterOutput tep_server_log_write (GLogLevelFlags level,
                                                      const GLogField *fields,
                                                      gsize n_fields,
                                                      gpointer log);

/**
 * tep_server_log_get_counts:
 * @log: the log
 * @counts: (out): what became of the records
 *
 * Any thread.
 */
TEP_SERVER_API void tep_server_log_get_counts (TepServerLog *log, TepServerLogCounts *counts);

/**
 * tep_server_log_escape:
 * @data: (array length=length): text of a peer
 * @length: octets
 * @max: most octets of the result
 *
 * Makes a text harmless for terminals and line readers: control characters (C0, DEL, C1), line and
 * paragraph separators, direction controls, backslashes and invalid UTF-8 become \xNN or \u{N};
 * what is too long ends in "...".
 *
 * Returns: (transfer full): valid UTF-8 on one line
 */
TEP_SERVER_API char *tep_server_log_escape (const void *data, gsize length, gsize max);

G_END_DECLS
