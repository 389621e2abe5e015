/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The child's life: set up, give up rights, serve, undo. It reads nothing but fixed-size requests
 * of the server it was forked from, and a request can name nothing but an address and a port. It
 * ends when the last of its sockets is closed on the other side, which the kernel does for a server
 * that was killed; it ignores the signals by which terminals and service managers end the server,
 * because it is needed until the server has gone.
 */
#include "tep-s/helper-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOBODY 65534

static int
compare_descriptors (const void *a, const void *b)
{
  return *(const int *)a - *(const int *)b;
}

/* Listeners, logs and key files of the server must not live on in the helper. */
static void
keep_channels_only (TepServerHelperChild *child)
{
  int kept[TEP_SERVER_HELPER_MAX + 1];
  guint n = child->plan.n_workers + 1;
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  unsigned int next = 3;

  for (int fd = 0; fd < 3 && null >= 0; fd++)
    dup2 (null, fd);
  memcpy (kept, child->channels, n * sizeof *kept);
  qsort (kept, n, sizeof *kept, compare_descriptors);
  for (guint i = 0; i < n; i++) {
    if ((unsigned int)kept[i] > next)
      close_range (next, (unsigned int)kept[i] - 1, 0);
    next = (unsigned int)kept[i] + 1;
  }
  close_range (next, ~0U, 0);
}

static void
ignore_signals (void)
{
  static const int ignored[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGUSR1,
                                 SIGUSR2, SIGPIPE, SIGALRM, SIGTSTP };
  sigset_t none;

  for (gsize i = 0; i < G_N_ELEMENTS (ignored); i++)
    signal (ignored[i], SIG_IGN);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

static gboolean
has_rights (gboolean is_capture)
{
  cap_t rights = cap_get_proc ();
  cap_flag_value_t admin = CAP_CLEAR, raw = CAP_CLEAR;

  if (rights != NULL) {
    cap_get_flag (rights, CAP_NET_ADMIN, CAP_EFFECTIVE, &admin);
    cap_get_flag (rights, CAP_NET_RAW, CAP_EFFECTIVE, &raw);
    cap_free (rights);
  }
  return admin == CAP_SET && (raw == CAP_SET || !is_capture);
}

/* CAP_NET_ADMIN alone, and not as root, who owns too many files. */
static int
give_up_rights (void)
{
  static const cap_value_t kept[] = { CAP_NET_ADMIN };
  cap_t rights = cap_init ();
  gboolean is_done;

  for (cap_value_t right = 0; right <= CAP_LAST_CAP; right++)
    if (right != CAP_NET_ADMIN)
      cap_drop_bound (right); /* best effort: needs CAP_SETPCAP */
  cap_reset_ambient ();
  is_done = prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl (PR_SET_KEEPCAPS, 1) == 0;
  if (is_done && geteuid () == 0)
    is_done = setresgid (NOBODY, NOBODY, NOBODY) == 0 && setresuid (NOBODY, NOBODY, NOBODY) == 0;
  if (is_done)
    is_done = rights != NULL &&
              cap_set_flag (rights, CAP_PERMITTED, G_N_ELEMENTS (kept), kept, CAP_SET) == 0 &&
              cap_set_flag (rights, CAP_EFFECTIVE, G_N_ELEMENTS (kept), kept, CAP_SET) == 0 &&
              cap_set_proc (rights) == 0;
  cap_free (rights);
  prctl (PR_SET_DUMPABLE, 0);
  return is_done ? 0 : errno;
}

/* The filter first: a table of that name says that another server uses these names. */
static int
set_up (TepServerHelperChild *child, TepServerHelperStage *stage)
{
  int error;
  int probe = socket (AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  child->has_ipv6 = probe >= 0;
  if (probe >= 0)
    close (probe);
  *stage = TEP_SERVER_HELPER_STAGE_NEEDS;
  if (!has_rights (child->plan.is_capture))
    return EPERM;
  *stage = TEP_SERVER_HELPER_STAGE_NETLINK;
  error = tep_server_helper_route_open (child);
  if (error == 0)
    error = tep_server_helper_filter_open (child);
  if (error != 0)
    return error;
  *stage = TEP_SERVER_HELPER_STAGE_FILTER;
  error = tep_server_helper_filter_set_up (child);
  if (error != 0)
    return error;
  *stage = TEP_SERVER_HELPER_STAGE_DEVICE;
  error = child->plan.is_capture ? tep_server_helper_make_link (child)
                                 : tep_server_helper_open_queues (child);
  if (error != 0)
    return error;
  if (child->plan.is_capture) {
    *stage = TEP_SERVER_HELPER_STAGE_OFFLOAD;
    error = tep_server_helper_switch_offloads_off (child->plan.device);
    if (error != 0)
      return error;
  }
  *stage = TEP_SERVER_HELPER_STAGE_LINK;
  error = tep_server_helper_set_up_link (child);
  if (error != 0)
    return error;
  *stage = TEP_SERVER_HELPER_STAGE_ROUTE;
  error = tep_server_helper_add_routes (child);
  if (error != 0)
    return error;
  *stage = TEP_SERVER_HELPER_STAGE_RULE;
  return tep_server_helper_add_rules (child);
}

static void
undo (TepServerHelperChild *child)
{
  tep_server_helper_filter_remove (child);
  tep_server_helper_remove_routing (child);
}

static gboolean
send_ready (int channel, const TepServerHelperReady *ready, const int *descriptors, gsize n)
{
  struct iovec octets = { .iov_base = (void *)(guintptr)ready, .iov_len = sizeof *ready };
  union {
    struct cmsghdr header;
    guint8 room[CMSG_SPACE (4 * sizeof (int))];
  } control = { .room = { 0 } };
  struct msghdr message = { .msg_iov = &octets, .msg_iovlen = 1 };

  if (n > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE (n * sizeof *descriptors);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN (n * sizeof *descriptors);
    memcpy (CMSG_DATA (&control.header), descriptors, n * sizeof *descriptors);
  }
  return sendmsg (channel, &message, MSG_NOSIGNAL) == sizeof *ready;
}

/* The filter's owner socket on the control channel, then each worker's descriptors on its own. */
static int
hand_over (TepServerHelperChild *child)
{
  const TepServerHelperReady ready = { .pid = getpid () };

  for (guint i = 0; i < child->plan.n_workers; i++) {
    int descriptors[4];
    gsize n = 0;
    int error = 0;

    if (child->plan.is_capture) {
      int raw4 = -1, raw6 = -1;

      error = tep_server_helper_open_raw (4, &raw4);
      if (error == 0)
        error = tep_server_helper_open_raw (6, &raw6);
      if (error != 0)
        return error;
      descriptors[n++] = raw4;
      if (raw6 >= 0)
        descriptors[n++] = raw6;
    } else {
      descriptors[n++] = child->queues[i];
    }
    if (!send_ready (child->channels[i + 1], &ready, descriptors, n))
      return errno;
    for (gsize k = 0; k < n; k++)
      close (descriptors[k]);
  }
  return 0;
}

static gboolean
is_divertible (const StunExtAddress *address)
{
  static const guint8 zeros[15] = { 0 };
  static const guint8 mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
  const guint8 *octets = address->octets;

  if (address->zero != 0 || address->port == 0)
    return FALSE;
  if (address->family == 4)
    return memcmp (octets + 4, zeros, 12) == 0 && octets[0] != 0 && octets[0] != 127 &&
           octets[0] < 224;
  return address->family == 6 && octets[0] != 0xff &&
         !(octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80) &&
         memcmp (octets, mapped, sizeof mapped) != 0 &&
         !(memcmp (octets, zeros, 15) == 0 && octets[15] <= 1);
}

/* How often it is wanted, after adding `change`; the key stays while it is. */
static guint
count (TepServerHelperChild *child, const StunExtAddress *address, int change)
{
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (child->leases, address));

  n = (guint)((int)n + change);
  if (n == 0)
    g_hash_table_remove (child->leases, address);
  else
    g_hash_table_insert (child->leases, g_memdup2 (address, sizeof *address), GUINT_TO_POINTER (n));
  return n;
}

static int
divert (TepServerHelperChild *child, const StunExtAddress *address)
{
  int error = 0;

  if (!is_divertible (address) || (address->family == 6 && !child->has_ipv6))
    return EINVAL;
  if (!g_hash_table_contains (child->leases, address)) {
    if (g_hash_table_size (child->leases) >= child->plan.most_leases)
      return ENOSPC;
    error = tep_server_helper_change_element (child, address, TRUE);
  }
  if (error == 0)
    count (child, address, +1);
  return error;
}

static int
undivert (TepServerHelperChild *child, const StunExtAddress *address)
{
  if (!is_divertible (address) || !g_hash_table_contains (child->leases, address))
    return ENOENT;
  if (count (child, address, -1) > 0)
    return 0;
  return tep_server_helper_change_element (child, address, FALSE);
}

/* FALSE: the other side is gone. */
static gboolean
serve (TepServerHelperChild *child, int channel)
{
  TepServerHelperMessage message;
  ssize_t n = recv (channel, &message, sizeof message, MSG_DONTWAIT | MSG_TRUNC);

  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
    return FALSE;
  if (n != sizeof message)
    return TRUE;
  if (message.error != 0)
    message.error = EINVAL;
  else if (message.op == TEP_SERVER_HELPER_OP_DIVERT)
    message.error = divert (child, &message.address);
  else if (message.op == TEP_SERVER_HELPER_OP_UNDIVERT)
    message.error = undivert (child, &message.address);
  else
    message.error = EINVAL;
  /* A server that does not read its answers loses them. */
  send (channel, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return TRUE;
}

/* Until the control channel ends; it stays open, so that the server sees when all is undone. */
static void
serve_all (TepServerHelperChild *child)
{
  struct pollfd watched[TEP_SERVER_HELPER_MAX + 1];
  guint n = child->plan.n_workers + 1;

  for (guint i = 0; i < n; i++)
    watched[i] = (struct pollfd){ .fd = child->channels[i], .events = POLLIN };
  for (;;) {
    if (poll (watched, n, -1) < 0 && errno != EINTR)
      return;
    for (guint i = 0; i < n; i++) {
      if (watched[i].fd < 0 || watched[i].revents == 0 || serve (child, watched[i].fd))
        continue;
      if (i == 0)
        return;
      close (watched[i].fd);
      watched[i].fd = -1;
    }
  }
}

void
tep_server_helper_run (TepServerHelperChild *child)
{
  TepServerHelperStage stage = TEP_SERVER_HELPER_STAGE_PROCESS;
  TepServerHelperReady ready = { .pid = getpid () };
  int error;

  ignore_signals ();
  keep_channels_only (child);
  prctl (PR_SET_NAME, "tep-s-helper");
  if (chdir ("/") != 0)
    error = errno;
  else
    error = set_up (child, &stage);
  if (error == 0) {
    stage = TEP_SERVER_HELPER_STAGE_RAW;
    error = hand_over (child);
  }
  if (error == 0) {
    stage = TEP_SERVER_HELPER_STAGE_RIGHTS;
    error = give_up_rights ();
  }
  if (error == 0)
    stage = TEP_SERVER_HELPER_STAGE_READY;
  ready.stage = stage;
  ready.error = error;
  if (send_ready (child->channels[0], &ready, &child->filter, child->filter >= 0 ? 1 : 0) &&
      error == 0)
    serve_all (child);
  undo (child);
  _exit (error == 0 ? 0 : 1);
}
