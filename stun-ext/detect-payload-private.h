/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing first flights. Internal to the library. */
#pragma once

#include "stun-ext/detect-payload.h"
#include "stun-ext/writer.h"

G_BEGIN_DECLS

/* Octets that follow from a seed, and from nothing else. */
typedef struct {
  guint64 state;
} StunExtDetectChance;

guint64 stun_ext_detect_chance (StunExtDetectChance *chance);
void stun_ext_detect_chance_octets (StunExtDetectChance *chance, StunExtWriter *writer, gsize n);
/* Letters and digits. */
void stun_ext_detect_chance_letters (StunExtDetectChance *chance, char *text, gsize n);

/* All write exactly length octets, or make the writer fail. token has 32 octets. */
void stun_ext_detect_write_tls (const StunExtDetectFlight *flight,
                                const guint8 *token,
                                StunExtDetectChance *chance,
                                gsize length,
                                StunExtWriter *writer);
void stun_ext_detect_write_dtls (const guint8 *token,
                                 StunExtDetectChance *chance,
                                 gsize length,
                                 StunExtWriter *writer);
void stun_ext_detect_write_quic (const guint8 *token,
                                 StunExtDetectChance *chance,
                                 gsize length,
                                 StunExtWriter *writer);

G_END_DECLS
