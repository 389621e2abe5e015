/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the units of detection share. Internal to the library. */
#pragma once

#include "stun-ext/detect.h"

G_BEGIN_DECLS

void stun_ext_detect_add_mark (StunExtBuilder *builder, const StunExtDetectMark *mark);

/* Fills a message up so that what is still to come ends at length. FALSE if it is longer already. */
gboolean stun_ext_detect_fill (StunExtBuilder *builder, gsize length, gsize to_come);

G_END_DECLS
