/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plain UDP has no connecting that could show which of a name's addresses works, so the first
 * request shows it, in the manner of RFC 8305: that costs no round trip. Whoever first answers with
 * the id of the request has won.
 */
#include "turn-connect/turn/rivals.h"

#include "turn-connect/datagram-private.h"

#include "stun-ext/message.h"
#include "turn-connect/alarm.h"
#include "turn-connect/error-private.h"

#include <string.h>

#define ATTEMPT_DELAY_US (250 * 1000) /* RFC 8305 section 8, Connection Attempt Delay */
#define ANSWER_MAX 4096               /* octets; a first answer is a refusal or an address */

typedef struct {
  TurnConnectRivals *rivals;
  TurnConnectDatagram *datagram;
  GSource *watch;
} Rival;

struct _TurnConnectRivals {
  GPtrArray *addresses;
  char *interface;
  guint next;       /* of them, to be tried */
  GPtrArray *tried; /* Rival, those still in it */
  GByteArray *request;
  GSource *timer;
  GError *error; /* of the last that fell out */
  TurnConnectRivalsFuncs funcs;
  gpointer user_data;
};

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
rival_free (gpointer data)
{
  Rival *rival = data;

  destroy_source (&rival->watch);
  g_clear_object (&rival->datagram);
  g_free (rival);
}

static void
say (Rival *rival)
{
  GOutputVector vector = { rival->rivals->request->data, rival->rivals->request->len };

  turn_connect_datagram_try_send (rival->datagram, &vector, 1, NULL);
}

static gboolean
is_answer (const TurnConnectRivals *rivals, const guint8 *data, gsize length)
{
  StunExtMessage message, request;

  return stun_ext_message_parse (&message, data, length) == STUN_EXT_PARSE_OK &&
         stun_ext_message_parse (&request, rivals->request->data, rivals->request->len) ==
             STUN_EXT_PARSE_OK &&
         memcmp (message.transaction_id, request.transaction_id, sizeof request.transaction_id) ==
             0;
}

static gboolean
rival_ready (TurnConnectDatagram *datagram, GIOCondition condition, gpointer user_data);

/* Tries the next address that can be. FALSE: there is none. */
static gboolean
try_next (TurnConnectRivals *rivals)
{
  while (rivals->next < rivals->addresses->len) {
    g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
    TurnConnectDatagram *datagram;
    Rival *rival;

    g_clear_error (&rivals->error);
    datagram = turn_connect_datagram_new_bound (rivals->addresses->pdata[rivals->next++],
                                                rivals->interface, &rivals->error);
    if (datagram == NULL)
      continue;
    rival = g_new0 (Rival, 1);
    rival->rivals = rivals;
    rival->datagram = datagram;
    rival->watch = turn_connect_datagram_create_source (datagram, G_IO_IN, NULL);
    g_source_set_callback (rival->watch, G_SOURCE_FUNC (rival_ready), rival, NULL);
    g_source_attach (rival->watch, context);
    g_ptr_array_add (rivals->tried, rival);
    g_source_set_ready_time (rivals->timer, rivals->next < rivals->addresses->len
                                                ? g_get_monotonic_time () + ATTEMPT_DELAY_US
                                                : -1);
    say (rival);
    return TRUE;
  }
  return FALSE;
}

static void
fall_out (Rival *rival, GError *error)
{
  TurnConnectRivals *rivals = rival->rivals;

  g_clear_error (&rivals->error);
  rivals->error = error;
  g_ptr_array_remove_fast (rivals->tried, rival);
  if (!try_next (rivals) && rivals->tried->len == 0)
    rivals->funcs.failed (g_steal_pointer (&rivals->error), rivals->user_data);
}

static void
win (Rival *rival, const guint8 *data, gsize length)
{
  TurnConnectRivals *rivals = rival->rivals;
  TurnConnectDatagram *datagram = g_steal_pointer (&rival->datagram);

  g_ptr_array_set_size (rivals->tried, 0);
  g_source_set_ready_time (rivals->timer, -1);
  rivals->funcs.won (datagram, data, length, rivals->user_data);
}

static gboolean
rival_ready (TurnConnectDatagram *datagram, GIOCondition condition, gpointer user_data)
{
  Rival *rival = user_data;
  guint8 buffer[ANSWER_MAX];
  GError *error = NULL;
  gsize got;

  /* One in a turn: a flood of what is no answer must not keep the others from theirs. */
  switch (turn_connect_datagram_try_receive (datagram, buffer, sizeof buffer, &got, &error)) {
  case TURN_CONNECT_IO_BLOCKED:
    return G_SOURCE_CONTINUE;
  case TURN_CONNECT_IO_OK:
    if (!is_answer (rival->rivals, buffer, got))
      return G_SOURCE_CONTINUE;
    win (rival, buffer, got);
    return G_SOURCE_REMOVE;
  case TURN_CONNECT_IO_END:
  case TURN_CONNECT_IO_FAILED:
    break;
  }
  fall_out (rival, error);
  return G_SOURCE_REMOVE;
}

static gboolean
timer_fired (gpointer user_data)
{
  TurnConnectRivals *rivals = user_data;

  if (!try_next (rivals) && rivals->tried->len == 0)
    rivals->funcs.failed (g_steal_pointer (&rivals->error), rivals->user_data);
  return G_SOURCE_CONTINUE;
}

TurnConnectRivals *
turn_connect_rivals_new (GPtrArray *addresses,
                         const char *interface,
                         const TurnConnectRivalsFuncs *funcs,
                         gpointer user_data)
{
  TurnConnectRivals *rivals = g_new0 (TurnConnectRivals, 1);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  rivals->addresses = g_ptr_array_ref (addresses);
  rivals->interface = g_strdup (interface);
  rivals->tried = g_ptr_array_new_with_free_func (rival_free);
  rivals->request = g_byte_array_new ();
  rivals->funcs = *funcs;
  rivals->user_data = user_data;
  rivals->timer = turn_connect_alarm_new (context, "TurnConnectRivals", timer_fired, rivals);
  return rivals;
}

void
turn_connect_rivals_free (TurnConnectRivals *rivals)
{
  destroy_source (&rivals->timer);
  g_ptr_array_unref (rivals->tried);
  g_ptr_array_unref (rivals->addresses);
  g_free (rivals->interface);
  g_byte_array_unref (rivals->request);
  g_clear_error (&rivals->error);
  g_free (rivals);
}

void
turn_connect_rivals_send (TurnConnectRivals *rivals, const void *data, gsize length)
{
  g_byte_array_set_size (rivals->request, 0);
  g_byte_array_append (rivals->request, data, (guint)length);
  for (guint i = 0; i < rivals->tried->len; i++)
    say (rivals->tried->pdata[i]);
  /* The first is tried from the main context, where a failure may be told. */
  if (rivals->tried->len == 0)
    g_source_set_ready_time (rivals->timer, 0);
}
