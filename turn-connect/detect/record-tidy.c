/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers as people write them. json-glib prints every real with 17 digits, so that 24.623 becomes
 * 24.623000000000001: true of the machine, and of nothing that was measured.
 */
#include "turn-connect/detect/record-private.h"

#include <stdio.h>
#include <string.h>

#define REAL_CHARS ".Ee" /* what a whole number does not have */
#define OTHER_CHARS "+-" REAL_CHARS

/* At most four digits behind the point, and at least one, for it is a real. */
static void
append_real (GString *out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  gsize length;

  g_ascii_formatd (text, sizeof text, "%.4f", value);
  length = strlen (text);
  while (length > 2 && text[length - 1] == '0' && text[length - 2] != '.')
    length--;
  g_string_append_len (out, text, (gssize)length);
}

static gsize
get_string_length (const char *text)
{
  gsize length = 1;

  while (text[length] != '"' && text[length] != '\0')
    length += text[length] == '\\' && text[length + 1] != '\0' ? 2 : 1;
  return length + (text[length] == '"');
}

/* How long the number is that begins there, or 0. Nothing behind it is looked at. */
static gsize
get_number_length (const char *text, gboolean *is_real)
{
  gsize length = 0;

  *is_real = FALSE;
  if (*text != '-' && !g_ascii_isdigit (*text))
    return 0;
  while (g_ascii_isdigit (text[length]) ||
         memchr (OTHER_CHARS, text[length], sizeof OTHER_CHARS - 1)) {
    *is_real |= memchr (REAL_CHARS, text[length], sizeof REAL_CHARS - 1) != NULL;
    length++;
  }
  return length;
}

char *
turn_connect_record_tidy (const char *json)
{
  GString *out = g_string_sized_new (strlen (json));

  while (*json != '\0') {
    gboolean is_real = FALSE;
    gsize length = *json == '"' ? get_string_length (json) : get_number_length (json, &is_real);

    length = MAX (length, 1);
    if (is_real)
      append_real (out, g_ascii_strtod (json, NULL));
    else
      g_string_append_len (out, json, (gssize)length);
    json += length;
  }
  return g_string_free (out, FALSE);
}
