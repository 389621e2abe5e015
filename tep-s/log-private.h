/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of the log that tests drive with a clock of their own. Internal to the library. */
#pragma once

#include "tep-s/log.h"

G_BEGIN_DECLS

/* tep_server_log_write() at a given monotonic time. */
void tep_server_log_record (TepServerLog *log,
                            GLogLevelFlags level,
                            const GLogField *fields,
                            gsize n_fields,
                            gint64 now_us);

/* One record as text, with its newline. */
char *tep_server_log_format (TepServerLogFormat format,
                             GLogLevelFlags level,
                             const GLogField *fields,
                             gsize n_fields,
                             gint64 wall_us);

/* The value of a field as terminated text, not escaped; NULL if it is not there. */
char *tep_server_log_field (const GLogField *fields, gsize n_fields, const char *key);

G_END_DECLS
