/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/local/peer-user.h"

#include "support.h"

#include <string.h>
#include <unistd.h>

#define HEAD                                                                                       \
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "    \
  "inode\n"
/* 127.0.0.1:33333 to 127.0.0.1:8080 of user 1000, and the other way round of user 0. */
#define THERE                                                                                      \
  "   0: 0100007F:8235 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 42 " \
  "1\n"
#define BACK                                                                                       \
  "   1: 0100007F:1F90 0100007F:8235 01 00000000:00000000 00:00000000 00000000     0        0 43 " \
  "1\n"
#define MAPPED                                                                                     \
  "   2: 0000000000000000FFFF00000100007F:8235 0000000000000000FFFF00000100007F:1F90 01 "          \
  "00000000:00000000 00:00000000 00000000  1000        0 44 1\n"

static gboolean
look (const char *table, const char *peer, const char *own, guint *uid)
{
  StunExtAddress there, here;

  g_assert_true (stun_ext_address_parse (peer, &there));
  g_assert_true (stun_ext_address_parse (own, &here));
  return turn_connect_peer_user_parse (table, &there, &here, uid);
}

static void
test_the_row_of_the_other_end_counts (void)
{
  guint uid = 7;

  g_assert_true (look (HEAD BACK THERE, "127.0.0.1:33333", "127.0.0.1:8080", &uid));
  g_assert_cmpuint (uid, ==, 1000);
  g_assert_true (look (HEAD BACK THERE, "127.0.0.1:8080", "127.0.0.1:33333", &uid));
  g_assert_cmpuint (uid, ==, 0);
  g_assert_true (look (HEAD MAPPED, "127.0.0.1:33333", "127.0.0.1:8080", &uid));
  g_assert_cmpuint (uid, ==, 1000);
  g_assert_false (look (HEAD THERE BACK, "127.0.0.1:33333", "127.0.0.1:8081", &uid));
  g_assert_false (look (HEAD THERE BACK, "127.0.0.2:33333", "127.0.0.1:8080", &uid));
  g_assert_false (look (HEAD, "127.0.0.1:33333", "127.0.0.1:8080", &uid));
}

static void
test_odd_tables_have_no_rows (void)
{
  guint uid;

  for (gsize n = 0; n < strlen (THERE) - strlen ("1000        0 42 1\n"); n++) {
    g_autofree char *cut = g_strndup (THERE, n);

    g_assert_false (look (cut, "127.0.0.1:33333", "127.0.0.1:8080", &uid));
  }
  for (gsize at = 0; at < strlen (THERE); at++) {
    g_autofree char *changed = g_strdup (THERE);

    changed[at] = 'x';
    look (changed, "127.0.0.1:33333", "127.0.0.1:8080", &uid);
  }
}

static void
test_the_kernel_knows_who_is_calling (void)
{
  guint16 port = 0;
  int listener = support_listen ("127.0.0.1", 4, &port);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  guint uid = G_MAXUINT;
  int accepted;

  g_socket_client_set_enable_proxy (client, FALSE);
  connection = g_socket_client_connect_to_host (client, "127.0.0.1", port, NULL, NULL);
  accepted = support_accept (listener);
  g_assert_nonnull (connection);
  g_assert_true (turn_connect_peer_user (accepted, &uid));
  g_assert_cmpuint (uid, ==, geteuid ());
  g_assert_false (turn_connect_peer_user (listener, &uid));
  close (accepted);
  close (listener);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turn-connect/peer-user/the-row-of-the-other-end-counts",
                   test_the_row_of_the_other_end_counts);
  g_test_add_func ("/turn-connect/peer-user/odd-tables-have-no-rows", test_odd_tables_have_no_rows);
  g_test_add_func ("/turn-connect/peer-user/the-kernel-knows-who-is-calling",
                   test_the_kernel_knows_who_is_calling);
  return g_test_run ();
}
