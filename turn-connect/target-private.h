/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/target.h"

struct _TurnConnectTarget {
  GObject parent_instance;
  char *host;
  guint16 port;
  guint timeout_ms;
};
