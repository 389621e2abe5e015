/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The time to refuse somebody, by the reason: a wrong password, a user that does not exist, one whose
 * password is too short for plain TCP (requirement 22: medians within 5 %). By hand on a quiet machine; that
 * the work is the same is a test, tests/tep-s/test-oracle.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib/gstdio.h>

#include "stun-ext/crypto.h"
#include "tep-s/users.h"

#define ROUNDS 2001
#define REPEATS 50
#define LIMIT 0.05

static const char *const names[] = { "alice", "alicf", "bobby" };
static const char *const reasons[] = { "wrong password", "no such user", "for TLS only" };

static int
compare_times (const void *a, const void *b)
{
  gint64 first = *(const gint64 *)a;
  gint64 second = *(const gint64 *)b;

  return first < second ? -1 : first > second;
}

static gint64
time_of (const TepServerUsers *users, const char *name)
{
  static const guint8 request[160];
  const StunExtSpan part = { request, sizeof request };
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < REPEATS; i++) {
    guint8 mac[STUN_EXT_SHA256_LENGTH];
    TepServerCredential credential;
    StunExtSpan key;

    tep_server_users_find (users, TEP_SERVER_KEY_LONG_TERM_SHA256, name, strlen (name), FALSE,
                           g_get_real_time () / 1000, &credential);
    key = tep_server_credential_mac_key (&credential, 0);
    if (!stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, key.data, key.length, &part, 1, mac))
      exit (1);
  }
  return g_get_monotonic_time () - start;
}

static TepServerUsers *
load_users (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("bench-users-XXXXXX", &error);
  g_autofree char *path = folder != NULL ? g_build_filename (folder, "users", NULL) : NULL;
  TepServerUsersRules rules = { .realm = "example.net", .users_file = path, .has_long_term = TRUE };
  TepServerUsers *users = NULL;

  if (path != NULL && g_file_set_contents_full (path, "alice:a password of length\nbobby:short\n",
                                                -1, 0, 0600, &error))
    users = tep_server_users_new (&rules, &error);
  if (path != NULL) {
    g_remove (path);
    g_rmdir (folder);
  }
  if (users == NULL)
    fprintf (stderr, "users: %s\n", error->message);
  return users;
}

int
main (void)
{
  static gint64 times[G_N_ELEMENTS (names)][ROUNDS];
  g_autoptr (TepServerUsers) users = load_users ();
  gboolean is_within = TRUE;

  if (users == NULL)
    return 1;
  for (guint i = 0; i < ROUNDS; i++) /* in turn, so that the machine's load meets all alike */
    for (guint j = 0; j < G_N_ELEMENTS (names); j++)
      times[j][i] = time_of (users, names[j]);
  for (guint j = 0; j < G_N_ELEMENTS (names); j++) {
    double ratio;

    qsort (times[j], ROUNDS, sizeof times[j][0], compare_times);
    ratio = (double)times[j][ROUNDS / 2] / (double)times[0][ROUNDS / 2];
    is_within &= ratio > 1 - LIMIT && ratio < 1 + LIMIT;
    printf ("%-15s median %.2f us, %.3f of a wrong password\n", reasons[j],
            (double)times[j][ROUNDS / 2] / REPEATS, ratio);
  }
  printf ("%s\n", is_within ? "within 5 %"
                            : "more than 5 % apart: the machine is busy, or there is an oracle");
  return is_within ? 0 : 1;
}
