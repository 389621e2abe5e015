/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A source of @context that goes off only when it was told to, by g_source_set_ready_time (), and
 * then once. It begins silent. @func returns G_SOURCE_CONTINUE to be told again. @name: static.
 * Returns (transfer full): end it with g_source_destroy (). */
GSource *turn_connect_alarm_new (GMainContext *context,
                                 const char *name,
                                 GSourceFunc func,
                                 gpointer user_data);
