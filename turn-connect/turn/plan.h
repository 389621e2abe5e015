/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/turn/dns.h"
#include "turn-connect/turn/resolve.h"

#define TURN_CONNECT_PLAN_QUESTIONS_MAX 32 /* of one URI; arbitrary */
#define TURN_CONNECT_PLAN_DEPTH_MAX 5      /* NAPTR that point to NAPTR; arbitrary */

/* RFC 5928 without the asking: is told answers, says which questions are open, and ends with a list
 * of servers. */
typedef struct _TurnConnectPlan TurnConnectPlan;

/* Gives a number from 0 to @most, both included. */
typedef guint32 (*TurnConnectPlanRandom) (guint32 most, gpointer user_data);

TurnConnectPlan *turn_connect_plan_new (TurnConnectUri *uri,
                                        const TurnConnectTransport *transports,
                                        guint n_transports,
                                        TurnConnectResolveFlags flags,
                                        TurnConnectPlanRandom random,
                                        gpointer random_data);
void turn_connect_plan_free (TurnConnectPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TurnConnectPlan, turn_connect_plan_free)

/* The next question that nobody has taken yet; *@name is valid as long as the plan. */
gboolean turn_connect_plan_take_question (TurnConnectPlan *plan,
                                          TurnConnectDnsType *type,
                                          const char **name);

/* @records: TurnConnectDnsRecord, emptied. Answers that nobody asked for are ignored. */
void turn_connect_plan_answer (TurnConnectPlan *plan,
                               TurnConnectDnsType type,
                               const char *name,
                               TurnConnectDnsAnswer answer,
                               GPtrArray *records);
/* Whatever is not answered by now has failed. */
void turn_connect_plan_answer_rest (TurnConnectPlan *plan);

/* Goes as far as the answers reach. TRUE if that is the end: then *@servers or @error is set. */
gboolean turn_connect_plan_step (TurnConnectPlan *plan, GPtrArray **servers, GError **error);
