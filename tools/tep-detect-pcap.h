/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The packets of a run in a file, where the right to capture is there. */
#pragma once

#include "turn-connect/detect/observations.h"

/* Captures until it is freed. NULL without: %G_IO_ERROR_PERMISSION_DENIED where the right is lacking,
 * %G_FILE_ERROR for the file. NULL @interface: all. */
typedef struct _TepDetectCapture TepDetectCapture;
TepDetectCapture *tep_detect_capture_new (const char *path, const char *interface, GError **error);
/* Writes those packets that the observations account for, once. Returns what came of it, for people. */
char *tep_detect_capture_write (TepDetectCapture *capture,
                                const TurnConnectObservations *observations,
                                GError **error);
void tep_detect_capture_free (TepDetectCapture *capture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepDetectCapture, tep_detect_capture_free)
