/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lets a program say which release of the library it runs with. */
#include "tep-s/version.h"

const char *
tep_server_version (void)
{
  return TEPKIT_VERSION;
}
