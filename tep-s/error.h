/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "tep-s/version.h"

G_BEGIN_DECLS

/**
 * TEP_SERVER_ERROR:
 *
 * Domain of the errors of this library.
 */
#define TEP_SERVER_ERROR (tep_server_error_quark ())

/**
 * TepServerError:
 * @TEP_SERVER_ERROR_CONFIG: the configuration, or a file it names, has to be changed; the message
 * names file, group, key and what to write instead
 * @TEP_SERVER_ERROR_LISTEN: a listening socket could not be opened; the message names the address
 * @TEP_SERVER_ERROR_MEDIA: the media backend could not start
 * @TEP_SERVER_ERROR_TLS: certificate or key cannot be used; what was in use before stays
 * @TEP_SERVER_ERROR_RESOURCE: descriptors, memory or threads are lacking
 * @TEP_SERVER_ERROR_STATE: the call does not fit the state of the server
 */
typedef enum {
  TEP_SERVER_ERROR_CONFIG,
  TEP_SERVER_ERROR_LISTEN,
  TEP_SERVER_ERROR_MEDIA,
  TEP_SERVER_ERROR_TLS,
  TEP_SERVER_ERROR_RESOURCE,
  TEP_SERVER_ERROR_STATE,
} TepServerError;

TEP_SERVER_API GQuark tep_server_error_quark (void);

G_END_DECLS
