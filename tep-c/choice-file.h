/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file that a choice's memory lives in between two runs of a program. Internal to the library. */
#pragma once

#include "tep-c/choice-memory.h"

G_BEGIN_DECLS

typedef struct _TepClientChoiceFile TepClientChoiceFile;

/* Opens, or makes with mode 0600. It stays open, so that the right to the folder may be given up. NULL with
 * an error that names the file: a link, not a file, somebody else's, others could write it, or it holds
 * something else. */
TepClientChoiceFile *tep_client_choice_file_open (const char *path, GError **error);
void tep_client_choice_file_free (TepClientChoiceFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepClientChoiceFile, tep_client_choice_file_free)

void tep_client_choice_file_load (TepClientChoiceFile *file,
                                  TepClientChoiceMemory *memory,
                                  gint64 now_s);
/* What cannot be written is only not remembered. */
void tep_client_choice_file_save (TepClientChoiceFile *file, const TepClientChoiceMemory *memory);

G_END_DECLS
