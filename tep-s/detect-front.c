/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes to the front door and is detection's: the workers have those sockets, and post what they were sent.
 */
#include <sys/socket.h>

#include "tep-s/detect-inside-private.h"

typedef TepServerDetectPort Port;

static gboolean
is_unspecified (const StunExtAddress *address)
{
  static const guint8 zeros[16];

  return memcmp (address->octets, zeros, sizeof zeros) == 0;
}

gboolean
tep_server_detect_is_front_door (const TepServerConfig *config,
                                 const StunExtAddress *address,
                                 guint16 number)
{
  for (guint i = 0; i < config->n_listeners; i++) {
    const StunExtAddress *door = &config->listeners[i].address;

    if (door->port == number && door->family == address->family &&
        (is_unspecified (door) || stun_ext_address_equal_host (door, address)))
      return TRUE;
  }
  return FALSE;
}

TepServerDetectPlace
tep_server_detect_door (TepServerDetect *detect,
                        const StunExtAddress *local,
                        gboolean is_stream,
                        const StunExtAddress *source)
{
  const TepServerDetectConfig *config = &detect->core.detect;
  TepServerDetectPlace place = { TEP_SERVER_DETECT_NO_ADDRESS, *local };

  for (guint i = 0; i < config->n_addresses; i++) {
    if (!stun_ext_address_equal_host (&config->addresses[i], local))
      continue;
    place.address = i;
    place.local = config->public_addresses[i];
    place.local.port = local->port;
  }
  for (guint i = 0; i < detect->doors->len; i++) {
    Port *door = g_ptr_array_index (detect->doors, i);

    if (door->is_stream == is_stream && door->place.local.port == local->port &&
        door->place.local.family == local->family &&
        (is_unspecified (&door->place.local) ||
         stun_ext_address_equal_host (&door->place.local, local)))
      tep_server_detect_note_heard (door, source);
  }
  return place;
}

typedef struct {
  TepServerDetect *detect;
  StunExtAddress source;
  int fd;
  gsize length;
  guint8 octets[];
} Letter;

static void
read_letter (gpointer receiver, gpointer data, gboolean is_delivered)
{
  Letter *letter = data;
  TepServerDetect *detect = letter->detect;
  TepServerDetectDatagram datagram = { .source = letter->source,
                                       .data = letter->octets,
                                       .length = letter->length,
                                       .is_front_door = TRUE };
  Port port = { .detect = detect, .fd = letter->fd };
  struct sockaddr_storage storage;
  socklen_t size = sizeof storage;
  StunExtAddress local;

  atomic_fetch_sub (&detect->n_mail, 1);
  /* The socket is a worker's, and it is this thread that ends workers: it is still there. */
  if (is_delivered && getsockname (letter->fd, (struct sockaddr *)&storage, &size) == 0 &&
      stun_ext_address_from_sockaddr (&local, (struct sockaddr *)&storage, size)) {
    tep_server_detect_take_time (detect);
    port.place = datagram.place = tep_server_detect_door (detect, &local, FALSE, &letter->source);
    tep_server_detect_datagram (&detect->core, &datagram, &detect->reply);
    tep_server_detect_send_reply (detect, &port, &letter->source);
    tep_server_detect_set_whole (&port, FALSE);
  }
  g_free (letter);
}

/* Ordinary STUN stays with the worker, as if there were no detection. */
static gboolean
is_probe (const guint8 *data, gsize length)
{
  StunExtMessage message;
  StunExtDetectMark mark;
  StunExtParse parse = stun_ext_message_parse (&message, data, length);

  if (parse == STUN_EXT_PARSE_OK)
    return stun_ext_message_get_detect (&message, &mark);
  return parse == STUN_EXT_PARSE_NOT_STUN && length >= STUN_EXT_DETECT_ANSWER_LENGTH;
}

gboolean
tep_server_detect_take_datagram (
    TepServerDetect *detect, int fd, const StunExtAddress *source, const guint8 *data, gsize length)
{
  Letter *letter;

  if (length > TEP_SERVER_DETECT_DATAGRAM_MAX || !is_probe (data, length))
    return FALSE;
  if (atomic_fetch_add (&detect->n_mail, 1) >= TEP_SERVER_DETECT_MAIL_MAX) {
    atomic_fetch_sub (&detect->n_mail, 1);
    tep_server_detect_count (&detect->core, TEP_SERVER_COUNTER_DETECT_UNANSWERED, 1);
    return TRUE;
  }
  letter = g_malloc (sizeof *letter + length);
  letter->detect = detect;
  letter->source = *source;
  letter->fd = fd;
  letter->length = length;
  memcpy (letter->octets, data, length);
  tep_server_mailbox_post (detect->mailbox, read_letter, letter);
  return TRUE;
}

void
tep_server_detect_add_door (TepServerDetect *detect,
                            const StunExtAddress *address,
                            gboolean has_udp)
{
  for (guint i = has_udp ? 0 : 1; i < 2 && detect->core.detect.is_at_front_door; i++) {
    Port *door = g_new0 (Port, 1);

    door->detect = detect;
    door->fd = -1;
    door->is_stream = i == 1;
    door->place.local = *address;
    g_ptr_array_add (detect->doors, door);
  }
}
