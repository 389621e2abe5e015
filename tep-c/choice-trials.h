/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The trials of a choice: UDP, and the tunnels, by a detection each, so that either can be ended alone.
 * Internal to the library. */
#pragma once

#include "tep-c/choice-core.h"
#include "tep-c/choice-ways.h"

G_BEGIN_DECLS

typedef struct _TepClientChoiceTrials TepClientChoiceTrials;

/* What came of one; may free the trials. */
typedef void (*TepClientChoiceTrialsFunc) (TepClientChoiceEvent event,
                                           gint way,
                                           gpointer user_data);

/* All of it is borrowed. @ways: of #TepClientWay. @core: says which way is in use, and which are refused. */
TepClientChoiceTrials *tep_client_choice_trials_new (const TepClientOptions *options,
                                                     const GPtrArray *ways,
                                                     const TepClientChoiceCore *core,
                                                     TepClientChoiceTrialsFunc told,
                                                     gpointer user_data);
/* Ends them; nothing is told any more. */
void tep_client_choice_trials_free (TepClientChoiceTrials *trials);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientChoiceTrials, tep_client_choice_trials_free)

/* Where UDP is tried; 0: it is not. */
void tep_client_choice_trials_set_direct_port (TepClientChoiceTrials *trials, guint16 port);
/* Whether UDP may be tried: not with a password that who listens could search for. */
gboolean tep_client_choice_trials_may_try_direct (const TepClientChoiceTrials *trials);
/* Appends why it may not, where the password is why. */
void tep_client_choice_trials_explain (const TepClientChoiceTrials *trials, GString *reason);

void tep_client_choice_trials_try_direct (TepClientChoiceTrials *trials);
void tep_client_choice_trials_stop_direct (TepClientChoiceTrials *trials);
/* In a moment: others go first. */
void tep_client_choice_trials_try_tunnels (TepClientChoiceTrials *trials);
void tep_client_choice_trials_stop_tunnels (TepClientChoiceTrials *trials);

G_END_DECLS
