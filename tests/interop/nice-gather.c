/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An ordinary libnice agent that gathers its candidates with a given STUN server and prints those the server told it of, as
 * "srflx ADDRESS PORT", a line each. */
#include <stdlib.h>

#include <agent.h>

static void
gathered (NiceAgent *agent, guint stream, gpointer loop)
{
  GSList *candidates = nice_agent_get_local_candidates (agent, stream, 1);

  for (GSList *each = candidates; each != NULL; each = each->next) {
    const NiceCandidate *candidate = each->data;
    char address[NICE_ADDRESS_STRING_LEN];

    nice_address_to_string (&candidate->addr, address);
    if (candidate->type == NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE)
      g_print ("srflx %s %u\n", address, nice_address_get_port (&candidate->addr));
  }
  g_slist_free_full (candidates, (GDestroyNotify)nice_candidate_free);
  g_main_loop_quit (loop);
}

static void
received (
    NiceAgent *agent, guint stream, guint component, guint length, gchar *octets, gpointer data)
{
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  NiceAgent *agent;
  guint stream;

  if (argc != 3) {
    g_printerr ("usage: nice-gather SERVER PORT\n");
    return 64;
  }
  agent = nice_agent_new (g_main_loop_get_context (loop), NICE_COMPATIBILITY_RFC5245);
  g_object_set (agent, "stun-server", argv[1], "stun-server-port", (guint)atoi (argv[2]), "upnp",
                FALSE, "ice-tcp", FALSE, NULL);
  g_signal_connect (agent, "candidate-gathering-done", G_CALLBACK (gathered), loop);
  stream = nice_agent_add_stream (agent, 1);
  nice_agent_attach_recv (agent, stream, 1, g_main_loop_get_context (loop), received, NULL);
  if (!nice_agent_gather_candidates (agent, stream))
    return 1;
  g_main_loop_run (loop);
  nice_agent_remove_stream (agent, stream);
  g_object_unref (agent);
  return 0;
}
