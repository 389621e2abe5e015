/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Protocols know the one time at which they have to be asked again, and it changes with most of what
 * happens. GLib's timeouts have an interval and set themselves again; making a new one each time
 * would allocate.
 */
#include "turn-connect/alarm.h"

/* Silent before it is called, so that what it is told in there stays. */
static gboolean
alarm_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  g_source_set_ready_time (source, -1);
  return callback (user_data);
}

static GSourceFuncs alarm_funcs = { .dispatch = alarm_dispatch };

GSource *
turn_connect_alarm_new (GMainContext *context,
                        const char *name,
                        GSourceFunc func,
                        gpointer user_data)
{
  GSource *source = g_source_new (&alarm_funcs, sizeof (GSource));

  g_source_set_static_name (source, name);
  g_source_set_callback (source, func, user_data, NULL);
  g_source_attach (source, context);
  return source;
}
