/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs are no secrets: whoever sees one can make the proof of a far end that was told no password, and
 * alter what he likes. So once somebody has proven to know the password, an answer without that proof
 * is a sign of a forger, and never a far end's word.
 *
 * Legitimate answers without it are those of a far end that had not seen a signature yet, and those
 * that say that it was not the user's. The second are worth something only as long as nobody has
 * proven more, for the same password does not become right in the middle of a run.
 */
#include "turn-connect/detect/trust.h"

#include "stun-ext/credentials.h"
#include "turn-connect/secret-file.h"

#include <string.h>

#define NAMED_MAX 8 /* arbitrary; a far end has one other address of each family */

typedef struct {
  StunExtAddress address;
  TurnConnectCarry carry;
} Refuser;

/* Far ends know users by the short-term mechanism: the prepared password is the key. */
static void
make_key (TurnConnectTrust *trust, const char *password, const StunExtDetectRun *run)
{
  char *prepared = stun_ext_opaque_string (password, NULL);
  gsize length = prepared != NULL ? strlen (prepared) : 0;

  trust->has_key =
      length > 0 && stun_ext_detect_key_derive (
                        &trust->key, (StunExtSpan){ (const guint8 *)prepared, length }, run);
  trust->is_for_tls = length < STUN_EXT_PLAIN_PASSWORD_MIN;
  turn_connect_secret_free (prepared);
}

void
turn_connect_trust_init (TurnConnectTrust *trust,
                         const char *user,
                         const char *password,
                         const StunExtDetectRun *run)
{
  *trust = (TurnConnectTrust){ .keyed_us = -1 };
  trust->requests = g_hash_table_new (NULL, NULL);
  trust->unproven = g_ptr_array_new ();
  trust->refusers = g_ptr_array_new_with_free_func (g_free);
  trust->named = g_array_new (FALSE, FALSE, sizeof (StunExtAddress));
  if (user != NULL && password != NULL)
    make_key (trust, password, run);
}

void
turn_connect_trust_clear (TurnConnectTrust *trust)
{
  g_clear_pointer (&trust->requests, g_hash_table_unref);
  g_clear_pointer (&trust->unproven, g_ptr_array_unref);
  g_clear_pointer (&trust->refusers, g_ptr_array_unref);
  g_clear_pointer (&trust->named, g_array_unref);
  stun_ext_crypto_cleanse (&trust->key, sizeof trust->key);
  trust->has_key = FALSE;
}

/* Requests */

const StunExtDetectKey *
turn_connect_trust_get_key (const TurnConnectTrust *trust)
{
  return trust->has_key ? &trust->key : NULL;
}

static gboolean
holds (const GArray *addresses, const StunExtAddress *address)
{
  for (guint i = 0; i < addresses->len; i++) {
    if (stun_ext_address_equal_host (&g_array_index (addresses, StunExtAddress, i), address))
      return TRUE;
  }
  return FALSE;
}

static gboolean
is_refused (const TurnConnectTrust *trust, const TurnConnectProbe *probe)
{
  for (guint i = 0; i < trust->refusers->len; i++) {
    const Refuser *refuser = g_ptr_array_index (trust->refusers, i);

    if (refuser->carry == probe->carry &&
        stun_ext_address_equal (&refuser->address, &probe->target))
      return TRUE;
  }
  return FALSE;
}

const StunExtDetectKey *
turn_connect_trust_choose_key (const TurnConnectTrust *trust,
                               const TurnConnectObservations *observations,
                               const TurnConnectProbe *probe,
                               gboolean is_verified)
{
  if (!trust->has_key || (trust->is_for_tls && !is_verified) || is_refused (trust, probe))
    return NULL;
  /* An address that an answer named is a stranger's, unless he knows the password who gave it. */
  if (probe->via == NULL && probe->target.family != 0 &&
      !holds (observations->servers, &probe->target) && !holds (trust->named, &probe->target))
    return NULL;
  return &trust->key;
}

void
turn_connect_trust_note_request (TurnConnectTrust *trust,
                                 const TurnConnectProbe *probe,
                                 gboolean is_signed)
{
  gpointer known;

  if (!trust->has_key)
    return;
  if (g_hash_table_lookup_extended (trust->requests, probe, NULL, &known))
    is_signed = is_signed && GPOINTER_TO_INT (known);
  g_hash_table_insert (trust->requests, (gpointer)probe, GINT_TO_POINTER (is_signed));
}

gboolean
turn_connect_trust_note_refusal (TurnConnectTrust *trust, const TurnConnectProbe *probe)
{
  const Refuser refuser = { probe->target, probe->carry };

  if (trust->keyed_us >= 0)
    return FALSE;
  if (!is_refused (trust, probe))
    g_ptr_array_add (trust->refusers, g_memdup2 (&refuser, sizeof refuser));
  return TRUE;
}

/* Answers */

/* Somebody else's, or of nobody who could be told from somebody else. */
static void
take_proof_away (TurnConnectProbe *probe)
{
  probe->proof = TURN_CONNECT_PROOF_NONE;
  if (probe->outcome == TURN_CONNECT_OUTCOME_PROOF)
    probe->outcome = probe->kind == TURN_CONNECT_PROBE_RECORD ? TURN_CONNECT_OUTCOME_WRONG_ANSWER
                                                              : TURN_CONNECT_OUTCOME_ANSWER;
  turn_connect_probe_set_fact (probe, "proof", "without-password");
}

static void
note_keyed (TurnConnectTrust *trust, TurnConnectObservations *observations, gint64 now_us)
{
  if (trust->keyed_us >= 0)
    return;
  trust->keyed_us = now_us;
  g_ptr_array_set_size (trust->refusers, 0);
  for (guint i = 0; i < trust->unproven->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (trust->unproven, i);

    take_proof_away (probe);
    /* Where it listens was told by somebody else. */
    if (probe->kind == TURN_CONNECT_PROBE_RECORD && g_strcmp0 (probe->variant, "self") == 0)
      g_array_set_size (observations->listeners, 0);
  }
  g_ptr_array_set_size (trust->unproven, 0);
}

/* Could a far end that knows the password have answered without? */
static gboolean
is_legitimate (const TurnConnectTrust *trust,
               const TurnConnectProbe *probe,
               gboolean is_signed,
               gboolean is_refusal)
{
  if (is_signed)
    return is_refusal && trust->keyed_us < 0;
  /* It proves what else belongs to a run once it has seen a signature, but for short passwords. */
  return trust->is_for_tls || trust->keyed_us < 0 || probe->start_us < trust->keyed_us;
}

TurnConnectProof
turn_connect_trust_weigh (TurnConnectTrust *trust,
                          TurnConnectObservations *observations,
                          TurnConnectProbe *probe,
                          StunExtDetectProof proof,
                          gboolean is_refusal,
                          gint64 now_us)
{
  gboolean is_signed = GPOINTER_TO_INT (g_hash_table_lookup (trust->requests, probe));
  gboolean is_forged = proof == STUN_EXT_DETECT_PROOF_UNKEYED && trust->has_key &&
                       !is_legitimate (trust, probe, is_signed, is_refusal);

  if (proof == STUN_EXT_DETECT_PROOF_KEYED) {
    g_ptr_array_remove_fast (trust->unproven, probe);
    note_keyed (trust, observations, now_us);
    probe->proof = TURN_CONNECT_PROOF_KEYED;
    observations->is_far_end = TRUE;
    return probe->proof;
  }
  if (is_forged)
    turn_connect_probe_set_fact (probe, "proof", "without-password");
  if (proof == STUN_EXT_DETECT_PROOF_NONE || probe->proof == TURN_CONNECT_PROOF_KEYED)
    return TURN_CONNECT_PROOF_NONE; /* and it takes nothing away that an answer before it proved */
  if (is_forged) {
    take_proof_away (probe);
    return TURN_CONNECT_PROOF_NONE;
  }
  probe->proof = TURN_CONNECT_PROOF_UNKEYED;
  observations->is_far_end = TRUE;
  if (is_signed && !g_ptr_array_find (trust->unproven, probe, NULL))
    g_ptr_array_add (trust->unproven, probe);
  return probe->proof;
}

void
turn_connect_trust_note_other (TurnConnectTrust *trust, const TurnConnectProbe *probe)
{
  if (probe->proof == TURN_CONNECT_PROOF_KEYED && probe->other.family != 0 &&
      trust->named->len < NAMED_MAX && !holds (trust->named, &probe->other))
    g_array_append_val (trust->named, probe->other);
}
