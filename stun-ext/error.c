/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One error domain for the folder. Malformed input from the network is never an error but a verdict
 * of its decoder. */
#include "stun-ext/error.h"

G_DEFINE_QUARK (stun_ext_error, stun_ext_error)
