/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What worked in which network, and for how long that is believed. No files and no clock: text and
 * time come in. Internal to the library. */
#pragma once

#include "turn-connect/network.h"

G_BEGIN_DECLS

#define TEP_CLIENT_CHOICE_NETWORKS_MAX 64         /* the one that worked longest ago is forgotten */
#define TEP_CLIENT_CHOICE_HEADER "tep-c choice 1" /* the version of the text */
#define TEP_CLIENT_CHOICE_TEXT_MAX 131072         /* octets; what is longer is not read */
#define TEP_CLIENT_CHOICE_KEEP_S 86400 /* a day: firewalls are changed, and hotels left */

typedef struct _TepClientChoiceMemory TepClientChoiceMemory;

/* Where something worked. */
typedef struct {
  const char *server;         /* "host:port" */
  TurnConnectNetwork network; /* borrowed; a place of "" is no network */
} TepClientChoicePlace;

TepClientChoiceMemory *tep_client_choice_memory_new (void);
void tep_client_choice_memory_free (TepClientChoiceMemory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientChoiceMemory, tep_client_choice_memory_free)

/* Returns: (transfer none) (nullable): the method that worked there last; %NULL if none did, or too
 * long ago. @now_s: seconds since 1970. */
const char *tep_client_choice_memory_find (const TepClientChoiceMemory *memory,
                                           const TepClientChoicePlace *place,
                                           gint64 now_s);
/* A network that has no place is not remembered. */
void tep_client_choice_memory_keep (TepClientChoiceMemory *memory,
                                    const TepClientChoicePlace *place,
                                    const char *method,
                                    gint64 now_s);
void tep_client_choice_memory_forget (TepClientChoiceMemory *memory,
                                      const TepClientChoicePlace *place);

/* Adds what a text says; anything may stand there. Lines that cannot be are left out, and so are those
 * from the future. */
void tep_client_choice_memory_read (TepClientChoiceMemory *memory,
                                    const char *text,
                                    gsize length,
                                    gint64 now_s);
/* Returns: (transfer full): a text for read() */
char *tep_client_choice_memory_write (const TepClientChoiceMemory *memory);
guint tep_client_choice_memory_count (const TepClientChoiceMemory *memory);

G_END_DECLS
