/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks recorded, and what the classifier makes of them. */
#include "turn-connect/detect/classifier.h"
#include "turn-connect/detect/record.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* Recorded networks: a file holds observations and the verdict that was right for them. */

static void
assert_same_members (const char *one, const char *other)
{
  static const char *const members[] = { "type",      "types",      "confidence", "works",
                                         "exit",      "nat",        "udp",        "tcp",
                                         "tcp_ports", "proxy",      "portal",     "inspection",
                                         "nat64",     "carrier_nat" };
  g_autoptr (JsonNode) first = json_from_string (one, NULL);
  g_autoptr (JsonNode) second = json_from_string (other, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    JsonNode *a = json_object_get_member (json_node_get_object (first), members[i]);
    JsonNode *b = json_object_get_member (json_node_get_object (second), members[i]);
    g_autofree char *a_text = json_to_string (a, FALSE);
    g_autofree char *b_text = json_to_string (b, FALSE);

    g_assert_cmpstr (a_text, ==, b_text);
  }
}

static void
test_case (gconstpointer data)
{
  const char *path = data;
  g_autofree char *text = NULL, *judged = NULL;
  gsize length;
  g_autoptr (GError) error = NULL;
  g_autoptr (TurnConnectObservations) observations = NULL;
  g_autoptr (TurnConnectVerdict) verdict = NULL;

  g_assert_true (g_file_get_contents (path, &text, &length, &error));
  observations = turn_connect_record_read (text, length, &error);
  g_assert_no_error (error);
  verdict = turn_connect_classify (observations);
  judged = turn_connect_record_write (observations, verdict, FALSE);
  assert_same_members (judged, text);
}

static void
add_cases (void)
{
  const char *source = g_getenv ("TEPKIT_SOURCE");
  g_autofree char *folder =
      g_build_filename (source != NULL ? source : ".", "tests/turn-connect/detect-cases", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *test = g_strconcat ("/turn-connect/detect-cases/", name, NULL);

    if (g_str_has_suffix (name, ".json"))
      g_test_add_data_func_full (test, g_build_filename (folder, name, NULL), test_case, g_free);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_cases ();
  return g_test_run ();
}
