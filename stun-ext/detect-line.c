/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the far end tells is flat JSON, so that any tool can read it; what reads it here knows that little of JSON and no
 * more, for it may come from anybody: nothing nested, nothing escaped, one pass, no memory.
 */
#include <string.h>

#include "stun-ext/detect-record.h"

#define MEMBERS_MAX 64
#define NAME_MAX_LENGTH 31
#define NUMBER_MAX (G_GINT64_CONSTANT (1) << 53) /* beyond, readers of JSON differ */

typedef enum {
  VALUE_TEXT,
  VALUE_NUMBER,
  VALUE_TRUE,
  VALUE_FALSE,
  VALUE_NULL,
} ValueKind;

typedef struct {
  const char *data;
  gsize length;
  gsize position;
} Cursor;

typedef struct {
  StunExtSpan name;
  StunExtSpan text;
  gint64 number;
  ValueKind kind;
} Member;

static void
skip_space (Cursor *cursor)
{
  while (cursor->position < cursor->length &&
         (cursor->data[cursor->position] == ' ' || cursor->data[cursor->position] == '\t'))
    cursor->position++;
}

static gboolean
take (Cursor *cursor, char wanted)
{
  skip_space (cursor);
  if (cursor->position >= cursor->length || cursor->data[cursor->position] != wanted)
    return FALSE;
  cursor->position++;
  return TRUE;
}

static gboolean
take_word (Cursor *cursor, const char *word)
{
  gsize n = strlen (word);

  if (cursor->length - cursor->position < n ||
      memcmp (cursor->data + cursor->position, word, n) != 0)
    return FALSE;
  cursor->position += n;
  return TRUE;
}

static gboolean
take_text (Cursor *cursor, StunExtSpan *text)
{
  gsize begin;

  if (!take (cursor, '"'))
    return FALSE;
  for (begin = cursor->position; cursor->position < cursor->length; cursor->position++) {
    char c = cursor->data[cursor->position];

    if (c == '"') {
      *text = (StunExtSpan){ cursor->data + begin, cursor->position - begin };
      cursor->position++;
      return TRUE;
    }
    if (c == '\\' || c < ' ' || c > '~')
      return FALSE;
  }
  return FALSE;
}

static gboolean
take_number (Cursor *cursor, gint64 *number)
{
  gsize begin = cursor->position;

  *number = 0;
  for (; cursor->position < cursor->length; cursor->position++) {
    char c = cursor->data[cursor->position];

    if (!g_ascii_isdigit (c))
      break;
    *number = *number * 10 + (c - '0');
    if (*number > NUMBER_MAX)
      return FALSE;
  }
  return cursor->position > begin && (cursor->data[begin] != '0' || cursor->position == begin + 1);
}

static gboolean
take_value (Cursor *cursor, Member *member)
{
  skip_space (cursor);
  if (cursor->position >= cursor->length)
    return FALSE;
  switch (cursor->data[cursor->position]) {
  case '"':
    member->kind = VALUE_TEXT;
    return take_text (cursor, &member->text);
  case 't':
    member->kind = VALUE_TRUE;
    return take_word (cursor, "true");
  case 'f':
    member->kind = VALUE_FALSE;
    return take_word (cursor, "false");
  case 'n':
    member->kind = VALUE_NULL;
    return take_word (cursor, "null");
  default:
    member->kind = VALUE_NUMBER;
    return take_number (cursor, &member->number);
  }
}

/* Finds a member; the whole line is read, so that nothing counts of one that is broken further on. Of two with one name
 * there is none. */
static gboolean
find (StunExtSpan line, const char *name, Member *found)
{
  Cursor cursor = { line.data, line.length, 0 };
  gsize name_length = strlen (name);
  guint n_found = 0;

  if (line.length > STUN_EXT_DETECT_LINE_MAX || !take (&cursor, '{'))
    return FALSE;
  for (guint i = 0; i < MEMBERS_MAX; i++) {
    Member member;

    if (!take_text (&cursor, &member.name) || member.name.length > NAME_MAX_LENGTH ||
        !take (&cursor, ':') || !take_value (&cursor, &member))
      return FALSE;
    if (member.name.length == name_length && memcmp (member.name.data, name, name_length) == 0) {
      *found = member;
      n_found++;
    }
    if (take (&cursor, ','))
      continue;
    if (!take (&cursor, '}'))
      return FALSE;
    skip_space (&cursor);
    return n_found == 1 && cursor.position == cursor.length;
  }
  return FALSE;
}

gboolean
stun_ext_detect_line_text (StunExtSpan line, const char *name, StunExtSpan *text)
{
  Member member;

  if (!find (line, name, &member) || member.kind != VALUE_TEXT)
    return FALSE;
  *text = member.text;
  return TRUE;
}

gboolean
stun_ext_detect_line_number (StunExtSpan line, const char *name, gint64 *number)
{
  Member member;

  if (!find (line, name, &member) || member.kind != VALUE_NUMBER)
    return FALSE;
  *number = member.number;
  return TRUE;
}

gboolean
stun_ext_detect_line_is_true (StunExtSpan line, const char *name)
{
  Member member;

  return find (line, name, &member) && member.kind == VALUE_TRUE;
}

gboolean
stun_ext_detect_line_next (const char *body, gsize length, gsize *position, StunExtSpan *line)
{
  const char *begin, *end;

  if (*position >= length)
    return FALSE;
  begin = body + *position;
  end = memchr (begin, '\n', length - *position);
  *line = (StunExtSpan){ begin, end != NULL ? (gsize)(end - begin) : length - *position };
  *position += line->length + (end != NULL ? 1 : 0);
  return line->length <= STUN_EXT_DETECT_LINE_MAX;
}
