/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever DNS says, a plan ends after a bounded number of questions, with names that can be used. */
#include <string.h>

#include "fuzz.h"
#include "turn-connect/host.h"
#include "turn-connect/turn/plan.h"

/* One of a few that lead somewhere, or what stands in the input. */
static char *
take_text (FuzzInput *input, const char *const *known, guint n_known)
{
  guint choice = fuzz_u8 (input);
  gsize length;
  char *text;

  if (choice < n_known)
    return g_strdup (known[choice]);
  length = MIN (choice, input->length);
  text = g_strndup ((const char *)input->data, length);
  input->data += length;
  input->length -= length;
  return text;
}

static GPtrArray *
take_records (FuzzInput *input)
{
  static const char *const names[] = { "a.test", "b.test", "_turn._udp.a.test",
                                       "_turns._tcp.b.test", "" };
  static const char *const flags[] = { "", "S", "a", "u" };
  static const char *const services[] = { "RELAY:turn.udp", "RELAY:turn.tls:turn.tcp", "RELAY",
                                          "SIP+D2U" };
  GPtrArray *records =
      g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_dns_record_free);
  guint n = fuzz_u8 (input) % (TURN_CONNECT_DNS_RECORDS_MAX + 1);

  for (guint i = 0; i < n && input->length > 0; i++) {
    TurnConnectDnsRecord *record = g_new0 (TurnConnectDnsRecord, 1);

    record->priority = (guint16)(fuzz_u8 (input) << 8);
    record->weight = (guint16)(fuzz_u8 (input) << 8);
    record->port = (guint16)fuzz_u8 (input);
    record->name = take_text (input, names, G_N_ELEMENTS (names));
    record->flags = take_text (input, flags, G_N_ELEMENTS (flags));
    record->service = take_text (input, services, G_N_ELEMENTS (services));
    g_ptr_array_add (records, record);
  }
  return records;
}

static guint32
draw (guint32 most, gpointer input)
{
  return fuzz_u8 (input) % ((guint64)most + 1);
}

static void
check_servers (GPtrArray *servers, gboolean is_secure)
{
  g_assert_cmpuint (servers->len, >, 0);
  g_assert_cmpuint (servers->len, <=, TURN_CONNECT_SERVERS_MAX);
  for (guint i = 0; i < servers->len; i++) {
    const TurnConnectServer *server = g_ptr_array_index (servers, i);
    g_autofree char *host = turn_connect_host_normalise (server->host, NULL);

    g_assert_cmpstr (host, ==, server->host);
    g_assert_cmpuint (server->port, >, 0);
    g_assert_true (!is_secure || server->transport == TURN_CONNECT_TRANSPORT_TLS ||
                   server->transport == TURN_CONNECT_TRANSPORT_DTLS);
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  static const char *const uris[] = { "turn:a.test", "turns:a.test", "turn:a.test?transport=udp",
                                      "stun:a.test", "turns:a.test:443" };
  static const TurnConnectTransport all[] = { TURN_CONNECT_TRANSPORT_TLS,
                                              TURN_CONNECT_TRANSPORT_UDP,
                                              TURN_CONNECT_TRANSPORT_TCP,
                                              TURN_CONNECT_TRANSPORT_DTLS };
  FuzzInput input = { data, length };
  g_autoptr (TurnConnectUri) uri =
      turn_connect_uri_new (uris[fuzz_u8 (&input) % G_N_ELEMENTS (uris)], NULL);
  g_autoptr (TurnConnectPlan) plan =
      turn_connect_plan_new (uri, all, 4, TURN_CONNECT_RESOLVE_DIRECT, draw, &input);
  g_autoptr (GPtrArray) servers = NULL;
  g_autoptr (GError) error = NULL;
  guint n_questions = 0;

  while (!turn_connect_plan_step (plan, &servers, &error)) {
    TurnConnectDnsType type;
    const char *name;

    g_assert_true (turn_connect_plan_take_question (plan, &type, &name));
    do {
      g_autoptr (GPtrArray) records = take_records (&input);

      g_assert_cmpuint (++n_questions, <=, TURN_CONNECT_PLAN_QUESTIONS_MAX);
      turn_connect_plan_answer (plan, type, name,
                                records->len > 0 ? TURN_CONNECT_DNS_FOUND
                                                 : (TurnConnectDnsAnswer)(1 + fuzz_u8 (&input) % 2),
                                records);
    } while (turn_connect_plan_take_question (plan, &type, &name));
  }
  g_assert_true ((servers == NULL) == (error != NULL));
  if (servers != NULL)
    check_servers (servers, turn_connect_uri_is_secure (uri));
  return 0;
}
