/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/url.h"
#include "turn-connect/target.h"

struct _TurnConnectTarget {
  GObject parent_instance;
  char *host;
  guint16 port;
  char *tls_name; /* whom the certificate is for; NULL: @host, unless the options say another */
  guint timeout_ms;
  TurnConnectTlsOptions *tls;       /* NULL: none */
  TurnConnectTlsOptions *proxy_tls; /* NULL: the defaults */
  TurnConnectProxySource source;
  TurnConnectProxy *proxy; /* of the source URL; else NULL */
  char *pac_url;           /* of the source PAC */
  char *user, *password;   /* for proxies that are found */
  TurnConnectProxySchemes schemes;
  gboolean are_schemes_set;
  gboolean sends_first;
  gboolean marks_server;
  GPtrArray *lines; /* checked; NULL-terminated */
};

/* The same way to another address, for a server that sends its clients on. The certificate is to be
 * for @tls_name, or for the name that @target asked for. Options that name a server themselves
 * still have the last word. */
TurnConnectTarget *turn_connect_target_new_alternate (
    TurnConnectTarget *target, const char *host, guint port, const char *tls_name, GError **error);

/* A copy to dial by, with what a dial needs. */
TurnConnectTarget *turn_connect_target_copy (TurnConnectTarget *target);

/* Makes it one that goes by one way of proxy/list.h, with the credentials that are for proxies that
 * are found; @is_told: somebody else named this proxy, so that it gets no password in the clear
 * unless that was allowed by name. */
void
turn_connect_target_take_way (TurnConnectTarget *target, TurnConnectProxy *proxy, gboolean is_told);
