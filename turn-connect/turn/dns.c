/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SRV and NAPTR records by c-ares, on the caller's main context. GResolver knows no NAPTR, and
 * glibc's resolver can neither be cancelled nor asked for several things at once without a thread
 * for each, and leaves the records to be taken apart here; c-ares does all of it, and its parsers
 * have seen every hostile answer there is. Addresses are not asked for by it: those come by the
 * system's own ways, its hosts file included.
 */
#include "turn-connect/turn/dns.h"

#include <ares.h>
#include <glib-unix.h>
#include <sys/select.h>

#define TRY_MS 1000 /* for the first try, doubled for each further one; arbitrary */
#define TRIES 3
#define CLASS_INTERNET 1 /* RFC 1035 section 3.2.4 */

typedef struct {
  TurnConnectDns *dns;
  TurnConnectDnsType type;
  char *name;
  TurnConnectDnsAnswer answer;
  GPtrArray *records;
} Question;

struct _TurnConnectDns {
  ares_channel channel;
  TurnConnectDnsFunc func;
  gpointer user_data;
  GMainContext *context;
  GHashTable *sockets; /* descriptor -> GSource */
  GSource *timer;      /* of c-ares */
  GSource *telling;    /* runs while something was answered and not told */
  GQueue answered;     /* Question */
  gboolean is_ending;
};

void
turn_connect_dns_record_free (TurnConnectDnsRecord *record)
{
  g_free (record->name);
  g_free (record->flags);
  g_free (record->service);
  g_free (record->regexp);
  g_free (record);
}

static void
question_free (Question *question)
{
  g_ptr_array_unref (question->records);
  g_free (question->name);
  g_free (question);
}

static void
source_destroy (gpointer source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

static void
attach (TurnConnectDns *dns, GSource *source, GSourceFunc func, gpointer data)
{
  g_source_set_callback (source, func, data, NULL);
  g_source_attach (source, dns->context);
}

static void
add_srv (GPtrArray *records, const struct ares_srv_reply *found)
{
  for (; found != NULL && records->len < TURN_CONNECT_DNS_RECORDS_MAX; found = found->next) {
    TurnConnectDnsRecord *record = g_new0 (TurnConnectDnsRecord, 1);

    record->priority = found->priority;
    record->weight = found->weight;
    record->port = found->port;
    record->name = g_strdup (found->host);
    g_ptr_array_add (records, record);
  }
}

static void
add_naptr (GPtrArray *records, const struct ares_naptr_reply *found)
{
  for (; found != NULL && records->len < TURN_CONNECT_DNS_RECORDS_MAX; found = found->next) {
    TurnConnectDnsRecord *record = g_new0 (TurnConnectDnsRecord, 1);

    record->priority = found->order;
    record->weight = found->preference;
    record->name = g_strdup (found->replacement);
    record->flags = g_strdup ((const char *)found->flags);
    record->service = g_strdup ((const char *)found->service);
    record->regexp = g_strdup ((const char *)found->regexp);
    g_ptr_array_add (records, record);
  }
}

static int
read_answer (Question *question, const guint8 *octets, int length)
{
  int status;

  if (question->type == TURN_CONNECT_DNS_SRV) {
    struct ares_srv_reply *found = NULL;

    status = ares_parse_srv_reply (octets, length, &found);
    if (status == ARES_SUCCESS)
      add_srv (question->records, found);
    ares_free_data (found);
  } else {
    struct ares_naptr_reply *found = NULL;

    status = ares_parse_naptr_reply (octets, length, &found);
    if (status == ARES_SUCCESS)
      add_naptr (question->records, found);
    ares_free_data (found);
  }
  return status;
}

static gboolean
tell (gpointer user_data)
{
  TurnConnectDns *dns = user_data;
  Question *question = g_queue_pop_head (&dns->answered);

  if (g_queue_is_empty (&dns->answered))
    g_clear_pointer (&dns->telling, source_destroy);
  dns->func (question->type, question->name, question->answer, question->records, dns->user_data);
  question_free (question);
  return G_SOURCE_CONTINUE; /* or destroyed above, or with the dns */
}

/* From within c-ares, which must not be ended from here: whoever asked is told later. */
static void
answered (void *user_data, int status, int timeouts, unsigned char *octets, int length)
{
  Question *question = user_data;
  TurnConnectDns *dns = question->dns;

  if (dns->is_ending) {
    question_free (question);
    return;
  }
  if (status == ARES_SUCCESS)
    status = read_answer (question, octets, length);
  if (question->records->len > 0)
    question->answer = TURN_CONNECT_DNS_FOUND;
  else if (status == ARES_ENODATA || status == ARES_ENOTFOUND || status == ARES_SUCCESS)
    question->answer = TURN_CONNECT_DNS_NONE;
  else
    question->answer = TURN_CONNECT_DNS_FAILED;
  g_queue_push_tail (&dns->answered, question);
  if (dns->telling != NULL)
    return;
  dns->telling = g_idle_source_new ();
  g_source_set_priority (dns->telling, G_PRIORITY_DEFAULT);
  attach (dns, dns->telling, tell, dns);
}

static gboolean timer_fired (gpointer user_data);

static void
arm_timer (TurnConnectDns *dns)
{
  struct timeval wait;

  g_clear_pointer (&dns->timer, source_destroy);
  if (ares_timeout (dns->channel, NULL, &wait) == NULL)
    return;
  dns->timer = g_timeout_source_new ((guint)(wait.tv_sec * 1000 + (wait.tv_usec + 999) / 1000));
  attach (dns, dns->timer, timer_fired, dns);
}

static gboolean
timer_fired (gpointer user_data)
{
  TurnConnectDns *dns = user_data;

  ares_process_fd (dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  arm_timer (dns);
  return G_SOURCE_REMOVE;
}

static gboolean
socket_ready (gint descriptor, GIOCondition condition, gpointer user_data)
{
  TurnConnectDns *dns = user_data;

  ares_process_fd (dns->channel, condition & ~G_IO_OUT ? descriptor : ARES_SOCKET_BAD,
                   condition & G_IO_OUT ? descriptor : ARES_SOCKET_BAD);
  arm_timer (dns);
  return G_SOURCE_CONTINUE;
}

static void
watch_socket (void *user_data, ares_socket_t descriptor, int readable, int writable)
{
  TurnConnectDns *dns = user_data;
  GSource *source;

  g_hash_table_remove (dns->sockets, GINT_TO_POINTER (descriptor));
  if ((!readable && !writable) || dns->is_ending)
    return;
  source = g_unix_fd_source_new (descriptor, (readable ? G_IO_IN : 0) | (writable ? G_IO_OUT : 0));
  attach (dns, source, G_SOURCE_FUNC (socket_ready), dns);
  g_hash_table_insert (dns->sockets, GINT_TO_POINTER (descriptor), source);
}

TurnConnectDns *
turn_connect_dns_new (const char *servers, TurnConnectDnsFunc func, gpointer user_data)
{
  g_autoptr (TurnConnectDns) dns = g_new0 (TurnConnectDns, 1);
  struct ares_options options = {
    .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
    .timeout = TRY_MS,
    .tries = TRIES,
    .sock_state_cb = watch_socket,
    .sock_state_cb_data = dns,
  };

  dns->func = func;
  dns->user_data = user_data;
  dns->context = g_main_context_ref_thread_default ();
  dns->sockets = g_hash_table_new_full (NULL, NULL, NULL, source_destroy);
  g_queue_init (&dns->answered);
  if (ares_init_options (&dns->channel, &options,
                         ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                             ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
    return NULL;
  if (servers != NULL && ares_set_servers_ports_csv (dns->channel, servers) != ARES_SUCCESS)
    return NULL;
  return g_steal_pointer (&dns);
}

void
turn_connect_dns_free (TurnConnectDns *dns)
{
  dns->is_ending = TRUE;
  g_clear_pointer (&dns->timer, source_destroy);
  g_clear_pointer (&dns->telling, source_destroy);
  if (dns->channel != NULL)
    ares_destroy (dns->channel);
  g_clear_pointer (&dns->sockets, g_hash_table_unref);
  g_queue_clear_full (&dns->answered, (GDestroyNotify)question_free);
  g_clear_pointer (&dns->context, g_main_context_unref);
  g_free (dns);
}

void
turn_connect_dns_ask (TurnConnectDns *dns, TurnConnectDnsType type, const char *name)
{
  Question *question = g_new0 (Question, 1);

  question->dns = dns;
  question->type = type;
  question->name = g_strdup (name);
  question->records = g_ptr_array_new_with_free_func ((GDestroyNotify)turn_connect_dns_record_free);
  ares_query (dns->channel, name, CLASS_INTERNET, (int)type, answered, question);
  arm_timer (dns);
}
