/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two-ended evidence: what the far end saw, in a form that both ends and any tool can read. */
#include "stun-ext/detect-record.h"

#include <string.h>

static const char *const end_names[] = { "open", "fin", "reset", "timeout", "done", "lost" };
G_STATIC_ASSERT (G_N_ELEMENTS (end_names) == STUN_EXT_DETECT_N_ENDS);

const char *
stun_ext_detect_end_name (StunExtDetectEnd end)
{
  return (guint)end < G_N_ELEMENTS (end_names) ? end_names[end] : "open";
}

static void
write_address (GString *text, const char *name, const StunExtAddress *address)
{
  char printed[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_string_append_printf (text, "\"%s\":\"%s\",", name, stun_ext_address_print (address, printed));
}

void
stun_ext_detect_record_write (const StunExtDetectRecord *record, GString *text)
{
  char digest[2 * STUN_EXT_DETECT_DIGEST_LENGTH + 1];

  g_string_append_printf (text,
                          "{\"line\":\"record\",\"time\":%" G_GINT64_FORMAT
                          ",\"duration\":%u,\"transport\":\"%s\",",
                          record->time_ms, record->duration_ms,
                          record->transport == STUN_EXT_DETECT_TRANSPORT_TCP ? "tcp" : "udp");
  write_address (text, "local", &record->local);
  write_address (text, "source", &record->source);
  g_string_append_printf (text,
                          "\"payload\":\"%s\",\"twin\":\"%s\",\"tls\":%s,\"connect\":%s,\"run\":%s,"
                          "\"probe\":%u,\"in\":%u,\"out\":%u,\"unacked\":%u,\"first\":%u,"
                          "\"digest\":\"%s\",\"end\":\"%s\",\"ttl\":%u,\"mss\":%u,\"window\":%u,"
                          "\"syn\":\"%s\"}\n",
                          stun_ext_detect_payload_name (record->payload),
                          stun_ext_detect_twin_name (record->twin),
                          (record->layers & STUN_EXT_DETECT_LAYER_TLS) != 0 ? "true" : "false",
                          (record->layers & STUN_EXT_DETECT_LAYER_CONNECT) != 0 ? "true" : "false",
                          record->has_run ? "true" : "false", record->probe, record->octets_in,
                          record->octets_out, record->octets_unacked, record->first_length,
                          stun_ext_detect_hex_print (record->digest, sizeof record->digest, digest),
                          stun_ext_detect_end_name (record->end), record->ttl, record->mss,
                          record->window, record->syn);
}

static gboolean
read_number (StunExtSpan line, const char *name, gint64 largest, gint64 *number)
{
  return stun_ext_detect_line_number (line, name, number) && *number <= largest;
}

static gboolean
read_u32 (StunExtSpan line, const char *name, guint32 *value)
{
  gint64 number;

  if (!read_number (line, name, G_MAXUINT32, &number))
    return FALSE;
  *value = (guint32)number;
  return TRUE;
}

static gboolean
read_u16 (StunExtSpan line, const char *name, guint16 *value)
{
  gint64 number;

  if (!read_number (line, name, G_MAXUINT16, &number))
    return FALSE;
  *value = (guint16)number;
  return TRUE;
}

static gboolean
read_address (StunExtSpan line, const char *name, StunExtAddress *address)
{
  char printed[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtSpan text;

  if (!stun_ext_detect_line_text (line, name, &text) || text.length >= sizeof printed)
    return FALSE;
  memcpy (printed, text.data, text.length);
  printed[text.length] = '\0';
  return stun_ext_address_parse (printed, address);
}

static gboolean
text_is (StunExtSpan text, const char *word)
{
  return text.length == strlen (word) && memcmp (text.data, word, text.length) == 0;
}

static gboolean
read_end (StunExtSpan line, StunExtDetectEnd *end)
{
  StunExtSpan text;

  if (!stun_ext_detect_line_text (line, "end", &text))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (end_names); i++) {
    if (text_is (text, end_names[i])) {
      *end = (StunExtDetectEnd)i;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
read_what (StunExtSpan line, StunExtDetectRecord *record)
{
  StunExtSpan text;

  if (!stun_ext_detect_line_text (line, "transport", &text) ||
      !(text_is (text, "tcp") || text_is (text, "udp")))
    return FALSE;
  record->transport =
      text_is (text, "tcp") ? STUN_EXT_DETECT_TRANSPORT_TCP : STUN_EXT_DETECT_TRANSPORT_UDP;
  if (!stun_ext_detect_line_text (line, "payload", &text))
    return FALSE;
  record->payload = stun_ext_detect_payload_from_name (text.data, text.length);
  if (!stun_ext_detect_line_text (line, "twin", &text) ||
      !stun_ext_detect_twin_from_name (text.data, text.length, &record->twin))
    return FALSE;
  if (stun_ext_detect_line_is_true (line, "tls"))
    record->layers |= STUN_EXT_DETECT_LAYER_TLS;
  if (stun_ext_detect_line_is_true (line, "connect"))
    record->layers |= STUN_EXT_DETECT_LAYER_CONNECT;
  record->has_run = stun_ext_detect_line_is_true (line, "run");
  return TRUE;
}

static gboolean
read_syn (StunExtSpan line, StunExtDetectRecord *record)
{
  StunExtSpan text;
  gint64 ttl;

  if (!read_number (line, "ttl", G_MAXUINT8, &ttl) || !read_u16 (line, "mss", &record->mss) ||
      !read_u16 (line, "window", &record->window) ||
      !stun_ext_detect_line_text (line, "syn", &text) || text.length > STUN_EXT_DETECT_SYN_MAX)
    return FALSE;
  record->ttl = (guint8)ttl;
  memcpy (record->syn, text.data, text.length);
  return TRUE;
}

gboolean
stun_ext_detect_record_read (const char *line, gsize length, StunExtDetectRecord *record)
{
  const StunExtSpan span = { line, length };
  StunExtDetectRecord read = { 0 };
  StunExtSpan text;

  if (!stun_ext_detect_line_text (span, "line", &text) || !text_is (text, "record") ||
      !stun_ext_detect_line_number (span, "time", &read.time_ms) ||
      !read_u32 (span, "duration", &read.duration_ms) || !read_what (span, &read) ||
      !read_address (span, "local", &read.local) || !read_address (span, "source", &read.source) ||
      !read_u32 (span, "probe", &read.probe) || !read_u32 (span, "in", &read.octets_in) ||
      !read_u32 (span, "out", &read.octets_out) ||
      !read_u32 (span, "unacked", &read.octets_unacked) ||
      !read_u32 (span, "first", &read.first_length) || !read_end (span, &read.end) ||
      !read_syn (span, &read) || !stun_ext_detect_line_text (span, "digest", &text) ||
      !stun_ext_detect_hex_parse (text.data, text.length, read.digest, sizeof read.digest))
    return FALSE;
  *record = read;
  return TRUE;
}
