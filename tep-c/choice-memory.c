/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device is in few networks and returns to them. That a way worked there is worth a round of trials, as
 * long as it is not believed for too long. A record only ever names one of the ways that the user's
 * configuration allows, so whoever can write the file can make a choice slower, and nothing else.
 */
#include "tep-c/choice-memory.h"

#include <string.h>

#define SLACK_S 300 /* how far clocks may have been set back */
#define METHOD_MAX 64
#define SERVER_MAX 300
#define PLACE_MAX 1024
#define HARDWARE_MAX 64
#define UNKNOWN "-"

typedef struct {
  char *server, *method;
  TurnConnectNetwork network;
  gint64 at_s;
} Record;

struct _TepClientChoiceMemory {
  GPtrArray *records; /* Record, the oldest first */
};

static void
record_free (gpointer data)
{
  Record *record = data;

  g_free (record->server);
  turn_connect_network_clear (&record->network);
  g_free (record->method);
  g_free (record);
}

TepClientChoiceMemory *
tep_client_choice_memory_new (void)
{
  TepClientChoiceMemory *memory = g_new0 (TepClientChoiceMemory, 1);

  memory->records = g_ptr_array_new_with_free_func (record_free);
  return memory;
}

void
tep_client_choice_memory_free (TepClientChoiceMemory *memory)
{
  g_ptr_array_unref (memory->records);
  g_free (memory);
}

/* One word of a line: what can be printed, without the tabulator that divides. */
static gboolean
is_word (const char *word, gsize most)
{
  gsize length = word != NULL ? strnlen (word, most + 1) : 0;

  if (length == 0 || length > most)
    return FALSE;
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isprint (word[i]))
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_place (const TepClientChoicePlace *place)
{
  return is_word (place->server, SERVER_MAX) && is_word (place->network.place, PLACE_MAX) &&
         (place->network.hardware == NULL || is_word (place->network.hardware, HARDWARE_MAX));
}

static gboolean
is_at (const Record *record, const TepClientChoicePlace *place)
{
  return strcmp (record->server, place->server) == 0 &&
         turn_connect_network_equal (&record->network, &place->network);
}

const char *
tep_client_choice_memory_find (const TepClientChoiceMemory *memory,
                               const TepClientChoicePlace *place,
                               gint64 now_s)
{
  if (!is_place (place))
    return NULL;
  for (guint i = memory->records->len; i > 0; i--) {
    const Record *record = g_ptr_array_index (memory->records, i - 1);

    if (is_at (record, place) && now_s - record->at_s < TEP_CLIENT_CHOICE_KEEP_S &&
        record->at_s - now_s <= SLACK_S)
      return record->method;
  }
  return NULL;
}

void
tep_client_choice_memory_forget (TepClientChoiceMemory *memory, const TepClientChoicePlace *place)
{
  if (!is_place (place))
    return;
  for (guint i = memory->records->len; i > 0; i--) {
    if (is_at (g_ptr_array_index (memory->records, i - 1), place))
      g_ptr_array_remove_index (memory->records, i - 1);
  }
}

void
tep_client_choice_memory_keep (TepClientChoiceMemory *memory,
                               const TepClientChoicePlace *place,
                               const char *method,
                               gint64 now_s)
{
  Record *record;

  if (!is_place (place) || !is_word (method, METHOD_MAX))
    return;
  tep_client_choice_memory_forget (memory, place);
  if (memory->records->len == TEP_CLIENT_CHOICE_NETWORKS_MAX)
    g_ptr_array_remove_index (memory->records, 0);
  record = g_new0 (Record, 1);
  record->server = g_strdup (place->server);
  record->network.place = g_strdup (place->network.place);
  record->network.hardware = g_strdup (place->network.hardware);
  record->method = g_strdup (method);
  record->at_s = now_s;
  g_ptr_array_add (memory->records, record);
}

/* Time, method, server, hardware, place. */
static void
read_line (TepClientChoiceMemory *memory, const char *line, gint64 now_s)
{
  g_auto (GStrv) words = g_strsplit (line, "\t", 6);
  TepClientChoicePlace place;
  gint64 at_s;

  if (g_strv_length (words) != 5 ||
      !g_ascii_string_to_signed (words[0], 10, 0, now_s + SLACK_S, &at_s, NULL) ||
      now_s - at_s >= TEP_CLIENT_CHOICE_KEEP_S)
    return;
  place = (TepClientChoicePlace){
    .server = words[2],
    .network = { words[4], strcmp (words[3], UNKNOWN) != 0 ? words[3] : NULL },
  };
  tep_client_choice_memory_keep (memory, &place, words[1], at_s);
}

void
tep_client_choice_memory_read (TepClientChoiceMemory *memory,
                               const char *text,
                               gsize length,
                               gint64 now_s)
{
  g_autofree char *copy = NULL;
  g_auto (GStrv) lines = NULL;

  if (length > TEP_CLIENT_CHOICE_TEXT_MAX)
    return;
  copy = g_strndup (text, length);
  lines = g_strsplit (copy, "\n", 4 * TEP_CLIENT_CHOICE_NETWORKS_MAX);
  if (g_strcmp0 (lines[0], TEP_CLIENT_CHOICE_HEADER) != 0)
    return;
  for (guint i = 1; lines[i] != NULL; i++)
    read_line (memory, lines[i], now_s);
}

char *
tep_client_choice_memory_write (const TepClientChoiceMemory *memory)
{
  GString *text = g_string_new (TEP_CLIENT_CHOICE_HEADER "\n");

  for (guint i = 0; i < memory->records->len; i++) {
    const Record *record = g_ptr_array_index (memory->records, i);

    g_string_append_printf (text, "%" G_GINT64_FORMAT "\t%s\t%s\t%s\t%s\n", record->at_s,
                            record->method, record->server,
                            record->network.hardware != NULL ? record->network.hardware : UNKNOWN,
                            record->network.place);
  }
  return g_string_free (text, FALSE);
}

guint
tep_client_choice_memory_count (const TepClientChoiceMemory *memory)
{
  return memory->records->len;
}
