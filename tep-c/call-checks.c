/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which STUN out of a tunnel is the ICE agent's, where the branch has no ICE any more: answers to what the
 * agent asked there, and checks that name its credentials. They are late, and no media. Any other is the
 * application's own. */
#include "tep-c/call-private.h"

#include <string.h>

#include "stun-ext/attribute.h"

/* RFC 8445 section 7.2.2: a user's name is the fragment of who is asked, a colon, and that of who asks. */
static gboolean
split_user (const StunExtMessage *message, StunExtSpan *asked, StunExtSpan *asks)
{
  StunExtSpan user;
  const guint8 *text, *colon;

  if (stun_ext_message_get_text (message, STUN_EXT_ATTRIBUTE_USERNAME, &user) != STUN_EXT_GET_OK)
    return FALSE;
  text = user.data;
  colon = memchr (text, ':', user.length);
  if (colon == NULL)
    return FALSE;
  *asked = (StunExtSpan){ text, (gsize)(colon - text) };
  *asks = (StunExtSpan){ colon + 1, user.length - asked->length - 1 };
  return TRUE;
}

void
tep_client_checks_note (TepClientChecks *checks, const guint8 *data, gsize length)
{
  TepClientCheck *check = &checks->asked[checks->n_asked % TEP_CLIENT_CHECKS_MAX];
  StunExtMessage message;
  StunExtSpan asked, asks;

  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK ||
      message.message_class != STUN_EXT_CLASS_REQUEST || !split_user (&message, &asked, &asks) ||
      tep_client_checks_own (checks, data, length))
    return;
  memcpy (check->id, message.transaction_id, sizeof check->id);
  check->ufrag_length = MIN (asks.length, sizeof check->ufrag);
  memcpy (check->ufrag, asks.data, check->ufrag_length);
  checks->n_asked++;
}

gboolean
tep_client_checks_own (const TepClientChecks *checks, const guint8 *data, gsize length)
{
  StunExtSpan asked = { NULL, 0 }, asks;
  StunExtMessage message;

  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK)
    return FALSE;
  split_user (&message, &asked, &asks);
  for (guint i = 0; i < MIN (checks->n_asked, TEP_CLIENT_CHECKS_MAX); i++) {
    const TepClientCheck *check = &checks->asked[i];

    if (memcmp (check->id, message.transaction_id, sizeof check->id) == 0 ||
        (asked.length > 0 && asked.length == check->ufrag_length &&
         memcmp (check->ufrag, asked.data, asked.length) == 0))
      return TRUE;
  }
  return FALSE;
}
