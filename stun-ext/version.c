/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lets a program say which release of the library it runs with. */
#include "stun-ext/version.h"

const char *
stun_ext_version (void)
{
  return TEPKIT_VERSION;
}
