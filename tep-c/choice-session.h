/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a session's signals mean to a choice. Internal to the library. */
#pragma once

#include "tep-c/choice-core.h"
#include "tep-c/session.h"

G_BEGIN_DECLS

/* @now: the state that it has come to, WAITING or CLOSED. Returns: which kind of failure that is */
TepClientChoiceEvent tep_client_choice_judge_failure (TepClientState now, const GError *cause);

/* @step: of "progress". Returns: N_EVENTS for what is no news */
TepClientChoiceEvent tep_client_choice_judge_progress (const char *step);

G_END_DECLS
