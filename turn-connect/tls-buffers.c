/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two buffers TLS stands between. They are made once, large enough for a record, so that
 * nothing is allocated while packets pass.
 */
#include "turn-connect/tls-buffers.h"

#include <string.h>

#define INPUT_SIZE (16 * 1024)
#define OUTPUT_SIZE (17 * 1024) /* one record and its overhead */
#define OUTPUT_MAX (64 * 1024)  /* a peer that only makes us answer and never reads ends here */

void
turn_connect_tls_buffers_init (TurnConnectTlsBuffers *buffers)
{
  memset (buffers, 0, sizeof *buffers);
  buffers->input = g_malloc (INPUT_SIZE);
  buffers->output = g_byte_array_sized_new (OUTPUT_SIZE);
}

void
turn_connect_tls_buffers_clear (TurnConnectTlsBuffers *buffers)
{
  g_clear_pointer (&buffers->input, g_free);
  g_clear_pointer (&buffers->output, g_byte_array_unref);
}

guint8 *
turn_connect_tls_buffers_get_room (TurnConnectTlsBuffers *buffers, gsize *room)
{
  if (buffers->input_from == buffers->input_to)
    buffers->input_from = buffers->input_to = 0;
  *room = INPUT_SIZE - buffers->input_to;
  return buffers->input + buffers->input_to;
}

void
turn_connect_tls_buffers_fed (TurnConnectTlsBuffers *buffers, gsize length)
{
  g_return_if_fail (length <= INPUT_SIZE - buffers->input_to);
  buffers->input_to += length;
}

gboolean
turn_connect_tls_buffers_have_input (const TurnConnectTlsBuffers *buffers)
{
  return buffers->input_from < buffers->input_to;
}

gsize
turn_connect_tls_buffers_take (TurnConnectTlsBuffers *buffers, void *to, gsize size)
{
  gsize n = MIN (size, buffers->input_to - buffers->input_from);

  if (n > 0)
    memcpy (to, buffers->input + buffers->input_from, n);
  buffers->input_from += n;
  return n;
}

gboolean
turn_connect_tls_buffers_are_clogged (const TurnConnectTlsBuffers *buffers)
{
  return buffers->output->len - buffers->output_from > OUTPUT_MAX;
}

gboolean
turn_connect_tls_buffers_put (TurnConnectTlsBuffers *buffers, const void *data, gsize length)
{
  if (turn_connect_tls_buffers_are_clogged (buffers))
    return FALSE;
  g_byte_array_append (buffers->output, data, (guint)length);
  return TRUE;
}

const guint8 *
turn_connect_tls_buffers_get_output (TurnConnectTlsBuffers *buffers, gsize *length)
{
  *length = buffers->output->len - buffers->output_from;
  return buffers->output->data + buffers->output_from;
}

void
turn_connect_tls_buffers_sent (TurnConnectTlsBuffers *buffers, gsize length)
{
  g_return_if_fail (length <= buffers->output->len - buffers->output_from);
  buffers->output_from += length;
  if (buffers->output_from == buffers->output->len) {
    g_byte_array_set_size (buffers->output, 0);
    buffers->output_from = 0;
  }
}
