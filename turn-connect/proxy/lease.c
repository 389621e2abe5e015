/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network can name its proxy configuration file in DHCP (option 252, which every system asks for
 * under the name of WPAD and no RFC describes). Whoever is not root cannot ask a DHCP server, but can
 * read what the machine's client was told. It is as true as the router and the name server that came
 * in the same lease; the name "wpad", which anybody may have registered, is asked by nobody here.
 */
#include "turn-connect/proxy/lease.h"

#include "turn-connect/proxy/pac.h"

#include <glib/gstdio.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (256 * 1024) /* octets; dhclient keeps old leases */
#define FILES_MAX 64          /* in a folder */
#define LINES_MAX 8192
#define URL_MAX 255 /* octets that an option can have */
#define OPTION "OPTION_252="

static const struct {
  const char *folder, *prefix, *suffix;
  gboolean is_dhclient;
} places[] = {
  { "run/systemd/netif/leases", "", "", FALSE },
  { "var/lib/dhcp", "dhclient", ".leases", TRUE },
  { "var/lib/dhclient", "dhclient", ".leases", TRUE },
};

/* Servers end it with a zero or a line feed. */
static char *
take_url (const char *text, gsize length)
{
  g_autofree char *url = g_strndup (text, MIN (length, URL_MAX));

  g_strchomp (url);
  for (const char *c = url; *c != '\0'; c++) {
    if (!g_ascii_isgraph (*c))
      return NULL;
  }
  if ((!g_str_has_prefix (url, "http://") && !g_str_has_prefix (url, "https://")) ||
      !turn_connect_pac_check_url (url, NULL))
    return NULL;
  return g_steal_pointer (&url);
}

static char *
take_hex (const char *digits)
{
  char octets[URL_MAX + 1] = { 0 };
  gsize n = 0;

  while (n < URL_MAX && g_ascii_isxdigit (digits[2 * n]) && g_ascii_isxdigit (digits[2 * n + 1])) {
    octets[n] = (char)(g_ascii_xdigit_value (digits[2 * n]) << 4 |
                       g_ascii_xdigit_value (digits[2 * n + 1]));
    n++;
  }
  return take_url (octets, n);
}

char *
turn_connect_lease_read_networkd (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", LINES_MAX);

  for (guint i = 0; lines[i] != NULL; i++) {
    if (g_str_has_prefix (lines[i], OPTION))
      return take_hex (lines[i] + strlen (OPTION));
  }
  return NULL;
}

/* "expire 4 2026/11/26 10:00:00;", in UTC; "expire epoch 1795687200; # ..."; or "never". */
static gboolean
is_over (const char *line, gint64 now)
{
  gint64 epoch;
  guint parts[6];
  g_autoptr (GDateTime) when = NULL;

  if (sscanf (line, "expire epoch %" G_GINT64_FORMAT, &epoch) == 1)
    return epoch < now;
  if (sscanf (line, "expire %*1u %4u/%2u/%2u %2u:%2u:%2u", &parts[0], &parts[1], &parts[2],
              &parts[3], &parts[4], &parts[5]) != (int)G_N_ELEMENTS (parts))
    return strstr (line, "never") == NULL;
  when = g_date_time_new_utc ((gint)parts[0], (gint)parts[1], (gint)parts[2], (gint)parts[3],
                              (gint)parts[4], (gdouble)parts[5]);
  return when == NULL || g_date_time_to_unix (when) < now;
}

/* What stands between quotation marks; a zero is written \000 there. */
static char *
take_quoted (const char *line)
{
  const char *begin = strchr (line, '"');
  const char *end = begin != NULL ? strpbrk (begin + 1, "\"\\") : NULL;

  return end != NULL ? take_url (begin + 1, (gsize)(end - begin - 1)) : NULL;
}

/* Leases one after the other, the newest last. */
char *
turn_connect_lease_read_dhclient (const char *text, const char *interface, gint64 now)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", LINES_MAX);
  g_autofree char *url = NULL, *last = NULL;
  g_autofree char *wanted = g_strdup_printf ("\"%s\"", interface != NULL ? interface : "");
  gboolean has_ended = FALSE, is_ours = TRUE;

  for (guint i = 0; lines[i] != NULL; i++) {
    const char *line = g_strchug (lines[i]);

    if (g_str_has_prefix (line, "lease")) {
      g_clear_pointer (&url, g_free);
      has_ended = FALSE;
      is_ours = TRUE;
    } else if (g_str_has_prefix (line, "interface "))
      is_ours = interface == NULL || strstr (line, wanted) != NULL;
    else if (g_str_has_prefix (line, "option ") &&
             (strstr (line, "wpad") != NULL || strstr (line, "unknown-252") != NULL)) {
      g_free (url);
      url = take_quoted (line);
    } else if (g_str_has_prefix (line, "expire"))
      has_ended = is_over (line, now);
    else if (*line == '}' && is_ours) {
      g_free (last);
      last = has_ended ? NULL : g_steal_pointer (&url);
    }
  }
  return g_steal_pointer (&last);
}

static char *
read_file (const char *path, gboolean is_dhclient, const char *interface, gint64 now)
{
  g_autofree char *text = NULL;
  GStatBuf about;
  gsize length = 0;

  if (g_stat (path, &about) != 0 || !S_ISREG (about.st_mode) || about.st_size > FILE_MAX ||
      !g_file_get_contents (path, &text, &length, NULL) || strlen (text) != length)
    return NULL;
  return is_dhclient ? turn_connect_lease_read_dhclient (text, interface, now)
                     : turn_connect_lease_read_networkd (text);
}

/* networkd calls them by the number of the interface, dhclient as the system's scripts please. */
static gboolean
may_be_of (const char *name, gsize place, const char *interface)
{
  guint64 number;

  if (!g_str_has_prefix (name, places[place].prefix) ||
      !g_str_has_suffix (name, places[place].suffix))
    return FALSE;
  return interface == NULL || places[place].is_dhclient ||
         (g_ascii_string_to_unsigned (name, 10, 1, G_MAXUINT, &number, NULL) &&
          number == if_nametoindex (interface));
}

char *
turn_connect_lease_find_pac (const char *root, const char *interface, gint64 now)
{
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++) {
    g_autofree char *folder = g_build_filename (root, places[i].folder, NULL);
    g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
    const char *name;

    for (guint n = 0; dir != NULL && n < FILES_MAX && (name = g_dir_read_name (dir)) != NULL; n++) {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      char *url = may_be_of (name, i, interface)
                      ? read_file (path, places[i].is_dhclient, interface, now)
                      : NULL;

      if (url != NULL)
        return url;
    }
  }
  return NULL;
}
