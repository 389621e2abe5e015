/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes inner packets to a file for Wireshark. Internal to the library. */
#pragma once

#include "tep-s/media.h"

G_BEGIN_DECLS

typedef struct _TepServerRecorder TepServerRecorder;

/* Creates the file, or empties it. NULL with TEP_SERVER_ERROR_CONFIG. */
TepServerRecorder *tep_server_recorder_new (const char *path, GError **error);

/* Starts the thread that writes. FALSE with TEP_SERVER_ERROR_RESOURCE. */
gboolean tep_server_recorder_start (TepServerRecorder *recorder, GError **error);

/* Takes one packet; any thread. Never waits for the disk: without room the packet is left out. */
void tep_server_recorder_packet (TepServerRecorder *recorder,
                                 const TepServerPacket *packet,
                                 gint64 unix_us);

/* Packets that are missing in the file. */
guint64 tep_server_recorder_left_out (TepServerRecorder *recorder);

/* Writes what is waiting and closes the file. */
void tep_server_recorder_free (TepServerRecorder *recorder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerRecorder, tep_server_recorder_free)

G_END_DECLS
