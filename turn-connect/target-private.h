/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/url.h"
#include "turn-connect/target.h"

struct _TurnConnectTarget {
  GObject parent_instance;
  char *host;
  guint16 port;
  guint timeout_ms;
  TurnConnectTlsOptions *tls;       /* NULL: none */
  TurnConnectTlsOptions *proxy_tls; /* NULL: the defaults */
  TurnConnectProxy *proxy;          /* NULL: direct */
  TurnConnectProxySchemes schemes;
  gboolean sends_first;
  gboolean marks_server;
  GPtrArray *lines; /* checked; NULL-terminated */
};
