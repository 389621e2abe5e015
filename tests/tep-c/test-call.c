/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A call against a real TEP-S in this process whose media side sends everything back; the far side is
 * a description and does no ICE. Calls with ICE and between hosts are tests/interop's. */
#include "tep-c/call.h"

#include <string.h>

#include <glib/gstdio.h>

#include "stun-ext/error.h"
#include "stun-ext/sdp.h"
#include "tep-s/config.h"
#include "tep-s/server.h"

#define PASSWORD "correct horse battery staple"
#define FAR                                                                                        \
  "v=0\r\no=- 2 2 IN IP4 198.18.0.9\r\ns=-\r\nt=0 0\r\n"                                           \
  "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 198.18.0.9\r\na=rtcp:4001 IN IP4 198.18.0.9\r\n"             \
  "a=tep-s:1 tcp 127.0.0.1 443 127.0.0.1\r\na=sendrecv\r\n"
#define WITH_ICE                                                                                   \
  "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"                                     \
  "a=candidate:1 1 UDP 2130706431 198.18.0.9 4000 typ host\r\n"
#define OURS                                                                                       \
  "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                      \
  "m=audio 9 RTP/AVP 0\r\na=candidate:9 1 UDP 1 192.0.2.1 9 typ host\r\n"                          \
  "m=video 8 RTP/AVP 31\r\n"

typedef struct {
  char *folder;
  TepServer *server;
  TepClientSession *session;
  TepClientCall *call;
  GAsyncResult *prepared;
  guint n_heard[2];
  char *last_branch;
  char *carrier; /* of the last "path-changed" */
  guint n_changes;
  GError *failure;
  gboolean hangs_up_on_packet, hangs_up_on_path, hangs_up_on_failure;
  guint n_own;          /* of the application's own STUN that came back */
  gint n_checks;        /* that came to the media side; atomic */
  TepServerPacket late; /* the last of them: sent back behind what next is no check. The worker's */
  StunExtAddress late_ends[2];
  guint8 late_payload[256];
} World;

/* Checks come back late: when the call may do without ICE again. */
static gboolean
hold_check (World *world, const TepServerPacket *packet)
{
  if (packet->length < 20 || packet->length > sizeof world->late_payload || packet->payload[0] > 3)
    return FALSE;
  world->late = *packet;
  memcpy (world->late_payload, packet->payload, packet->length);
  world->late.payload = world->late_payload;
  world->late_ends[0] = *packet->source;
  world->late.source = &world->late_ends[0];
  world->late_ends[1] = *packet->destination;
  world->late.destination = &world->late_ends[1];
  g_atomic_int_inc (&world->n_checks);
  return TRUE;
}

static void
send_back (TepServerWorker *worker, const TepServerPacket *packet)
{
  TepServerPacket back = *packet;

  back.source = packet->destination;
  back.destination = packet->source;
  tep_server_worker_send (worker, &back, 1);
}

static void
echo (TepServerWorker *worker, const TepServerPacket *packets, gsize n, gpointer data)
{
  World *world = data;

  for (gsize i = 0; i < n; i++) {
    if (hold_check (world, &packets[i]))
      continue;
    world->late.binding = packets[i].binding;
    if (world->late.length > 0)
      send_back (worker, &world->late);
    world->late.length = 0;
    send_back (worker, &packets[i]);
  }
}

static void
start_server (World *world, StunExtAddress *address)
{
  const TepServerMediaCallbacks callbacks = { .packets = echo };
  g_autofree char *users = g_build_filename (world->folder, "users", NULL);
  g_autofree char *path = g_build_filename (world->folder, "tep-s.conf", NULL);
  g_autoptr (TepServerConfig) config = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents_full (users, "alice:" PASSWORD "\n", -1, 0, 0600, NULL));
  config = tep_server_config_load_from_data (
      "[server]\nlisten=127.0.0.1:0\nworkers=1\nnames=127.0.0.1\n[credentials]\nusers=users\n"
      "[media]\nbackend=embedded\n[policy]\nallow=198.18.0.9:4000-4099\n",
      -1, path, &error);
  g_assert_no_error (error);
  world->server = tep_server_new (config, &callbacks, world, &error);
  g_assert_no_error (error);
  g_assert_true (tep_server_start (world->server, &error));
  g_assert_true (tep_server_get_listener_address (world->server, 0, address));
}

/* A Binding request of the application's. */
static const guint8 own_stun[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 'i', 'n', 't', 'h' };

static void
heard (TepClientCall *call, const TepClientCallPacket *packet, gpointer data)
{
  World *world = data;

  g_assert_cmpstr (packet->carrier, ==, "tunnel");
  if (packet->length == sizeof own_stun) {
    g_assert_cmpmem (packet->data, packet->length, own_stun, sizeof own_stun);
    world->n_own++;
    return;
  }
  g_assert_cmpmem (packet->data, packet->length, "hello", 5);
  world->n_heard[packet->component - 1]++;
  g_free (world->last_branch);
  world->last_branch = g_strdup (packet->branch);
  if (world->hangs_up_on_packet)
    tep_client_call_hang_up (call);
}

static void
path_changed (TepClientCall *call, const char *branch, const char *carrier, World *world)
{
  g_free (world->carrier);
  world->carrier = g_strdup (carrier);
  world->n_changes++;
  if (world->hangs_up_on_path)
    tep_client_call_hang_up (call);
}

static void
failed (TepClientCall *call, const char *branch, const GError *cause, World *world)
{
  g_clear_error (&world->failure);
  world->failure = g_error_copy (cause);
  if (world->hangs_up_on_failure)
    tep_client_call_hang_up (call);
}

static void
take_result (GObject *object, GAsyncResult *result, gpointer data)
{
  GAsyncResult **taken = data;

  *taken = g_object_ref (result);
}

static void
make_call (World *world, gboolean is_offerer, guint n_components)
{
  TepClientCallOptions options = { .is_offerer = is_offerer,
                                   .n_components = n_components,
                                   .dscp = -1 };

  g_clear_object (&world->call);
  world->call = tep_client_call_new (world->session, &options, heard, world);
  g_signal_connect (world->call, "path-changed", G_CALLBACK (path_changed), world);
  g_signal_connect (world->call, "failed", G_CALLBACK (failed), world);
}

static gboolean
prepare (World *world, GError **error)
{
  g_clear_object (&world->prepared);
  tep_client_call_prepare_async (world->call, NULL, take_result, &world->prepared);
  g_assert_null (world->prepared);
  while (world->prepared == NULL)
    g_main_context_iteration (NULL, TRUE);
  return tep_client_call_prepare_finish (world->call, world->prepared, error);
}

static void
world_up (World *world, gconstpointer data)
{
  g_autoptr (TepClientOptions) options = tep_client_options_new ();
  StunExtAddress address;

  memset (world, 0, sizeof *world);
  world->folder = g_dir_make_tmp ("test-call-XXXXXX", NULL);
  start_server (world, &address);
  options->host = g_strdup ("127.0.0.1");
  options->port = address.port;
  options->user = g_strdup ("alice");
  options->password = g_strdup (PASSWORD);
  options->stays = TRUE;
  world->session = tep_client_session_new (options);
  tep_client_session_open (world->session);
}

static void
ready (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  world_up (world, data);
  make_call (world, TRUE, 2);
  g_assert_true (prepare (world, &error));
  g_assert_no_error (error);
}

static void
world_down (World *world, gconstpointer data)
{
  g_autofree char *users = g_build_filename (world->folder, "users", NULL);

  g_clear_object (&world->prepared);
  g_clear_object (&world->call);
  tep_client_session_close (world->session);
  while (tep_client_session_get_state (world->session) != TEP_CLIENT_STATE_CLOSED)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (world->session);
  tep_server_stop (world->server);
  g_object_unref (world->server);
  g_clear_error (&world->failure);
  g_free (world->carrier);
  g_free (world->last_branch);
  g_remove (users);
  g_rmdir (world->folder);
  g_free (world->folder);
}

static void
set_remote (World *world, const char *branch, const char *sdp)
{
  g_autoptr (GError) error = NULL;

  tep_client_call_set_remote (world->call, branch, sdp, &error);
  g_assert_no_error (error);
}

/* Speaks until something is heard on the component. */
static void
talk (World *world, guint component)
{
  guint before = world->n_heard[component - 1];

  while (world->n_heard[component - 1] == before) {
    tep_client_call_send (world->call, NULL, component, (const guint8 *)"hello", 5);
    g_main_context_iteration (NULL, FALSE);
  }
}

static void
test_describe (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = tep_client_call_describe (world->call, OURS, &error);
  StunExtAddress lease;
  StunExtSdp sdp;

  g_assert_no_error (error);
  g_assert_true (tep_client_call_get_lease (world->call, &lease, &error));
  g_assert_true (stun_ext_sdp_parse (&sdp, text, strlen (text), &error));
  g_assert_true (stun_ext_address_equal (&sdp.media[0].address, &lease));
  lease.port++;
  g_assert_true (stun_ext_address_equal (&sdp.media[0].rtcp, &lease));
  g_assert_true (sdp.media[0].has_tep_option);
  g_assert_null (strstr (text, "192.0.2.1 9 typ"));
  g_assert_cmpuint (sdp.media[1].address.port, ==, 8);
  g_assert_false (sdp.media[1].has_tep_option);
}

static void
test_answer_without_ice (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  world_up (world, data);
  make_call (world, FALSE, 1);
  g_assert_true (prepare (world, &error));
  set_remote (world, "offer", FAR);
  text = tep_client_call_describe (world->call, OURS, &error);
  g_assert_no_error (error);
  g_assert_null (strstr (text, "a=ice-ufrag"));
  g_assert_null (strstr (text, "a=candidate"));
  talk (world, 1);
  g_assert_cmpstr (world->last_branch, ==, "offer");
}

static void
test_two_components (World *world, gconstpointer data)
{
  TepClientCallReport report;

  set_remote (world, "one", FAR);
  talk (world, 1);
  talk (world, 2);
  g_assert_cmpstr (world->carrier, ==, "tunnel");
  g_assert_true (tep_client_call_get_report (world->call, "one", &report));
  g_assert_cmpuint (report.decided_us, >, 0);
  g_assert_cmpuint (report.first_media_us, >=, report.decided_us);
  g_assert_nonnull (tep_client_call_get_flow (world->call, NULL, 2));
}

static void
test_rtcp_mux (World *world, gconstpointer data)
{
  set_remote (world, "one", FAR "a=rtcp-mux\r\n");
  talk (world, 1);
  g_assert_null (tep_client_call_get_flow (world->call, NULL, 2));
  g_assert_cmpint (tep_client_call_send (world->call, NULL, 2, (const guint8 *)"x", 1), ==,
                   TEP_CLIENT_SENT_DOWN);
}

/* What is heard is compared in heard (). */
static void
test_late_check (World *world, gconstpointer data)
{
  set_remote (world, "one", FAR WITH_ICE);
  while (g_atomic_int_get (&world->n_checks) == 0)
    g_main_context_iteration (NULL, FALSE);
  set_remote (world, "one", FAR);
  talk (world, 1);
  g_assert_cmpuint (world->n_own, ==, 0);
  while (world->n_own == 0) {
    tep_client_call_send (world->call, NULL, 1, own_stun, sizeof own_stun);
    talk (world, 1);
  }
}

/* Early branches of a fork behind one media server. */
static void
test_shared_remote (World *world, gconstpointer data)
{
  set_remote (world, "one", FAR);
  talk (world, 1);
  set_remote (world, "two", FAR);
  talk (world, 1);
  g_assert_true (tep_client_call_get_flow (world->call, "one", 1) ==
                 tep_client_call_get_flow (world->call, "two", 1));
  tep_client_call_confirm (world->call, "two");
  talk (world, 1);
  g_assert_cmpstr (world->last_branch, ==, "two");
  g_assert_cmpint (tep_client_call_send (world->call, "one", 1, (const guint8 *)"x", 1), ==,
                   TEP_CLIENT_SENT_DOWN);
}

static void
test_forbidden_remote (World *world, gconstpointer data)
{
  g_autofree char *other = g_strdup (FAR);

  /* Port 3999 is not on the server's list. */
  memcpy (strstr (other, "audio 4000"), "audio 3999", 10);
  world->hangs_up_on_failure = data != NULL;
  set_remote (world, "one", other);
  while (world->failure == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (world->failure, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_NO_PATH);
  g_assert_nonnull (strstr (world->failure->message, "the far side does no ICE"));
  if (data == NULL) {
    set_remote (world, "one", FAR); /* a re-INVITE mends it */
    talk (world, 1);
  }
}

static void
test_session_closed (World *world, gconstpointer data)
{
  StunExtAddress lease;
  g_autoptr (GError) error = NULL;

  set_remote (world, "one", FAR);
  talk (world, 1);
  tep_client_session_close (world->session);
  while (world->failure == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_nonnull (strstr (world->failure->message, "the session was closed"));
  g_assert_false (tep_client_call_get_lease (world->call, &lease, &error));
  g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED);
}

static void
test_hang_up_in_callbacks (World *world, gconstpointer data)
{
  world->hangs_up_on_path = g_str_equal (data, "path");
  world->hangs_up_on_packet = !world->hangs_up_on_path;
  set_remote (world, "one", FAR);
  if (world->hangs_up_on_packet) {
    talk (world, 1);
  } else {
    while (world->carrier == NULL)
      g_main_context_iteration (NULL, TRUE);
  }
  g_assert_false (tep_client_call_get_report (world->call, NULL, &(TepClientCallReport){ 0 }));
  g_assert_cmpint (tep_client_call_send (world->call, NULL, 1, (const guint8 *)"x", 1), ==,
                   TEP_CLIENT_SENT_DOWN);
}

static void
test_hang_up_while_busy (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  world_up (world, data);
  make_call (world, TRUE, 2);
  tep_client_call_prepare_async (world->call, NULL, take_result, &world->prepared);
  tep_client_call_hang_up (world->call);
  while (world->prepared == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_false (tep_client_call_prepare_finish (world->call, world->prepared, &error));
  g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED);
  g_clear_error (&error);

  make_call (world, TRUE, 2);
  g_assert_true (prepare (world, &error));
  set_remote (world, "one", FAR); /* its flows are being opened */
  tep_client_call_hang_up (world->call);
}

static void
test_out_of_order (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  world_up (world, data);
  make_call (world, TRUE, 1);
  for (guint round = 0; round < 2; round++) {
    g_assert_null (tep_client_call_describe (world->call, OURS, &error));
    g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED);
    g_clear_error (&error);
    g_assert_false (tep_client_call_set_remote (world->call, "one", FAR, &error));
    g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED);
    g_clear_error (&error);
    tep_client_call_confirm (world->call, "one");
    tep_client_call_restart_ice (world->call);
    g_assert_null (tep_client_call_get_flow (world->call, NULL, 1));
    g_assert_cmpint (tep_client_call_send (world->call, NULL, 1, (const guint8 *)"x", 1), ==,
                     TEP_CLIENT_SENT_DOWN);
    tep_client_call_hang_up (world->call);
  }
  g_assert_false (prepare (world, &error));
  g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_CLOSED);
}

static void
test_useless_descriptions (World *world, gconstpointer data)
{
  static const struct {
    const char *sdp;
    int code;
  } rows[] = {
    { "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n", TEP_CLIENT_ERROR_PROTOCOL },
    { "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n",
      TEP_CLIENT_ERROR_PROTOCOL },
    { "", -1 },
    { "HTTP/1.1 200 OK\r\n\r\n", -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (tep_client_call_set_remote (world->call, "one", rows[i].sdp, &error));
    if (rows[i].code >= 0)
      g_assert_error (error, TEP_CLIENT_ERROR, rows[i].code);
    else
      g_assert_error (error, STUN_EXT_ERROR, STUN_EXT_ERROR_SYNTAX);
  }
  g_assert_false (tep_client_call_get_report (world->call, NULL, &(TepClientCallReport){ 0 }));
}

/* Whatever comes, the next right description works. */
static void
test_truncated_descriptions (World *world, gconstpointer data)
{
  static const char whole[] = FAR WITH_ICE;

  for (gsize n = 0; n < sizeof whole; n++) {
    g_autofree char *part = g_strndup (whole, n);
    g_autofree char *wrong = g_strdup (whole);

    tep_client_call_set_remote (world->call, "one", part, NULL);
    wrong[n] = n < sizeof whole - 1 ? '\xff' : '\0';
    tep_client_call_set_remote (world->call, "one", wrong, NULL);
    g_main_context_iteration (NULL, FALSE);
  }
  set_remote (world, "two", FAR);
  tep_client_call_confirm (world->call, "two");
  talk (world, 1);
}

static void
test_too_many_branches (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 16; i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);

    set_remote (world, name, FAR);
  }
  g_assert_false (tep_client_call_set_remote (world->call, "16", FAR, &error));
  g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_QUOTA);
  tep_client_call_confirm (world->call, "7");
  talk (world, 1);
  g_assert_cmpstr (world->last_branch, ==, "7");
}

#define ADD(name, data, up, test)                                                                  \
  g_test_add ("/tep-c/call/" name, World, data, up, test, world_down)

static void
nothing (World *world, gconstpointer data)
{
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("describes-its-section-by-the-lease", NULL, ready, test_describe);
  ADD ("answer-to-an-offer-without-ice-has-none", NULL, nothing, test_answer_without_ice);
  ADD ("both-components-are-carried", NULL, ready, test_two_components);
  ADD ("rtcp-mux-leaves-one-component", NULL, ready, test_rtcp_mux);
  ADD ("when-ice-has-ended-its-late-checks-are-no-media-and-other-stun-is", NULL, ready,
       test_late_check);
  ADD ("branches-with-one-remote-share-the-flow", NULL, ready, test_shared_remote);
  ADD ("refused-flow-fails-the-branch-and-a-re-invite-mends-it", NULL, ready,
       test_forbidden_remote);
  ADD ("may-end-when-told-of-a-failure", "end", ready, test_forbidden_remote);
  ADD ("closed-session-fails-the-call-with-its-cause", NULL, ready, test_session_closed);
  ADD ("may-end-when-told-of-the-path", "path", ready, test_hang_up_in_callbacks);
  ADD ("may-end-in-a-packet", "packet", ready, test_hang_up_in_callbacks);
  ADD ("may-end-while-things-are-under-way", NULL, nothing, test_hang_up_while_busy);
  ADD ("what-comes-out-of-order-is-refused", NULL, nothing, test_out_of_order);
  ADD ("useless-descriptions-change-nothing", NULL, ready, test_useless_descriptions);
  ADD ("survives-every-truncation-and-wrong-octet", NULL, ready, test_truncated_descriptions);
  ADD ("seventeenth-branch-is-refused", NULL, ready, test_too_many_branches);
  return g_test_run ();
}
