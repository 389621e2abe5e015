/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in the way before any firewall: a captive portal, a name service that makes answers
 * up, a translator from IPv6 to IPv4. The portal is told by an address that nobody has: who answers
 * for it there answers for everybody.
 */
#include "turn-connect/detect/fetch.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/lookup.h"
#include "turn-connect/nat64.h"

#define LIMIT_MS 2500

typedef struct _NameProbe NameProbe;

/* One name, both families of which are asked for. */
typedef struct {
  NameProbe *owner;
  TurnConnectProbe *probe;
  TurnConnectLookup *lookup;
  guint n_told;
  gboolean is_found;
  void (*found) (TurnConnectProbe *probe, GInetAddress *address);
} Question;

struct _NameProbe {
  TurnConnectRun *run;
  Question questions[2];
  GPtrArray *fetches;
  GSource *limit;
  guint n_pending;
};

static void
one_is_over (NameProbe *self)
{
  if (--self->n_pending == 0)
    turn_connect_run_done (self->run, TURN_CONNECT_FAMILY_NAME);
}

/* Names */

static void
end_question (Question *question, TurnConnectOutcome outcome)
{
  g_clear_pointer (&question->lookup, turn_connect_lookup_free);
  turn_connect_run_end (question->owner->run, question->probe, outcome);
  one_is_over (question->owner);
}

/* The prefix that an address of ipv4only.arpa shows, or that it shows none. */
static void
found_nat64 (TurnConnectProbe *probe, GInetAddress *address)
{
  StunExtAddress found;
  StunExtPrefix prefix;
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  if (g_inet_address_get_family (address) != G_SOCKET_FAMILY_IPV6)
    return;
  stun_ext_address_init (&found, 6, g_inet_address_to_bytes (address), 0);
  if (turn_connect_nat64_find_prefix (&found, &prefix))
    turn_connect_probe_set_fact (probe, "prefix", stun_ext_prefix_print (&prefix, text));
  else
    turn_connect_probe_set_fact (probe, "wrong", stun_ext_address_print_host (&found, text));
}

static void
found_anything (TurnConnectProbe *probe, GInetAddress *address)
{
  g_autofree char *text = g_inet_address_to_string (address);

  turn_connect_probe_set_fact (probe, "wrong", text);
}

static void
all_told (Question *question)
{
  TurnConnectProbe *probe = question->probe;
  g_autoptr (GError) error = turn_connect_lookup_make_error (question->lookup);
  gboolean is_silent = !question->is_found && error->code == TURN_CONNECT_ERROR_NAME_FAILED;
  gboolean is_nat64 = question->found == found_nat64;

  if (turn_connect_probe_get_fact (probe, "wrong") != NULL)
    end_question (question, TURN_CONNECT_OUTCOME_WRONG_ANSWER);
  else if (is_silent)
    end_question (question, TURN_CONNECT_OUTCOME_SILENCE);
  else if (is_nat64 && turn_connect_probe_get_fact (probe, "prefix") == NULL)
    end_question (question, TURN_CONNECT_OUTCOME_DENIED);
  else
    end_question (question, TURN_CONNECT_OUTCOME_ANSWER);
}

static void
told (GSocketFamily family, GList *addresses, gpointer data)
{
  Question *question = data;

  question->n_told++;
  question->is_found |= addresses != NULL;
  for (const GList *l = addresses; l != NULL; l = l->next)
    question->found (question->probe, l->data);
  if (question->n_told == 2)
    all_told (question);
}

static void
ask (NameProbe *self,
     Question *question,
     const char *variant,
     const char *name,
     void (*found) (TurnConnectProbe *probe, GInetAddress *address))
{
  question->owner = self;
  question->found = found;
  question->probe = turn_connect_run_begin (self->run, TURN_CONNECT_PROBE_NAME, variant,
                                            TURN_CONNECT_CARRY_NONE, NULL);
  question->probe->attempts = 1;
  question->probe->deadline_us += LIMIT_MS * 1000;
  question->probe->detail = g_strdup (name);
  self->n_pending++;
  question->lookup = turn_connect_lookup_new (name, told, question);
}

static gboolean
time_is_over (gpointer data)
{
  NameProbe *self = data;

  for (guint i = 0; i < G_N_ELEMENTS (self->questions); i++) {
    if (self->questions[i].lookup != NULL)
      end_question (&self->questions[i], TURN_CONNECT_OUTCOME_SILENCE);
  }
  return G_SOURCE_REMOVE;
}

/* The portal */

static TurnConnectOutcome
fetched (TurnConnectProbe *probe,
         TurnConnectOutcome outcome,
         const char *body,
         gsize length,
         TurnConnectStream *stream,
         gpointer data)
{
  one_is_over (data);
  return outcome;
}

static void
knock (NameProbe *self, const char *variant, guint8 family, const StunExtAddress *address)
{
  const TurnConnectFetchWay way = { .variant = variant,
                                    .kind = TURN_CONNECT_PROBE_PORTAL,
                                    .what = STUN_EXT_DETECT_WHAT_ECHO,
                                    .family = family,
                                    .address = *address,
                                    .port = 80,
                                    .is_blind = address->family != 0, /* whoever poses as it */
                                    .limit_ms = LIMIT_MS };
  TurnConnectFetch *one = turn_connect_fetch_new (self->run, &way, fetched, self);

  if (one == NULL)
    return;
  g_ptr_array_add (self->fetches, one);
  self->n_pending++;
}

gpointer
turn_connect_name_probe_start (TurnConnectRun *run)
{
  NameProbe *self = g_new0 (NameProbe, 1);
  const StunExtAddress none = { 0 };
  guint8 octets[8] = { 0 };
  g_autofree char *name = NULL;

  self->run = run;
  self->fetches = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_fetch_free);
  turn_connect_random_octets (octets, sizeof octets);
  /* Nobody has a name below this one (RFC 6761 section 6.4). */
  name = g_strdup_printf ("d%02x%02x%02x%02x%02x%02x.invalid", octets[0], octets[1], octets[2],
                          octets[3], octets[4], octets[5]);
  ask (self, &self->questions[0], "nat64", TURN_CONNECT_NAT64_NAME, found_nat64);
  ask (self, &self->questions[1], "random", name, found_anything);
  self->limit = turn_connect_run_add_timer (run, LIMIT_MS * 1000, time_is_over, self);
  for (guint8 family = 4; family <= 6; family += 2) {
    StunExtAddress decoy;

    knock (self, "echo", family, &none);
    if (turn_connect_run_find_decoy (run, family, &decoy))
      knock (self, "decoy", family, &decoy);
  }
  return self;
}

void
turn_connect_name_probe_stop (gpointer state)
{
  NameProbe *self = state;

  for (guint i = 0; i < G_N_ELEMENTS (self->questions); i++)
    g_clear_pointer (&self->questions[i].lookup, turn_connect_lookup_free);
  g_ptr_array_unref (self->fetches);
  turn_connect_run_clear_source (&self->limit);
  g_free (self);
}
