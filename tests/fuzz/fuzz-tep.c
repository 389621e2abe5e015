/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What either end reads of a message it can write, and what is written says the same. Nobody's signature passes. */
#include <string.h>

#include "fuzz.h"
#include "stun-ext/tep.h"

static const guint8 key_octets[32] = "a key which nobody else has seen";
static const StunExtSpan key = { key_octets, sizeof key_octets };

typedef struct {
  guint8 octets[STUN_EXT_TEP_MESSAGE_MAX];
  gsize length;
  StunExtMessage message;
} Written;

static void
parse (Written *w)
{
  g_assert_cmpint (stun_ext_message_parse (&w->message, w->octets, w->length), ==,
                   STUN_EXT_PARSE_OK);
  g_assert_true (stun_ext_tep_verify (&w->message, key));
}

static gboolean
write_request (Written *w, const StunExtTepRequest *request, const StunExtMessage *message)
{
  return stun_ext_tep_write_request (request, message->transaction_id, key, w->octets,
                                     sizeof w->octets, &w->length);
}

static void
check_request (const StunExtMessage *message)
{
  StunExtTepRequest request;
  StunExtTepFailure failure;
  Written first, second;
  StunExtTepRead read = stun_ext_tep_read_request (message, &request, &failure);

  if (read == STUN_EXT_TEP_READ_BAD) {
    g_assert_true (failure.code == 400 || failure.code == 420);
    g_assert_true (stun_ext_tep_write_failure (&failure, message, key, first.octets,
                                               sizeof first.octets, &first.length));
  }
  if (read != STUN_EXT_TEP_READ_OK)
    return;
  g_assert_true (request.kind == STUN_EXT_TEP_OPEN || request.ordinal > 0);
  if (!write_request (&first, &request, message)) {
    /* Too long with its signature, or a family that does not exist. */
    g_assert_true (message->length > STUN_EXT_TEP_MESSAGE_MAX - 36 ||
                   (request.kind == STUN_EXT_TEP_LEASE && request.lease.family == 1));
    return;
  }
  parse (&first);
  g_assert_cmpint (stun_ext_tep_read_request (&first.message, &request, &failure), ==,
                   STUN_EXT_TEP_READ_OK);
  g_assert_true (write_request (&second, &request, message));
  g_assert_cmpmem (first.octets, first.length, second.octets, second.length);
}

static void
check_success (const StunExtMessage *message, StunExtTepKind kind)
{
  const StunExtMessage *request = message; /* method and transaction are those of the request */
  StunExtTepSuccess success;
  Written first, second;

  if (!stun_ext_tep_read_success (message, kind, &success) ||
      !stun_ext_tep_write_success (&success, request, key, first.octets, sizeof first.octets,
                                   &first.length))
    return;
  parse (&first);
  g_assert_true (stun_ext_tep_read_success (&first.message, kind, &success));
  g_assert_true (stun_ext_tep_write_success (&success, request, key, second.octets,
                                             sizeof second.octets, &second.length));
  g_assert_cmpmem (first.octets, first.length, second.octets, second.length);
}

static void
check_others (const StunExtMessage *message)
{
  StunExtTepFailure failure;
  StunExtTepClosing closing;
  Written w;

  if (stun_ext_tep_read_failure (message, &failure) &&
      stun_ext_tep_write_failure (&failure, message, key, w.octets, sizeof w.octets, &w.length)) {
    parse (&w);
    g_assert_true (stun_ext_tep_read_failure (&w.message, &failure));
  }
  if (stun_ext_tep_read_closing (message, &closing) &&
      stun_ext_tep_write_closing (&closing, message->transaction_id, key, w.octets, sizeof w.octets,
                                  &w.length)) {
    parse (&w);
    g_assert_true (stun_ext_tep_read_closing (&w.message, &closing));
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  StunExtMessage message;

  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK)
    return 0;
  g_assert_false (stun_ext_tep_verify (&message, key));
  check_request (&message);
  for (StunExtTepKind kind = STUN_EXT_TEP_OPEN; kind <= STUN_EXT_TEP_CLOSE; kind++)
    check_success (&message, kind);
  check_others (&message);
  return 0;
}
