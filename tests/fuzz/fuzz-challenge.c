/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever a server asks for can be answered, and a server that asked for it understands the answer; whatever a client says of
 * itself has one verdict. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/attribute.h"
#include "stun-ext/challenge.h"

static const StunExtAlgorithms both = STUN_EXT_ALGORITHMS_SHA256 | STUN_EXT_ALGORITHMS_MD5;

static void
read_login (const StunExtMessage *message)
{
  const StunExtRealm realms[] = {
    { .realm = { "example.org", 11 }, .algorithms = both },
    { .realm = { "example.org", 11 },
      .algorithms = STUN_EXT_ALGORITHMS_SHA256,
      .is_anonymous = TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (realms); i++) {
    StunExtLogin login;

    if (stun_ext_login_read (message, &realms[i], &login) != STUN_EXT_LOGIN_COMPLETE)
      continue;
    g_assert_true ((login.username.length > 0) != (login.userhash.length > 0));
    g_assert_cmpuint (login.nonce.length, >, 0);
  }
}

static void
answer (const StunExtMessage *message)
{
  StunExtChallenge challenge;
  StunExtAlgorithms algorithms;
  StunExtSpan list;
  guint8 octets[4096];
  StunExtBuilder builder;
  StunExtMessage request;
  StunExtLogin login;
  StunExtRealm realm;
  gsize length;

  stun_ext_message_is_bid_down (message);
  if (stun_ext_challenge_read (message, both, &challenge) != STUN_EXT_CHALLENGE_ANSWER)
    return;
  stun_ext_builder_begin (&builder, octets, sizeof octets, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_BINDING, message->transaction_id);
  stun_ext_builder_add_login (&builder, &challenge, "alice");
  g_assert_true (stun_ext_builder_finish (&builder, challenge.integrity, (StunExtSpan){ "key", 3 },
                                          FALSE, &length));
  g_assert_cmpint (stun_ext_message_parse (&request, octets, length), ==, STUN_EXT_PARSE_OK);
  if (stun_ext_message_get_password_algorithms (&request, &algorithms, &list) != STUN_EXT_GET_OK)
    return; /* a server of RFC 5389 */
  g_assert_cmpmem (list.data, list.length, challenge.offered, challenge.offered_length);
  realm = (StunExtRealm){ .realm = { challenge.realm, strlen (challenge.realm) },
                          .algorithms = algorithms,
                          .is_anonymous = challenge.is_anonymous };
  if (stun_ext_login_read (&request, &realm, &login) == STUN_EXT_LOGIN_COMPLETE)
    g_assert_cmpint (login.algorithm, ==, challenge.algorithm);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  StunExtMessage message;

  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK)
    return 0;
  read_login (&message);
  answer (&message);
  return 0;
}
