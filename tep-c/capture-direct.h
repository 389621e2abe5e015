/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UDP to one remote without a tunnel, where a network lets it pass. Internal to the library. */
#pragma once

#include "stun-ext/address.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define TEP_CLIENT_DIRECT_UNANSWERED 100     /* packets sent before silence says anything */
#define TEP_CLIENT_DIRECT_UNANSWERED_MS 3000 /* and for how long */

typedef struct _TepClientDirect TepClientDirect;

typedef void (*TepClientDirectReceive) (const guint8 *payload, gsize length, gpointer user_data);
/* Told once, if much was sent and nothing ever came back: from the midst of send (). */
typedef void (*TepClientDirectUnanswered) (gpointer user_data);

TepClientDirect *tep_client_direct_new (const StunExtAddress *remote,
                                        TepClientDirectReceive receive,
                                        TepClientDirectUnanswered unanswered,
                                        gpointer user_data,
                                        GError **error);
void tep_client_direct_free (TepClientDirect *direct);
void tep_client_direct_send (TepClientDirect *direct, const guint8 *payload, gsize length);
void tep_client_direct_count (const TepClientDirect *direct, guint64 *sent, guint64 *received);

G_END_DECLS
