/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The helper process, in a network namespace of this test's own: what it makes, what it refuses,
 * and that it undoes everything however it and its server end. Needs root.
 */
#include "tep-s/helper-private.h"
#include "tep-s/server.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 5000

static TepServerHelperPlan
make_plan (gboolean is_capture)
{
  TepServerHelperPlan plan = {
    .is_capture = is_capture,
    .table = 8330,
    .mark = 0x800000,
    .mtu = 1500,
    .n_workers = 2,
    .most_leases = 8,
  };

  strcpy (plan.device, is_capture ? "tepcap0" : "teptun0");
  strcpy (plan.far_end, "tepcap1");
  strcpy (plan.filter_table, "tep-s");
  return plan;
}

/* What a command prints. */
static char *
output_of (const char *command)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *complaints = NULL;
  char *output = NULL;

  g_spawn_command_line_sync (command, &output, &complaints, NULL, &error);
  g_assert_no_error (error);
  return output;
}

static void
assert_output (const char *command, const char *expected, gboolean is_there)
{
  g_autofree char *output = output_of (command);

  if ((strstr (output, expected) != NULL) != is_there)
    g_error ("%s: \"%s\" is %s in:\n%s", command, expected, is_there ? "not" : "still", output);
}

static void
assert_host_is_clean (void)
{
  assert_output ("nft list ruleset", "tep-s", FALSE);
  assert_output ("ip rule", "8330", FALSE);
  assert_output ("ip -6 rule", "8330", FALSE);
  assert_output ("ip link", "tepcap", FALSE);
  assert_output ("ip link", "teptun", FALSE);
  assert_output ("ip route show table all", "8330", FALSE);
  assert_output ("ip -6 route show table all", "8330", FALSE);
}

static TepServerHelper *
start (const TepServerHelperPlan *plan)
{
  g_autoptr (GError) error = NULL;
  TepServerHelper *helper = tep_server_helper_start (plan, &error);

  g_assert_no_error (error);
  g_assert_nonnull (helper);
  return helper;
}

static TepServerHelperShare
take (TepServerHelper *helper, guint worker)
{
  g_autoptr (GError) error = NULL;
  TepServerHelperShare share;

  g_assert_true (tep_server_helper_take_share (helper, worker, &share, &error));
  g_assert_no_error (error);
  return share;
}

static TepServerHelperAnswer
await_answer (const TepServerHelperShare *share, StunExtAddress *address, int *number)
{
  struct pollfd watched = { .fd = share->channel, .events = POLLIN };
  gboolean is_divert;

  g_assert_cmpint (poll (&watched, 1, PATIENCE_MS), ==, 1);
  return tep_server_helper_answer (share, address, &is_divert, number);
}

static StunExtAddress
address_of (const char *text)
{
  StunExtAddress address;

  g_assert_true (stun_ext_address_parse (text, &address));
  return address;
}

static int
change (const TepServerHelperShare *share, const StunExtAddress *address, gboolean is_added)
{
  StunExtAddress answered;
  int number = -1;

  g_assert_true (is_added ? tep_server_helper_divert (share, address)
                          : tep_server_helper_undivert (share, address));
  await_answer (share, &answered, &number);
  g_assert_cmpmem (&answered, sizeof answered, address, sizeof *address);
  return number;
}

static void
test_makes_and_undoes (gconstpointer data)
{
  TepServerHelperPlan plan = make_plan (GPOINTER_TO_INT (data));
  g_autoptr (TepServerHelper) helper = start (&plan);

  assert_output ("nft list ruleset", "table inet tep-s", TRUE);
  assert_output ("ip rule", "fwmark 0x800000 ipproto udp lookup 8330", TRUE);
  assert_output ("ip -6 rule", "fwmark 0x800000 ipproto udp lookup 8330", TRUE);
  assert_output ("ip link show up", plan.device, TRUE);
  assert_output ("ip route show table 8330", "default dev", TRUE);
  assert_output ("ip -6 route show table 8330", "default dev", TRUE);
  assert_output ("ip -o link show", "mtu 1500", TRUE);
  assert_output ("ip -4 addr", "192.0.0.8/32", !plan.is_capture);
  g_clear_pointer (&helper, tep_server_helper_stop);
  assert_host_is_clean ();
}

static void
test_shares (gconstpointer data)
{
  TepServerHelperPlan plan = make_plan (GPOINTER_TO_INT (data));
  g_autoptr (TepServerHelper) helper = start (&plan);
  TepServerHelperShare share = take (helper, 1);
  TepServerHelperShare other;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (share.queue >= 0, ==, !plan.is_capture);
  g_assert_cmpint (share.raw4 >= 0, ==, plan.is_capture);
  g_assert_cmpint (share.raw6 >= 0, ==, plan.is_capture);
  g_assert_false (tep_server_helper_take_share (helper, 1, &other, &error));
  g_assert_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA);
  g_clear_error (&error);
  g_assert_false (tep_server_helper_take_share (helper, 2, &other, &error));
  g_assert_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA);
  tep_server_helper_share_clear (&share);
}

static void
test_exact (gconstpointer data)
{
  TepServerHelperPlan plan = make_plan (GPOINTER_TO_INT (data));
  g_autoptr (TepServerHelper) helper = start (&plan);
  TepServerHelperShare share = take (helper, 0);
  StunExtAddress v4 = address_of ("203.0.113.5:5000"), v6 = address_of ("[2001:db8::5]:5002");

  g_assert_cmpint (change (&share, &v4, TRUE), ==, 0);
  g_assert_cmpint (change (&share, &v6, TRUE), ==, 0);
  assert_output ("nft list set inet tep-s leased4", "elements = { 203.0.113.5 . 5000 }", TRUE);
  assert_output ("nft list set inet tep-s leased6", "elements = { 2001:db8::5 . 5002 }", TRUE);
  g_assert_cmpint (change (&share, &v4, FALSE), ==, 0);
  g_assert_cmpint (change (&share, &v6, FALSE), ==, 0);
  assert_output ("nft list set inet tep-s leased4", "elements", FALSE);
  assert_output ("nft list set inet tep-s leased6", "elements", FALSE);
  tep_server_helper_share_clear (&share);
}

/* The same address asked for by two workers, in whatever order they take it back. */
static void
test_counts (void)
{
  TepServerHelperPlan plan = make_plan (FALSE);
  g_autoptr (TepServerHelper) helper = start (&plan);
  TepServerHelperShare a = take (helper, 0), b = take (helper, 1);
  StunExtAddress first = address_of ("203.0.113.5:5000"), second = address_of ("203.0.113.5:5001");

  g_assert_cmpint (change (&a, &first, TRUE), ==, 0);
  g_assert_cmpint (change (&b, &first, TRUE), ==, 0);
  g_assert_cmpint (change (&a, &second, TRUE), ==, 0);
  g_assert_cmpint (change (&a, &first, FALSE), ==, 0);
  assert_output ("nft list set inet tep-s leased4", "203.0.113.5 . 5000", TRUE);
  g_assert_cmpint (change (&b, &first, FALSE), ==, 0);
  assert_output ("nft list set inet tep-s leased4", "203.0.113.5 . 5000", FALSE);
  assert_output ("nft list set inet tep-s leased4", "203.0.113.5 . 5001", TRUE);
  g_assert_cmpint (change (&b, &second, FALSE), ==, 0);
  assert_output ("nft list set inet tep-s leased4", "elements", FALSE);
  g_assert_cmpint (change (&b, &second, FALSE), ==, ENOENT);
  tep_server_helper_share_clear (&a);
  tep_server_helper_share_clear (&b);
}

static void
test_limit (void)
{
  TepServerHelperPlan plan = make_plan (FALSE);
  g_autoptr (TepServerHelper) helper = start (&plan);
  TepServerHelperShare share = take (helper, 0);
  StunExtAddress address = address_of ("203.0.113.5:5000");

  for (guint i = 0; i < plan.most_leases; i++) {
    address.octets[3]++;
    g_assert_cmpint (change (&share, &address, TRUE), ==, 0);
  }
  address.octets[3]++;
  g_assert_cmpint (change (&share, &address, TRUE), ==, ENOSPC);
  address.octets[3]--;
  g_assert_cmpint (change (&share, &address, FALSE), ==, 0);
  address.octets[3]++;
  g_assert_cmpint (change (&share, &address, TRUE), ==, 0);
  tep_server_helper_share_clear (&share);
}

static void
test_refuses_addresses (void)
{
  static const char *const texts[] = {
    "0.0.0.0:5000",        "0.1.2.3:5000",   "127.0.0.1:5000",  "224.0.0.1:5000",
    "255.255.255.255:500", "203.0.113.5:0",  "[::]:5000",       "[::1]:5000",
    "[ff02::1]:5000",      "[fe80::1]:5000", "[2001:db8::5]:0", "[febf::1]:5000",
  };
  TepServerHelperPlan plan = make_plan (FALSE);
  g_autoptr (TepServerHelper) helper = start (&plan);
  TepServerHelperShare share = take (helper, 0);
  StunExtAddress address;

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    address = address_of (texts[i]);
    g_test_message ("%s", texts[i]);
    g_assert_cmpint (change (&share, &address, TRUE), ==, EINVAL);
  }
  address = address_of ("203.0.113.5:5000");
  address.family = 5;
  g_assert_cmpint (change (&share, &address, TRUE), ==, EINVAL);
  address.family = 4;
  address.zero = 1;
  g_assert_cmpint (change (&share, &address, TRUE), ==, EINVAL);
  address.zero = 0;
  address.octets[4] = 1;
  g_assert_cmpint (change (&share, &address, TRUE), ==, EINVAL);
  stun_ext_address_init (
      &address, 6, (const guint8[16]){ [10] = 0xff, [11] = 0xff, [12] = 203, [15] = 5 }, 5000);
  g_assert_cmpint (change (&share, &address, TRUE), ==, EINVAL);
  assert_output ("nft list ruleset", "elements", FALSE);
  tep_server_helper_share_clear (&share);
}

/* Every size but the right one, every operation but the two there are: nothing happens, and the
 * helper serves on. */
static void
test_refuses_requests (void)
{
  TepServerHelperPlan plan = make_plan (FALSE);
  g_autoptr (TepServerHelper) helper = start (&plan);
  TepServerHelperShare share = take (helper, 0);
  TepServerHelperMessage message = { .op = TEP_SERVER_HELPER_OP_DIVERT,
                                     .address = address_of ("203.0.113.5:5000") };
  guint8 octets[200] = { 0 };
  StunExtAddress answered;
  int number;

  memcpy (octets, &message, sizeof message);
  for (gsize n = 1; n < sizeof octets; n++)
    if (n != sizeof message)
      g_assert_cmpint (send (share.channel, octets, n, 0), ==, n);
  for (guint32 op = 0; op < 600; op++) {
    message.op = op < 300 ? op : (guint32)-op;
    if (message.op == TEP_SERVER_HELPER_OP_DIVERT || message.op == TEP_SERVER_HELPER_OP_UNDIVERT)
      continue;
    g_assert_cmpint (send (share.channel, &message, sizeof message, 0), ==, sizeof message);
    g_assert_cmpint (await_answer (&share, &answered, &number), ==, TEP_SERVER_HELPER_REFUSED);
    g_assert_cmpint (number, ==, EINVAL);
  }
  assert_output ("nft list ruleset", "elements", FALSE);
  g_assert_cmpint (change (&share, &message.address, TRUE), ==, 0);
  tep_server_helper_share_clear (&share);
}

static void
test_rights (gconstpointer data)
{
  TepServerHelperPlan plan = make_plan (GPOINTER_TO_INT (data));
  g_autoptr (TepServerHelper) helper = start (&plan);
  g_autofree char *path =
      g_strdup_printf ("cat /proc/%d/status", (int)tep_server_helper_pid (helper));
  g_autofree char *list = g_strdup_printf ("ls /proc/%d/fd", (int)tep_server_helper_pid (helper));
  g_autofree char *descriptors = output_of (list);
  g_auto (GStrv) lines = g_strsplit (g_strstrip (descriptors), "\n", -1);

  assert_output (path, "Name:\ttep-s-helper", TRUE);
  assert_output (path, "CapInh:\t0000000000000000", TRUE);
  assert_output (path, "CapPrm:\t0000000000001000", TRUE);
  assert_output (path, "CapEff:\t0000000000001000", TRUE);
  assert_output (path, "CapBnd:\t0000000000001000", TRUE);
  assert_output (path, "CapAmb:\t0000000000000000", TRUE);
  assert_output (path, "NoNewPrivs:\t1", TRUE);
  assert_output (path, "Uid:\t65534\t65534\t65534\t65534", TRUE);
  /* stdin, stdout, stderr; control and two workers; two netlink sockets. */
  g_assert_cmpuint (g_strv_length (lines), ==, 3 + 3 + 2);
}

static void
test_signals (void)
{
  TepServerHelperPlan plan = make_plan (FALSE);
  g_autoptr (TepServerHelper) helper = start (&plan);
  TepServerHelperShare share = take (helper, 0);
  StunExtAddress address = address_of ("203.0.113.5:5000");

  kill (tep_server_helper_pid (helper), SIGTERM);
  kill (tep_server_helper_pid (helper), SIGINT);
  kill (tep_server_helper_pid (helper), SIGHUP);
  g_assert_cmpint (change (&share, &address, TRUE), ==, 0);
  tep_server_helper_share_clear (&share);
}

/* Sessions go on: what was set up stays, and the backend can tell. */
static void
test_killed_helper (void)
{
  TepServerHelperPlan plan = make_plan (FALSE);
  g_autoptr (TepServerHelper) helper = start (&plan);
  TepServerHelperShare share = take (helper, 0);
  StunExtAddress address = address_of ("203.0.113.5:5000");
  int number;

  g_assert_cmpint (change (&share, &address, TRUE), ==, 0);
  kill (tep_server_helper_pid (helper), SIGKILL);
  g_assert_cmpint (await_answer (&share, &address, &number), ==, TEP_SERVER_HELPER_GONE);
  g_assert_false (tep_server_helper_divert (&share, &address));
  assert_output ("nft list set inet tep-s leased4", "203.0.113.5 . 5000", TRUE);
  assert_output ("ip route show table 8330", "default dev teptun0", TRUE);
  assert_output ("ip rule", "lookup 8330", TRUE);
  tep_server_helper_share_clear (&share);
  g_clear_pointer (&helper, tep_server_helper_stop);
  /* What the kernel does not remove by itself has no effect, and the next server takes it over. */
  assert_output ("nft list ruleset", "tep-s", FALSE);
  helper = start (&plan);
  g_clear_pointer (&helper, tep_server_helper_stop);
  assert_host_is_clean ();
}

/* A server in a process of its own, which says on a pipe who its helper is and waits. */
static pid_t
fork_server (gboolean is_capture, pid_t *helper_pid)
{
  int pair[2];
  pid_t pid;

  g_assert_cmpint (pipe (pair), ==, 0);
  pid = fork ();
  if (pid == 0) {
    TepServerHelperPlan plan = make_plan (is_capture);
    TepServerHelper *helper = start (&plan);
    TepServerHelperShare share = take (helper, 0);
    StunExtAddress address = address_of ("203.0.113.5:5000");

    *helper_pid = tep_server_helper_pid (helper);
    if (change (&share, &address, TRUE) == 0 &&
        write (pair[1], helper_pid, sizeof *helper_pid) == sizeof *helper_pid)
      pause ();
    _exit (1);
  }
  close (pair[1]);
  g_assert_cmpint (read (pair[0], helper_pid, sizeof *helper_pid), ==, sizeof *helper_pid);
  close (pair[0]);
  return pid;
}

static void
kill_and_wait (pid_t pid)
{
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
}

/* Whoever inherits the process may leave it as a zombie for a while. */
static gboolean
has_ended (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int)pid);
  g_autofree char *stat = NULL;

  return !g_file_get_contents (path, &stat, NULL, NULL) || strstr (stat, ") Z ") != NULL;
}

static void
await_end (pid_t pid)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_MS * 1000;

  while (!has_ended (pid)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    sched_yield ();
  }
}

static void
test_killed_server (gconstpointer data)
{
  pid_t helper;
  pid_t server = fork_server (GPOINTER_TO_INT (data), &helper);

  kill_and_wait (server);
  await_end (helper);
  assert_host_is_clean ();
}

static void
test_both_killed (gconstpointer data)
{
  TepServerHelperPlan plan = make_plan (GPOINTER_TO_INT (data));
  pid_t pid;
  pid_t server = fork_server (plan.is_capture, &pid);
  TepServerHelper *helper;

  kill (pid, SIGKILL);
  kill_and_wait (server);
  await_end (pid);
  assert_output ("nft list ruleset", "tep-s", FALSE);
  helper = start (&plan);
  g_clear_pointer (&helper, tep_server_helper_stop);
  assert_host_is_clean ();
}

static void
test_same_names (void)
{
  TepServerHelperPlan plan = make_plan (FALSE);
  g_autoptr (TepServerHelper) helper = start (&plan);
  g_autoptr (GError) error = NULL;

  g_assert_null (tep_server_helper_start (&plan, &error));
  g_assert_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA);
  g_assert_nonnull (strstr (error->message, "does another tep-s run"));
  assert_output ("nft list ruleset", "table inet tep-s", TRUE);
  assert_output ("ip link", "teptun0", TRUE);
  assert_output ("ip rule", "lookup 8330", TRUE);
}

static void
test_foreign_interface (void)
{
  TepServerHelperPlan plan = make_plan (TRUE);
  g_autoptr (GError) error = NULL;

  g_free (output_of ("ip link add tepcap0 type veth peer name tepcap1"));
  g_assert_null (tep_server_helper_start (&plan, &error));
  g_assert_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA);
  g_assert_nonnull (strstr (error->message, "is not ours"));
  assert_output ("ip link", "tepcap0", TRUE);
  g_free (output_of ("ip link del tepcap0"));
  assert_host_is_clean ();
}

static void
add_both (const char *name, GTestDataFunc function)
{
  g_autofree char *tun = g_strconcat ("/tep-s/helper/tun/", name, NULL);
  g_autofree char *capture = g_strconcat ("/tep-s/helper/pcap/", name, NULL);

  g_test_add_data_func (tun, GINT_TO_POINTER (FALSE), function);
  g_test_add_data_func (capture, GINT_TO_POINTER (TRUE), function);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (unshare (CLONE_NEWNET) != 0)
    g_error ("cannot make a network namespace: %s; run as root", g_strerror (errno));
  add_both ("makes-everything-and-undoes-it", test_makes_and_undoes);
  add_both ("each-worker-takes-its-share-once", test_shares);
  add_both ("diverts-exact-address-and-port", test_exact);
  add_both ("keeps-cap-net-admin-alone", test_rights);
  add_both ("killed-server-leaves-nothing", test_killed_server);
  add_both ("both-killed-leave-nothing-in-force", test_both_killed);
  g_test_add_func ("/tep-s/helper/leases-are-counted", test_counts);
  g_test_add_func ("/tep-s/helper/leases-are-limited", test_limit);
  g_test_add_func ("/tep-s/helper/refuses-what-is-no-unicast-address", test_refuses_addresses);
  g_test_add_func ("/tep-s/helper/refuses-other-requests", test_refuses_requests);
  g_test_add_func ("/tep-s/helper/ignores-signals-meant-for-the-server", test_signals);
  g_test_add_func ("/tep-s/helper/killed-helper-leaves-sessions-alive", test_killed_helper);
  g_test_add_func ("/tep-s/helper/same-names-twice-are-refused", test_same_names);
  g_test_add_func ("/tep-s/helper/foreign-interface-is-left-alone", test_foreign_interface);
  return g_test_run ();
}
