/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-c/error.h"
#include "tep-c/options.h"

typedef struct {
  const char *name;
  const char *host;
  const char *user;
  const char *password;
  gboolean is_tls;
  int code; /* -1: accepted */
} Case;

static const Case cases[] = {
  { "long-secret-on-plain-tcp-is-accepted", "tep.example", "u", "0123456789abcdef", FALSE, -1 },
  { "short-secret-on-plain-tcp-is-refused", "tep.example", "u", "0123456789abcde", FALSE,
    TEP_CLIENT_ERROR_INSECURE },
  { "short-secret-under-tls-is-accepted", "tep.example", "u", "p", TRUE, -1 },
  { "missing-secret-is-refused", "tep.example", "u", NULL, TRUE, TEP_CLIENT_ERROR_CREDENTIAL },
  { "missing-user-is-refused", "tep.example", "", "0123456789abcdef", TRUE,
    TEP_CLIENT_ERROR_CREDENTIAL },
  { "missing-host-is-refused", NULL, "u", "0123456789abcdef", TRUE, TEP_CLIENT_ERROR_FORBIDDEN },
};

static void
test_check (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (TepClientOptions) options = tep_client_options_new ();
  g_autoptr (TepClientOptions) copy = NULL;
  g_autoptr (GError) error = NULL;

  options->host = g_strdup (c->host);
  options->user = g_strdup (c->user);
  options->password = g_strdup (c->password);
  options->is_tls = c->is_tls;
  copy = tep_client_options_copy (options);
  if (c->code < 0) {
    g_assert_true (tep_client_options_check (copy, &error));
    g_assert_no_error (error);
  } else {
    g_assert_false (tep_client_options_check (copy, &error));
    g_assert_error (error, TEP_CLIENT_ERROR, c->code);
    if (c->password != NULL)
      g_assert_null (g_strstr_len (error->message, -1, c->password));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/tep-c/options/", cases[i].name, NULL);

    g_test_add_data_func (path, &cases[i], test_check);
  }
  return g_test_run ();
}
