/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where this device seems to be, seen from a STUN server: one Binding request by UDP and one by TCP,
 * side by side, each with its own end. Which of them is answered already says which way is open. */
#include "tep-c/public-address.h"

#include <sys/random.h>

#include "stun-ext/attribute.h"
#include "stun-ext/integrity.h"
#include "stun-ext/message.h"
#include "turn-connect/datagram.h"
#include "turn-connect/dial.h"

#define REQUEST_MAX 64
#define ANSWER_MAX 2048
#define UDP_MAX 2 /* one address of each family */

typedef struct {
  struct _Search *search;
  TurnConnectDatagram *datagram; /* NULL once it is out */
  GSource *source;
} Asking;

typedef struct _Search {
  GTask *task; /* NULL once answered */
  GMainContext *context;
  GCancellable *cancellable;
  TepClientPublicAddresses *found;
  gint64 begun_us;
  guint pending; /* transports */
  guint timeout_ms;
  guint8 request[REQUEST_MAX];
  gsize request_length;
  StunExtMessage asked;

  gboolean is_udp_done;
  Asking askings[UDP_MAX];
  guint n_askings;
  guint n_sent;
  GSource *retransmission;

  gboolean is_tcp_done;
  TurnConnectStream *stream;
  GSource *stream_source;
  gsize written;
  guint8 answer[ANSWER_MAX];
  gsize answer_length;

  GSource *deadline;
  GSource *cancelled;
} Search;

void
tep_client_public_addresses_free (TepClientPublicAddresses *addresses)
{
  if (addresses == NULL)
    return;
  g_clear_error (&addresses->udp.error);
  g_clear_error (&addresses->tcp.error);
  g_free (addresses);
}

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
search_clear (Search *search)
{
  tep_client_public_addresses_free (search->found);
  g_clear_object (&search->cancellable);
  g_main_context_unref (search->context);
}

static void
search_unref (Search *search)
{
  g_rc_box_release_full (search, (GDestroyNotify)search_clear);
}

static void
close_udp (Search *search)
{
  drop_source (&search->retransmission);
  for (guint i = 0; i < UDP_MAX; i++) {
    drop_source (&search->askings[i].source);
    g_clear_object (&search->askings[i].datagram);
  }
}

static void
close_tcp (Search *search)
{
  drop_source (&search->stream_source);
  g_clear_object (&search->stream);
}

static void
end (Search *search, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&search->task);

  close_udp (search);
  close_tcp (search);
  drop_source (&search->deadline);
  drop_source (&search->cancelled);
  g_cancellable_cancel (search->cancellable);
  if (task == NULL)
    g_clear_error (&error);
  else if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&search->found),
                           (GDestroyNotify)tep_client_public_addresses_free);
}

/* One transport has its answer, or will get none. */
static void
finish (Search *search,
        gboolean *is_done,
        TepClientPublicAddress *result,
        const StunExtAddress *address,
        GError *error)
{
  if (*is_done) {
    g_clear_error (&error);
    return;
  }
  *is_done = TRUE;
  if (address != NULL)
    result->address = *address;
  result->error = error;
  result->took_us = g_get_monotonic_time () - search->begun_us;
  if (result == &search->found->udp)
    close_udp (search);
  else
    close_tcp (search);
  if (--search->pending == 0)
    end (search, NULL);
}

static void
udp_done (Search *search, const StunExtAddress *address, GError *error)
{
  finish (search, &search->is_udp_done, &search->found->udp, address, error);
}

static void
tcp_done (Search *search, const StunExtAddress *address, GError *error)
{
  finish (search, &search->is_tcp_done, &search->found->tcp, address, error);
}

static void
take_local (GSocketAddress *socket_address, StunExtAddress *address)
{
  struct sockaddr_storage storage;

  if (socket_address != NULL &&
      g_socket_address_to_native (socket_address, &storage, sizeof storage, NULL))
    stun_ext_address_from_sockaddr (address, (struct sockaddr *)&storage, sizeof storage);
}

/* FALSE without an error: not the answer, to be passed over (RFC 8489 section 6.3). */
static gboolean
judge (Search *search, const guint8 *data, gsize length, StunExtAddress *address, GError **error)
{
  static const guint16 known[] = { STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS,
                                   STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS,
                                   STUN_EXT_ATTRIBUTE_ERROR_CODE };
  StunExtMessage message;
  guint16 unknown[STUN_EXT_UNKNOWN_MAX];
  StunExtSpan reason;
  guint code;

  if (stun_ext_message_parse (&message, data, length) != STUN_EXT_PARSE_OK ||
      !stun_ext_message_is_answer_to (&message, &search->asked))
    return FALSE;
  if (message.message_class == STUN_EXT_CLASS_ERROR) {
    if (stun_ext_message_get_error (&message, &code, &reason) != STUN_EXT_GET_OK)
      return FALSE;
    g_set_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_FORBIDDEN,
                 "the STUN server refused: %u %s", code, stun_ext_reason_phrase (code));
    return FALSE;
  }
  if (stun_ext_message_unknown (&message, known, G_N_ELEMENTS (known), unknown) > 0 ||
      (stun_ext_message_get_xor_address (&message, STUN_EXT_ATTRIBUTE_XOR_MAPPED_ADDRESS,
                                         address) != STUN_EXT_GET_OK &&
       stun_ext_message_get_address (&message, STUN_EXT_ATTRIBUTE_MAPPED_ADDRESS, address) !=
           STUN_EXT_GET_OK)) {
    g_set_error_literal (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                         "the STUN server's answer names no address that can be understood");
    return FALSE;
  }
  *address = stun_ext_address_canonical (address);
  return TRUE;
}

static gboolean
make_request (Search *search)
{
  guint8 id[STUN_EXT_TRANSACTION_ID_LENGTH];
  StunExtBuilder builder;

  if (getrandom (id, sizeof id, 0) != sizeof id)
    return FALSE;
  stun_ext_builder_begin (&builder, search->request, sizeof search->request, STUN_EXT_CLASS_REQUEST,
                          STUN_EXT_METHOD_BINDING, id);
  return stun_ext_builder_finish (&builder, STUN_EXT_INTEGRITY_NONE, (StunExtSpan){ 0 }, TRUE,
                                  &search->request_length) &&
         stun_ext_message_parse (&search->asked, search->request, search->request_length) ==
             STUN_EXT_PARSE_OK;
}

/* UDP */

/* One address of the server is out; the last one ends the search by UDP. */
static void
asking_failed (Asking *asking, GError *error)
{
  Search *search = asking->search;

  drop_source (&asking->source);
  g_clear_object (&asking->datagram);
  for (guint i = 0; i < UDP_MAX; i++) {
    if (search->askings[i].datagram != NULL) {
      g_clear_error (&error);
      return;
    }
  }
  udp_done (search, NULL, error);
}

static void
receive_udp (Asking *asking)
{
  Search *search = asking->search;
  guint8 answer[ANSWER_MAX];
  StunExtAddress address;
  GError *error = NULL;
  gsize length = 0;

  switch (turn_connect_datagram_try_receive (asking->datagram, answer, sizeof answer, &length,
                                             &error)) {
  case TURN_CONNECT_IO_BLOCKED:
    return;
  case TURN_CONNECT_IO_OK:
    break;
  default:
    asking_failed (asking, error); /* an ICMP error, as a rule */
    return;
  }
  if (judge (search, answer, length, &address, &error)) {
    take_local (turn_connect_datagram_get_local_address (asking->datagram),
                &search->found->udp.local);
    udp_done (search, &address, NULL);
  } else if (error != NULL) {
    udp_done (search, NULL, error);
  }
}

static gboolean
udp_arrived (TurnConnectDatagram *datagram, GIOCondition condition, gpointer data)
{
  Asking *asking = data;
  Search *search = g_rc_box_acquire (asking->search);

  receive_udp (asking);
  search_unref (search);
  return G_SOURCE_CONTINUE;
}

static gboolean send_udp (gpointer data);

/* RFC 8489 section 6.2.1: after 0, 500, 1500, 3500 ms and so on. */
static void
arm_retransmission (Search *search)
{
  search->retransmission = g_timeout_source_new (STUN_EXT_RTO_MS << (search->n_sent - 1));
  g_source_set_callback (search->retransmission, send_udp, search, NULL);
  g_source_attach (search->retransmission, search->context);
}

static gboolean
send_udp (gpointer data)
{
  Search *search = g_rc_box_acquire ((Search *)data);

  drop_source (&search->retransmission);
  search->n_sent++;
  for (guint i = 0; i < UDP_MAX && !search->is_udp_done; i++) {
    Asking *asking = &search->askings[i];
    GOutputVector vector = { search->request, search->request_length };
    GError *error = NULL;

    if (asking->datagram != NULL &&
        turn_connect_datagram_try_send (asking->datagram, &vector, 1, &error) ==
            TURN_CONNECT_IO_FAILED)
      asking_failed (asking, error);
  }
  if (!search->is_udp_done && search->n_sent < STUN_EXT_RETRANSMISSIONS)
    arm_retransmission (search);
  search_unref (search);
  return G_SOURCE_REMOVE;
}

static gboolean
open_asking (Search *search, GSocketAddress *address, GError **error)
{
  Asking *asking = &search->askings[search->n_askings];

  asking->datagram = turn_connect_datagram_new (address, error);
  if (asking->datagram == NULL)
    return FALSE;
  search->n_askings++;
  asking->search = search;
  asking->source = turn_connect_datagram_create_source (asking->datagram, G_IO_IN, NULL);
  g_source_set_callback (asking->source, G_SOURCE_FUNC (udp_arrived), asking, NULL);
  g_source_attach (asking->source, search->context);
  return TRUE;
}

static void
udp_resolved (GObject *target, GAsyncResult *result, gpointer data)
{
  Search *search = data;
  GError *error = NULL;
  g_autoptr (GPtrArray) addresses =
      turn_connect_datagram_look_up_finish (TURN_CONNECT_TARGET (target), result, &error);
  guint n = addresses != NULL && !search->is_udp_done ? addresses->len : 0;
  guint families = 0;

  for (guint i = 0; i < n; i++) {
    GSocketAddress *address = g_ptr_array_index (addresses, i);
    guint bit = g_socket_address_get_family (address) == G_SOCKET_FAMILY_IPV4 ? 1 : 2;

    if ((families & bit) != 0)
      continue;
    families |= bit;
    g_clear_error (&error);
    open_asking (search, address, &error);
  }
  if (search->task != NULL && search->n_askings == 0)
    udp_done (search, NULL, g_steal_pointer (&error));
  else if (search->task != NULL && !search->is_udp_done)
    send_udp (search);
  g_clear_error (&error);
  search_unref (search);
}

/* TCP */

static gboolean
read_answer (Search *search)
{
  GError *error = NULL;
  gsize got = 0;
  gsize total = 0;
  StunExtAddress address;
  StunExtParse parse;

  switch (turn_connect_stream_try_read (search->stream, search->answer + search->answer_length,
                                        sizeof search->answer - search->answer_length, &got,
                                        &error)) {
  case TURN_CONNECT_IO_BLOCKED:
    return TRUE;
  case TURN_CONNECT_IO_OK:
    break;
  default:
    if (error == NULL)
      g_set_error_literal (&error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_UNREACHABLE,
                           "the server ended the connection without an answer");
    tcp_done (search, NULL, error);
    return FALSE;
  }
  search->answer_length += got;
  parse = stun_ext_message_measure (search->answer, search->answer_length, &total);
  if (parse == STUN_EXT_PARSE_INCOMPLETE ||
      (parse == STUN_EXT_PARSE_OK && total > search->answer_length && total <= ANSWER_MAX))
    return TRUE;
  if (parse == STUN_EXT_PARSE_OK && total <= search->answer_length &&
      judge (search, search->answer, total, &address, &error)) {
    tcp_done (search, &address, NULL);
  } else {
    if (error == NULL)
      g_set_error_literal (&error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                           "what answers there is not a STUN server");
    tcp_done (search, NULL, error);
  }
  return FALSE;
}

static gboolean
write_request (Search *search)
{
  GOutputVector vector = { search->request + search->written,
                           search->request_length - search->written };
  GError *error = NULL;
  gsize accepted = 0;

  if (vector.size == 0)
    return TRUE;
  if (turn_connect_stream_try_write (search->stream, &vector, 1, &accepted, &error) ==
      TURN_CONNECT_IO_FAILED) {
    tcp_done (search, NULL, error);
    return FALSE;
  }
  search->written += accepted;
  return TRUE;
}

static gboolean
tcp_ready (TurnConnectStream *stream, GIOCondition condition, gpointer data)
{
  Search *search = g_rc_box_acquire ((Search *)data);

  if (write_request (search) && (condition & ~G_IO_OUT) != 0)
    read_answer (search);
  if (search->stream_source != NULL)
    turn_connect_stream_source_set_condition (
        search->stream_source,
        search->written < search->request_length ? G_IO_IN | G_IO_OUT : G_IO_IN);
  search_unref (search);
  return G_SOURCE_CONTINUE;
}

static void
tcp_dialled (GObject *target, GAsyncResult *result, gpointer data)
{
  Search *search = data;
  GError *error = NULL;
  TurnConnectStream *stream =
      turn_connect_dial_finish (TURN_CONNECT_TARGET (target), result, &error);

  if (search->task == NULL || search->is_tcp_done) {
    g_clear_object (&stream);
    g_clear_error (&error);
  } else if (stream == NULL) {
    tcp_done (search, NULL, error);
  } else {
    search->stream = stream;
    take_local (turn_connect_stream_get_local_address (stream), &search->found->tcp.local);
    search->stream_source = turn_connect_stream_create_source (stream, G_IO_IN | G_IO_OUT, NULL);
    g_source_set_callback (search->stream_source, G_SOURCE_FUNC (tcp_ready), search, NULL);
    g_source_attach (search->stream_source, search->context);
  }
  search_unref (search);
}

/* Both */

static gboolean
out_of_time (gpointer data)
{
  Search *search = g_rc_box_acquire ((Search *)data);

  if (!search->is_udp_done)
    udp_done (search, NULL,
              g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_UNREACHABLE,
                           "no answer by UDP within %u ms, asked %u times", search->timeout_ms,
                           search->n_sent));
  if (search->task != NULL && !search->is_tcp_done)
    tcp_done (search, NULL,
              g_error_new (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_UNREACHABLE,
                           search->stream != NULL ? "connected by TCP, but no answer within %u ms"
                                                  : "no TCP connection within %u ms",
                           search->timeout_ms));
  search_unref (search);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  Search *search = g_rc_box_acquire ((Search *)data);

  end (search, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the search was cancelled"));
  search_unref (search);
  return G_SOURCE_REMOVE;
}

static void
start (Search *search, TurnConnectTarget *by_udp, TurnConnectTarget *by_tcp)
{
  GCancellable *outer = g_task_get_cancellable (search->task);

  search->deadline = g_timeout_source_new (search->timeout_ms);
  g_source_set_callback (search->deadline, out_of_time, search, NULL);
  g_source_attach (search->deadline, search->context);
  if (outer != NULL) {
    search->cancelled = g_cancellable_source_new (outer);
    g_source_set_callback (search->cancelled, G_SOURCE_FUNC (on_cancelled), search, NULL);
    g_source_attach (search->cancelled, search->context);
  }
  turn_connect_target_set_timeout (by_udp, search->timeout_ms);
  turn_connect_target_set_timeout (by_tcp, search->timeout_ms);
  turn_connect_dial_async (by_tcp, NULL, NULL, search->cancellable, tcp_dialled,
                           g_rc_box_acquire (search));
  turn_connect_datagram_look_up_async (by_udp, search->cancellable, udp_resolved,
                                       g_rc_box_acquire (search));
}

void
tep_client_public_address_find_async (const TepClientPublicAddressOptions *options,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  guint16 tcp_port = options->tcp_port != 0 ? options->tcp_port : options->port;
  g_autoptr (TurnConnectTarget) by_udp = NULL;
  g_autoptr (TurnConnectTarget) by_tcp = NULL;
  GError *error = NULL;
  Search *search;

  g_task_set_source_tag (task, tep_client_public_address_find_async);
  by_udp = turn_connect_target_new (options->host, options->port, &error);
  by_tcp = by_udp != NULL ? turn_connect_target_new (options->host, tcp_port, &error) : NULL;
  if (by_tcp == NULL || (options->proxy != NULL &&
                         !turn_connect_target_choose_proxy (by_tcp, options->proxy, &error))) {
    g_task_return_error (task, error);
    return;
  }
  search = g_rc_box_new0 (Search);
  search->context = g_main_context_ref_thread_default ();
  search->cancellable = g_cancellable_new ();
  search->found = g_new0 (TepClientPublicAddresses, 1);
  search->begun_us = g_get_monotonic_time ();
  search->pending = 2;
  search->timeout_ms =
      options->timeout_ms != 0 ? options->timeout_ms : STUN_EXT_RELIABLE_TIMEOUT_MS;
  g_task_set_task_data (task, search, (GDestroyNotify)search_unref);
  search->task = g_steal_pointer (&task);
  if (make_request (search))
    start (search, by_udp, by_tcp);
  else
    end (search, g_error_new_literal (TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_PROTOCOL,
                                      "the system has no randomness for a STUN request"));
}

TepClientPublicAddresses *
tep_client_public_address_find_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
