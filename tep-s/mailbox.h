/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way into a worker's thread from any other: messages in order, and a descriptor that becomes
 * readable. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _TepServerMailbox TepServerMailbox;

/* Called once for each message, by the thread that empties the box; or with is_delivered FALSE when
 * the box is freed. */
typedef void (*TepServerMessageFunc) (gpointer receiver, gpointer data, gboolean is_delivered);

/* NULL with errno set if there is no descriptor left. */
TepServerMailbox *tep_server_mailbox_new (void);
void tep_server_mailbox_free (TepServerMailbox *mailbox);

/* Readable while messages wait. */
int tep_server_mailbox_fd (const TepServerMailbox *mailbox);

/* Any thread. */
void tep_server_mailbox_post (TepServerMailbox *mailbox, TepServerMessageFunc func, gpointer data);

/* Runs what waits, in order; what is posted meanwhile waits for the next time. */
void tep_server_mailbox_empty (TepServerMailbox *mailbox, gpointer receiver);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerMailbox, tep_server_mailbox_free)

G_END_DECLS
