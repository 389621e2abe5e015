/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines and words of a text that somebody else wrote, as slices: nothing is copied before its
 * length is known, and nothing relies on a terminating zero. */
#include "stun-ext/sdp-text-private.h"

#include <string.h>

static StunExtText
take (StunExtText *rest, gsize n)
{
  StunExtText taken = { rest->data, MIN (n, rest->length) };

  rest->data += taken.length;
  rest->length -= taken.length;
  return taken;
}

gboolean
stun_ext_text_next_line (StunExtText *rest, StunExtTextLine *line)
{
  const char *feed;

  if (rest->length == 0)
    return FALSE;
  feed = memchr (rest->data, '\n', rest->length);
  line->with_end = take (rest, feed != NULL ? (gsize)(feed - rest->data) + 1 : rest->length);
  line->text = line->with_end;
  if (feed != NULL)
    line->text.length--;
  if (feed != NULL && line->text.length > 0 && line->text.data[line->text.length - 1] == '\r')
    line->text.length--;
  return TRUE;
}

StunExtText
stun_ext_text_next_word (StunExtText *rest)
{
  const char *space = rest->length > 0 ? memchr (rest->data, ' ', rest->length) : NULL;
  StunExtText word = take (rest, space != NULL ? (gsize)(space - rest->data) : rest->length);

  if (space != NULL)
    take (rest, 1);
  return word;
}

gboolean
stun_ext_text_skip (StunExtText *text, const char *prefix)
{
  gsize n = strlen (prefix);

  if (text->length < n || memcmp (text->data, prefix, n) != 0)
    return FALSE;
  take (text, n);
  return TRUE;
}

gboolean
stun_ext_text_equal (StunExtText text, const char *other)
{
  return text.length == strlen (other) &&
         (text.length == 0 || memcmp (text.data, other, text.length) == 0);
}

gboolean
stun_ext_text_copy (StunExtText text, char *buffer, gsize size)
{
  if (text.length >= size)
    return FALSE;
  if (text.length > 0)
    memcpy (buffer, text.data, text.length);
  buffer[text.length] = '\0';
  return TRUE;
}

gboolean
stun_ext_text_number (StunExtText text, guint16 *value)
{
  guint number = 0;

  if (text.length == 0 || text.length > 5 || (text.length > 1 && text.data[0] == '0'))
    return FALSE;
  for (gsize i = 0; i < text.length; i++) {
    if (!g_ascii_isdigit (text.data[i]))
      return FALSE;
    number = 10 * number + (guint)(text.data[i] - '0');
  }
  if (number > G_MAXUINT16)
    return FALSE;
  *value = (guint16)number;
  return TRUE;
}
