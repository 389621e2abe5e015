/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers as people write them. json-glib prints every real with 17 digits, so that 24.623 becomes
 * 24.623000000000001: true of the machine, and of nothing that was measured.
 */
#include "turn-connect/detect/record-private.h"

#include <stdio.h>
#include <string.h>

#define NUMBER_CHARS "+-.0123456789Ee"

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

char *
turn_connect_record_tidy (const char *json)
{
  GString *out = g_string_sized_new (strlen (json));

  while (*json != '\0') {
    gsize length = strspn (json, NUMBER_CHARS);
    gsize whole = strspn (json, "-0123456789");

    if (*json == '"' || length == 0 || length == whole || g_ascii_isalpha (*json)) {
      length = *json == '"' ? get_string_length (json) : MAX (whole, 1);
      g_string_append_len (out, json, (gssize)length);
    } else
      append_real (out, g_ascii_strtod (json, NULL));
    json += length;
  }
  return g_string_free (out, FALSE);
}
