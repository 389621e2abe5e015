/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lets a program say which release of the library it runs with. */
#include "turn-connect/version.h"

const char *
turn_connect_version (void)
{
  return TEPKIT_VERSION;
}
