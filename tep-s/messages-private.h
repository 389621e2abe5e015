/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STUN messages in frames: what opening.c and requests.c have in common. */
#pragma once

#include "stun-ext/integrity.h"
#include "stun-ext/message.h"
#include "stun-ext/tep.h"
#include "tep-s/core-private.h"

G_BEGIN_DECLS

/* Writes a message that stands behind the room for its frame's LENGTH. */
void tep_server_answer (TepServerConnection *connection, guint8 *frame, gsize length);

/* An error answer; unsigned if the key is empty. */
void tep_server_refuse (TepServerConnection *connection,
                        const StunExtMessage *message,
                        const StunExtTepFailure *failure,
                        StunExtSpan key);
void tep_server_refuse_code (TepServerConnection *connection,
                             const StunExtMessage *message,
                             guint code,
                             StunExtSpan key);

/* The same unsigned 437 for all that cannot be told apart from outside (PROTOCOL.md section 5). */
void tep_server_mismatch (TepServerConnection *connection, const StunExtMessage *message);

void tep_server_grant (TepServerConnection *connection,
                       const StunExtMessage *message,
                       const StunExtTepSuccess *success,
                       StunExtSpan key);

/* A Binding request that is not the tunnel's. */
void tep_server_answer_plain (TepServerConnection *connection, const StunExtMessage *message);

/* Judges CHANNEL-BINDING, NULL for none, by the configuration. */
gboolean tep_server_check_channel_binding (TepServerConnection *connection, const guint8 *claimed);

G_END_DECLS
