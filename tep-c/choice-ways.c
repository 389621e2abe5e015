/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What firewalls let through is the web's ports. Which of them are tried is not for the network to say,
 * nor for what is remembered of it: whoever configured TLS gets no way without, and whoever
 * named a proxy no connection around it. */
#include "tep-c/choice-ways.h"

#include "tep-c/choice.h"

#include <string.h>

#define HTTP_PORT 80
#define HTTPS_PORT 443

const char *
tep_client_path_name (TepClientPath path)
{
  static const char *const names[] = { "none", "direct", "tunnel" };

  return (guint)path < G_N_ELEMENTS (names) ? names[path] : "unknown";
}

static void
way_free (gpointer data)
{
  TepClientWay *way = data;

  g_free (way->name);
  tep_client_options_free (way->options);
  g_free (way);
}

gint
tep_client_ways_find (const GPtrArray *ways, const char *name)
{
  for (guint i = 0; name != NULL && i < ways->len; i++) {
    const TepClientWay *way = g_ptr_array_index (ways, i);

    if (strcmp (way->name, name) == 0)
      return (gint)i;
  }
  return -1;
}

static char *
name_of (guint16 port, gboolean is_tls, gboolean is_proxied)
{
  const char *end = is_proxied ? "-proxy" : "";

  if (is_tls && port == HTTPS_PORT)
    return g_strconcat ("tep-tls", end, NULL);
  return g_strdup_printf ("tep-%s%u%s", is_tls ? "tls-" : "", port, end);
}

static void
add (GPtrArray *ways,
     const TepClientOptions *options,
     guint16 port,
     gboolean is_tls,
     gboolean is_proxied)
{
  g_autofree char *name = name_of (port, is_tls, is_proxied);
  TepClientWay *way;

  if (tep_client_ways_find (ways, name) >= 0)
    return;
  way = g_new0 (TepClientWay, 1);
  way->name = g_steal_pointer (&name);
  way->options = tep_client_options_copy (options);
  way->options->port = port;
  way->options->is_tls = is_tls;
  if (!is_proxied)
    g_clear_pointer (&way->options->proxy, g_free);
  g_ptr_array_add (ways, way);
}

gboolean
tep_client_ways_are_proxied (const TepClientOptions *options)
{
  return options->proxy != NULL && strcmp (options->proxy, "none") != 0;
}

GPtrArray *
tep_client_ways_new (const TepClientOptions *options)
{
  GPtrArray *ways = g_ptr_array_new_with_free_func (way_free);
  gboolean has_proxy = tep_client_ways_are_proxied (options);
  TepClientWay *direct = g_new0 (TepClientWay, 1);

  direct->name = g_strdup (TEP_CLIENT_DIRECT_METHOD);
  g_ptr_array_add (ways, direct);
  add (ways, options, options->port, options->is_tls, has_proxy);
  add (ways, options, HTTPS_PORT, TRUE, has_proxy);
  if (!options->is_tls) {
    add (ways, options, HTTPS_PORT, FALSE, has_proxy);
    add (ways, options, HTTP_PORT, FALSE, has_proxy);
  }
  return ways;
}
