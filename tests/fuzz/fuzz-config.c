/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text is a configuration or is refused with a message that names the file; what is taken keeps its promises. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "tep-s/config.h"
#include "tep-s/error.h"

static void
check_config (const TepServerConfig *config)
{
  const TepServerMediaConfig *media = &config->media;

  g_assert_cmpuint (config->n_listeners, >=, 1);
  g_assert_nonnull (config->users);
  g_assert_nonnull (config->policy);
  g_assert_cmpuint (config->timers.silence_s, <=, 60);
  g_assert_cmpuint (config->timers.nonce_s, <=, 3600);
  g_assert_cmpuint (config->timers.binding_min_s, <=, config->timers.binding_max_s);
  g_assert_cmpuint (config->limits.unauthenticated, <=, config->limits.connections);
  g_assert_cmpuint (media->first_relay_port, <, media->last_relay_port);
  g_assert_cmpuint (media->n_dscp, <=, 64);
  g_assert_true (media->kind != TEP_SERVER_MEDIA_RELAY || media->n_relay_addresses > 0);
  for (guint i = 0; config->names[i] != NULL; i++)
    g_assert_cmpuint (strlen (config->names[i]), <=, 255);
  for (guint i = 0; i < config->n_listeners; i++) {
    const StunExtAddress *address = &config->listeners[i].address;

    if (address->port != 0)
      g_assert_cmpint (tep_server_policy_check (config->policy, TEP_SERVER_TO_REMOTE, address), !=,
                       TEP_SERVER_VERDICT_ALLOW);
  }
}

/* A user file without a folder to clean up: "users=100", relative to the descriptors of the process. */
#define PATH "/proc/self/fd/tep-s.conf"
#define USERS_FD 100

static void
make_users (void)
{
  static const char users[] = "alice:a password of length\n";
  static gboolean is_made;
  int fd;

  if (is_made)
    return;
  is_made = TRUE;
  fd = memfd_create ("users", 0);
  g_assert_cmpint (write (fd, users, strlen (users)), ==, (int)strlen (users));
  g_assert_cmpint (fchmod (fd, 0600), ==, 0);
  g_assert_cmpint (dup2 (fd, USERS_FD), ==, USERS_FD);
  close (fd);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepServerConfig) config = NULL;

  make_users ();
  config = tep_server_config_load_from_data ((const char *)data, (gssize)length, PATH, &error);
  if (config != NULL) {
    check_config (config);
  } else {
    g_assert_true (error->domain == TEP_SERVER_ERROR);
    g_assert_true (g_str_has_prefix (error->message, PATH ": "));
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
  }
  return 0;
}
