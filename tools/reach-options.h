/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options by which every program says how servers are reached: the proxy, and whom TLS trusts. */
#pragma once

#include "tools/cli.h"
#include "turn-connect/target.h"

G_BEGIN_DECLS

/**
 * ReachOptions:
 * @proxy: (nullable): --proxy
 * @proxy_credentials: (nullable): --proxy-credentials
 * @proxy_ca: (nullable): --proxy-ca
 * @headers: (nullable): --header
 * @ca: (nullable): --ca
 * @certificate: (nullable): --cert
 * @key: (nullable): --key
 * @pins: (nullable): --pin
 * @pins_only: --pin-only
 * @null_suite: (nullable): --null-encryption
 * @alpn: (nullable): --alpn
 * @timeout_s: --timeout; 0 for the library's own
 *
 * What was given on the command line; all zeros at the start, and never freed.
 */
typedef struct {
  char *proxy;
  char *proxy_credentials;
  char *proxy_ca;
  char **headers;
  char *ca;
  char *certificate;
  char *key;
  char **pins;
  gboolean pins_only;
  char *null_suite;
  char **alpn;
  int timeout_s;
} ReachOptions;

/* Entries for a program's table: for all programs, and for those that also choose what TLS says. */
#define REACH_OPTION_ENTRIES(o)                                                                     \
  { "proxy",    'p',                                                                                \
    0,          G_OPTION_ARG_STRING,                                                                \
    &(o).proxy, "Go through this HTTP proxy, or the one that env, system, auto or pac+URL names",   \
    "PROXY" },                                                                                      \
      { "proxy-credentials",           0,     0, G_OPTION_ARG_FILENAME, &(o).proxy_credentials,     \
        "user:password for the proxy", "FILE" },                                                    \
      { "header",                                                                                   \
        0,                                                                                          \
        0,                                                                                          \
        G_OPTION_ARG_STRING_ARRAY,                                                                  \
        &(o).headers,                                                                               \
        "Further header of CONNECT, such as an IMS marker",                                         \
        "LINE" },                                                                                   \
      { "ca",  0, 0, G_OPTION_ARG_FILENAME, &(o).ca, "Trust these issuers instead of the system's", \
        "FILE" },                                                                                   \
  {                                                                                                 \
    "ca-file", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &(o).ca, "As --ca", "FILE"           \
  }
#define REACH_OPTION_TLS_ENTRIES(o)                                                                  \
  { "proxy-ca",                                                                                      \
    0,                                                                                               \
    0,                                                                                               \
    G_OPTION_ARG_FILENAME,                                                                           \
    &(o).proxy_ca,                                                                                   \
    "Trust these issuers for a proxy of the https:// kind",                                          \
    "FILE" },                                                                                        \
      { "pin",     0,                                                                                \
        0,         G_OPTION_ARG_STRING_ARRAY,                                                        \
        &(o).pins, "SHA-256 of the server's public key, which it must have; may be repeated",        \
        "HASH" },                                                                                    \
      { "pin-only",                                                                                  \
        0,                                                                                           \
        0,                                                                                           \
        G_OPTION_ARG_NONE,                                                                           \
        &(o).pins_only,                                                                              \
        "Let the pinned key stand for chain, name and dates",                                        \
        NULL },                                                                                      \
      { "null-encryption",                                                                           \
        0,                                                                                           \
        0,                                                                                           \
        G_OPTION_ARG_STRING,                                                                         \
        &(o).null_suite,                                                                             \
        "NO ENCRYPTION: only this suite, as NULL-SHA256; everybody on the way can read",             \
        "SUITE" },                                                                                   \
      { "cert", 0, 0, G_OPTION_ARG_FILENAME, &(o).certificate, "Client certificate (PEM)", "FILE" }, \
      { "key", 0, 0, G_OPTION_ARG_FILENAME, &(o).key, "Its key (PEM); default: in the same file",    \
        "FILE" },                                                                                    \
      { "alpn",    0,                                                                                \
        0,         G_OPTION_ARG_STRING_ARRAY,                                                        \
        &(o).alpn, "Offer this protocol by ALPN; may be repeated",                                   \
        "NAME" },                                                                                    \
  {                                                                                                  \
    "timeout", 0, 0, G_OPTION_ARG_INT, &(o).timeout_s,                                               \
        "Time for reaching the server, 30 by default", "SECONDS"                                     \
  }

/**
 * reach_options_make_tls:
 * @options: the options
 * @server_name: (nullable): the name the certificate must be for; %NULL for the target's host
 * @alpn: (nullable): what is offered unless --alpn says otherwise
 * @error: return location, as for reach_options_apply()
 *
 * Returns: (transfer full): how TLS is spoken with a server, or %NULL
 */
TurnConnectTlsOptions *reach_options_make_tls (const ReachOptions *options,
                                               const char *server_name,
                                               const char *alpn,
                                               GError **error);

/**
 * reach_options_apply:
 * @options: the options
 * @target: a target
 * @error: return location: %G_FILE_ERROR for a file that cannot be used, a #TurnConnectError for
 *   what stands on the command line
 *
 * Sets the proxy with all that belongs to it, and the time limit. TLS is set by the caller.
 *
 * Returns: %FALSE on error
 */
gboolean
reach_options_apply (const ReachOptions *options, TurnConnectTarget *target, GError **error);

/**
 * reach_options_load_credentials:
 * @path: a file with user:password, as for turn_connect_secret_file_load()
 * @may_be_time_limited: as there
 * @user: (inout): as there
 * @password: (inout): as there
 * @error: return location: %G_FILE_ERROR
 *
 * Returns: %FALSE on error
 */
gboolean reach_options_load_credentials (
    const char *path, gboolean may_be_time_limited, char **user, char **password, GError **error);

/**
 * reach_options_find_user:
 * @name: a user's name, or number where no user has that name
 * @uid: (out): the user's number
 * @error: %TURN_CONNECT_ERROR_INVALID
 *
 * Returns: %FALSE on error
 */
gboolean reach_options_find_user (const char *name, guint *uid, GError **error);

/**
 * reach_options_fail:
 * @error: why a server cannot be set up
 *
 * Says it, with a hint at --help where the command line is wrong.
 *
 * Returns: how to end: %CLI_EXIT_CONFIG for a file, %CLI_EXIT_USAGE otherwise
 */
CliExit reach_options_fail (const GError *error);

/**
 * reach_options_split:
 * @text: HOST:PORT, or HOST alone; an IPv6 address in brackets
 * @default_port: the port where none is given; 0 to demand one
 * @host: (out): the host, brackets removed
 * @port: (out): the port
 * @error: %TURN_CONNECT_ERROR_INVALID, quoting @text
 *
 * Returns: %FALSE on error
 */
gboolean reach_options_split (
    const char *text, guint default_port, char **host, guint *port, GError **error);

G_END_DECLS
