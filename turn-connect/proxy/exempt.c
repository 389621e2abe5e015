/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * no_proxy has no specification, only habits. Here are those that curl, Go and GLib share, and an
 * entry that none of them would understand exempts nothing.
 */
#include "turn-connect/proxy/exempt.h"

#include "turn-connect/host.h"

#include <gio/gio.h>
#include <string.h>

/* Takes ":port" off the end; FALSE if the entry is for another port. */
static gboolean
take_port (char *entry, guint16 port)
{
  char *bracket = strchr (entry, ']');
  char *colon = strrchr (entry, ':');
  guint64 number;

  /* An IPv6 address has colons of its own, and a port only behind brackets. */
  if (colon == NULL || (bracket != NULL ? colon < bracket : strchr (entry, ':') != colon))
    return TRUE;
  if (!g_ascii_string_to_unsigned (colon + 1, 10, 1, G_MAXUINT16, &number, NULL) || number != port)
    return FALSE;
  *colon = '\0';
  return TRUE;
}

static gboolean
is_in_range (const char *range, const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  g_auto (GStrv) parts = g_strsplit (range, "/", 2);
  g_autoptr (GInetAddress) base = g_inet_address_new_from_string (parts[0]);
  guint64 bits;

  if (address == NULL || base == NULL ||
      !g_ascii_string_to_unsigned (parts[1], 10, 0, g_inet_address_get_native_size (base) * 8,
                                   &bits, NULL))
    return FALSE;
  /* GLib refuses 10.1.2.3/8, the field does not. */
  if (g_inet_address_get_family (address) != g_inet_address_get_family (base))
    return FALSE;
  for (guint i = 0; i < bits; i++) {
    guint8 mask_bit = (guint8)(0x80 >> i % 8);

    if (((g_inet_address_to_bytes (address)[i / 8] ^ g_inet_address_to_bytes (base)[i / 8]) &
         mask_bit) != 0)
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_below (const char *name, const char *host)
{
  gsize name_length = strlen (name), host_length = strlen (host);

  return host_length >= name_length && strcmp (host + host_length - name_length, name) == 0 &&
         (host_length == name_length || host[host_length - name_length - 1] == '.');
}

static gboolean
matches (char *entry, const char *host, guint16 port)
{
  g_autofree char *normal = NULL;

  if (!take_port (entry, port))
    return FALSE;
  if (strcmp (entry, "*") == 0)
    return TRUE;
  if (strchr (entry, '/') != NULL)
    return is_in_range (entry, host);
  if (g_str_has_prefix (entry, "*."))
    entry += 2;
  else if (*entry == '.')
    entry++;
  normal = turn_connect_host_normalise (entry, NULL);
  if (normal == NULL)
    return FALSE;
  if (turn_connect_host_is_address (normal) || turn_connect_host_is_address (host))
    return strcmp (normal, host) == 0;
  return is_below (normal, host);
}

gboolean
turn_connect_proxy_is_exempt (const char *list, const char *host, guint16 port)
{
  g_auto (GStrv) entries = g_strsplit_set (list, ", \t\r\n", -1);

  for (char **entry = entries; *entry != NULL; entry++) {
    if (**entry != '\0' && matches (*entry, host, port))
      return TRUE;
  }
  return FALSE;
}
