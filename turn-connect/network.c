/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Half of all networks are 192.168.1.0/24 behind 192.168.1.1, so an address alone does not say which
 * one this is; the gateway's link address does, once it is known. No packet is sent to find out, and
 * nothing is read but three of the kernel's tables.
 */
#include "turn-connect/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define TABLE_MAX (256 * 1024) /* octets of a table that are looked at */
#define FLAG_UP 0x1u
#define FLAG_GATEWAY 0x2u
#define FLAG_REJECT 0x200u
#define NAME_FORMAT "%31s"

typedef struct {
  char interface[32];
  guint32 destination, gateway, mask; /* network order, as the kernel prints them */
  guint flags, metric;
} Route;

typedef struct {
  char interface[32];
  char destination[33], gateway[33]; /* hexadecimal */
  guint length, flags, metric;
} Route6;

static gboolean
parse_route (const char *line, Route *route)
{
  return sscanf (line, NAME_FORMAT " %x %x %x %*u %*u %u %x", route->interface, &route->destination,
                 &route->gateway, &route->flags, &route->metric, &route->mask) == 6 &&
         (route->flags & (FLAG_UP | FLAG_REJECT)) == FLAG_UP;
}

static gboolean
parse_route6 (const char *line, Route6 *route)
{
  return sscanf (line, "%32s %x %*32s %*x %32s %x %*x %*x %x " NAME_FORMAT, route->destination,
                 &route->length, route->gateway, &route->metric, &route->flags,
                 route->interface) == 6 &&
         (route->flags & (FLAG_UP | FLAG_REJECT)) == FLAG_UP;
}

static gboolean
find_default (char **lines, const char *interface, Route *best)
{
  gboolean is_found = FALSE;
  Route route;

  for (guint i = 0; lines[i] != NULL; i++) {
    if (parse_route (lines[i], &route) && route.destination == 0 && route.mask == 0 &&
        (interface == NULL || strcmp (route.interface, interface) == 0) &&
        (!is_found || route.metric < best->metric)) {
      *best = route;
      is_found = TRUE;
    }
  }
  return is_found;
}

static gboolean
find_default6 (char **lines, const char *interface, Route6 *best)
{
  gboolean is_found = FALSE;
  Route6 route;

  for (guint i = 0; lines[i] != NULL; i++) {
    if (parse_route6 (lines[i], &route) && route.length == 0 &&
        strcmp (route.interface, "lo") != 0 &&
        (interface == NULL || strcmp (route.interface, interface) == 0) &&
        (!is_found || route.metric < best->metric)) {
      *best = route;
      is_found = TRUE;
    }
  }
  return is_found;
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

/* The kernel's order is not ours to rely on. */
static void
append_sorted (GString *place, GPtrArray *prefixes)
{
  g_ptr_array_sort (prefixes, compare_texts);
  for (guint i = 0; i < prefixes->len; i++)
    g_string_append_printf (place, " %s", (const char *)prefixes->pdata[i]);
}

static void
print_address (guint32 address, char text[INET_ADDRSTRLEN])
{
  inet_ntop (AF_INET, &address, text, INET_ADDRSTRLEN);
}

static void
describe (GString *place, char **lines, const Route *way)
{
  g_autoptr (GPtrArray) prefixes = g_ptr_array_new_with_free_func (g_free);
  char text[INET_ADDRSTRLEN];
  Route route;

  print_address (way->gateway, text);
  g_string_append_printf (place, "%s via %s", way->interface, text);
  for (guint i = 0; lines[i] != NULL; i++) {
    if (!parse_route (lines[i], &route) || route.mask == 0 || (route.flags & FLAG_GATEWAY) != 0 ||
        strcmp (route.interface, way->interface) != 0)
      continue;
    print_address (route.destination, text);
    g_ptr_array_add (prefixes, g_strdup_printf ("%s/%x", text, ntohl (route.mask)));
  }
  append_sorted (place, prefixes);
}

static void
describe6 (GString *place, char **lines, const Route6 *way)
{
  g_autoptr (GPtrArray) prefixes = g_ptr_array_new_with_free_func (g_free);
  Route6 route;

  g_string_append_printf (place, "%s%s via %s", place->len > 0 ? "; " : "", way->interface,
                          way->gateway);
  for (guint i = 0; lines[i] != NULL; i++) {
    if (!parse_route6 (lines[i], &route) || route.length == 0 || route.length > 64 ||
        (route.flags & FLAG_GATEWAY) != 0 || strcmp (route.interface, way->interface) != 0 ||
        g_ascii_strncasecmp (route.destination, "fe80", 4) == 0 ||
        g_ascii_strncasecmp (route.destination, "ff", 2) == 0)
      continue;
    g_ptr_array_add (prefixes, g_strdup_printf ("%s/%u", route.destination, route.length));
  }
  append_sorted (place, prefixes);
}

/* The link address that belongs to the gateway. */
static char *
find_hardware (const char *neighbours, const Route *way)
{
  g_auto (GStrv) lines = g_strsplit (neighbours, "\n", -1);
  char gateway[INET_ADDRSTRLEN];

  print_address (way->gateway, gateway);
  for (guint i = 0; lines[i] != NULL; i++) {
    char address[64], hardware[64], interface[32];
    guint flags;

    if (sscanf (lines[i], "%63s %*s %x %63s %*s " NAME_FORMAT, address, &flags, hardware,
                interface) == 4 &&
        (flags & 0x2) != 0 && strcmp (address, gateway) == 0 &&
        strcmp (interface, way->interface) == 0)
      return g_strdup (hardware);
  }
  return NULL;
}

void
turn_connect_network_read (TurnConnectNetwork *network,
                           const char *interface,
                           const char *routes,
                           const char *routes6,
                           const char *neighbours)
{
  g_auto (GStrv) lines = g_strsplit (routes, "\n", -1);
  g_auto (GStrv) lines6 = g_strsplit (routes6, "\n", -1);
  GString *place = g_string_new (NULL);
  Route way;
  Route6 way6;

  memset (network, 0, sizeof *network);
  if (find_default (lines, interface, &way)) {
    describe (place, lines, &way);
    network->hardware = find_hardware (neighbours, &way);
  }
  if (find_default6 (lines6, interface, &way6))
    describe6 (place, lines6, &way6);
  network->place = g_string_free (place, FALSE);
}

/* Files of /proc have no size, and are read as far as they go. */
static char *
read_table (const char *path)
{
  FILE *file = fopen (path, "re");
  char *text = g_malloc (TABLE_MAX + 1);
  gsize length = 0;

  if (file != NULL) {
    length = fread (text, 1, TABLE_MAX, file);
    fclose (file);
  }
  text[length] = '\0';
  return text;
}

void
turn_connect_network_look (TurnConnectNetwork *network, const char *interface)
{
  g_autofree char *routes = read_table ("/proc/self/net/route");
  g_autofree char *routes6 = read_table ("/proc/self/net/ipv6_route");
  g_autofree char *neighbours = read_table ("/proc/self/net/arp");

  turn_connect_network_read (network, interface, routes, routes6, neighbours);
}

void
turn_connect_network_clear (TurnConnectNetwork *network)
{
  g_clear_pointer (&network->place, g_free);
  g_clear_pointer (&network->hardware, g_free);
}

gboolean
turn_connect_network_equal (const TurnConnectNetwork *one, const TurnConnectNetwork *other)
{
  return strcmp (one->place, other->place) == 0 &&
         (one->hardware == NULL || other->hardware == NULL ||
          strcmp (one->hardware, other->hardware) == 0);
}
