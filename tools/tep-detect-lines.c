/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines for a terminal of 80 columns. What is printed comes from a network that may be hostile, or
 * from a record that may be anybody's: nothing of it reaches the terminal as a control character.
 */
#include "tools/tep-detect.h"

#include <string.h>

#define WIDTH 80

char *
tep_detect_clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_sized_new (strlen (valid));

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    /* Format characters turn the direction of what follows; XML knows no non-characters. */
    if (g_unichar_iscntrl (c) || g_unichar_type (c) == G_UNICODE_FORMAT || (c & 0xfffe) == 0xfffe)
      g_string_append_c (out, '?');
    else
      g_string_append_unichar (out, c);
  }
  return g_string_free (out, FALSE);
}

static gsize
measure (const char *text, gsize length)
{
  gsize width = 0;

  for (const char *p = text; p < text + length; p = g_utf8_next_char (p))
    width += g_unichar_iszerowidth (g_utf8_get_char (p)) ? 0
             : g_unichar_iswide (g_utf8_get_char (p))    ? 2
                                                         : 1;
  return width;
}

/* How many octets of @text are one word, with the spaces before it. */
static gsize
get_word_length (const char *text)
{
  gsize spaces = strspn (text, " ");

  return spaces + strcspn (text + spaces, " ");
}

/* Prints words as far as they fit, the rest on lines of their own. */
static void
print_wrapped (FILE *out, gsize indent, const char *text)
{
  gsize column = 0;

  while (*text != '\0') {
    gsize length = get_word_length (text), width = measure (text, length);

    if (column > indent && column + width > WIDTH) {
      fprintf (out, "\n%*s", (int)indent, "");
      column = indent;
      length -= strspn (text, " ");
      text += strspn (text, " ");
      width = measure (text, length);
    }
    fwrite (text, 1, length, out);
    column += width;
    text += length;
  }
  fputc ('\n', out);
}

void
tep_detect_print (FILE *out, gsize indent, const char *format, ...)
{
  g_autofree char *text = NULL, *clean = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  clean = tep_detect_clean (text);
  print_wrapped (out, indent, clean);
}

void
tep_detect_print_command (FILE *out, gsize indent, const char *command)
{
  g_autofree char *clean = tep_detect_clean (command);
  const char *text = clean;
  gsize column = indent;

  fprintf (out, "%*s", (int)indent, "");
  while (*text != '\0') {
    const char *next = strstr (text + 1, " --");
    gsize length = next != NULL ? (gsize)(next - text) : strlen (text);

    if (column > indent && column + measure (text, length) > WIDTH - 2) { /* room for " \" */
      fprintf (out, " \\\n%*s", (int)indent + 2, "");
      column = indent + 2;
      text++;
      length--;
    }
    fwrite (text, 1, length, out);
    column += measure (text, length);
    text += length;
  }
  fputc ('\n', out);
}
