/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A look at JSON before the parser sees it. json-glib descends into itself for every bracket, so a
 * megabyte of brackets would end the process; it also knows comments and other quotes than JSON's,
 * in which brackets could hide from a count. What is let through here has none of these.
 */
#include "turn-connect/detect/record-check.h"

#include <string.h>

/* The octet behind the string that begins behind @at, or @length if it does not end. */
static gsize
skip_string (const char *text, gsize length, gsize at)
{
  while (at < length && text[at] != '"')
    at += text[at] == '\\' ? 2 : 1;
  return at < length ? at + 1 : length;
}

gboolean
turn_connect_record_is_shallow (const char *text, gsize length, guint max_depth, gsize *at)
{
  guint depth = 0;
  gboolean has_begun = FALSE; /* one object and nothing beside it: json-glib loses what follows */
  gsize i = 0;

  while (i < length) {
    char c = text[i];

    *at = i;
    i++;
    if (depth == 0 && (c == '\0' || strchr (" \t\r\n", c) == NULL)) {
      if (has_begun || c != '{')
        return FALSE;
      has_begun = TRUE;
    }
    if (c == '"') {
      i = skip_string (text, length, i);
      if (text[i - 1] != '"')
        return FALSE;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth)
        return FALSE;
    } else if (c == ']' || c == '}') {
      if (depth-- == 0)
        return FALSE;
    } else if (!g_ascii_isalnum (c) && strchr (" \t\r\n,:+-.", c) == NULL)
      return FALSE;
    else if (c == '\0')
      return FALSE;
  }
  *at = length;
  return depth == 0;
}
