/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One domain for the library: its codes say what the caller can do next, not where the trouble
 * arose. */
#include "tep-s/error.h"

G_DEFINE_QUARK (tep_server_error, tep_server_error)
