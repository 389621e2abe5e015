/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read as a compact frame is written as the same octets again: there is one form for each.
 */
#include "fuzz.h"
#include "stun-ext/frame.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autofree guint8 *buffer = g_malloc (length + 2);
  StunExtFrameKind kind = stun_ext_frame_kind (data, length);
  StunExtCompactFrame frame;
  StunExtWriter writer;

  stun_ext_frame_control_type (data, length);
  if (length > G_MAXUINT16 || !stun_ext_compact_parse (data, length, &frame))
    return 0;
  g_assert_cmpint (kind, ==, STUN_EXT_FRAME_COMPACT);
  stun_ext_writer_init (&writer, buffer, length + 2);
  stun_ext_compact_write (&writer, &frame);
  g_assert_false (writer.failed);
  g_assert_cmpmem (&buffer[2], writer.length - 2, data, length);
  g_assert_cmpuint ((gsize)(buffer[0] << 8 | buffer[1]), ==, length);
  g_assert_cmpuint (stun_ext_compact_overhead (&frame) + frame.length, ==, length + 2);
  return 0;
}
