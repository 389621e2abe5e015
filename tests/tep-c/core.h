/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A real TEP-S in the test's process, over loopback; it sends every packet back to where it came from. */
#pragma once

#include "stun-ext/address.h"
#include "tep-s/server.h"

#define CORE_PASSWORD "correct horse battery staple" /* of alice */
#define CORE_PATIENCE_S 10

typedef struct {
  char *folder;
  TepServer *server;
  StunExtAddress address; /* kept when it is started again */
  const char *allow;      /* policy; 198.18.0.9:4000-4010 if NULL */
} Core;

void core_start (Core *core);
void core_stop (Core *core);
/* For g_test_add (). */
void core_up (Core *core, gconstpointer data);
void core_down (Core *core, gconstpointer data);
gint64 core_count (Core *core, TepServerCounter counter);

gboolean core_run_out (gpointer is_over);

#define WAIT_FOR(condition)                                                                        \
  G_STMT_START                                                                                     \
  {                                                                                                \
    gboolean is_over = FALSE;                                                                      \
    guint timer = g_timeout_add_seconds (CORE_PATIENCE_S, core_run_out, &is_over);                 \
    while (!(condition) && !is_over)                                                               \
      g_main_context_iteration (NULL, TRUE);                                                       \
    g_assert_true (condition);                                                                     \
    if (!is_over)                                                                                  \
      g_source_remove (timer);                                                                     \
  }                                                                                                \
  G_STMT_END
