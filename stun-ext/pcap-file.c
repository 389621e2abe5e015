/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* People look at calls with Wireshark, and inside the tunnel there is no interface to capture on.
 * So the ends write what they carried themselves, within bounds, because a capture that is
 * forgotten must not fill a disk. The format is that of draft-ietf-opsawg-pcap, in network order,
 * which readers know by the magic number. */
#include "stun-ext/pcap-file.h"

#define MAGIC 0xA1B2C3D4 /* times in microseconds */
#define VERSION_MAJOR 2
#define VERSION_MINOR 4
#define US_PER_S 1000000

void
stun_ext_pcap_file_init (StunExtPcapFile *file, guint64 limit, guint32 snap_length)
{
  *file = (StunExtPcapFile){ .limit = limit > 0 ? limit : G_MAXUINT64, .snap_length = snap_length };
}

void
stun_ext_pcap_file_begin (StunExtPcapFile *file, StunExtWriter *writer)
{
  stun_ext_writer_u32 (writer, MAGIC);
  stun_ext_writer_u16 (writer, VERSION_MAJOR);
  stun_ext_writer_u16 (writer, VERSION_MINOR);
  stun_ext_writer_zeros (writer, 8);
  stun_ext_writer_u32 (writer, file->snap_length);
  stun_ext_writer_u32 (writer, STUN_EXT_PCAP_LINKTYPE_RAW);
  if (!writer->failed)
    file->size += STUN_EXT_PCAP_FILE_HEADER;
}

gboolean
stun_ext_pcap_file_packet (
    StunExtPcapFile *file, StunExtWriter *writer, gint64 unix_us, const guint8 *data, gsize length)
{
  gsize kept = MIN (length, file->snap_length);
  gsize size = STUN_EXT_PCAP_RECORD_HEADER + kept;

  if (writer->failed || size > writer->capacity - writer->length || length > G_MAXUINT32 ||
      file->size > file->limit || size > file->limit - file->size) {
    file->n_left_out++;
    return FALSE;
  }
  unix_us = MAX (unix_us, 0);
  stun_ext_writer_u32 (writer, (guint32)(unix_us / US_PER_S));
  stun_ext_writer_u32 (writer, (guint32)(unix_us % US_PER_S));
  stun_ext_writer_u32 (writer, (guint32)kept);
  stun_ext_writer_u32 (writer, (guint32)length);
  stun_ext_writer_bytes (writer, data, kept);
  file->n_packets++;
  file->size += size;
  return TRUE;
}
