/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "stun-ext/version.h"

G_BEGIN_DECLS

/**
 * STUN_EXT_ERROR:
 *
 * Domain of the errors of this library.
 */
#define STUN_EXT_ERROR (stun_ext_error_quark ())

/**
 * StunExtError:
 * @STUN_EXT_ERROR_SYNTAX: a text that a person wrote cannot be understood; the message quotes it
 * and says what to write
 * @STUN_EXT_ERROR_CREDENTIAL: a user name, realm or password may not be used; the message says why,
 * without the secret
 * @STUN_EXT_ERROR_CRYPTO: the cryptographic library refused, for lack of memory or by its own
 * policy
 */
typedef enum {
  STUN_EXT_ERROR_SYNTAX,
  STUN_EXT_ERROR_CREDENTIAL,
  STUN_EXT_ERROR_CRYPTO,
} StunExtError;

STUN_EXT_API GQuark stun_ext_error_quark (void);

G_END_DECLS
