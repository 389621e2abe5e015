/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first packet of a connection, which the kernel keeps where it is asked to: a box that opens connections in the client's
 * place writes another one than the client does, and comes from nearer.
 */
#include <netinet/in.h>
#include <string.h>

#include "stun-ext/reader.h"
#include "tep-s/detect-stream.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define TCP_HEADER 20
#define FLAG_SYN 0x02

static gboolean
skip_ip (StunExtReader *reader, guint8 *ttl)
{
  guint8 first = stun_ext_reader_u8 (reader);
  gsize header = (gsize)(first & 15) * 4;
  guint8 protocol;

  if (first >> 4 == 6) {
    stun_ext_reader_skip (reader, 5);
    protocol = stun_ext_reader_u8 (reader);
    *ttl = stun_ext_reader_u8 (reader);
    stun_ext_reader_skip (reader, IPV6_HEADER - 8);
    return !reader->failed && protocol == IPPROTO_TCP; /* extension headers are not followed */
  }
  if (first >> 4 != 4 || header < IPV4_HEADER)
    return FALSE;
  stun_ext_reader_skip (reader, 7);
  *ttl = stun_ext_reader_u8 (reader);
  protocol = stun_ext_reader_u8 (reader);
  stun_ext_reader_skip (reader, header - 10);
  return !reader->failed && protocol == IPPROTO_TCP;
}

static void
append (char *text, const char *name, int number)
{
  char word[16];

  if (number >= 0)
    g_snprintf (word, sizeof word, "%s%s%d", text[0] != '\0' ? "," : "", name, number);
  else
    g_snprintf (word, sizeof word, "%s%s", text[0] != '\0' ? "," : "", name);
  if (strlen (text) + strlen (word) <= STUN_EXT_DETECT_SYN_MAX)
    g_strlcat (text, word, STUN_EXT_DETECT_SYN_MAX + 1);
}

static void
read_option (guint8 kind, StunExtReader value, StunExtDetectRecord *record)
{
  switch (kind) {
  case 2: /* RFC 9293 section 3.2 */
    record->mss = stun_ext_reader_u16 (&value);
    append (record->syn, "mss", -1);
    break;
  case 3: /* RFC 7323 section 2.2 */
    append (record->syn, "ws", stun_ext_reader_u8 (&value));
    break;
  case 4: /* RFC 2018 section 2 */
    append (record->syn, "sackOK", -1);
    break;
  case 8: /* RFC 7323 section 3.2 */
    append (record->syn, "ts", -1);
    break;
  default:
    append (record->syn, "o", kind);
  }
}

static void
read_options (StunExtReader *options, StunExtDetectRecord *record)
{
  while (stun_ext_reader_remaining (options) > 0) {
    guint8 kind = stun_ext_reader_u8 (options);
    guint8 length;

    if (kind == 0)
      return;
    if (kind == 1) {
      append (record->syn, "nop", -1);
      continue;
    }
    length = stun_ext_reader_u8 (options);
    if (options->failed || length < 2)
      return;
    read_option (kind, stun_ext_reader_slice (options, length - 2u), record);
  }
}

gboolean
tep_server_detect_read_syn (const guint8 *packet, gsize length, StunExtDetectRecord *record)
{
  StunExtReader reader, options;
  guint8 ttl, offset, flags;
  guint16 window;

  stun_ext_reader_init (&reader, packet, length);
  if (!skip_ip (&reader, &ttl))
    return FALSE;
  stun_ext_reader_skip (&reader, 12);
  offset = stun_ext_reader_u8 (&reader) >> 4;
  flags = stun_ext_reader_u8 (&reader);
  window = stun_ext_reader_u16 (&reader);
  stun_ext_reader_skip (&reader, 4);
  if (reader.failed || offset < TCP_HEADER / 4 || (flags & FLAG_SYN) == 0)
    return FALSE;
  record->ttl = ttl;
  record->window = window;
  record->mss = 0;
  record->syn[0] = '\0';
  options = stun_ext_reader_slice (&reader, (gsize)offset * 4 - TCP_HEADER);
  read_options (&options, record);
  return TRUE;
}
