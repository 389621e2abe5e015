/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tep-s/media.h"

G_BEGIN_DECLS

/* The backend "tun". */
extern const TepServerMediaOps tep_server_media_tun_ops;

G_END_DECLS
