/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Users of detection are those of the tunnels. An answer that bears a user's proof tells who wants to guess passwords whether he
 * guessed right; so such answers are made only for who has shown that he knows it, and trying is as slow as at the front door.
 */
#include <string.h>

#include "tep-s/detect-private.h"

static gboolean
is_realm (const TepServerConfig *config, StunExtSpan realm)
{
  return strlen (config->realm) == realm.length &&
         memcmp (config->realm, realm.data, realm.length) == 0;
}

gboolean
tep_server_detect_login (TepServerDetectCore *core,
                         const TepServerDetectAsker *asker,
                         const StunExtDetectRun *run,
                         StunExtSpan username,
                         StunExtSpan realm,
                         TepServerDetectVerify verify,
                         gpointer data,
                         StunExtDetectKey *key)
{
  const TepServerConfig *config = core->config;
  gboolean is_long_term = realm.length > 0, is_verified = FALSE, is_for_all;
  TepServerCredential credential;

  if (username.length == 0 || (is_long_term ? !config->has_long_term : !config->has_short_term) ||
      (is_long_term && !is_realm (config, realm)))
    return FALSE;
  tep_server_users_find (
      config->users, is_long_term ? TEP_SERVER_KEY_LONG_TERM_SHA256 : TEP_SERVER_KEY_SHORT_TERM,
      username.data, username.length, asker->is_secure, core->now_ms, &credential);
  if (tep_server_throttle_may_try (core->throttle, asker->source, credential.identity,
                                   core->now_us)) {
    /* Every key is tried, and only then is looked at whether there is such a user (requirement 22). */
    for (guint i = 0; i < credential.n_keys; i++) {
      StunExtDetectKey one;

      if (stun_ext_detect_key_derive (&one, tep_server_credential_mac_key (&credential, i), run) &&
          verify (data, &one)) {
        *key = one;
        is_verified = TRUE;
      }
    }
    is_verified = is_verified && credential.refusal == TEP_SERVER_REFUSAL_NONE;
    if (is_verified)
      tep_server_throttle_verified (core->throttle, asker->source, credential.identity,
                                    core->now_us);
    else
      tep_server_throttle_failed (core->throttle, asker->source, credential.identity, core->now_us);
  }
  tep_server_detect_count (
      core, is_verified ? TEP_SERVER_COUNTER_DETECT_PROVEN : TEP_SERVER_COUNTER_DETECT_FAILED, 1);
  /* Anybody may ask about a run, whose id others saw, and would get something to search in. */
  is_for_all = is_verified && !credential.is_tls_only;
  tep_server_credential_clear (&credential);
  if (is_for_all)
    tep_server_detect_book_set_key (core->book, run, key);
  return is_verified;
}
