/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Choices against a real TEP-S on loopback. UDP without a tunnel, the memory of networks and everything that takes a
 * firewall is in tests/interop/test-choice.py. */
#include <string.h>

#include "core.h"
#include "tep-c/choice.h"

typedef struct {
  TepClientChoice *choice;
  GString *told;        /* a word for each signal */
  const char *ends_at;  /* the word at which everything is ended, from within */
  gboolean begins_anew; /* there */
  gboolean is_ended;
} User;

static void
note (User *user, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (user->is_ended);
  g_string_append_printf (user->told, "%s%s", user->told->len > 0 ? " " : "", word);
  if (g_strcmp0 (user->ends_at, word) != 0)
    return;
  user->ends_at = NULL;
  tep_client_choice_end (user->choice);
  user->is_ended = !user->begins_anew;
  if (user->begins_anew)
    g_assert_true (tep_client_choice_begin (user->choice, &error));
}

static void
chosen (TepClientChoice *choice, gpointer data)
{
  TepClientChoiceReport report;

  tep_client_choice_get_report (choice, &report);
  g_assert_nonnull (report.reason);
  g_assert_cmpint (report.method != NULL, ==, report.path != TEP_CLIENT_PATH_NONE);
  note (data, tep_client_path_name (report.path));
}

static void
session_changed (TepClientChoice *choice, gpointer data)
{
  User *user = data;

  if (user->is_ended || user->ends_at == NULL)
    return; /* the end of one is no news */
  note (user, tep_client_choice_get_session (choice) != NULL ? "session" : "no-session");
}

static TepClientOptions *
make_options (const Core *core)
{
  TepClientOptions *options = tep_client_options_new ();

  options->host = g_strdup ("127.0.0.1");
  options->port = core->address.port;
  options->user = g_strdup ("alice");
  options->password = g_strdup (CORE_PASSWORD);
  options->attempt_timeout_s = 2;
  return options;
}

static void
user_up (User *user, const Core *core)
{
  g_autoptr (TepClientOptions) options = make_options (core);
  g_autoptr (GError) error = NULL;

  memset (user, 0, sizeof *user);
  user->told = g_string_new (NULL);
  user->choice = tep_client_choice_new (options);
  tep_client_choice_set_direct_port (user->choice, 0);
  g_signal_connect (user->choice, "chosen", G_CALLBACK (chosen), user);
  g_signal_connect (user->choice, "session-changed", G_CALLBACK (session_changed), user);
}

static void
user_begin (User *user)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (tep_client_choice_begin (user->choice, &error));
  g_assert_no_error (error);
}

/* Everything that is left says that it was cancelled, to nobody. */
static void
drain (void)
{
  for (guint i = 0; i < 200 && g_main_context_iteration (NULL, FALSE); i++)
    ;
}

static void
user_down (User *user)
{
  g_signal_handlers_disconnect_by_data (user->choice, user);
  g_assert_finalize_object (user->choice);
  g_string_free (user->told, TRUE);
  drain ();
}

static void
test_the_tunnel_that_works_is_chosen (Core *core, gconstpointer data)
{
  TepClientChoiceReport report;
  g_autofree char *method = g_strdup_printf ("tep-%u", core->address.port);
  User user;

  user_up (&user, core);
  tep_client_choice_get_report (user.choice, &report);
  g_assert_cmpint (report.path, ==, TEP_CLIENT_PATH_NONE);
  user_begin (&user);
  WAIT_FOR (user.told->len > 0);
  tep_client_choice_get_report (user.choice, &report);
  g_assert_cmpint (report.path, ==, TEP_CLIENT_PATH_TUNNEL);
  g_assert_cmpstr (report.method, ==, method);
  g_assert_false (report.is_remembered);
  g_assert_cmpint (report.took_us, >, 0);
  g_assert_cmpint (tep_client_session_get_state (tep_client_choice_get_session (user.choice)), ==,
                   TEP_CLIENT_STATE_OPEN);
  user_down (&user);
}

static void
test_that_nothing_works_is_said (Core *core, gconstpointer data)
{
  TepClientChoiceReport report;
  User user;

  core_stop (core);
  user_up (&user, core);
  user_begin (&user);
  WAIT_FOR (user.told->len > 0);
  g_assert_cmpstr (user.told->str, ==, "none");
  tep_client_choice_get_report (user.choice, &report);
  g_assert_nonnull (strstr (report.reason, "nothing gets through to 127.0.0.1"));
  /* And that it does again, too. */
  core_start (core);
  WAIT_FOR (g_str_has_suffix (user.told->str, "tunnel"));
  user_down (&user);
}

static void
test_what_fails_in_use_is_chosen_anew (Core *core, gconstpointer data)
{
  User user;

  user_up (&user, core);
  user_begin (&user);
  WAIT_FOR (user.told->len > 0);
  tep_client_choice_failed (user.choice);
  g_assert_cmpstr (user.told->str, ==, "tunnel none");
  user_down (&user);
}

static void
test_it_ends_at_every_step (Core *core, gconstpointer data)
{
  gboolean is_chosen = FALSE;

  for (guint n = 0; !is_chosen; n++) {
    User user;

    user_up (&user, core);
    user_begin (&user);
    for (guint i = 0; i < n && user.told->len == 0; i++)
      g_main_context_iteration (NULL, TRUE);
    is_chosen = user.told->len > 0;
    /* By its end, and by being dropped, in turns. */
    if (n % 2 == 0)
      tep_client_choice_end (user.choice);
    user.is_ended = TRUE;
    user_down (&user);
    g_assert_cmpuint (n, <, 2000);
  }
}

static void
test_it_ends_within_each_signal (Core *core, gconstpointer data)
{
  static const char *const words[] = { "session", "tunnel" };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (words); i++) {
    User user;

    user_up (&user, core);
    user.ends_at = words[i / 2];
    user.begins_anew = i % 2 == 1;
    user_begin (&user);
    if (user.begins_anew)
      WAIT_FOR (user.ends_at == NULL && g_str_has_suffix (user.told->str, "tunnel") &&
                tep_client_choice_get_session (user.choice) != NULL);
    else
      WAIT_FOR (user.is_ended);
    g_assert_cmpint (tep_client_choice_get_session (user.choice) != NULL, ==, user.begins_anew);
    drain ();
    user_down (&user);
  }
}

/* A proxy that wants a password, and has one answer to whoever names one. */
typedef struct {
  GSocketService *service;
  const char *answer;
  gint n_logins, n_at_once, n_at_once_max; /* atomic */
} Gate;

static gboolean
read_head (GInputStream *input, char *head, gsize size)
{
  gsize length = 0;

  while (length < size - 1 && g_input_stream_read (input, head + length, 1, NULL, NULL) == 1) {
    head[++length] = '\0';
    if (g_str_has_suffix (head, "\r\n\r\n"))
      return TRUE;
  }
  return FALSE;
}

static gboolean
served (GThreadedSocketService *service, GSocketConnection *connection, GObject *source, Gate *gate)
{
  static const char question[] = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                                 "Content-Length: 0\r\n\r\n";
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  char head[2048] = "";

  while (read_head (input, head, sizeof head)) {
    gboolean is_login = strstr (head, "\r\nProxy-Authorization: Basic ") != NULL;
    const char *answer = is_login ? gate->answer : question;

    if (is_login) {
      gint n = g_atomic_int_add (&gate->n_at_once, 1) + 1;

      if (n > g_atomic_int_get (&gate->n_at_once_max))
        g_atomic_int_set (&gate->n_at_once_max, n);
      g_atomic_int_inc (&gate->n_logins);
      g_thread_yield ();
      g_atomic_int_add (&gate->n_at_once, -1);
    }
    if (!g_output_stream_write_all (output, answer, strlen (answer), NULL, NULL, NULL))
      break;
  }
  return TRUE;
}

/* What becomes of a choice that has no way but such a proxy. */
static void
choose_through (Gate *gate, User *user, const Core *core)
{
  g_autoptr (TepClientOptions) options = make_options (core);
  g_autoptr (GError) error = NULL;
  guint16 port;

  gate->service = g_threaded_socket_service_new (16);
  port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (gate->service), NULL, &error);
  g_assert_no_error (error);
  g_signal_connect (gate->service, "run", G_CALLBACK (served), gate);
  g_socket_service_start (gate->service);
  options->proxy = g_strdup_printf ("http://127.0.0.1:%u", port);
  options->proxy_user = g_strdup ("alice");
  options->proxy_password = g_strdup ("wrong");
  memset (user, 0, sizeof *user);
  user->told = g_string_new (NULL);
  user->choice = tep_client_choice_new (options);
  tep_client_choice_set_direct_port (user->choice, 0);
  g_signal_connect (user->choice, "chosen", G_CALLBACK (chosen), user);
  user_begin (user);
  WAIT_FOR (user->told->len > 0);
  g_assert_cmpstr (user->told->str, ==, "none");
}

static void
gate_down (Gate *gate)
{
  g_socket_service_stop (gate->service);
  g_socket_listener_close (G_SOCKET_LISTENER (gate->service));
  g_object_unref (gate->service);
}

static void
test_a_wrong_password_is_sent_once (Core *core, gconstpointer data)
{
  Gate gate = { .answer = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                          "Content-Length: 0\r\n\r\n" };
  TepClientChoiceReport report;
  User user;

  choose_through (&gate, &user, core);
  tep_client_choice_get_report (user.choice, &report);
  g_assert_nonnull (strstr (report.reason, "is not asked again"));
  /* Nor when somebody wants it. */
  tep_client_choice_failed (user.choice);
  drain ();
  g_assert_cmpint (g_atomic_int_get (&gate.n_logins), ==, 1);
  user_down (&user);
  gate_down (&gate);
}

static void
test_one_after_the_other_logs_in (Core *core, gconstpointer data)
{
  Gate gate = { .answer = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" };
  User user;

  choose_through (&gate, &user, core);
  g_assert_cmpint (gate.n_logins, ==, 4); /* a way each */
  g_assert_cmpint (gate.n_at_once_max, ==, 1);
  g_assert_cmpint (tep_client_session_get_state (tep_client_choice_get_session (user.choice)), ==,
                   TEP_CLIENT_STATE_CLOSED);
  user_down (&user);
  gate_down (&gate);
}

static void
test_a_short_password_is_not_signed_with_over_udp (Core *core, gconstpointer data)
{
  g_autoptr (TepClientOptions) options = make_options (core);
  TepClientChoiceReport report;
  User user;

  user_up (&user, core);
  g_clear_object (&user.choice);
  g_free (options->password);
  options->password = g_strdup ("short");
  options->is_tls = TRUE;
  user.choice = tep_client_choice_new (options);
  g_signal_connect (user.choice, "chosen", G_CALLBACK (chosen), &user);
  user_begin (&user);
  WAIT_FOR (user.told->len > 0);
  tep_client_choice_get_report (user.choice, &report);
  g_assert_nonnull (strstr (report.reason, "no tunnel"));
  g_assert_nonnull (strstr (report.reason, "UDP is not tried: the password has fewer than 16"));
  user_down (&user);
}

static void
test_what_cannot_be_is_refused (Core *core, gconstpointer data)
{
  g_autoptr (TepClientOptions) options = make_options (core);
  g_autoptr (TepClientChoice) choice = NULL;
  g_autoptr (GError) error = NULL;

  g_free (options->password);
  options->password = g_strdup ("short");
  choice = tep_client_choice_new (options);
  g_assert_false (tep_client_choice_begin (choice, &error));
  g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_INSECURE);
  g_clear_error (&error);
  g_assert_false (tep_client_choice_set_file (choice, "/nowhere/at/all", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define TEST(name, func) g_test_add ("/tep-c/choice/" name, Core, NULL, core_up, func, core_down)
  TEST ("the-tunnel-that-works-is-chosen", test_the_tunnel_that_works_is_chosen);
  TEST ("that-nothing-works-is-said", test_that_nothing_works_is_said);
  TEST ("what-fails-in-use-is-chosen-anew", test_what_fails_in_use_is_chosen_anew);
  TEST ("it-ends-at-every-step", test_it_ends_at_every_step);
  TEST ("it-ends-within-each-signal", test_it_ends_within_each_signal);
  TEST ("a-password-that-a-proxy-refuses-is-sent-once", test_a_wrong_password_is_sent_once);
  TEST ("one-after-the-other-logs-in-at-a-proxy", test_one_after_the_other_logs_in);
  TEST ("a-short-password-is-not-signed-with-over-udp",
        test_a_short_password_is_not_signed_with_over_udp);
  TEST ("what-cannot-be-is-refused", test_what_cannot_be_is_refused);
  return g_test_run ();
}
