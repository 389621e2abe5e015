/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One method being tried. That a relay was allocated or a tunnel opened says little: there are
 * firewalls that let a handshake pass and not what follows. So a method works when packets of a call
 * came back over it, and how well they did is what methods are compared by.
 */
#include "turn-connect/detect/trial-private.h"

#include "turn-connect/detect/detection.h"
#include "turn-connect/detect/kernel.h"
#include "turn-connect/detect/quality.h"
#include "turn-connect/error-private.h"
#include "turn-connect/target-private.h"

#include <string.h>

#define SET_UP_US 2600000     /* with two lost packets of TCP's handshake or TURN's requests */
#define SET_UP_MAX_US 6000000 /* arbitrary: nobody waits longer for a call */
#define PATIENT_US                                                                                 \
  4500000 /* arbitrary: where the port leads out, its slowness is somebody's load */
#define SET_UP_ROUND_TRIPS 12 /* TCP, proxy with log-in, TLS, and who is asking, at their longest */
#define LAST_US 700000 /* how long the last packet may take: TCP repeats after 0.2 and 0.6 s */
#define LAST_ROUND_TRIPS 3
/* How often 16 packets are sent anew where some came back, and too few for a call. With 5 % of loss each
 * way one trial in 340 loses 6 of 16, by chance; one in a million 17 of 48. */
#define REPEATS 2
#define PROXY_US 20000 /* how often it is looked whether the proxy is known */
#define LABEL 9        /* octets of the session and the number that begin a packet */
#define NUMBERS 128    /* that ways tell apart; then they begin anew */

typedef enum {
  TRIAL_WAITING,
  TRIAL_SETTING_UP,
  TRIAL_SENDING,
  TRIAL_LISTENING,
  TRIAL_OVER,
} TrialState;

struct _TurnConnectTrial {
  TurnConnectRun *run;
  const TurnConnectTrialWay *way;
  gpointer way_data;
  gpointer way_state;
  TurnConnectTrialWorksFunc works;
  TurnConnectTrialEndedFunc ended;
  gpointer user_data;
  TurnConnectProbe *probe;
  TrialState state;
  GSource *timer; /* of the state; once over, for stopping */
  gint64 began_us;
  guint16 port; /* of the server */
  guint next;
  guint8 session[8];
  TurnConnectRoundTrip *packets; /* n_packets */
  guint n_packets;               /* to be sent, as it stands */
  guint n_repeats;               /* that may follow, of as many each */
  guint n_back;
  gboolean has_worked; /* as far as it had to */
};

const TurnConnectTrialWay *
turn_connect_trial_get_way (TurnConnectTrial *trial)
{
  return trial->way;
}

TurnConnectTrialStage
turn_connect_trial_get_stage (const TurnConnectTrial *trial)
{
  if (trial->state == TRIAL_OVER)
    return TURN_CONNECT_TRIAL_OVER;
  return trial->state >= TRIAL_SENDING ? TURN_CONNECT_TRIAL_SET_UP : TURN_CONNECT_TRIAL_SETTING_UP;
}

guint
turn_connect_trial_count_returned (const TurnConnectTrial *trial)
{
  return MAX (trial->n_back, trial->has_worked ? 1 : 0);
}

TurnConnectRun *
turn_connect_trial_get_run (TurnConnectTrial *trial)
{
  return trial->run;
}

TurnConnectProbe *
turn_connect_trial_get_probe (TurnConnectTrial *trial)
{
  return trial->probe;
}

const char *
turn_connect_trial_get_interface (TurnConnectTrial *trial)
{
  return turn_connect_run_get_plan (trial->run)->interface;
}

gboolean
turn_connect_trial_get_server (TurnConnectTrial *trial, guint family, StunExtAddress *address)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (trial->run);
  guint16 port = turn_connect_target_get_port (plan->target);

  if (family != 0)
    return turn_connect_run_get_server (trial->run, (guint8)family, port, address);
  return turn_connect_run_get_server (trial->run, 4, port, address) ||
         turn_connect_run_get_server (trial->run, 6, port, address);
}

/* As whoever uses the method has to name the server. */
static void
note_server (TurnConnectTrial *trial, const char *host, guint16 port)
{
  g_autofree char *text =
      g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);

  turn_connect_probe_set_fact (trial->probe, "server", text);
  trial->port = port;
}

TurnConnectTarget *
turn_connect_trial_make_target (TurnConnectTrial *trial, const char *host, guint16 port)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (trial->run);
  TurnConnectTarget *target = turn_connect_target_copy (turn_connect_run_get_target (trial->run));
  char text[STUN_EXT_ADDRESS_TEXT_LENGTH];
  StunExtAddress address;

  if (port == 0)
    port = trial->way->port;
  if (port != 0)
    target->port = port;
  note_server (trial, host != NULL ? host : target->host, target->port);
  if (host != NULL) {
    g_free (target->host);
    target->host = g_strdup (host);
    g_clear_pointer (&target->tls_name, g_free);
  } else if (plan->family != 0 && !trial->way->is_proxied &&
             turn_connect_trial_get_server (trial, plan->family, &address)) {
    g_free (target->tls_name);
    target->tls_name = g_steal_pointer (&target->host);
    target->host = g_strdup (stun_ext_address_print_host (&address, text));
  }
  if (!trial->way->is_proxied)
    turn_connect_target_set_proxy (target, NULL, NULL);
  if (trial->way->carry != TURN_CONNECT_CARRY_TLS)
    turn_connect_target_set_tls (target, NULL);
  turn_connect_target_set_timeout (target, SET_UP_MAX_US / 1000);
  return target;
}

/* Ending */

static gboolean
stop_way (gpointer data)
{
  TurnConnectTrial *trial = data;
  gpointer state = g_steal_pointer (&trial->way_state);

  turn_connect_run_clear_source (&trial->timer);
  if (state != NULL)
    trial->way->stop (state);
  return G_SOURCE_REMOVE;
}

/* Only the first end counts. The way may be in the middle of something, and is stopped later. */
static void
end (TurnConnectTrial *trial, TurnConnectOutcome outcome, const char *detail)
{
  TurnConnectProbe *probe = trial->probe;

  if (trial->state == TRIAL_OVER)
    return;
  trial->state = TRIAL_OVER;
  turn_connect_run_clear_source (&trial->timer);
  trial->timer = turn_connect_run_add_timer (trial->run, 0, stop_way, trial);
  turn_connect_quality_measure (&probe->quality, trial->packets, trial->n_packets);
  probe->attempts = probe->quality.n_sent;
  probe->answers = probe->quality.n_received;
  if (trial->n_back > 0)
    probe->rtt_us = probe->quality.rtt_us;
  if (trial->n_back > 0 || trial->has_worked)
    outcome = probe->proof != TURN_CONNECT_PROOF_NONE ? TURN_CONNECT_OUTCOME_PROOF
                                                      : TURN_CONNECT_OUTCOME_ANSWER;
  if (detail != NULL) {
    g_free (probe->detail);
    probe->detail = turn_connect_error_quote (detail, strlen (detail), 240);
  }
  turn_connect_run_end (trial->run, probe, outcome);
  trial->ended (trial->user_data);
}

void
turn_connect_trial_end (TurnConnectTrial *trial, TurnConnectOutcome outcome, const char *detail)
{
  end (trial, outcome, detail);
}

static const struct {
  gint code;
  TurnConnectOutcome outcome;
} outcomes[] = {
  { TURN_CONNECT_ERROR_INVALID, TURN_CONNECT_OUTCOME_FAILED },
  { TURN_CONNECT_ERROR_UNSUPPORTED, TURN_CONNECT_OUTCOME_FAILED },
  { TURN_CONNECT_ERROR_RESOURCES, TURN_CONNECT_OUTCOME_FAILED },
  { TURN_CONNECT_ERROR_NAME_NOT_FOUND, TURN_CONNECT_OUTCOME_UNREACHABLE },
  { TURN_CONNECT_ERROR_NAME_FAILED, TURN_CONNECT_OUTCOME_UNREACHABLE },
  { TURN_CONNECT_ERROR_REFUSED, TURN_CONNECT_OUTCOME_REFUSED },
  { TURN_CONNECT_ERROR_UNREACHABLE, TURN_CONNECT_OUTCOME_UNREACHABLE },
  { TURN_CONNECT_ERROR_TIMED_OUT, TURN_CONNECT_OUTCOME_SILENCE },
  { TURN_CONNECT_ERROR_CLOSED, TURN_CONNECT_OUTCOME_CLOSED },
  { TURN_CONNECT_ERROR_PROXY_UPSTREAM, TURN_CONNECT_OUTCOME_UNREACHABLE },
  { TURN_CONNECT_ERROR_PROXY_PROTOCOL, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_FAILED, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_NAME, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_EXPIRED, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_UNTRUSTED, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_PIN, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TLS_CERTIFICATE, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
  { TURN_CONNECT_ERROR_TURN_QUOTA, TURN_CONNECT_OUTCOME_FAILED }, /* not the network's doing */
  { TURN_CONNECT_ERROR_TURN_CAPACITY, TURN_CONNECT_OUTCOME_FAILED },
  { TURN_CONNECT_ERROR_TURN_TRANSPORT, TURN_CONNECT_OUTCOME_UNSUPPORTED },
  { TURN_CONNECT_ERROR_TURN_FAMILY, TURN_CONNECT_OUTCOME_UNSUPPORTED },
  { TURN_CONNECT_ERROR_TURN_PROTOCOL, TURN_CONNECT_OUTCOME_WRONG_ANSWER },
};

static TurnConnectOutcome
outcome_of (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
    return TURN_CONNECT_OUTCOME_RESET;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return TURN_CONNECT_OUTCOME_SILENCE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    return TURN_CONNECT_OUTCOME_CLOSED;
  if (error->domain != TURN_CONNECT_ERROR)
    return TURN_CONNECT_OUTCOME_FAILED;
  for (guint i = 0; i < G_N_ELEMENTS (outcomes); i++) {
    if (outcomes[i].code == error->code)
      return outcomes[i].outcome;
  }
  return TURN_CONNECT_OUTCOME_DENIED; /* by a proxy or a TURN server */
}

void
turn_connect_trial_fail (TurnConnectTrial *trial, const GError *error)
{
  guint status = turn_connect_error_get_http_status (error);

  if (trial->state == TRIAL_OVER)
    return;
  trial->probe->code = status != 0 ? status : turn_connect_error_get_turn_code (error);
  end (trial, outcome_of (error), error->message);
}

/* Packets */

static gboolean send_packets (gpointer data);

/* Whether too many of few packets were lost to say that it works, and few enough to ask once more. */
static gboolean
is_loss_chance (const TurnConnectTrial *trial)
{
  return trial->n_repeats > 0 && trial->n_back > 0 &&
         trial->n_packets - trial->n_back > TURN_CONNECT_LOSS_MAX * trial->n_packets;
}

static gboolean
listened_long_enough (gpointer data)
{
  TurnConnectTrial *trial = data;

  if (is_loss_chance (trial)) {
    trial->n_repeats--;
    trial->n_packets += TURN_CONNECT_TRIAL_PACKETS;
    trial->packets = g_renew (TurnConnectRoundTrip, trial->packets, trial->n_packets);
    memset (trial->packets + trial->next, 0,
            TURN_CONNECT_TRIAL_PACKETS * sizeof (TurnConnectRoundTrip));
    trial->state = TRIAL_SENDING;
    return send_packets (trial);
  }
  end (trial, TURN_CONNECT_OUTCOME_SILENCE,
       trial->n_back > 0 ? NULL : "it was set up, but none of the packets came back");
  return G_SOURCE_REMOVE;
}

/* How long the last packet is waited for, by what the others took. */
static void
listen_on (TurnConnectTrial *trial)
{
  TurnConnectQuality quality = { 0 };
  gint64 wait_us;

  trial->state = TRIAL_LISTENING;
  turn_connect_quality_measure (&quality, trial->packets, trial->n_packets);
  wait_us = MAX (LAST_US, LAST_ROUND_TRIPS * MAX (quality.rtt_p95_us, trial->probe->rtt_us));
  wait_us = MIN (wait_us, SET_UP_MAX_US);
  trial->probe->deadline_us = turn_connect_run_get_now (trial->run) + wait_us;
  trial->timer = turn_connect_run_add_timer (trial->run, wait_us, listened_long_enough, trial);
}

static gboolean
send_packets (gpointer data)
{
  TurnConnectTrial *trial = data;
  gint64 now = g_get_monotonic_time ();
  TurnConnectRoundTrip *packet = &trial->packets[trial->next];

  packet->sent_us = now;
  trial->next++;
  if (!trial->way->send (trial->way_state, (trial->next - 1) % NUMBERS) && packet->back_us == 0)
    g_debug ("%s: packet %u cannot go", trial->way->name, trial->next - 1);
  if (trial->state != TRIAL_SENDING)
    return G_SOURCE_REMOVE; /* sending ended it */
  turn_connect_run_clear_source (&trial->timer);
  if (trial->next < trial->n_packets)
    trial->timer = turn_connect_run_add_timer (
        trial->run, TURN_CONNECT_TRIAL_EVERY_MS * G_GINT64_CONSTANT (1000), send_packets, trial);
  else
    listen_on (trial);
  return G_SOURCE_REMOVE;
}

void
turn_connect_trial_ready (TurnConnectTrial *trial)
{
  if (trial->state != TRIAL_SETTING_UP)
    return;
  trial->state = TRIAL_SENDING;
  trial->probe->quality.set_up_us = g_get_monotonic_time () - trial->began_us;
  trial->probe->connect_us = trial->probe->quality.set_up_us;
  turn_connect_run_clear_source (&trial->timer);
  trial->timer = turn_connect_run_add_timer (trial->run, 0, send_packets, trial);
  if (!trial->way->is_proven_by_set_up || trial->works == NULL ||
      !turn_connect_run_get_plan (trial->run)->is_first_wanted)
    return;
  trial->has_worked = TRUE;
  trial->works (trial->user_data);
}

/* Which of those with the same number it is: the latest, for the one before went seconds ago. If that
 * is back, it is a copy, or on a stream, which brings all, an earlier one. NULL: none. */
static TurnConnectRoundTrip *
find_packet (TurnConnectTrial *trial, guint number)
{
  TurnConnectRoundTrip *latest = NULL, *found = NULL;

  for (guint i = number; i < trial->next; i += NUMBERS) {
    latest = &trial->packets[i];
    if (latest->back_us == 0)
      found = latest;
  }
  return found == latest || trial->way->carry != TURN_CONNECT_CARRY_UDP ? found : NULL;
}

void
turn_connect_trial_returned (TurnConnectTrial *trial, guint number)
{
  TurnConnectRoundTrip *packet;

  if ((trial->state != TRIAL_SENDING && trial->state != TRIAL_LISTENING) || number >= NUMBERS)
    return;
  packet = find_packet (trial, number);
  if (packet == NULL)
    return;
  packet->back_us = MAX (g_get_monotonic_time (), packet->sent_us);
  trial->n_back++;
  if (trial->n_back == 1 && trial->works != NULL && !trial->has_worked)
    trial->works (trial->user_data);
  if (trial->n_back == trial->n_packets)
    end (trial, TURN_CONNECT_OUTCOME_ANSWER, NULL);
}

void
turn_connect_trial_write_packet (TurnConnectTrial *trial,
                                 guint number,
                                 guint8 packet[TURN_CONNECT_TRIAL_PACKET_SIZE])
{
  memset (packet, 0, TURN_CONNECT_TRIAL_PACKET_SIZE);
  memcpy (packet, trial->session, sizeof trial->session);
  packet[sizeof trial->session] = (guint8)number;
  /* As noise as speech is, for whoever looks at it. */
  for (guint i = LABEL; i < TURN_CONNECT_TRIAL_PACKET_SIZE; i++)
    packet[i] = (guint8)(trial->session[i % sizeof trial->session] + 7 * i + number);
}

void
turn_connect_trial_take_packet (TurnConnectTrial *trial, const guint8 *data, gsize length)
{
  guint8 sent[TURN_CONNECT_TRIAL_PACKET_SIZE];

  if (length != sizeof sent)
    return;
  turn_connect_trial_write_packet (trial, data[sizeof trial->session], sent);
  if (memcmp (data, sent, sizeof sent) == 0)
    turn_connect_trial_returned (trial, data[sizeof trial->session]);
}

/* Setting up */

/* What is known of the way before it is gone; who goes it may know better. */
static void
note_way (TurnConnectTrial *trial)
{
  const TurnConnectTarget *target = turn_connect_run_get_target (trial->run);

  note_server (trial, target->host, trial->way->port != 0 ? trial->way->port : target->port);
  if (trial->way->is_proxied && target->proxy != NULL)
    trial->probe->via = g_strdup (target->proxy->url);
}

/* Whether something else went the same way: to that port, or through the proxy. */
static gboolean
does_way_lead_out (const TurnConnectTrial *trial)
{
  const GPtrArray *probes = turn_connect_run_get_observations (trial->run)->probes;
  gboolean is_udp = trial->way->carry == TURN_CONNECT_CARRY_UDP;

  for (guint i = 0; i < probes->len; i++) {
    const TurnConnectProbe *probe = g_ptr_array_index (probes, i);

    if (probe->kind != TURN_CONNECT_PROBE_METHOD && turn_connect_probe_passed (probe) &&
        (probe->carry == TURN_CONNECT_CARRY_UDP) == is_udp &&
        (probe->via != NULL) == trial->way->is_proxied && probe->target.port == trial->port)
      return TRUE;
  }
  return FALSE;
}

static gboolean
took_too_long (gpointer data)
{
  TurnConnectTrial *trial = data;
  gint64 rtt_us = turn_connect_run_get_rtt (trial->run, 4);
  gint64 least_us = does_way_lead_out (trial) ? PATIENT_US : SET_UP_US;
  gint64 limit_us = MIN (least_us + SET_UP_ROUND_TRIPS * MAX (rtt_us, 0), SET_UP_MAX_US);
  gboolean is_rtt_asked =
      (turn_connect_run_get_plan (trial->run)->sets & TURN_CONNECT_PROBE_SET_PORTS) != 0;
  gint64 now = g_get_monotonic_time ();

  if (!is_rtt_asked)
    limit_us = SET_UP_MAX_US;
  /* Meanwhile the round trip may have become known. */
  turn_connect_run_clear_source (&trial->timer);
  if (now < trial->began_us + limit_us) {
    trial->probe->deadline_us += trial->began_us + limit_us - now;
    trial->timer = turn_connect_run_add_timer (trial->run, trial->began_us + limit_us - now,
                                               took_too_long, trial);
  } else
    end (trial, TURN_CONNECT_OUTCOME_SILENCE, "it was not set up in time");
  return G_SOURCE_REMOVE;
}

/* Why it cannot be tried at all, NULL if it can. */
static const char *
find_obstacle (TurnConnectTrial *trial)
{
  const TurnConnectPlan *plan = turn_connect_run_get_plan (trial->run);

  if (trial->way->is_proxied && !turn_connect_run_has_proxy (trial->run))
    return "there is no proxy that we know of";
  if (trial->way->is_proxied && turn_connect_run_is_proxy_login_wrong (trial->run))
    return "the proxy did not take the password, which is not tried again";
  if (trial->way->needs_login && (plan->user == NULL || plan->password == NULL))
    return "it takes credentials";
  if (trial->way->carry == TURN_CONNECT_CARRY_TLS && plan->target->tls == NULL)
    return "it is not known whom to trust";
  return NULL;
}

static gboolean
begin (gpointer data)
{
  TurnConnectTrial *trial = data;
  const char *obstacle;
  gpointer state;

  turn_connect_run_clear_source (&trial->timer);
  /* A proxy that does not take our password is not to be asked by all at once. */
  if (trial->way->is_proxied && turn_connect_run_is_proxy_awaited (trial->run)) {
    trial->timer = turn_connect_run_add_timer (trial->run, PROXY_US, begin, trial);
    return G_SOURCE_REMOVE;
  }
  obstacle = find_obstacle (trial);
  if (obstacle != NULL) {
    end (trial, TURN_CONNECT_OUTCOME_SKIPPED, obstacle);
    return G_SOURCE_REMOVE;
  }
  note_way (trial);
  trial->state = TRIAL_SETTING_UP;
  trial->began_us = g_get_monotonic_time ();
  trial->probe->deadline_us = turn_connect_run_get_now (trial->run) + SET_UP_US;
  trial->timer = turn_connect_run_add_timer (trial->run, SET_UP_US, took_too_long, trial);
  state = trial->way->start (trial, trial->way_data);
  trial->way_state = state;
  if (state == NULL)
    end (trial, TURN_CONNECT_OUTCOME_FAILED, NULL);
  return G_SOURCE_REMOVE;
}

TurnConnectTrial *
turn_connect_trial_new (TurnConnectRun *run,
                        const TurnConnectTrialWay *way,
                        gpointer way_data,
                        guint n_packets,
                        TurnConnectTrialWorksFunc works,
                        TurnConnectTrialEndedFunc ended,
                        gpointer user_data)
{
  TurnConnectTrial *trial = g_new0 (TurnConnectTrial, 1);

  trial->run = run;
  trial->way = way;
  trial->way_data = way_data;
  trial->n_packets = n_packets;
  trial->n_repeats = n_packets == TURN_CONNECT_TRIAL_PACKETS ? REPEATS : 0;
  trial->packets = g_new0 (TurnConnectRoundTrip, n_packets);
  trial->works = works;
  trial->ended = ended;
  trial->user_data = user_data;
  trial->probe =
      turn_connect_run_begin (run, TURN_CONNECT_PROBE_METHOD, way->name, way->carry, NULL);
  trial->probe->quality.size = TURN_CONNECT_TRIAL_PACKET_SIZE;
  turn_connect_random_octets (trial->session, sizeof trial->session);
  trial->timer = turn_connect_run_add_timer (run, 0, begin, trial);
  return trial;
}

void
turn_connect_trial_free (TurnConnectTrial *trial)
{
  trial->state = TRIAL_OVER;
  stop_way (trial);
  g_free (trial->packets);
  g_free (trial);
}
