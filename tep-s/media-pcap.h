/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tep-s/media.h"

G_BEGIN_DECLS

/* The backend "pcap". */
extern const TepServerMediaOps tep_server_media_pcap_ops;

G_END_DECLS
