/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A name server of the tests' own: it says what a test wants, in the way a test wants. Only what
 * the tests ask for is understood.
 */
#include "zone.h"

#include "support.h"

#include <gio/gio.h>
#include <string.h>

typedef struct {
  char *name;
  char *manner; /* NULL: a record */
  guint type;
  TurnConnectDnsRecord record;
} Line;

struct _Zone {
  GPtrArray *lines;
  GSocket *socket;
  GSource *source;
  char *address;
  guint n_questions;
};

static void
line_free (Line *line)
{
  g_free (line->name);
  g_free (line->manner);
  g_free (line->record.name);
  g_free (line->record.flags);
  g_free (line->record.service);
  g_free (line->record.regexp);
  g_free (line);
}

static char *
field (const char *text)
{
  return g_strdup (strcmp (text, "-") == 0 || strcmp (text, ".") == 0 ? "" : text);
}

static Line *
line_new (char **words)
{
  Line *line = g_new0 (Line, 1);
  guint n = g_strv_length (words);

  g_assert_cmpuint (n, >=, 2);
  line->name = g_strdup (words[0]);
  if (n == 2) {
    line->manner = g_strdup (words[1]);
    return line;
  }
  line->record.priority = (guint16)atoi (words[2]);
  line->record.weight = (guint16)atoi (words[3]);
  if (strcmp (words[1], "SRV") == 0) {
    g_assert_cmpuint (n, ==, 6);
    line->type = TURN_CONNECT_DNS_SRV;
    line->record.port = (guint16)atoi (words[4]);
    line->record.name = field (words[5]);
    return line;
  }
  g_assert_cmpuint (n, ==, 8);
  line->type = TURN_CONNECT_DNS_NAPTR;
  line->record.flags = field (words[4]);
  line->record.service = field (words[5]);
  line->record.regexp = field (words[6]);
  line->record.name = field (words[7]);
  return line;
}

Zone *
zone_new (const char *text)
{
  Zone *zone = g_new0 (Zone, 1);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  zone->lines = g_ptr_array_new_with_free_func ((GDestroyNotify)line_free);
  for (guint i = 0; lines[i] != NULL; i++) {
    g_auto (GStrv) words = g_strsplit (g_strstrip (lines[i]), " ", -1);

    if (words[0] != NULL)
      g_ptr_array_add (zone->lines, line_new (words));
  }
  return zone;
}

void
zone_free (Zone *zone)
{
  if (zone->source != NULL)
    g_source_destroy (zone->source);
  g_clear_pointer (&zone->source, g_source_unref);
  g_clear_object (&zone->socket);
  g_ptr_array_unref (zone->lines);
  g_free (zone->address);
  g_free (zone);
}

static const char *
manner_of (const Zone *zone, const char *name)
{
  for (guint i = 0; i < zone->lines->len; i++) {
    const Line *line = g_ptr_array_index (zone->lines, i);

    if (line->manner != NULL && g_ascii_strcasecmp (line->name, name) == 0)
      return line->manner;
  }
  return "";
}

GPtrArray *
zone_find (const Zone *zone, TurnConnectDnsType type, const char *name)
{
  g_autoptr (GPtrArray) found =
      g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_dns_record_free);

  if (*manner_of (zone, name) != '\0')
    return NULL;
  for (guint i = 0; i < zone->lines->len; i++) {
    const Line *line = g_ptr_array_index (zone->lines, i);
    TurnConnectDnsRecord *copy;

    if (line->type != type || g_ascii_strcasecmp (line->name, name) != 0)
      continue;
    copy = g_memdup2 (&line->record, sizeof line->record);
    copy->name = g_strdup (line->record.name);
    copy->flags = g_strdup (line->record.flags);
    copy->service = g_strdup (line->record.service);
    copy->regexp = g_strdup (line->record.regexp);
    g_ptr_array_add (found, copy);
  }
  return g_steal_pointer (&found);
}

static void
put_u16 (GByteArray *octets, guint value)
{
  const guint8 both[] = { (guint8)(value >> 8), (guint8)value };

  g_byte_array_append (octets, both, 2);
}

static void
put_string (GByteArray *octets, const char *text, gsize length)
{
  const guint8 first = (guint8)length;

  g_byte_array_append (octets, &first, 1);
  g_byte_array_append (octets, (const guint8 *)text, (guint)length);
}

static void
put_name (GByteArray *octets, const char *name)
{
  g_auto (GStrv) labels = g_strsplit (name, ".", -1);

  for (guint i = 0; labels[i] != NULL && *labels[i] != '\0'; i++)
    put_string (octets, labels[i], strlen (labels[i]));
  put_string (octets, "", 0);
}

static void
put_record (GByteArray *answer, guint type, const TurnConnectDnsRecord *record)
{
  g_autoptr (GByteArray) data = g_byte_array_new ();

  put_u16 (data, record->priority);
  put_u16 (data, record->weight);
  if (type == TURN_CONNECT_DNS_SRV) {
    put_u16 (data, record->port);
  } else {
    put_string (data, record->flags, strlen (record->flags));
    put_string (data, record->service, strlen (record->service));
    put_string (data, record->regexp, strlen (record->regexp));
  }
  put_name (data, record->name);
  put_u16 (answer, 0xc00c); /* the name of the question */
  put_u16 (answer, type);
  put_u16 (answer, 1);
  put_u16 (answer, 0);
  put_u16 (answer, 60);
  put_u16 (answer, data->len);
  g_byte_array_append (answer, data->data, data->len);
}

/* The name of the question, and where it ends. */
static char *
read_question (const guint8 *octets, gsize length, gsize *end)
{
  GString *name = g_string_new (NULL);
  gsize at = 12;

  while (at < length && octets[at] != 0) {
    if (name->len > 0)
      g_string_append_c (name, '.');
    g_string_append_len (name, (const char *)octets + at + 1, octets[at]);
    at += octets[at] + 1u;
  }
  g_assert_cmpuint (at + 5, <=, length);
  *end = at + 5;
  return g_string_free (name, FALSE);
}

static GByteArray *
make_answer (Zone *zone, const guint8 *question, gsize length)
{
  gsize end;
  g_autofree char *name = read_question (question, length, &end);
  guint type = question[end - 4] << 8 | question[end - 3];
  const char *manner = manner_of (zone, name);
  g_autoptr (GPtrArray) records = zone_find (zone, type, name);
  g_autoptr (GByteArray) answer = g_byte_array_new ();
  guint flags = 0x8180;

  zone->n_questions++;
  if (strcmp (manner, "silent") == 0)
    return NULL;
  if (strcmp (manner, "fails") == 0)
    flags |= 2;
  else if (strcmp (manner, "truncated") == 0)
    flags |= 0x0200;
  else if (records != NULL && records->len == 0)
    flags |= 3;
  g_byte_array_append (answer, question, 2);
  put_u16 (answer, flags);
  put_u16 (answer, 1);
  put_u16 (answer, records != NULL ? records->len : strcmp (manner, "garbage") == 0 ? 3 : 0);
  put_u16 (answer, 0);
  put_u16 (answer, 0);
  g_byte_array_append (answer, question + 12, (guint)end - 12);
  for (guint i = 0; records != NULL && i < records->len; i++)
    put_record (answer, type, g_ptr_array_index (records, i));
  if (strcmp (manner, "garbage") == 0)
    for (guint i = 0; i < 64; i++)
      put_u16 (answer, 0xc00c + i * 0x3fff);
  return g_steal_pointer (&answer);
}

static gboolean
asked (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Zone *zone = user_data;
  guint8 question[512];
  g_autoptr (GSocketAddress) from = NULL;
  gssize length =
      g_socket_receive_from (socket, &from, (char *)question, sizeof question, NULL, NULL);
  g_autoptr (GByteArray) answer = NULL;

  if (length < 17)
    return G_SOURCE_CONTINUE;
  answer = make_answer (zone, question, (gsize)length);
  if (answer != NULL)
    g_socket_send_to (socket, from, (const char *)answer->data, answer->len, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

const char *
zone_serve (Zone *zone)
{
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = NULL;

  zone->socket =
      g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);
  g_assert_nonnull (zone->socket);
  g_assert_true (g_socket_bind (zone->socket, any, FALSE, NULL));
  bound = g_socket_get_local_address (zone->socket, NULL);
  zone->address = g_strdup_printf ("127.0.0.1:%u",
                                   g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound)));
  zone->source = g_socket_create_source (zone->socket, G_IO_IN, NULL);
  g_source_set_callback (zone->source, G_SOURCE_FUNC (asked), zone, NULL);
  g_source_attach (zone->source, NULL);
  return zone->address;
}

guint
zone_count_questions (const Zone *zone)
{
  return zone->n_questions;
}
