/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tep-s/config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tep-s/error.h"

#define CREDENTIALS "[credentials]\nusers=users\n"
#define LEAST "[server]\nlisten=127.0.0.1:443\n" CREDENTIALS

typedef struct {
  char *folder;
} Fixture;

static char *
file_in (Fixture *fixture, const char *name)
{
  return g_build_filename (fixture->folder, name, NULL);
}

static void
write_file (Fixture *fixture, const char *name, const char *text, int mode)
{
  g_autofree char *path = file_in (fixture, name);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, mode), ==, 0);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("test-config-XXXXXX", NULL);
  g_assert_nonnull (fixture->folder);
  write_file (fixture, "users", "alice:a password of length\n", 0600);
  write_file (fixture, "open", "bob:a password of length\n", 0644);
  write_file (fixture, "short", "short\n", 0600);
  write_file (fixture, "secret", "0123456789abcdef0123\n", 0600);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = file_in (fixture, name);

    g_remove (path);
  }
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
}

static TepServerConfig *
load (Fixture *fixture, const char *text, GError **error)
{
  g_autofree char *path = file_in (fixture, "tep-s.conf");

  return tep_server_config_load_from_data (text, -1, path, error);
}

static void
test_smallest_has_the_protocols_defaults (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepServerConfig) config = load (fixture, LEAST, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (config->n_listeners, ==, 1);
  g_assert_cmpuint (config->listeners[0].address.port, ==, 443);
  g_assert_true (config->listeners[0].has_udp);
  g_assert_cmpstr (config->names[0], ==, "127.0.0.1");
  g_assert_null (config->names[1]);
  g_assert_true (config->has_short_term && config->has_long_term);
  g_assert_false (config->is_md5_allowed);
  g_assert_cmpuint (config->timers.silence_s, ==, 45);
  g_assert_cmpuint (config->timers.keepalive_s, ==, 15);
  g_assert_cmpuint (config->timers.binding_s, ==, 600);
  g_assert_cmpuint (config->limits.output_octets, ==, 65536);
  g_assert_cmpuint (config->media.largest_packet, ==, 1500);
  g_assert_cmpuint (config->media.default_dscp, ==, 46);
  g_assert_cmpuint (config->media.n_stun_addresses, ==, 1);
  g_assert_null (config->tls.certificate_file);
  g_assert_cmpuint (tep_server_users_count (config->users), ==, 1);
}

static void
test_every_key_is_taken (Fixture *fixture, gconstpointer data)
{
  static const char text[] =
      "# all of it\n"
      "[server]\nlisten=0.0.0.0:80;[::]:443\nlisten-tcp-only=127.0.0.1:8080\n"
      "names=TEP.example.net;192.0.2.1\nworkers=3\nuser=nobody\n"
      "alternate=[2001:db8::9]:443\nalternate-name=tep2.example.net\n"
      "[credentials]\nrealm=example.net\nmechanisms=long-term\nmd5=true\nusers=users\n"
      "secrets=secret\nlongest=3600\n"
      "[media]\nbackend=relay\nrelay-addresses=127.0.0.1;::1\nrelay-ports=20000-20999\n"
      "stun-addresses=192.0.2.1:3478\ndscp=46;34\ndefault-dscp=34\nlargest-packet=1400\n"
      "implicit-flows=leased\npinhole-only=true\nclient-to-client=true\nrecord-file=x.pcap\n"
      "[policy]\nallow=10.0.0.0/8;10.0.0.5:5060\ndeny=10.1.0.0/16\ncore=10.2.0.0/16\n"
      "own=192.0.2.9\npublic=deny\nmedia-ports=10000-60000\n"
      "[limits]\ntunnels=7\n[timers]\ndrain=1\n"
      "[detect]\naddresses=192.0.2.1;192.0.2.2;2001:db8::1\nstun-ports=3478;3480\nports=5060\n"
      "public-addresses=198.51.100.1;198.51.100.2;2001:db8::9\nfront-door=false\nplain=false\n"
      "replies=50\nconnections=9\nconnections-per-source=3\n"
      "[log]\nformat=json\nlevel=debug\nfile=/tmp/x.log\nlines-per-second=5\n"
      "[metrics]\nlisten=127.0.0.1:9117\ntoken=secret\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (TepServerConfig) config = load (fixture, text, &error);
  g_autofree char *record = file_in (fixture, "x.pcap");

  g_assert_no_error (error);
  g_assert_cmpuint (config->n_listeners, ==, 3);
  g_assert_false (config->listeners[2].has_udp);
  g_assert_cmpstr (config->names[0], ==, "tep.example.net");
  g_assert_cmpstr (config->names[1], ==, "192.0.2.1");
  g_assert_cmpuint (config->workers, ==, 3);
  g_assert_cmpuint (config->alternate.family, ==, 6);
  g_assert_cmpuint (config->alternate.port, ==, 443);
  g_assert_cmpstr (config->alternate_name, ==, "tep2.example.net");
  g_assert_cmpstr (config->realm, ==, "example.net");
  g_assert_false (config->has_short_term);
  g_assert_true (config->is_md5_allowed);
  g_assert_cmpint (config->media.kind, ==, TEP_SERVER_MEDIA_RELAY);
  g_assert_cmpuint (config->media.n_relay_addresses, ==, 2);
  g_assert_cmpuint (config->media.last_relay_port, ==, 20999);
  g_assert_cmpuint (config->media.n_dscp, ==, 2);
  g_assert_cmpint (config->media.implicit_flows, ==, TEP_SERVER_IMPLICIT_LEASED);
  g_assert_true (config->media.is_pinhole_only);
  g_assert_cmpstr (config->media.record_file, ==, record);
  g_assert_cmpuint (config->limits.tunnels, ==, 7);
  g_assert_true (config->detect.is_on);
  g_assert_false (config->detect.is_at_front_door);
  g_assert_false (config->detect.is_plain_answered);
  g_assert_cmpuint (config->detect.n_addresses, ==, 3);
  g_assert_cmpuint (config->detect.public_addresses[2].octets[15], ==, 9);
  g_assert_cmpuint (config->detect.n_ports, ==, 3);
  g_assert_cmpuint (config->detect.ports[1], ==, 3480);
  g_assert_cmpuint (config->detect.replies_per_second, ==, 50);
  g_assert_cmpint (config->log.format, ==, TEP_SERVER_LOG_JSON);
  g_assert_cmpint (config->log.level, ==, G_LOG_LEVEL_DEBUG);
  g_assert_cmpstr (config->metrics, ==, "127.0.0.1:9117");
  g_assert_cmpstr (config->metrics_token, ==, "0123456789abcdef0123");
}

/* What is written, and what the message has to say besides the name of the file. */
static const struct {
  const char *name;
  const char *text;
  const char *says;
} bad[] = {
  { "empty", "", "[server] listen: is missing" },
  { "not-a-text", "\xff\xfe", "UTF-8" },
  { "no-key-file", "listen 443\n", "line 1: is neither" },
  { "backslash-at-the-end", "[server]\nlisten=\\x\\\n", "line 2: ends in a backslash" },
  { "key-before-group", "listen=1\n", "line 1: a key stands before the first group" },
  { "unknown-group", "[sever]\nlisten=127.0.0.1:1\n",
    "[sever]: unknown group; write one of: server" },
  { "unknown-key", "[server]\nlisten=127.0.0.1:1\nlitsen=1\n",
    "[server] litsen: unknown key; write one of: listen," },
  { "localised-key", LEAST "users[de]=users\n", "[credentials] users[de]: unknown key" },
  { "key-twice", "[server]\nlisten=127.0.0.1:1\nlisten = 127.0.0.1:2\n",
    "line 3: key listen of [server] stands already on line 2" },
  { "group-twice", LEAST "[server]\nworkers=1\n",
    "line 5: group [server] stands already on line 1" },
  { "no-port", "[server]\nlisten=127.0.0.1\n" CREDENTIALS,
    "[server] listen: \"127.0.0.1\" will not do; write ADDRESS:PORT" },
  { "no-address", "[server]\nlisten=example.net:443\n" CREDENTIALS,
    "[server] listen: \"example.net:443\"" },
  { "same-listener", "[server]\nlisten=127.0.0.1:1;127.0.0.1:1\n" CREDENTIALS,
    "stands there twice" },
  { "empty-value", "[server]\nlisten=\n" CREDENTIALS, "[server] listen: is empty" },
  { "empty-item", "[server]\nlisten=127.0.0.1:1;;127.0.0.1:2\n" CREDENTIALS,
    "[server] listen: item 2 is empty" },
  { "bad-name", "[server]\nlisten=127.0.0.1:1\nnames=a b\n" CREDENTIALS,
    "[server] names: \"a b\"" },
  { "alternate-without-port", "[server]\nlisten=127.0.0.1:1\nalternate=192.0.2.9\n" CREDENTIALS,
    "[server] alternate: \"192.0.2.9\" will not do; write an address with a port" },
  { "two-alternates",
    "[server]\nlisten=127.0.0.1:1\nalternate=192.0.2.9:1;192.0.2.10:1\n" CREDENTIALS,
    "[server] alternate: has 2 addresses" },
  { "alternate-name-alone", "[server]\nlisten=127.0.0.1:1\nalternate-name=x\n" CREDENTIALS,
    "[server] alternate-name: is of no use without" },
  { "bad-alternate-name",
    "[server]\nlisten=127.0.0.1:1\nalternate=192.0.2.9:1\nalternate-name=a b\n" CREDENTIALS,
    "[server] alternate-name: \"a b\"" },
  { "not-a-number", LEAST "[limits]\ntunnels=many\n",
    "[limits] tunnels: \"many\" will not do; write a whole number from 1 to 1000000" },
  { "number-out-of-range", LEAST "[timers]\nsilence=61\n",
    "[timers] silence: \"61\" will not do; write a whole number from 2 to 60" },
  { "negative", LEAST "[limits]\ntunnels=-1\n", "[limits] tunnels" },
  { "not-a-switch", LEAST "[media]\npinhole-only=maybe\n",
    "[media] pinhole-only: \"maybe\" will not do; write true or false" },
  { "not-a-choice", LEAST "[media]\nbackend=fast\n",
    "[media] backend: \"fast\" will not do; write one of: embedded, relay, tun, pcap" },
  { "silence-within-keepalive", LEAST "[timers]\nsilence=10\n",
    "[timers] silence: has to be longer than keepalive" },
  { "authentication-too-early", LEAST "[timers]\nauthentication=5\n",
    "[timers] authentication: has to be at least" },
  { "binding-outside", LEAST "[timers]\nbinding=30\n", "[timers] binding: has to lie between" },
  { "more-unauthenticated", LEAST "[limits]\nconnections=10\n",
    "[limits] unauthenticated: cannot be more" },
  { "relay-without-address", LEAST "[media]\nbackend=relay\n",
    "[media] relay-addresses: is missing" },
  { "relay-address-with-port", LEAST "[media]\nbackend=relay\nrelay-addresses=127.0.0.1:5\n",
    "without a port" },
  { "odd-relay-ports",
    LEAST "[media]\nbackend=relay\nrelay-addresses=127.0.0.1\nrelay-ports=1025-2047\n",
    "[media] relay-ports: has to start with an even port" },
  { "turned-ports", LEAST "[policy]\nmedia-ports=5-4\n",
    "[policy] media-ports: \"5-4\" will not do; write FIRST-LAST" },
  { "bad-capture-device", LEAST "[media]\ncapture-device=fifteen-letters\n",
    "[media] capture-device: is no name" },
  { "bad-nft-table", LEAST "[media]\nnft-table=inet tep-s\n", "[media] nft-table: is no name" },
  { "bad-interface", LEAST "[media]\ntun-device=../x\n", "[media] tun-device: is no name" },
  { "bad-dscp", LEAST "[media]\ndscp=64\n", "[media] dscp: \"64\"" },
  { "dscp-twice", LEAST "[media]\ndscp=46;46\n",
    "[media] dscp: \"46\" will not do; write each value once" },
  { "malformed-rule", LEAST "[policy]\nallow=10.0.0.0/33\n",
    "[policy]: allow: rule \"10.0.0.0/33\"" },
  { "empty-rule", LEAST "[policy]\nallow=\n", "[policy] allow: is empty" },
  { "overlapping-rules", LEAST "[policy]\nallow=10.0.0.0/8;10.1.0.0/16\n",
    "[policy]: allow: rule \"10.1.0.0/16\" overlaps \"10.0.0.0/8\"" },
  { "bad-public", LEAST "[policy]\npublic=yes\n", "[policy] public: \"yes\"" },
  { "bad-own", LEAST "[policy]\nown=here\n", "[policy] own: \"here\"" },
  { "bad-mechanism", LEAST "mechanisms=none\n", "[credentials] mechanisms: \"none\"" },
  { "nobody", "[server]\nlisten=127.0.0.1:1\n", "[credentials] users: nobody could log in" },
  { "users-missing", "[server]\nlisten=127.0.0.1:1\n[credentials]\nusers=gone\n",
    "gone: No such file" },
  { "users-open", "[server]\nlisten=127.0.0.1:1\n[credentials]\nusers=open\n", "chmod 600" },
  { "realm-with-quote", LEAST "realm=a\"b\n", "[credentials] realm" },
  { "key-without-certificate", LEAST "[tls]\nkey=k\n", "[tls] certificate: is missing" },
  { "certificate-missing", LEAST "[tls]\ncertificate=c\nkey=k\n", "cannot be read" },
  { "detect-three-addresses", LEAST "[detect]\naddresses=192.0.2.1;192.0.2.2;192.0.2.3\n",
    "[detect] addresses: \"192.0.2.3\" will not do" },
  { "detect-any-address", LEAST "[detect]\naddresses=0.0.0.0\n",
    "[detect] addresses: \"0.0.0.0\"" },
  { "detect-with-port", LEAST "[detect]\naddresses=192.0.2.1:3478\n", "without a port" },
  { "detect-same-address", LEAST "[detect]\naddresses=192.0.2.1;192.0.2.1\n",
    "stands there twice" },
  { "detect-public-missing",
    LEAST "[detect]\naddresses=192.0.2.1;192.0.2.2\npublic-addresses=192.0.2.3\n",
    "[detect] public-addresses: has to have an address for each" },
  { "detect-one-stun-port", LEAST "[detect]\nstun-ports=3478\n",
    "[detect] stun-ports: has to be two" },
  { "detect-port-twice", LEAST "[detect]\nports=3478\n",
    "[detect] ports: \"3478\" stands there twice" },
  { "detect-bad-port", LEAST "[detect]\nports=0\n", "[detect] ports: \"0\" will not do" },
  { "detect-bad-switch", LEAST "[detect]\nplain=maybe\n", "[detect] plain: \"maybe\"" },
  { "detect-nowhere", LEAST "[detect]\nfront-door=false\n", "[detect] addresses: is missing" },
  { "detect-at-the-door",
    "[server]\nlisten=127.0.0.1:5060\n" CREDENTIALS
    "[detect]\naddresses=127.0.0.1\nports=5060\nfront-door=false\n",
    "[detect] ports: port 5060 is the front door's there" },
  { "metrics-without-token", LEAST "[metrics]\nlisten=127.0.0.1:9117\n",
    "[metrics] token: is missing" },
  { "short-token", LEAST "[metrics]\nlisten=unix:/x\ntoken=short\n", "openssl rand -hex 32" },
  { "public-metrics", LEAST "[metrics]\nlisten=0.0.0.0:9117\n",
    "[metrics] listen: \"0.0.0.0:9117\" will not do" },
};

static void
test_mistakes_are_named (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (TepServerConfig) config = load (fixture, bad[i].text, &error);

    g_test_message ("%s: %s", bad[i].name, error != NULL ? error->message : "accepted");
    g_assert_null (config);
    g_assert_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG);
    g_assert_nonnull (strstr (error->message, bad[i].says));
    g_assert_nonnull (strstr (error->message, "tep-s.conf"));
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    g_assert_null (load (fixture, bad[i].text, NULL));
  }
}

/* Every beginning of a good file, and every octet of it changed, is either taken or refused with a
 * message. */
static void
test_damage_never_crashes (Fixture *fixture, gconstpointer data)
{
  static const char text[] =
      LEAST "[policy]\nallow=10.0.0.0/8;[2001:db8::/32]:5060\n[log]\nlevel=info\n";
  const gsize length = strlen (text);

  for (gsize i = 0; i < length; i++) {
    g_autoptr (TepServerConfig) cut =
        tep_server_config_load_from_data (text, (gssize)i, "cut", NULL);

    for (guint value = 0; value < 256; value += 7) {
      g_autofree char *copy = g_memdup2 (text, length + 1);
      g_autoptr (GError) error = NULL;
      g_autoptr (TepServerConfig) changed = NULL;

      copy[i] = (char)value;
      changed = tep_server_config_load_from_data (copy, (gssize)length, "changed", &error);
      g_assert_true ((changed == NULL) == (error != NULL));
    }
  }
}

static StunExtAddress
address (const char *text)
{
  StunExtAddress result = { 0 };

  g_assert_true (stun_ext_address_parse (text, &result));
  return result;
}

static TepServerVerdict
verdict (const TepServerConfig *config, const char *text)
{
  StunExtAddress remote = address (text);

  return tep_server_policy_check (config->policy, TEP_SERVER_TO_REMOTE, &remote);
}

static void
test_own_addresses_reach_the_policy (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TepServerConfig) config =
      load (fixture,
            "[server]\nlisten=0.0.0.0:8443\nnames=127.0.0.77\n" CREDENTIALS
            "[media]\nbackend=relay\nrelay-addresses=127.0.0.2\nrelay-ports=20000-20999\n"
            "[policy]\nallow=127.0.0.0/8\nown=127.0.0.9;127.0.0.10:7000\n"
            "[metrics]\nlisten=127.0.0.3:9117\ntoken=secret\n",
            &error);

  g_assert_no_error (error);
  g_assert_cmpint (verdict (config, "127.0.0.1:8443"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (config, "127.9.9.9:8443"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (config, "127.0.0.77:8443"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (config, "127.0.0.2:20000"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (config, "127.0.0.2:20999"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (config, "127.0.0.3:9117"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (config, "127.0.0.9:4000"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (config, "127.0.0.10:7000"), ==, TEP_SERVER_VERDICT_DENY_OWN);
  g_assert_cmpint (verdict (config, "127.0.0.10:7002"), ==, TEP_SERVER_VERDICT_ALLOW);
  g_assert_cmpint (verdict (config, "127.0.0.2:21000"), ==, TEP_SERVER_VERDICT_ALLOW);
}

static void
test_references_keep_it_alive (Fixture *fixture, gconstpointer data)
{
  TepServerConfig *config = load (fixture, LEAST, NULL);
  TepServerConfig *second = tep_server_config_ref (config);

  tep_server_config_unref (config);
  g_assert_cmpuint (second->n_listeners, ==, 1);
  tep_server_config_unref (second);
}

static void
test_copy_outlives_its_origin (Fixture *fixture, gconstpointer data)
{
  TepServerConfig *config = load (fixture, LEAST, NULL);
  g_autoptr (TepServerConfig) copy = tep_server_config_with_record_file (config, "/tmp/x.pcap");

  tep_server_config_unref (config);
  g_assert_cmpstr (copy->media.record_file, ==, "/tmp/x.pcap");
  g_assert_cmpstr (copy->names[0], ==, "127.0.0.1");
  g_assert_cmpuint (tep_server_users_count (copy->users), ==, 1);
}

static void
test_certificate_and_key_belong_together (Fixture *fixture, gconstpointer data)
{
  static const char text[] = LEAST "[tls]\ncertificate=cert.pem\nkey=key.pem\n";
  g_autofree char *make = g_strdup_printf (
      "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "
      "-subj /CN=tep -keyout key.pem -out cert.pem 2>openssl.err && chmod 600 key.pem && "
      "openssl genpkey -algorithm ed25519 -out other.pem && chmod 600 other.pem",
      fixture->folder);
  const char *argv[] = { "sh", "-c", make, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (TepServerConfig) config = NULL;
  g_autofree char *key = file_in (fixture, "key.pem");
  g_autofree char *other = file_in (fixture, "other.pem");
  gint64 now_ms = g_get_real_time () / 1000;
  int status;

  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, &status, NULL));
  g_assert_cmpint (status, ==, 0);
  config = load (fixture, text, &error);
  g_assert_no_error (error);
  g_assert_cmpint (config->tls.certificate_expires_ms, >,
                   now_ms + 29 * G_GINT64_CONSTANT (86400000));
  g_assert_cmpint (config->tls.certificate_expires_ms, <,
                   now_ms + 31 * G_GINT64_CONSTANT (86400000));

  g_assert_cmpint (g_rename (other, key), ==, 0);
  g_assert_null (load (fixture, text, &error));
  g_assert_nonnull (strstr (error->message, "is not the key of the certificate"));
  g_clear_error (&error);
  g_assert_cmpint (g_chmod (key, 0640), ==, 0);
  g_assert_null (load (fixture, text, &error));
  g_assert_nonnull (strstr (error->message, "chmod 600"));
}

#define ADD(name, function)                                                                        \
  g_test_add ("/tep-s/config/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("smallest-has-the-protocols-defaults", test_smallest_has_the_protocols_defaults);
  ADD ("every-key-is-taken", test_every_key_is_taken);
  ADD ("mistakes-are-named", test_mistakes_are_named);
  ADD ("damage-never-crashes", test_damage_never_crashes);
  ADD ("own-addresses-reach-the-policy", test_own_addresses_reach_the_policy);
  ADD ("references-keep-it-alive", test_references_keep_it_alive);
  ADD ("copy-outlives-its-origin", test_copy_outlives_its_origin);
  ADD ("certificate-and-key-belong-together", test_certificate_and_key_belong_together);
  return g_test_run ();
}
