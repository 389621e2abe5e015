/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts a lease into a description that somebody else wrote: one section is copied line by line with
 * a few lines replaced, everything around it stays as it is. */
#include "stun-ext/sdp.h"

#include <string.h>

#include "stun-ext/error.h"
#include "stun-ext/sdp-text-private.h"

typedef struct {
  const StunExtSdpEdit *edit;
  GString *out;
  const char *line_end;
  gboolean is_connection_written;
  gboolean is_option_written;
} Editor;

static gboolean
fail (GError **error, const char *message)
{
  g_set_error_literal (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX, message);
  return FALSE;
}

static void
put (Editor *editor, StunExtText text)
{
  g_string_append_len (editor->out, text.data, (gssize)text.length);
}

static void
put_connection (Editor *editor)
{
  char host[STUN_EXT_ADDRESS_TEXT_LENGTH];
  const StunExtAddress *address = editor->edit->address;

  g_string_append_printf (editor->out, "c=IN IP%u %s%s", address->family,
                          stun_ext_address_print_host (address, host), editor->line_end);
  editor->is_connection_written = TRUE;
}

/* The m-line with another port, without a count of ports. */
static void
put_media_line (Editor *editor, StunExtTextLine line)
{
  StunExtText rest = line.with_end;
  StunExtText kind = stun_ext_text_next_word (&rest);

  stun_ext_text_next_word (&rest);
  put (editor, kind);
  g_string_append_printf (editor->out, " %u ", editor->edit->address->port);
  put (editor, rest);
}

static void
put_option_line (Editor *editor, StunExtTextLine line)
{
  StunExtText words = line.text;
  gboolean has_tep = FALSE;

  stun_ext_text_skip (&words, "a=ice-options:");
  while (words.length > 0)
    has_tep = stun_ext_text_equal (stun_ext_text_next_word (&words), "tep") || has_tep;
  put (editor, line.text);
  g_string_append (editor->out, has_tep ? "" : " tep");
  g_string_append_len (editor->out, line.text.data + line.text.length,
                       (gssize)(line.with_end.length - line.text.length));
  editor->is_option_written = TRUE;
}

static gboolean
is_removed (const Editor *editor, StunExtText text)
{
  for (gsize i = 0; editor->edit->remove != NULL && editor->edit->remove[i] != NULL; i++) {
    if (g_str_has_prefix (editor->edit->remove[i], "a=") &&
        stun_ext_text_skip (&text, editor->edit->remove[i]))
      return TRUE;
  }
  return editor->edit->rtcp != NULL && stun_ext_text_skip (&text, "a=rtcp:");
}

/* m, i and c come in this order (RFC 8866 section 5), so the c-line is due at the first line that
 * is neither m nor i. */
static void
put_line (Editor *editor, StunExtTextLine line)
{
  const StunExtSdpEdit *edit = editor->edit;
  StunExtText text = line.text;
  char type = text.data[0];

  if (edit->address != NULL) {
    if (type == 'm') {
      put_media_line (editor, line);
      return;
    }
    if (type != 'i' && !editor->is_connection_written)
      put_connection (editor);
    if (type == 'c')
      return;
  }
  if (is_removed (editor, text))
    return;
  if (edit->with_tep_option && !editor->is_option_written &&
      stun_ext_text_skip (&text, "a=ice-options:"))
    put_option_line (editor, line);
  else
    put (editor, line.with_end);
}

static void
end_line (Editor *editor)
{
  if (editor->out->len > 0 && editor->out->str[editor->out->len - 1] != '\n')
    g_string_append (editor->out, editor->line_end);
}

static void
put_new_lines (Editor *editor)
{
  const StunExtSdpEdit *edit = editor->edit;
  char host[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (edit->address != NULL && !editor->is_connection_written)
    put_connection (editor);
  if (edit->rtcp != NULL)
    g_string_append_printf (editor->out, "a=rtcp:%u IN IP%u %s%s", edit->rtcp->port,
                            edit->rtcp->family, stun_ext_address_print_host (edit->rtcp, host),
                            editor->line_end);
  if (edit->with_tep_option && !editor->is_option_written)
    g_string_append_printf (editor->out, "a=ice-options:tep%s", editor->line_end);
  for (gsize i = 0; edit->append != NULL && edit->append[i] != NULL; i++)
    g_string_append_printf (editor->out, "%s%s", edit->append[i], editor->line_end);
}

static gboolean
check_edit (const StunExtSdp *sdp, guint media, const StunExtSdpEdit *edit, GError **error)
{
  if (media != STUN_EXT_SDP_SESSION && media >= sdp->n_media)
    return fail (error, "the SDP has no such media section");
  if (media == STUN_EXT_SDP_SESSION && (edit->address != NULL || edit->rtcp != NULL))
    return fail (error, "addresses belong to a media section of the SDP");
  if ((edit->address != NULL && stun_ext_address_length (edit->address) == 0) ||
      (edit->rtcp != NULL && stun_ext_address_length (edit->rtcp) == 0))
    return fail (error, "the address for the SDP is none");
  for (gsize i = 0; edit->append != NULL && edit->append[i] != NULL; i++) {
    if (!g_str_has_prefix (edit->append[i], "a=") || strpbrk (edit->append[i], "\r\n") != NULL)
      return fail (error, "a line for the SDP must begin with \"a=\" and be one line");
  }
  return TRUE;
}

static gboolean
ends_lines_in_cr_lf (const StunExtSdp *sdp)
{
  StunExtText rest = { sdp->text, sdp->length };
  StunExtTextLine line;

  return !stun_ext_text_next_line (&rest, &line) ||
         line.with_end.length - line.text.length != strlen ("\n");
}

char *
stun_ext_sdp_edit (
    const StunExtSdp *sdp, guint media, const StunExtSdpEdit *edit, gsize *length, GError **error)
{
  Editor editor = { .edit = edit };
  StunExtText section;
  StunExtTextLine line;
  gsize begin = 0;
  gsize end = sdp->session_end;

  if (!check_edit (sdp, media, edit, error))
    return NULL;
  if (media != STUN_EXT_SDP_SESSION) {
    begin = sdp->media[media].begin;
    end = sdp->media[media].end;
  }
  editor.out = g_string_sized_new (sdp->length + 256);
  editor.line_end = ends_lines_in_cr_lf (sdp) ? "\r\n" : "\n";
  put (&editor, (StunExtText){ sdp->text, begin });
  section = (StunExtText){ sdp->text + begin, end - begin };
  while (stun_ext_text_next_line (&section, &line))
    put_line (&editor, line);
  end_line (&editor);
  put_new_lines (&editor);
  put (&editor, (StunExtText){ sdp->text + end, sdp->length - end });
  if (length != NULL)
    *length = editor.out->len;
  return g_string_free (editor.out, FALSE);
}
