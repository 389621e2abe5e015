/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"
#include "stun-ext/writer.h"

G_BEGIN_DECLS

#define STUN_EXT_PCAP_FILE_HEADER 24   /* octets in front of the first record */
#define STUN_EXT_PCAP_RECORD_HEADER 16 /* octets in front of each packet */
#define STUN_EXT_PCAP_LINKTYPE_RAW 101 /* packets begin with their IP header */

/**
 * StunExtPcapFile:
 * @n_packets: packets recorded
 * @n_left_out: packets for which there was no room
 * @size: octets of the file so far
 *
 * The contents of one capture file with inner packets, for Wireshark and its relatives. The octets
 * go to a writer of the caller, who brings them to the file and empties the writer. Embed it; only
 * the named fields are to be read. One thread at a time.
 */
typedef struct {
  guint64 n_packets;
  guint64 n_left_out;
  guint64 size;
  guint64 limit;
  guint32 snap_length;
} StunExtPcapFile;

/**
 * stun_ext_pcap_file_init:
 * @file: (out): the file to set up
 * @limit: octets that the file may have at most, 0 for no limit
 * @snap_length: octets of each packet to record at most; 65535 records all
 */
STUN_EXT_API void
stun_ext_pcap_file_init (StunExtPcapFile *file, guint64 limit, guint32 snap_length);

/**
 * stun_ext_pcap_file_begin:
 * @file: a file to which nothing has been written
 * @writer: where to append; fails without room for %STUN_EXT_PCAP_FILE_HEADER octets
 *
 * Begins the file. Without packets it is a valid file already.
 */
STUN_EXT_API void stun_ext_pcap_file_begin (StunExtPcapFile *file, StunExtWriter *writer);

/**
 * stun_ext_pcap_file_packet:
 * @file: a file that has begun
 * @writer: where to append
 * @unix_us: microseconds since 1970-01-01 UTC; times before that are recorded as that
 * @data: (array length=length): an IPv4 or IPv6 packet
 * @length: its octets
 *
 * Appends a packet whole or not at all; a full writer does not fail.
 *
 * Returns: %FALSE if the packet was left out, because the writer or the file is full
 */
STUN_EXT_API gboolean stun_ext_pcap_file_packet (
    StunExtPcapFile *file, StunExtWriter *writer, gint64 unix_us, const guint8 *data, gsize length);

G_END_DECLS
