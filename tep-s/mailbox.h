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

/* Media is only worth something now, so of it no more waits than this; above, has_room() says no and the
 * packet is dropped. Messages are never left out. */
#define TEP_SERVER_MAILBOX_MEDIA (1024 * 1024) /* octets: 75 ms of 1000 calls */

/* Whether that much more media may wait. Any thread, no lock: two that ask at once may both be told
 * yes, so each sender can add as much as one of its rounds brings, and no more than the bound. */
gboolean tep_server_mailbox_has_room (const TepServerMailbox *mailbox, gsize length);

/* Any thread. The octets count as waiting until func has returned. */
void tep_server_mailbox_post_media (TepServerMailbox *mailbox,
                                    TepServerMessageFunc func,
                                    gpointer data,
                                    gsize length);

/* Runs what waits, in order; what is posted meanwhile waits for the next time. */
void tep_server_mailbox_empty (TepServerMailbox *mailbox, gpointer receiver);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TepServerMailbox, tep_server_mailbox_free)

G_END_DECLS
