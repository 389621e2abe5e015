/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * StunExtText:
 * @data: octets, not terminated
 * @length: how many
 *
 * A piece of a description, borrowed.
 */
typedef struct {
  const char *data;
  gsize length;
} StunExtText;

/**
 * StunExtTextLine:
 * @text: the line without its end
 * @with_end: the line with CR LF or LF, as far as it has one
 */
typedef struct {
  StunExtText text;
  StunExtText with_end;
} StunExtTextLine;

/* Takes the next line off @rest; FALSE at the end. */
gboolean stun_ext_text_next_line (StunExtText *rest, StunExtTextLine *line);

/* Takes the octets up to the next space, and the space, off @rest; empty at the end. */
StunExtText stun_ext_text_next_word (StunExtText *rest);

/* Takes @prefix off @text, or leaves it and returns FALSE. */
gboolean stun_ext_text_skip (StunExtText *text, const char *prefix);

gboolean stun_ext_text_equal (StunExtText text, const char *other);

/* Copies a text of fewer octets than @size, terminated. */
gboolean stun_ext_text_copy (StunExtText text, char *buffer, gsize size);

/* A decimal number of 1 to 5 digits without leading zeros, up to 65535. */
gboolean stun_ext_text_number (StunExtText text, guint16 *value);
