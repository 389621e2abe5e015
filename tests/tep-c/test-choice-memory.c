/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of networks, for how long, in which file, and which ways there are at all. */
#include "tep-c/choice-file.h"
#include "tep-c/choice-memory.h"
#include "tep-c/choice-ways.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define NOW 1700000000
#define DAY TEP_CLIENT_CHOICE_KEEP_S

static const TepClientChoicePlace home = { "tep.example:443",
                                           { "wlan0 via 192.168.1.1", "02:00:00:00:00:01" } };
static const TepClientChoicePlace hotel = { "tep.example:443",
                                            { "wlan0 via 192.168.1.1", "02:00:00:00:00:02" } };
static const TepClientChoicePlace unknown = { "tep.example:443",
                                              { "wlan0 via 192.168.1.1", NULL } };
static const TepClientChoicePlace other = { "other.example:443",
                                            { "wlan0 via 192.168.1.1", NULL } };
static const TepClientChoicePlace nowhere = { "tep.example:443", { "", NULL } };

#define FIND(place, at) tep_client_choice_memory_find (memory, &place, at)
#define KEEP(place, method, at) tep_client_choice_memory_keep (memory, &place, method, at)

static void
test_networks_are_told_apart (void)
{
  g_autoptr (TepClientChoiceMemory) memory = tep_client_choice_memory_new ();

  g_assert_null (FIND (home, NOW));
  KEEP (home, "direct-udp", NOW);
  KEEP (hotel, "tep-tls", NOW + 1);
  g_assert_cmpstr (FIND (home, NOW + 2), ==, "direct-udp");
  g_assert_cmpstr (FIND (hotel, NOW + 2), ==, "tep-tls");
  /* Which gateway it is is not known yet: the one that was used last. */
  g_assert_cmpstr (FIND (unknown, NOW + 2), ==, "tep-tls");
  g_assert_null (FIND (other, NOW + 2));
  tep_client_choice_memory_forget (memory, &hotel);
  g_assert_null (FIND (hotel, NOW + 2));
  g_assert_cmpstr (FIND (unknown, NOW + 2), ==, "direct-udp");
  KEEP (home, "tep-80", NOW + 3);
  g_assert_cmpstr (FIND (home, NOW + 4), ==, "tep-80");
  g_assert_cmpuint (tep_client_choice_memory_count (memory), ==, 1);
  KEEP (nowhere, "tep-80", NOW + 3);
  g_assert_null (FIND (nowhere, NOW + 3));
}

static void
test_it_is_believed_for_a_day (void)
{
  static const struct {
    gint64 after_s;
    gboolean is_believed;
  } cases[] = { { -3600, FALSE }, { -60, TRUE }, { 0, TRUE }, { DAY - 1, TRUE }, { DAY, FALSE } };
  g_autoptr (TepClientChoiceMemory) memory = tep_client_choice_memory_new ();

  KEEP (home, "tep-443", NOW);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (FIND (home, NOW + cases[i].after_s) != NULL, ==, cases[i].is_believed);
}

static void
test_it_is_bounded_and_forgets_the_oldest (void)
{
  g_autoptr (TepClientChoiceMemory) memory = tep_client_choice_memory_new ();
  g_autofree char *text = NULL;

  for (guint i = 0; i <= TEP_CLIENT_CHOICE_NETWORKS_MAX; i++) {
    g_autofree char *place = g_strdup_printf ("eth0 via 10.0.%u.1 %0900d", i, 7);
    TepClientChoicePlace at = { "tep.example:443", { place, NULL } };

    KEEP (at, "tep-443", NOW + i);
    g_assert_cmpint (FIND (at, NOW + i) != NULL, ==, TRUE);
  }
  g_assert_cmpuint (tep_client_choice_memory_count (memory), ==, TEP_CLIENT_CHOICE_NETWORKS_MAX);
  text = tep_client_choice_memory_write (memory);
  g_assert_cmpuint (strlen (text), <, TEP_CLIENT_CHOICE_TEXT_MAX);
}

static TepClientChoiceMemory *
read_text (const char *text, gsize length)
{
  TepClientChoiceMemory *memory = tep_client_choice_memory_new ();

  tep_client_choice_memory_read (memory, text, length, NOW);
  return memory;
}

static void
test_what_is_written_is_read (void)
{
  g_autoptr (TepClientChoiceMemory) memory = tep_client_choice_memory_new ();
  g_autoptr (TepClientChoiceMemory) again = NULL;
  g_autofree char *text = NULL, *second = NULL;

  KEEP (home, "direct-udp", NOW - 5);
  KEEP (other, "tep-tls-proxy", NOW - 4);
  text = tep_client_choice_memory_write (memory);
  again = read_text (text, strlen (text));
  second = tep_client_choice_memory_write (again);
  g_assert_cmpstr (text, ==, second);
  g_assert_cmpuint (tep_client_choice_memory_count (again), ==, 2);
}

#define HEAD "tep-c choice 1\n"
#define GOOD "1699999990\ttep-443\ttep.example:443\t-\teth0 via 10.0.0.1\n"

static void
test_anything_may_stand_there (void)
{
  static const struct {
    const char *text;
    guint n;
  } cases[] = {
    { "", 0 },
    { GOOD, 0 },
    { HEAD, 0 },
    { HEAD GOOD, 1 },
    { HEAD "\n\n" GOOD "\n", 1 },
    { HEAD "rubbish\n" GOOD, 1 },
    { HEAD GOOD GOOD GOOD, 1 },
    { "tep-c choice 2\n" GOOD, 0 },
    { HEAD "1700001000\ttep-443\ttep.example:443\t-\tfrom the future\n", 0 },
    { HEAD "1600000000\ttep-443\ttep.example:443\t-\tlong ago\n", 0 },
    { HEAD "-1\ttep-443\ttep.example:443\t-\tx\n", 0 },
    { HEAD "99999999999999999999\ttep-443\ttep.example:443\t-\tx\n", 0 },
    { HEAD "1699999990\t\ttep.example:443\t-\tx\n", 0 },
    { HEAD "1699999990\ttep-443\t\t-\tx\n", 0 },
    { HEAD "1699999990\ttep-443\ttep.example:443\t-\t\n", 0 },
    { HEAD "1699999990\ttep-443\ttep.example:443\t-\n", 0 },
    { HEAD "1699999990\ttep-443\ttep.example:443\t-\tx\ty\n", 0 },
    { HEAD "1699999990\ttep\001443\ttep.example:443\t-\tx\n", 0 },
    { HEAD "1699999990\ttep-443\ttep.example:443\t-\t\xff\xfe\n", 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (TepClientChoiceMemory) memory = read_text (cases[i].text, strlen (cases[i].text));

    g_test_message ("text %u", (guint)i);
    g_assert_cmpuint (tep_client_choice_memory_count (memory), ==, cases[i].n);
  }
}

static void
test_every_truncation_and_every_octet (void)
{
  static const char text[] =
      HEAD GOOD "1699999991\ttep-80\ttep.example:443\t02:01\teth1 via 10.0.0.2\n";

  for (gsize n = 0; n < sizeof text; n++) {
    for (guint octet = 0; octet < 256; octet++) {
      g_autofree char *copy = g_memdup2 (text, sizeof text);
      g_autoptr (TepClientChoiceMemory) memory = NULL;

      copy[n] = (char)octet;
      memory = read_text (copy, octet == 0 ? n : sizeof text - 1);
      g_assert_cmpuint (tep_client_choice_memory_count (memory), <=, 3);
    }
  }
}

static void
test_too_many_lines_and_too_long_a_text (void)
{
  GString *text = g_string_new (HEAD);
  g_autoptr (TepClientChoiceMemory) memory = NULL;

  for (guint i = 0; i < 3000; i++)
    g_string_append_printf (text, "1699999990\ttep-443\ttep.example:443\t-\teth0 %u\n", i);
  g_assert_cmpuint (text->len, >, TEP_CLIENT_CHOICE_TEXT_MAX);
  memory = read_text (text->str, text->len);
  g_assert_cmpuint (tep_client_choice_memory_count (memory), ==, 0);
  tep_client_choice_memory_read (memory, text->str, TEP_CLIENT_CHOICE_TEXT_MAX, NOW);
  g_assert_cmpuint (tep_client_choice_memory_count (memory), ==, TEP_CLIENT_CHOICE_NETWORKS_MAX);
  g_string_free (text, TRUE);
}

/* The file */

static char *folder;

static char *
in_folder (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static void
test_a_file_is_kept_by_its_owner_alone (void)
{
  g_autofree char *path = in_folder ("networks");
  g_autoptr (TepClientChoiceMemory) memory = tep_client_choice_memory_new ();
  GStatBuf about;

  for (guint i = 0; i < 3; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (TepClientChoiceFile) file = tep_client_choice_file_open (path, &error);
    g_autoptr (TepClientChoiceMemory) found = tep_client_choice_memory_new ();

    g_assert_no_error (error);
    tep_client_choice_file_load (file, found, NOW);
    g_assert_cmpuint (tep_client_choice_memory_count (found), ==, i > 0 ? 2 - i : 0);
    /* Longer, then shorter: nothing of the longer one is left. */
    if (i == 0)
      KEEP (home, "tep-443", NOW);
    else
      tep_client_choice_memory_forget (memory, &home);
    tep_client_choice_file_save (file, memory);
  }
  g_assert_cmpint (g_stat (path, &about), ==, 0);
  g_assert_cmpint (about.st_mode & 0777, ==, 0600);
  g_remove (path);
}

static void
test_files_that_others_may_have_made_are_refused (void)
{
  g_autofree char *path = in_folder ("open"), *link = in_folder ("link"),
                  *none = in_folder ("no/such"), *held = in_folder ("secret"),
                  *twin = in_folder ("twin"), *same = in_folder ("same");
  const char *const wrong[] = { path, link, none, folder, "/dev/null", held, twin };

  g_assert_true (g_file_set_contents_full (held, "alice:a password\n", -1, 0, 0600, NULL));
  g_assert_true (g_file_set_contents_full (twin, HEAD GOOD, -1, 0, 0600, NULL));
  g_assert_no_errno (linkat (AT_FDCWD, twin, AT_FDCWD, same, 0));
  g_assert_true (g_file_set_contents (path, HEAD GOOD, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0666), ==, 0);
  g_assert_cmpint (symlink ("target", link), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (tep_client_choice_file_open (wrong[i], &error));
    g_assert_nonnull (strstr (error->message, wrong[i]));
  }
  g_remove (path);
  g_remove (link);
  g_remove (held);
  g_remove (twin);
  g_remove (same);
}

/* The ways */

static void
test_ways (void)
{
  static const struct {
    guint16 port;
    gboolean is_tls;
    const char *proxy, *ways;
  } cases[] = {
    { 443, FALSE, NULL, "direct-udp tep-443 tep-tls tep-80" },
    { 80, FALSE, "none", "direct-udp tep-80 tep-tls tep-443" },
    { 443, TRUE, NULL, "direct-udp tep-tls" },
    { 8443, TRUE, NULL, "direct-udp tep-tls-8443 tep-tls" },
    { 5000, FALSE, NULL, "direct-udp tep-5000 tep-tls tep-443 tep-80" },
    { 443, TRUE, "http://p:1", "direct-udp tep-tls-proxy" },
    { 443, FALSE, "auto", "direct-udp tep-443-proxy tep-tls-proxy tep-80-proxy" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (TepClientOptions) options = tep_client_options_new ();
    g_autoptr (GPtrArray) ways = NULL;
    g_autoptr (GString) names = g_string_new (NULL);

    options->port = cases[i].port;
    options->is_tls = cases[i].is_tls;
    options->proxy = g_strdup (cases[i].proxy);
    ways = tep_client_ways_new (options);
    for (guint j = 0; j < ways->len; j++) {
      const TepClientWay *way = g_ptr_array_index (ways, j);

      g_string_append_printf (names, "%s%s", j > 0 ? " " : "", way->name);
      g_assert_cmpint (tep_client_ways_find (ways, way->name), ==, j);
      if (way->options != NULL && cases[i].is_tls)
        g_assert_true (way->options->is_tls);
      if (way->options != NULL)
        g_assert_cmpint (way->options->proxy != NULL, ==, g_str_has_suffix (way->name, "-proxy"));
    }
    g_assert_cmpstr (names->str, ==, cases[i].ways);
    g_assert_cmpint (tep_client_ways_find (ways, "tep-9"), ==, -1);
    g_assert_cmpint (tep_client_ways_find (ways, NULL), ==, -1);
  }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("test-choice-XXXXXX", NULL);
#define TEST(name, func) g_test_add_func ("/tep-c/choice-memory/" name, func)
  TEST ("networks-are-told-apart", test_networks_are_told_apart);
  TEST ("it-is-believed-for-a-day", test_it_is_believed_for_a_day);
  TEST ("it-is-bounded-and-forgets-the-oldest", test_it_is_bounded_and_forgets_the_oldest);
  TEST ("what-is-written-is-read", test_what_is_written_is_read);
  TEST ("anything-may-stand-there", test_anything_may_stand_there);
  TEST ("every-truncation-and-every-octet", test_every_truncation_and_every_octet);
  TEST ("too-many-lines-and-too-long-a-text", test_too_many_lines_and_too_long_a_text);
  TEST ("a-file-is-kept-by-its-owner-alone", test_a_file_is_kept_by_its_owner_alone);
  TEST ("files-that-others-may-have-made-are-refused",
        test_files_that_others_may_have_made_are_refused);
  TEST ("ways", test_ways);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
