/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the messages of a tunnel meet credentials and keys, so that neither end picks single fields
 * together. */
#include "stun-ext/tep.h"

#include <string.h>

#include "stun-ext/credentials.h"

StunExtTunnelSecrets
stun_ext_tep_secrets (const StunExtTepOpen *open,
                      const StunExtTepOpened *opened,
                      StunExtSpan credential_key)
{
  StunExtTunnelSecrets secrets = {
    .credential_key = credential_key,
    .client_random = open->client_random,
    .timestamp_ms = open->timestamp_ms,
    .server_name = open->server_name,
    .nonce = open->nonce,
  };

  if (open->channel_binding != NULL)
    secrets.channel_binding =
        (StunExtSpan){ open->channel_binding, STUN_EXT_TEP_CHANNEL_BINDING_LENGTH };
  if (opened != NULL) {
    secrets.server_random = opened->server_random;
    secrets.tunnel_id = opened->tunnel_id;
  }
  return secrets;
}

static StunExtSpan
span_of (const char *text)
{
  return (StunExtSpan){ text[0] != '\0' ? text : NULL, strlen (text) };
}

gboolean
stun_ext_tep_open_log_in (StunExtTepOpen *open,
                          const StunExtChallenge *challenge,
                          StunExtSpan username,
                          guint8 userhash[STUN_EXT_USERHASH_LENGTH])
{
  StunExtSpan realm = span_of (challenge->realm);

  if (realm.length == 0)
    return FALSE;
  if (challenge->is_anonymous && !stun_ext_userhash (username, realm, userhash))
    return FALSE;
  open->username = challenge->is_anonymous ? (StunExtSpan){ 0 } : username;
  open->userhash = challenge->is_anonymous ? (StunExtSpan){ userhash, STUN_EXT_USERHASH_LENGTH }
                                           : (StunExtSpan){ 0 };
  open->realm = realm;
  open->nonce = span_of (challenge->nonce);
  open->password_algorithms = (StunExtSpan){ 0 };
  open->password_algorithm = STUN_EXT_PASSWORD_ALGORITHM_NONE;
  if (challenge->offered_length > 0) {
    open->password_algorithms = (StunExtSpan){ challenge->offered, challenge->offered_length };
    open->password_algorithm = challenge->algorithm;
  }
  return TRUE;
}

StunExtSpan
stun_ext_tep_password_algorithms (StunExtAlgorithms algorithms)
{
  /* Algorithm and length of its parameters, twice (RFC 8489 section 14.11). */
  static const guint8 both[] = { 0, STUN_EXT_PASSWORD_ALGORITHM_SHA256, 0, 0,
                                 0, STUN_EXT_PASSWORD_ALGORITHM_MD5,    0, 0 };
  static const StunExtSpan lists[] = {
    [STUN_EXT_ALGORITHMS_NONE] = { NULL, 0 },
    [STUN_EXT_ALGORITHMS_MD5] = { both + 4, 4 },
    [STUN_EXT_ALGORITHMS_SHA256] = { both, 4 },
    [STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256] = { both, 8 },
  };

  return lists[algorithms & (STUN_EXT_ALGORITHMS_MD5 | STUN_EXT_ALGORITHMS_SHA256)];
}

StunExtTepFailure
stun_ext_tep_failure_challenge (guint code,
                                const StunExtRealm *realm,
                                const char *nonce,
                                guint64 now_ms)
{
  return (StunExtTepFailure){
    .code = code,
    .realm = realm->realm,
    .nonce = span_of (nonce),
    .password_algorithms = stun_ext_tep_password_algorithms (realm->algorithms),
    .timestamp_ms = now_ms,
  };
}
