/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn-connect/proxy/url.h"
#include "turn-connect/target.h"

struct _TurnConnectTarget {
  GObject parent_instance;
  char *host;
  guint16 port;
  char *tls_name; /* whom the certificate is for; NULL: @host, unless the options say another */
  char *domain;   /* whom it is for whatever the options say, of a redirection; NULL: none */
  guint timeout_ms;
  char *interface;                  /* the only one it goes out by; NULL: any */
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
 * for @domain (ALTERNATE-DOMAIN), or if that is NULL for what @target's had to be for. */
TurnConnectTarget *turn_connect_target_new_alternate (
    TurnConnectTarget *target, const char *host, guint port, const char *domain, GError **error);

/* Whom the certificate is for, of a target with TLS options. */
const char *turn_connect_target_get_tls_name (TurnConnectTarget *target);

/* A copy to dial by, with what a dial needs. */
TurnConnectTarget *turn_connect_target_copy (TurnConnectTarget *target);

/* Makes it one that goes by one way of proxy/list.h, with the credentials that are for proxies that
 * are found; @is_told: somebody else named this proxy, so that it gets no password in the clear
 * unless that was allowed by name. */
void
turn_connect_target_take_way (TurnConnectTarget *target, TurnConnectProxy *proxy, gboolean is_told);
