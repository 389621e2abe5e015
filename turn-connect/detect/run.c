/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One run: looks the far end up, starts each family of probes when its time has come, keeps what
 * they saw, and ends when the last of them has, or when the time is over.
 */
#include "turn-connect/detect/run-private.h"

#include "turn-connect/alarm.h"
#include "turn-connect/detect/detection.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/detect/payload-class.h"
#include "turn-connect/error-private.h"
#include "turn-connect/lookup.h"
#include "turn-connect/target-private.h"
#include "turn-connect/tls-options-private.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVERS_MAX 2           /* one address of each family */
#define SECOND_FAMILY_US 200000 /* how long the slower lookup is waited for */
#define LOOKUP_US 2000000       /* how long both are */
#define RUN_US 12000000         /* whatever happens, it ends; deep runs take longer */
#define DEEP_RUN_US 45000000    /* and as long as its longest silence is */
#define TICK_US 250000          /* how often those that wait for the time are asked */

typedef enum {
  FAMILY_WAITING,
  FAMILY_AT_WORK,
  FAMILY_DONE,
} FamilyState;

typedef struct {
  FamilyState state;
  gpointer data;
  gboolean is_starting;
} Family;

struct _TurnConnectRun {
  const TurnConnectPlan *plan;
  TurnConnectTarget *target;
  GMainContext *context;
  GCancellable *cancellable;
  TurnConnectRunProgressFunc progress;
  TurnConnectRunWorksFunc works;
  TurnConnectRunDoneFunc done;
  gpointer user_data;
  TurnConnectObservations *observations;
  gint64 began_us; /* monotonic */
  TurnConnectLookup *lookup;
  guint n_lookups;
  GSource *lookup_timer, *limit, *step;
  Family families[TURN_CONNECT_N_FAMILIES];
  gboolean is_looked_up;
  gboolean is_over;
  guint n_groups;
  TurnConnectTrust trust;
};

const TurnConnectPlan *
turn_connect_run_get_plan (TurnConnectRun *run)
{
  return run->plan;
}

TurnConnectObservations *
turn_connect_run_get_observations (TurnConnectRun *run)
{
  return run->observations;
}

GMainContext *
turn_connect_run_get_context (TurnConnectRun *run)
{
  return run->context;
}

GCancellable *
turn_connect_run_get_cancellable (TurnConnectRun *run)
{
  return run->cancellable;
}

gboolean
turn_connect_run_is_looked_up (TurnConnectRun *run)
{
  return run->is_looked_up;
}

void
turn_connect_run_tell_works (TurnConnectRun *run, const TurnConnectProbe *probe)
{
  run->works (probe, run->user_data);
}

StunExtDetectRun
turn_connect_run_get_id (TurnConnectRun *run)
{
  StunExtDetectRun id;

  memcpy (id.octets, run->observations->run_id, sizeof id.octets);
  return id;
}

TurnConnectTrust *
turn_connect_run_get_trust (TurnConnectRun *run)
{
  return &run->trust;
}

gint64
turn_connect_run_get_now (TurnConnectRun *run)
{
  return g_get_monotonic_time () - run->began_us;
}

guint
turn_connect_run_new_group (TurnConnectRun *run)
{
  return ++run->n_groups;
}

TurnConnectTarget *
turn_connect_run_get_target (TurnConnectRun *run)
{
  return run->target;
}

void
turn_connect_run_set_proxy (TurnConnectRun *run, TurnConnectProxy *proxy, gboolean is_told)
{
  g_object_unref (run->target);
  run->target = turn_connect_target_copy (run->plan->target);
  turn_connect_target_take_way (run->target, proxy, is_told);
}

gboolean
turn_connect_run_is_proxy_awaited (TurnConnectRun *run)
{
  return run->families[TURN_CONNECT_FAMILY_PROXY].state != FAMILY_DONE &&
         !turn_connect_proxy_probe_is_tried (run);
}

gboolean
turn_connect_run_get_server (TurnConnectRun *run,
                             guint8 family,
                             guint16 port,
                             StunExtAddress *address)
{
  const GArray *servers = run->observations->servers;

  for (guint i = 0; i < servers->len; i++) {
    const StunExtAddress *server = &g_array_index (servers, StunExtAddress, i);

    if (server->family == family) {
      *address = *server;
      address->port = port;
      return TRUE;
    }
  }
  return FALSE;
}

gint64
turn_connect_run_get_rtt (TurnConnectRun *run, guint8 family)
{
  gint64 shortest = -1;

  for (guint i = 0; i < run->observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (run->observations->probes, i);
    gint64 rtt = probe->rtt_us;

    if (probe->family != family || probe->via != NULL || !turn_connect_probe_passed (probe))
      continue;
    if (rtt >= 0 && (shortest < 0 || rtt < shortest))
      shortest = rtt;
  }
  return shortest;
}

gboolean
turn_connect_run_get_local (TurnConnectRun *run,
                            const StunExtAddress *remote,
                            StunExtAddress *local)
{
  int descriptor = turn_connect_run_open_socket (run, remote->family, SOCK_DGRAM);
  struct sockaddr_storage native;
  StunExtAddress to = *remote;
  socklen_t length = sizeof native;
  gboolean is_known;

  if (descriptor < 0)
    return FALSE;
  if (to.port == 0)
    to.port = 9; /* discard; nothing is sent */
  stun_ext_address_to_sockaddr (&to, &native);
  is_known = connect (descriptor, (struct sockaddr *)&native,
                      (socklen_t)stun_ext_address_to_sockaddr (&to, &native)) == 0 &&
             getsockname (descriptor, (struct sockaddr *)&native, &length) == 0 &&
             stun_ext_address_from_sockaddr (local, (struct sockaddr *)&native, length);
  close (descriptor);
  local->port = 0;
  return is_known;
}

int
turn_connect_run_open_socket (TurnConnectRun *run, guint8 family, int type)
{
  int descriptor =
      socket (family == 6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const char *name = run->plan->interface;

  /* Since Linux 5.7 this takes no right. */
  if (descriptor >= 0 && name != NULL &&
      setsockopt (descriptor, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen (name) + 1) !=
          0) {
    int number = errno;

    close (descriptor);
    errno = number;
    return -1;
  }
  return descriptor;
}

GSource *
turn_connect_run_add_timer (TurnConnectRun *run, gint64 delay_us, GSourceFunc func, gpointer data)
{
  /* One of GLib's timeouts would come again at once where it is kept. */
  GSource *source = turn_connect_alarm_new (run->context, "detection", func, data);

  g_source_set_ready_time (source, g_get_monotonic_time () + MAX (delay_us, 0));
  return source;
}

void
turn_connect_run_clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

void
turn_connect_run_say (TurnConnectRun *run, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  run->progress (text, NULL, run->user_data);
}

/* Families */

/* What was not asked for has ended before it began. */
static void
leave_out (TurnConnectRun *run)
{
  for (guint id = 0; id < TURN_CONNECT_N_FAMILIES; id++) {
    if (run->plan->sets != TURN_CONNECT_PROBE_SET_ALL &&
        (turn_connect_families[id].sets & run->plan->sets) == 0)
      run->families[id].state = FAMILY_DONE;
  }
}

static void
family_stop (TurnConnectRun *run, guint id)
{
  Family *family = &run->families[id];
  gpointer data = g_steal_pointer (&family->data);

  family->state = FAMILY_DONE;
  if (data != NULL)
    turn_connect_families[id].stop (data);
}

static gboolean
may_begin (TurnConnectRun *run, guint id)
{
  const TurnConnectProbeFamily *row = &turn_connect_families[id];

  for (guint other = 0; other < TURN_CONNECT_N_FAMILIES; other++) {
    if ((row->waits_for & (1u << other)) && run->families[other].state != FAMILY_DONE)
      return row->is_ready != NULL && row->is_ready (run);
  }
  return TRUE;
}

static void
family_begin (TurnConnectRun *run, guint id)
{
  Family *family = &run->families[id];

  if (turn_connect_families[id].doing != NULL)
    run->progress (turn_connect_families[id].doing, NULL, run->user_data);
  family->state = FAMILY_AT_WORK;
  family->is_starting = TRUE;
  family->data = turn_connect_families[id].start (run);
  family->is_starting = FALSE;
  if (family->data == NULL || family->state == FAMILY_DONE)
    family_stop (run, id);
}

static void
finish (TurnConnectRun *run)
{
  run->is_over = TRUE;
  turn_connect_run_clear_source (&run->limit);
  for (guint id = 0; id < TURN_CONNECT_N_FAMILIES; id++)
    family_stop (run, id);
  for (guint i = 0; i < run->observations->probes->len; i++) {
    TurnConnectProbe *probe = g_ptr_array_index (run->observations->probes, i);

    if (probe->outcome != TURN_CONNECT_OUTCOME_PENDING)
      continue;
    probe->outcome = TURN_CONNECT_OUTCOME_CANCELLED;
    probe->end_us = turn_connect_run_get_now (run);
  }
  run->observations->took_us = turn_connect_run_get_now (run);
}

/* Begins what may begin, stops what has ended, until nothing changes. Only from the main context:
 * never inside a family. */
static gboolean
step (gpointer data)
{
  TurnConnectRun *run = data;
  gboolean is_changed, is_alive, is_waiting;

  turn_connect_run_clear_source (&run->step);
  do {
    is_changed = is_alive = is_waiting = FALSE;
    for (guint id = 0; id < TURN_CONNECT_N_FAMILIES; id++) {
      Family *family = &run->families[id];

      if (family->state == FAMILY_WAITING && may_begin (run, id)) {
        family_begin (run, id);
        is_changed = TRUE;
      } else if (family->state == FAMILY_DONE && family->data != NULL)
        family_stop (run, id);
      is_alive |= family->state != FAMILY_DONE;
      is_waiting |= family->state == FAMILY_WAITING;
    }
  } while (is_changed);
  if (is_waiting && run->step == NULL)
    run->step = turn_connect_run_add_timer (run, TICK_US, step, run);
  if (is_alive)
    return G_SOURCE_REMOVE;
  finish (run);
  run->done (run->user_data);
  return G_SOURCE_REMOVE;
}

/* Methods look up for themselves whom they connect to, and a proxy may be the only one who can. */
static void
step_soon (TurnConnectRun *run)
{
  if ((!run->is_looked_up && !run->plan->is_first_wanted) || run->is_over)
    return;
  if (run->step == NULL)
    run->step = turn_connect_run_add_timer (run, 0, step, run);
  else
    g_source_set_ready_time (run->step, 0);
}

void
turn_connect_run_done (TurnConnectRun *run, TurnConnectFamilyId id)
{
  run->families[id].state = FAMILY_DONE;
  step_soon (run);
}

static gboolean
time_is_over (gpointer data)
{
  TurnConnectRun *run = data;

  finish (run);
  run->done (run->user_data);
  return G_SOURCE_REMOVE;
}

/* Probes */

TurnConnectProbe *
turn_connect_run_begin (TurnConnectRun *run,
                        TurnConnectProbeKind kind,
                        const char *variant,
                        TurnConnectCarry carry,
                        const StunExtAddress *target)
{
  TurnConnectProbe *probe = turn_connect_observations_add (run->observations, kind, variant);

  probe->carry = carry;
  probe->start_us = turn_connect_run_get_now (run);
  probe->deadline_us = probe->start_us;
  if (target == NULL)
    return probe;
  probe->target = *target;
  probe->family = target->family;
  return probe;
}

guint
turn_connect_run_get_number (TurnConnectRun *run, const TurnConnectProbe *probe)
{
  guint index = 0;

  g_ptr_array_find (run->observations->probes, probe, &index);
  return index + 1;
}

void
turn_connect_run_end (TurnConnectRun *run, TurnConnectProbe *probe, TurnConnectOutcome outcome)
{
  if (probe->outcome != TURN_CONNECT_OUTCOME_PENDING)
    return;
  probe->outcome = outcome;
  probe->end_us = turn_connect_run_get_now (run);
  run->progress (NULL, probe, run->user_data);
  step_soon (run);
}

const TurnConnectProbe *
turn_connect_run_find_passed (TurnConnectRun *run, TurnConnectProbeKind kind, guint8 family)
{
  for (guint i = 0; i < run->observations->probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (run->observations->probes, i);

    if (probe->kind == kind && probe->family == family && turn_connect_probe_passed (probe))
      return probe;
  }
  return NULL;
}

/* Looking the far end up */

static void
looked_up (TurnConnectRun *run)
{
  if (run->observations->servers->len == 0) {
    g_autoptr (GError) error = run->n_lookups >= 2
                                   ? turn_connect_lookup_make_error (run->lookup)
                                   : turn_connect_lookup_make_silence_error (run->lookup);

    run->observations->resolve_error = g_strdup (error->message);
  }
  turn_connect_run_clear_source (&run->lookup_timer);
  g_clear_pointer (&run->lookup, turn_connect_lookup_free);
  run->is_looked_up = TRUE;
  step_soon (run);
}

static gboolean
looked_long_enough (gpointer data)
{
  looked_up (data);
  return G_SOURCE_REMOVE;
}

static void
note_local (TurnConnectRun *run, const StunExtAddress *server)
{
  StunExtAddress local;

  if (turn_connect_run_get_local (run, server, &local))
    g_array_append_val (run->observations->locals, local);
}

static void
found_addresses (GSocketFamily family, GList *addresses, gpointer data)
{
  TurnConnectRun *run = data;
  guint8 number = family == G_SOCKET_FAMILY_IPV6 ? 6 : 4;

  run->n_lookups++;
  if (addresses != NULL && (run->plan->family == 0 || run->plan->family == number) &&
      run->observations->servers->len < SERVERS_MAX) {
    GInetAddress *inet = addresses->data;
    StunExtAddress address;

    stun_ext_address_init (&address, number, g_inet_address_to_bytes (inet), 0);
    address = stun_ext_address_canonical (&address);
    g_array_append_val (run->observations->servers, address);
    note_local (run, &address);
  }
  if (run->n_lookups >= 2)
    looked_up (run);
  else if (run->observations->servers->len > 0) {
    turn_connect_run_clear_source (&run->lookup_timer);
    run->lookup_timer = turn_connect_run_add_timer (run, SECOND_FAMILY_US, looked_long_enough, run);
  }
}

static void
make_key (TurnConnectRun *run)
{
  const StunExtDetectRun id = turn_connect_run_get_id (run);

  turn_connect_trust_init (&run->trust, run->plan->user, run->plan->password, &id);
  if (run->trust.has_key && run->trust.is_for_tls)
    g_hash_table_insert (run->observations->facts, g_strdup ("password"), g_strdup ("short"));
}

static void
begin (TurnConnectRun *run)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  TurnConnectObservations *observations = run->observations;
  TurnConnectTarget *target = run->plan->target;

  observations->host = g_strdup (target->host);
  observations->port = target->port;
  observations->began = g_date_time_format_iso8601 (now);
  observations->interface = g_strdup (run->plan->interface);
  do
    turn_connect_random_octets (observations->run_id, sizeof observations->run_id);
  while (!turn_connect_payload_is_noise (observations->run_id, sizeof observations->run_id));
  make_key (run);
  run->lookup_timer = turn_connect_run_add_timer (run, LOOKUP_US, looked_long_enough, run);
  run->lookup = turn_connect_lookup_new (target->host, found_addresses, run);
  leave_out (run);
  step_soon (run);
}

static gint64
longest_of (const TurnConnectPlan *plan)
{
  guint longest_s = 0;

  for (guint i = 0; plan->is_deep && i < plan->ladder->len; i++)
    longest_s = MAX (longest_s, g_array_index (plan->ladder, guint, i));
  return plan->is_deep ? DEEP_RUN_US + (gint64)longest_s * G_USEC_PER_SEC : RUN_US;
}

TurnConnectRun *
turn_connect_run_new (const TurnConnectPlan *plan,
                      TurnConnectRunProgressFunc progress,
                      TurnConnectRunWorksFunc works,
                      TurnConnectRunDoneFunc done,
                      gpointer user_data)
{
  TurnConnectRun *run = g_new0 (TurnConnectRun, 1);

  /* Later it would hold up the loop while answers arrive. */
  if (plan->target->tls != NULL)
    turn_connect_tls_context_load_trust (turn_connect_tls_options_get_context (plan->target->tls));
  run->plan = plan;
  run->target = g_object_ref (plan->target);
  run->context = g_main_context_ref_thread_default ();
  run->cancellable = g_cancellable_new ();
  run->progress = progress;
  run->works = works;
  run->done = done;
  run->user_data = user_data;
  run->observations = turn_connect_observations_new ();
  run->began_us = g_get_monotonic_time ();
  run->limit = turn_connect_run_add_timer (run, longest_of (plan), time_is_over, run);
  begin (run);
  return run;
}

TurnConnectObservations *
turn_connect_run_steal_observations (TurnConnectRun *run)
{
  if (!run->is_over)
    finish (run);
  return g_steal_pointer (&run->observations);
}

void
turn_connect_run_free (TurnConnectRun *run)
{
  if (!run->is_over)
    finish (run);
  g_cancellable_cancel (run->cancellable);
  g_clear_pointer (&run->lookup, turn_connect_lookup_free);
  turn_connect_run_clear_source (&run->lookup_timer);
  turn_connect_run_clear_source (&run->limit);
  turn_connect_run_clear_source (&run->step);
  turn_connect_observations_free (run->observations);
  turn_connect_trust_clear (&run->trust);
  g_object_unref (run->cancellable);
  g_object_unref (run->target);
  g_main_context_unref (run->context);
  g_free (run);
}
