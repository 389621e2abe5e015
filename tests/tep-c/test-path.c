/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-c/path.h"

#define S(name) TEP_CLIENT_PATH_##name
#define END TEP_CLIENT_PATH_N_EVENTS

typedef struct {
  const char *name;
  TepClientPathEvent events[8];
  const char *carrier;
} Story;

static const Story stories[] = {
  { "ice-in-time-wins-over-a-ready-tunnel",
    { S (ANSWER_BOTH), S (TUNNEL_READY), S (ICE_NOMINATED), S (HEAD_START_OVER), END },
    "ice" },
  { "tunnel-carries-when-ice-is-late",
    { S (ANSWER_BOTH), S (TUNNEL_READY), S (HEAD_START_OVER), S (ICE_NOMINATED), END },
    "tunnel" },
  { "tunnel-carries-at-once-when-ice-fails",
    { S (ANSWER_BOTH), S (TUNNEL_READY), S (ICE_FAILED), END },
    "tunnel" },
  { "a-ready-tunnel-waits-for-the-head-start",
    { S (ANSWER_BOTH), S (TUNNEL_READY), END },
    "undecided" },
  { "first-wins-after-the-head-start",
    { S (ANSWER_BOTH), S (HEAD_START_OVER), S (TUNNEL_READY), END },
    "tunnel" },
  { "late-ice-wins-if-the-tunnel-failed",
    { S (ANSWER_BOTH), S (TUNNEL_FAILED), S (HEAD_START_OVER), S (ICE_NOMINATED), END },
    "ice" },
  { "no-tep-s-means-ice-however-long",
    { S (ANSWER_ICE), S (TUNNEL_READY), S (HEAD_START_OVER), END },
    "undecided" },
  { "no-tep-s-and-no-ice-path-fails", { S (ANSWER_ICE), S (ICE_FAILED), END }, "none" },
  { "no-far-ice-does-not-wait", { S (ANSWER_TUNNEL), S (TUNNEL_READY), END }, "tunnel" },
  { "neither-goes-to-the-default-address", { S (ANSWER_NONE), END }, "direct" },
  { "lost-consent-falls-back-to-the-tunnel",
    { S (ANSWER_BOTH), S (ICE_NOMINATED), S (ICE_FAILED), S (TUNNEL_READY), END },
    "tunnel" },
  { "tunnel-carries-during-an-ice-restart",
    { S (ANSWER_TUNNEL), S (TUNNEL_READY), S (ICE_RESTARTED), END },
    "tunnel" },
  { "restarted-ice-takes-over",
    { S (ANSWER_TUNNEL), S (TUNNEL_READY), S (ICE_RESTARTED), S (ICE_NOMINATED), END },
    "ice" },
  { "restart-of-ice-goes-by-the-tunnel-meanwhile",
    { S (ANSWER_BOTH), S (ICE_NOMINATED), S (ICE_RESTARTED), END },
    "tunnel" },
  { "restart-of-ice-without-a-tunnel-waits-for-ice",
    { S (ANSWER_ICE), S (ICE_NOMINATED), S (ICE_RESTARTED), S (TUNNEL_FAILED), END },
    "undecided" },
  { "late-ice-takes-over-from-a-lost-tunnel",
    { S (ANSWER_TUNNEL), S (TUNNEL_READY), S (TUNNEL_FAILED), S (ICE_NOMINATED), END },
    "ice" },
  { "lost-tunnel-without-ice-fails",
    { S (ANSWER_TUNNEL), S (TUNNEL_READY), S (TUNNEL_FAILED), S (ICE_FAILED), END },
    "none" },
  { "failed-restart-leaves-the-tunnel",
    { S (ANSWER_TUNNEL), S (TUNNEL_READY), S (ICE_RESTARTED), S (ICE_FAILED), END },
    "tunnel" },
};

static void
test_story (gconstpointer data)
{
  const Story *story = data;
  TepClientPathState state = S (IDLE);

  for (guint i = 0; story->events[i] != END; i++)
    tep_client_path_step (&state, story->events[i]);
  g_assert_cmpstr (tep_client_path_carrier (state), ==, story->carrier);
}

/* A pair that is not listed changes nothing; a listed one never leads back to idle. */
static void
test_every_pair (void)
{
  for (guint from = 0; from < TEP_CLIENT_PATH_N_STATES; from++) {
    for (guint event = 0; event < TEP_CLIENT_PATH_N_EVENTS; event++) {
      TepClientPathState state = from;

      if (tep_client_path_step (&state, event))
        g_assert_cmpint (state, !=, S (IDLE));
      else
        g_assert_cmpint (state, ==, from);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (stories); i++) {
    g_autofree char *path = g_strconcat ("/tep-c/path/", stories[i].name, NULL);

    g_test_add_data_func (path, &stories[i], test_story);
  }
  g_test_add_func ("/tep-c/path/every-pair-is-listed-or-ignored", test_every_pair);
  return g_test_run ();
}
