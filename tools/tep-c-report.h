/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tep-c tells a person, on stderr, or a script, as JSON lines on stdout. tep-c(1) documents the latter. */
#pragma once

#include "tep-c/agent.h"

G_BEGIN_DECLS

typedef struct {
  const TepClientAgentConfig *config;
  gboolean is_json;
} Report;

void report_event (const Report *report, const TepClientAgentEvent *event);
/* The session's figures, and those of every flow. */
void report_status (const Report *report, TepClientAgent *agent);

G_END_DECLS
