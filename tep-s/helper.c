/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's side of the helper. One socket pair for each worker, so that workers share nothing
 * and a request is one send() of fixed size without waiting; one more for the start and the end.
 * The helper is a child of a child, so the program that embeds the server gets no child to wait
 * for and no SIGCHLD later on.
 */
#include "tep-s/helper-private.h"
#include "tep-s/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 10000
#define STOP_MS 5000
#define MOST_LEASES (1 << 22)

struct _TepServerHelper {
  TepServerHelperPlan plan;
  pid_t pid;
  int control;
  int filter; /* keeps the nftables table alive without the helper */
  TepServerHelperShare shares[TEP_SERVER_HELPER_MAX];
};

static const char *const stage_texts[] = {
  [TEP_SERVER_HELPER_STAGE_READY] = "start",
  [TEP_SERVER_HELPER_STAGE_PROCESS] = "start its process",
  [TEP_SERVER_HELPER_STAGE_NEEDS] = "change the network",
  [TEP_SERVER_HELPER_STAGE_NETLINK] = "reach the kernel by netlink",
  [TEP_SERVER_HELPER_STAGE_FILTER] = "make its nftables table",
  [TEP_SERVER_HELPER_STAGE_DEVICE] = "make its device",
  [TEP_SERVER_HELPER_STAGE_OFFLOAD] = "switch off checksum and segmentation offloads of its device",
  [TEP_SERVER_HELPER_STAGE_LINK] = "set up its device",
  [TEP_SERVER_HELPER_STAGE_ROUTE] = "add its routes",
  [TEP_SERVER_HELPER_STAGE_RULE] = "add its routing rules",
  [TEP_SERVER_HELPER_STAGE_RAW] = "open raw sockets",
  [TEP_SERVER_HELPER_STAGE_RIGHTS] = "give up its rights",
};

static const char *
advice (guint32 stage, int error)
{
  switch (stage) {
  case TEP_SERVER_HELPER_STAGE_NEEDS:
    return ": it needs CAP_NET_ADMIN, for captures also CAP_NET_RAW";
  case TEP_SERVER_HELPER_STAGE_FILTER:
    if (error == EEXIST || error == EPERM)
      return ": does another tep-s run with the same nft-table?";
    break;
  case TEP_SERVER_HELPER_STAGE_DEVICE:
    if (error == EEXIST)
      return ": an interface of that name is there and is not ours";
    if (error == EBUSY)
      return ": another process uses the TUN device";
    if (error == ENOENT)
      return ": is /dev/net/tun there?";
    if (error == EACCES)
      return ": may this user open /dev/net/tun?";
    break;
  }
  return "";
}

static void
close_descriptor (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

void
tep_server_helper_share_clear (TepServerHelperShare *share)
{
  close_descriptor (&share->channel);
  close_descriptor (&share->queue);
  close_descriptor (&share->raw4);
  close_descriptor (&share->raw6);
}

static gboolean
set_error (GError **error, guint32 stage, int number)
{
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA,
               "the media helper could not %s: %s%s",
               stage < G_N_ELEMENTS (stage_texts) ? stage_texts[stage] : "start",
               g_strerror (number), advice (stage, number));
  return FALSE;
}

/* Ours in [0], the child's in [1]. */
static gboolean
make_channels (TepServerHelper *helper, TepServerHelperChild *child)
{
  for (guint i = 0; i <= helper->plan.n_workers; i++) {
    int pair[2];

    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
      return FALSE;
    *(i == 0 ? &helper->control : &helper->shares[i - 1].channel) = pair[0];
    child->channels[i] = pair[1];
  }
  return TRUE;
}

/* Signals stay blocked in the child until it ignores them: no handler of ours runs there. */
static int
fork_twice (TepServerHelperChild *child)
{
  sigset_t all, before;
  pid_t pid;
  int error = 0;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  pid = fork ();
  if (pid == 0) {
    pid = fork ();
    if (pid == 0)
      tep_server_helper_run (child);
    _exit (pid < 0 ? errno : 0);
  }
  if (pid < 0)
    error = errno;
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  if (pid > 0) {
    int status = 0;

    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
      ;
    if (WIFEXITED (status))
      error = WEXITSTATUS (status);
  }
  return error;
}

static gboolean
receive_ready (int channel, TepServerHelperReady *ready, int *descriptors, gsize *n)
{
  struct iovec octets = { .iov_base = ready, .iov_len = sizeof *ready };
  union {
    struct cmsghdr header;
    guint8 room[CMSG_SPACE (4 * sizeof (int))];
  } control;
  struct msghdr message = {
    .msg_iov = &octets,
    .msg_iovlen = 1,
    .msg_control = &control,
    .msg_controllen = sizeof control,
  };
  struct pollfd watched = { .fd = channel, .events = POLLIN };
  const struct cmsghdr *header;

  *n = 0;
  if (poll (&watched, 1, START_MS) != 1 ||
      recvmsg (channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != sizeof *ready)
    return FALSE;
  header = CMSG_FIRSTHDR (&message);
  if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
    *n = (header->cmsg_len - CMSG_LEN (0)) / sizeof *descriptors;
    memcpy (descriptors, CMSG_DATA (header), *n * sizeof *descriptors);
  }
  return TRUE;
}

static gboolean
await_ready (TepServerHelper *helper, GError **error)
{
  TepServerHelperReady ready = { 0 };
  int descriptors[4];
  gsize n;

  if (!receive_ready (helper->control, &ready, descriptors, &n))
    return set_error (error, TEP_SERVER_HELPER_STAGE_PROCESS, ETIMEDOUT);
  if (n > 0)
    helper->filter = descriptors[0];
  helper->pid = ready.pid;
  if (ready.stage != TEP_SERVER_HELPER_STAGE_READY)
    return set_error (error, ready.stage, ready.error);
  for (guint i = 0; i < helper->plan.n_workers; i++) {
    TepServerHelperShare *share = &helper->shares[i];

    if (!receive_ready (share->channel, &ready, descriptors, &n) || n == 0)
      return set_error (error, TEP_SERVER_HELPER_STAGE_PROCESS, ETIMEDOUT);
    if (helper->plan.is_capture) {
      share->raw4 = descriptors[0];
      share->raw6 = n > 1 ? descriptors[1] : -1;
    } else {
      share->queue = descriptors[0];
    }
  }
  return TRUE;
}

static guint
hash_address (gconstpointer address)
{
  return (guint)stun_ext_address_hash (address, 0);
}

static gboolean
equal_addresses (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (StunExtAddress)) == 0;
}

void
tep_server_helper_plan_init (TepServerHelperPlan *plan,
                             const TepServerConfig *config,
                             guint n_workers)
{
  const TepServerMediaConfig *media = &config->media;
  guint64 leases = (guint64)config->limits.tunnels * config->limits.bindings_per_tunnel * 2;

  *plan = (TepServerHelperPlan){
    .is_capture = media->kind == TEP_SERVER_MEDIA_PCAP,
    .table = media->routing_table,
    .mark = media->packet_mark,
    .mtu = media->largest_packet,
    .n_workers = n_workers,
    .most_leases = (guint)MIN (leases, MOST_LEASES),
  };
  g_strlcpy (plan->device, plan->is_capture ? media->capture_device : media->tun_device,
             sizeof plan->device);
  if (plan->is_capture)
    g_snprintf (plan->far_end, sizeof plan->far_end, "%.14sx", media->capture_device);
  g_strlcpy (plan->filter_table, media->nft_table, sizeof plan->filter_table);
}

TepServerHelper *
tep_server_helper_start (const TepServerHelperPlan *plan, GError **error)
{
  g_autoptr (TepServerHelper) helper = g_new0 (TepServerHelper, 1);
  g_autofree TepServerHelperChild *child = g_new0 (TepServerHelperChild, 1);
  int number;

  g_return_val_if_fail (plan->n_workers >= 1 && plan->n_workers <= TEP_SERVER_HELPER_MAX, NULL);
  helper->plan = child->plan = *plan;
  helper->control = helper->filter = -1;
  child->route = child->filter = -1;
  for (guint i = 0; i < TEP_SERVER_HELPER_MAX; i++) {
    helper->shares[i] = (TepServerHelperShare){ -1, -1, -1, -1 };
    child->queues[i] = child->channels[i + 1] = -1;
  }
  child->channels[0] = -1;
  /* Made here because only malloc() is safe in a child forked beside other threads. */
  child->leases = g_hash_table_new_full (hash_address, equal_addresses, g_free, NULL);
  number = make_channels (helper, child) ? fork_twice (child) : errno;
  for (guint i = 0; i <= plan->n_workers; i++)
    close_descriptor (&child->channels[i]);
  g_hash_table_unref (child->leases);
  if (number != 0) {
    set_error (error, TEP_SERVER_HELPER_STAGE_PROCESS, number);
    return NULL;
  }
  if (!await_ready (helper, error))
    return NULL;
  return g_steal_pointer (&helper);
}

/* The helper undoes everything, then its end of the control channel closes with it. */
void
tep_server_helper_stop (TepServerHelper *helper)
{
  for (guint i = 0; i < helper->plan.n_workers; i++)
    tep_server_helper_share_clear (&helper->shares[i]);
  close_descriptor (&helper->filter);
  if (helper->control >= 0) {
    struct pollfd watched = { .fd = helper->control, .events = POLLIN };

    shutdown (helper->control, SHUT_WR);
    while (poll (&watched, 1, STOP_MS) < 0 && errno == EINTR)
      ;
    close_descriptor (&helper->control);
  }
  g_free (helper);
}

const TepServerHelperPlan *
tep_server_helper_plan (const TepServerHelper *helper)
{
  return &helper->plan;
}

pid_t
tep_server_helper_pid (const TepServerHelper *helper)
{
  return helper->pid;
}

gboolean
tep_server_helper_take_share (TepServerHelper *helper,
                              guint worker,
                              TepServerHelperShare *share,
                              GError **error)
{
  static const TepServerHelperShare nothing = { -1, -1, -1, -1 };

  if (worker >= helper->plan.n_workers || helper->shares[worker].channel < 0) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_MEDIA,
                 "the media helper has nothing (more) for worker %u", worker);
    return FALSE;
  }
  *share = helper->shares[worker];
  helper->shares[worker] = nothing;
  return TRUE;
}

static gboolean
ask (const TepServerHelperShare *share, TepServerHelperOp op, const StunExtAddress *address)
{
  const TepServerHelperMessage message = { .op = op, .address = *address };

  return send (share->channel, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
         sizeof message;
}

gboolean
tep_server_helper_divert (const TepServerHelperShare *share, const StunExtAddress *address)
{
  return ask (share, TEP_SERVER_HELPER_OP_DIVERT, address);
}

gboolean
tep_server_helper_undivert (const TepServerHelperShare *share, const StunExtAddress *address)
{
  return ask (share, TEP_SERVER_HELPER_OP_UNDIVERT, address);
}

TepServerHelperAnswer
tep_server_helper_answer (const TepServerHelperShare *share,
                          StunExtAddress *address,
                          gboolean *is_divert,
                          int *errno_out)
{
  TepServerHelperMessage message;
  ssize_t n = recv (share->channel, &message, sizeof message, MSG_DONTWAIT);

  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
    return TEP_SERVER_HELPER_GONE;
  if (n != sizeof message)
    return TEP_SERVER_HELPER_NOTHING;
  *address = message.address;
  *is_divert = message.op == TEP_SERVER_HELPER_OP_DIVERT;
  *errno_out = message.error;
  return message.error == 0 ? TEP_SERVER_HELPER_DONE : TEP_SERVER_HELPER_REFUSED;
}
