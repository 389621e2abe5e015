/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stun-ext/tep.h"

/* The STUN method of a request of that kind and of its answers. */
guint16 stun_ext_tep_method (StunExtTepKind kind);
