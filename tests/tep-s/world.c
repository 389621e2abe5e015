/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the host of the cores ---- */

void
world_random (gpointer host, void *octets, gsize length)
{
  World *world = host;
  guint8 *at = octets;

  for (gsize i = 0; i < length; i++) {
    world->random = world->random * 1664525u + 1013904223u;
    at[i] = (guint8)(world->random >> 24);
  }
}

static gboolean
host_lease (gpointer host, TepServerBinding *binding)
{
  World *world = host;

  if (world->is_media_full)
    return FALSE;
  if (world->is_media_slow) {
    binding->is_pending = TRUE;
    world->pending = binding;
  }
  world->n_media_bindings++;
  return TRUE;
}

static void
host_release (gpointer host, TepServerBinding *binding)
{
  World *world = host;

  g_assert_cmpuint (world->n_media_bindings, >, 0);
  world->n_media_bindings--;
}

static gsize
host_send (gpointer host, const TepServerPacket *packets, gsize n)
{
  World *world = host;

  for (gsize i = 0; i < n; i++) {
    WorldPacket *packet = g_new0 (WorldPacket, 1);

    packet->source = *packets[i].source;
    packet->destination = *packets[i].destination;
    packet->payload = g_bytes_new (packets[i].payload, packets[i].length);
    packet->dscp = packets[i].dscp;
    g_assert_nonnull (packets[i].binding);
    g_ptr_array_add (world->packets, packet);
  }
  return 0;
}

static Peer *
peer_of (TepServerConnection *connection)
{
  return (Peer *)tep_server_connection_get_host_data (connection);
}

static void
host_output (gpointer host, TepServerConnection *connection)
{
  Peer *peer = peer_of (connection);
  struct iovec pieces[8];
  gsize n;

  if (peer->is_broken) {
    tep_server_core_hangup (peer->core, connection);
    return;
  }
  while (peer->is_reading && (n = tep_server_core_output (connection, pieces, 8)) > 0) {
    gsize length = 0;

    for (gsize i = 0; i < n; i++) {
      g_byte_array_append (peer->tls != NULL ? peer->cipher : peer->received, pieces[i].iov_base,
                           (guint)pieces[i].iov_len);
      length += pieces[i].iov_len;
    }
    tep_server_core_written (peer->core, connection, length);
  }
  if (!peer->is_reading)
    tep_server_core_written (peer->core, connection, 0);
  peer->is_shut = tep_server_core_is_finished (connection);
}

static void
host_over (gpointer host, TepServerConnection *connection)
{
  Peer *peer = peer_of (connection);

  peer->connection = NULL;
  peer->is_shut = TRUE;
}

static void
host_hand_over (gpointer host, TepServerConnection *connection, guint worker)
{
  World *world = host;
  Peer *peer = peer_of (connection);
  TepServerHandover handover;

  tep_server_core_release_connection (peer->core, connection, &handover);
  peer->core = world->cores[worker];
  tep_server_core_adopt (peer->core, &handover);
}

static gboolean
host_pass (gpointer host, guint worker, const TepServerPacket *packet)
{
  World *world = host;

  if (world->is_refusing_passes)
    return FALSE;
  tep_server_core_deliver (world->cores[worker], packet, 1);
  return TRUE;
}

static void
host_announce (gpointer host, const TepServerBinding *binding, gboolean is_new)
{
  World *world = host;

  for (guint i = 0; i < world->n_cores; i++) {
    TepServerCore *core = world->cores[i];

    if (core != NULL && tep_server_port_find (core, &binding->address) == NULL)
      tep_server_core_set_owner (core, &binding->address, binding->is_pair, 1 - i, is_new);
  }
}

static void
host_event (gpointer host, const TepServerEvent *event)
{
  World *world = host;

  world->n_events++;
}

static const TepServerCoreHost core_host = {
  .random = world_random,
  .lease = host_lease,
  .release = host_release,
  .send = host_send,
  .output = host_output,
  .over = host_over,
  .hand_over = host_hand_over,
  .pass = host_pass,
  .announce = host_announce,
  .event = host_event,
};

/* ---- the world ---- */

static void
write_file (World *world, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (world->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0600), ==, 0);
}

static TepServerConfig *
read_config (World *world, const char *listen, guint n_workers, const char *extra)
{
  g_autofree char *path = g_build_filename (world->folder, "tep-s.conf", NULL);
  gboolean has_secret = extra == NULL || !g_str_has_prefix (extra, WORLD_NO_SECRETS);
  g_autofree char *text = g_strdup_printf (
      "[server]\nlisten=%s\nnames=" WORLD_NAME "\nworkers=%u\n"
      "[credentials]\nusers=users\n%srealm=" WORLD_REALM "\n"
      "[policy]\nallow=198.18.0.0/24:1024-65535;127.0.0.1:1024-65535\ncore=198.18.0.0/24\n%s",
      listen, n_workers, has_secret ? "secrets=secret\n" : "", extra != NULL ? extra : "");
  GError *error = NULL;
  TepServerConfig *config = tep_server_config_load_from_data (text, -1, path, &error);

  g_assert_no_error (error);
  return config;
}

static TepServerSettings
read_settings (World *world, const char *extra)
{
  const TepServerConfig *config = read_config (world, "203.0.113.1:443", world->n_cores, extra);

  TepServerSettings settings = { .config = config,
                                 .policy = tep_server_policy_ref (config->policy) };
  GError *error = NULL;

  if (config->tls.certificate_file != NULL)
    settings.tls = tep_server_tls_context_new (config->tls.certificate_file, config->tls.key_file,
                                               config->names, &error);
  g_assert_no_error (error);
  return settings;
}

static World *
world_alloc (void)
{
  World *world = g_new0 (World, 1);
  g_autofree char *certificate = NULL;
  g_autofree char *key = NULL;

  world->folder = g_dir_make_tmp ("tep-s-world-XXXXXX", NULL);
  g_assert_nonnull (world->folder);
  write_file (world, "users", "alice:" WORLD_PASSWORD "\nbob:" WORLD_PASSWORD " too\n");
  certificate = g_build_filename (world->folder, "cert.pem", NULL);
  key = g_build_filename (world->folder, "key.pem", NULL);
  tls_write_certificate (certificate, key);
  write_file (world, "secret", "0123456789abcdef0123456789abcdef\n");
  world->packets = g_ptr_array_new_with_free_func ((GDestroyNotify)world_packet_free);
  world->peers = g_ptr_array_new_with_free_func ((GDestroyNotify)peer_free);
  return world;
}

static void
start_cores (World *world)
{
  world->now_us = 1000 * US_PER_S;
  world->now_ms = G_GINT64_CONSTANT (1790000000000);
  world->random = 1;
  world->shared =
      tep_server_shared_new (world->settings.config, world_random, world, world->now_ms);
  for (guint i = 0; i < world->n_cores; i++)
    world->cores[i] =
        tep_server_core_new (&core_host, world, &world->settings, world->shared, i, world->n_cores);
  world_advance (world, 0);
}

static void remove_folder (World *world);

World *
world_new_again (const char *extra, guint n_cores)
{
  static TepServerSettings settings;
  World *world = g_new0 (World, 1);

  if (settings.config == NULL) {
    World *first = world_alloc ();

    first->n_cores = n_cores;
    settings = read_settings (first, extra);
    remove_folder (first);
    g_ptr_array_unref (first->packets);
    g_ptr_array_unref (first->peers);
    g_free (first);
  }
  world->packets = g_ptr_array_new_with_free_func ((GDestroyNotify)world_packet_free);
  world->peers = g_ptr_array_new_with_free_func ((GDestroyNotify)peer_free);
  world->n_cores = n_cores;
  tep_server_settings_copy (&world->settings, &settings);
  start_cores (world);
  return world;
}

World *
world_new (const char *extra, guint n_cores)
{
  World *world = world_alloc ();

  world->n_cores = n_cores;
  world->settings = read_settings (world, extra);
  start_cores (world);
  return world;
}

World *
world_new_real (const char *extra,
                guint n_workers,
                const TepServerMediaCallbacks *callbacks,
                gpointer data)
{
  World *world = world_alloc ();
  g_autoptr (TepServerConfig) config = read_config (world, "127.0.0.1:0", n_workers, extra);
  GError *error = NULL;

  world->random = g_random_int ();
  world->server = tep_server_new (config, callbacks, data, &error);
  g_assert_no_error (error);
  tep_server_start (world->server, &error);
  g_assert_no_error (error);
  return world;
}

void
world_reload_real (World *world, const char *extra)
{
  g_autoptr (TepServerConfig) config = read_config (world, "127.0.0.1:0", 0, extra);
  GError *error = NULL;

  tep_server_reload (world->server, config, &error);
  g_assert_no_error (error);
}

void
world_wait (World *world, TepServerCounter counter, guint64 value)
{
  gint64 deadline_us = g_get_monotonic_time () + 5 * US_PER_S;

  while (world_count (world, counter) != value) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
    g_main_context_iteration (NULL, FALSE);
    g_thread_yield ();
  }
}

static void
remove_folder (World *world)
{
  const char *const names[] = { "users", "secret", "cert.pem", "key.pem" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (world->folder, names[i], NULL);

    g_remove (path);
  }
  g_rmdir (world->folder);
  g_free (world->folder);
}

static void
end_cores (World *world)
{

  for (guint i = 0; i < world->n_cores; i++) {
    TepServerCounters sum = { 0 };

    tep_server_core_shut_down (world->cores[i]);
    tep_server_core_add_counters (world->cores[i], &sum);
    g_assert_cmpuint (sum.values[TEP_SERVER_COUNTER_CONNECTIONS], ==, 0);
    g_assert_cmpuint (sum.values[TEP_SERVER_COUNTER_TUNNELS], ==, 0);
    g_assert_cmpuint (sum.values[TEP_SERVER_COUNTER_BINDINGS], ==, 0);
    g_assert_cmpuint (sum.values[TEP_SERVER_COUNTER_FLOWS], ==, 0);
  }
  for (guint i = 0; i < world->n_cores; i++)
    tep_server_core_free (g_steal_pointer (&world->cores[i]));
  g_assert_cmpuint (world->n_media_bindings, ==, 0);
  g_assert_cmpuint (tep_server_leases_count (world->shared->leases), ==, 0);
  g_assert_cmpuint (atomic_load (&world->shared->connections), ==, 0);
  g_assert_cmpuint (atomic_load (&world->shared->unauthenticated), ==, 0);
  g_assert_cmpuint (atomic_load (&world->shared->tunnels), ==, 0);
  g_assert_cmpuint (tep_server_quota_total (world->shared->user_tunnels), ==, 0);
  g_assert_cmpuint (tep_server_quota_total (world->shared->source_connections), ==, 0);
  tep_server_shared_free (world->shared);
  tep_server_settings_clear (&world->settings);
}

void
world_free (World *world)
{
  if (world->server != NULL)
    tep_server_stop (world->server);
  else
    end_cores (world);
  while (world->server != NULL && g_main_context_iteration (NULL, FALSE))
    ;
  if (world->server != NULL)
    world_check_laws (world);
  g_clear_object (&world->server);
  g_ptr_array_unref (world->packets);
  g_ptr_array_unref (world->peers);
  if (world->folder != NULL)
    remove_folder (world);
  g_free (world);
}

void
world_reload (World *world, const char *extra)
{
  TepServerSettings settings = read_settings (world, extra);

  for (guint i = 0; i < world->n_cores; i++)
    tep_server_core_reconfigure (world->cores[i], &settings);
  tep_server_settings_clear (&world->settings);
  world->settings = settings;
}

void
world_flush (World *world)
{
  /* Twice, for a connection or packet that another core got in the first. */
  for (guint i = 0; i < 2 * world->n_cores; i++)
    tep_server_core_flush (world->cores[i % world->n_cores]);
}

/* In steps of a tenth of a second, as a worker would wake up. */
void
world_advance (World *world, gint64 ms)
{
  do {
    gint64 step = MIN (ms, 100);

    ms -= step;
    world->now_us += step * 1000;
    world->now_ms += step;
    for (guint i = 0; i < world->n_cores; i++)
      tep_server_core_advance (world->cores[i], world->now_us, world->now_ms);
    world_flush (world);
  } while (ms > 0);
}

guint64
world_count (World *world, TepServerCounter counter)
{
  TepServerCounters sum = { 0 };

  if (world->server != NULL)
    tep_server_snapshot (world->server, &sum);
  for (guint i = 0; i < world->n_cores; i++)
    tep_server_core_add_counters (world->cores[i], &sum);
  return sum.values[counter];
}

static guint64
sum_family (World *world, const char *family, const char *part)
{
  guint64 sum = 0;

  for (guint i = 0; i < TEP_SERVER_N_COUNTERS; i++) {
    const TepServerCounterInfo *info = tep_server_counter_info (i);

    if (strcmp (info->family, family) == 0 && (part == NULL || strstr (info->label, part) != NULL))
      sum += world_count (world, i);
  }
  return sum;
}

void
world_check_laws (World *world)
{
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_OPENED), ==,
                    world_count (world, TEP_SERVER_COUNTER_TUNNELS) +
                        sum_family (world, "tunnels_closed_total", NULL));
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_UP_PACKETS), ==,
                    world_count (world, TEP_SERVER_COUNTER_UP_FORWARDED) +
                        world_count (world, TEP_SERVER_COUNTER_UP_ANSWERED) +
                        sum_family (world, "drops_total", "\"up\""));
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_DOWN_PACKETS), ==,
                    world_count (world, TEP_SERVER_COUNTER_DOWN_FORWARDED) +
                        sum_family (world, "drops_total", "\"down\""));
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_ACCEPTED), >=,
                    world_count (world, TEP_SERVER_COUNTER_CONNECTIONS));
}

WorldPacket *
world_take_packet (World *world)
{
  if (world->packets->len == 0)
    return NULL;
  return g_ptr_array_steal_index (world->packets, 0);
}

void
world_packet_free (WorldPacket *packet)
{
  g_bytes_unref (packet->payload);
  g_free (packet);
}

StunExtAddress
world_address (const char *text)
{
  StunExtAddress address;

  g_assert_true (stun_ext_address_parse (text, &address));
  return address;
}

int
world_open_remote (StunExtAddress *address)
{
  struct sockaddr_storage storage;
  socklen_t length = sizeof storage;
  StunExtAddress any = world_address ("127.0.0.1:0");
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  stun_ext_address_to_sockaddr (&any, &storage);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&storage, sizeof (struct sockaddr_in)), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)&storage, &length), ==, 0);
  stun_ext_address_from_sockaddr (address, (struct sockaddr *)&storage, length);
  return fd;
}

void
world_deliver (World *world, const char *source, const StunExtAddress *leased, const char *payload)
{
  StunExtAddress from = world_address (source);
  TepServerPacket packet = { .source = &from,
                             .destination = leased,
                             .payload = (const guint8 *)payload,
                             .length = strlen (payload) };

  tep_server_core_deliver (world->cores[0], &packet, 1);
  world_flush (world);
}

void
world_assert_packet (World *world, const StunExtAddress *from, const char *to, const char *payload)
{
  WorldPacket *packet = world_take_packet (world);
  StunExtAddress destination = world_address (to);

  g_assert_nonnull (packet);
  g_assert_true (stun_ext_address_equal (&packet->source, from));
  g_assert_true (stun_ext_address_equal (&packet->destination, &destination));
  g_assert_cmpmem (g_bytes_get_data (packet->payload, NULL), g_bytes_get_size (packet->payload),
                   payload, strlen (payload));
  world_packet_free (packet);
}
