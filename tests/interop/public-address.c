/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our STUN client for the command line: "udp ADDRESS:PORT" and "tcp ADDRESS:PORT" as a server sees this host, or why not. */
#include <stdlib.h>

#include "tep-c/public-address.h"

static int status = 1;

static gboolean
tell (const char *transport, const TepClientPublicAddress *found)
{
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

  g_print ("%s %s\n", transport,
           found->error != NULL ? found->error->message
                                : stun_ext_address_print (&found->address, text));
  return found->error == NULL;
}

static void
finished (GObject *source, GAsyncResult *result, gpointer loop)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepClientPublicAddresses) found =
      tep_client_public_address_find_finish (result, &error);

  if (found == NULL) {
    g_printerr ("public-address: %s\n", error->message);
  } else {
    gboolean is_found = tell ("udp", &found->udp);

    status = tell ("tcp", &found->tcp) && is_found ? 0 : 1;
  }
  g_main_loop_quit (loop);
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  TepClientPublicAddressOptions options = { .timeout_ms = 5000 };

  if (argc != 3) {
    g_printerr ("usage: public-address SERVER PORT\n");
    return 64;
  }
  options.host = argv[1];
  options.port = (guint16)atoi (argv[2]);
  tep_client_public_address_find_async (&options, NULL, finished, loop);
  g_main_loop_run (loop);
  return status;
}
