/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the agent accepts from a file and from options, and what it says about the rest. */
#include "tep-c/agent.h"

#include <glib/gstdio.h>
#include <string.h>

#define PASSWORD "correct horse battery staple"

typedef struct {
  char *folder;
  char *path;
  TepClientAgentConfig *config;
} Fixture;

static char *
put (const Fixture *fixture, const char *name, const char *text, int mode)
{
  char *path = g_build_filename (fixture->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (g_chmod (path, mode), ==, 0);
  return path;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("tepkit-agent-config-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "tep-c.conf", NULL);
  fixture->config = tep_client_agent_config_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) folder = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL) {
    g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

    g_assert_cmpint (g_unlink (path), ==, 0);
  }
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  tep_client_agent_config_free (fixture->config);
  g_free (fixture->folder);
  g_free (fixture->path);
}

static gboolean
load (Fixture *fixture, const char *text, GError **error)
{
  g_autofree char *path = put (fixture, "tep-c.conf", text, 0644);

  return tep_client_agent_config_load (fixture->config, path, error);
}

static void
every_key_is_taken (Fixture *fixture, gconstpointer data)
{
  const TepClientOptions *options = fixture->config->options;
  g_autofree char *login = put (fixture, "login", "alice:" PASSWORD "\n", 0600);
  g_autofree char *proxy = put (fixture, "proxy", "bob:squid:word\n", 0600);
  g_autofree char *ca_file = g_build_filename (fixture->folder, "ca.pem", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (load (fixture,
                       "# all there is\n"
                       "[server]\nhost = tep.example.net\nport=8443\ntls=true\nca-file=ca.pem\n"
                       "pin-sha256=00ff\nname=media.example.net\nchannel-binding=true\n"
                       "attempt-timeout-s=7\ngive-up-after-s=90\n"
                       "[proxy]\nurl=http://proxy.example:3128\nheaders=X-IMS: a;X-B: b\n"
                       "alpn-header=false\ncredentials-file=proxy\n"
                       "[credentials]\nfile=login\nmechanism=short-term\n"
                       "[tun]\nprefixes=192.0.2.0/24; 2001:db8::/32\nname=tep7\n"
                       "address4=10.9.8.7\naddress6=fd00::7\n"
                       "[capture]\npcap-file=/tmp/x.pcap\n"
                       "[path]\nauto=true\ndirect-port=50000\nmemory-file=/tmp/networks\n"
                       "[flow voice]\nlocal-port=40000\nremote=192.0.2.10:30000\n"
                       "[flow video]\nlocal-port=0\nremote=[2001:db8::10]:30002\n",
                       &error));
  g_assert_no_error (error);
  g_assert_cmpstr (options->host, ==, "tep.example.net");
  g_assert_cmpuint (options->port, ==, 8443);
  g_assert_true (options->is_tls);
  g_assert_cmpstr (options->ca_file, ==, ca_file);
  g_assert_cmpstr (options->pin_sha256, ==, "00ff");
  g_assert_cmpstr (options->server_name, ==, "media.example.net");
  g_assert_true (options->binds_channel);
  g_assert_cmpuint (options->attempt_timeout_s, ==, 7);
  g_assert_cmpuint (options->gives_up_after_s, ==, 90);
  g_assert_cmpstr (options->proxy, ==, "http://proxy.example:3128");
  g_assert_cmpstr (options->proxy_user, ==, "bob");
  g_assert_cmpstr (options->proxy_password, ==, "squid:word");
  g_assert_cmpuint (g_strv_length (options->connect_headers), ==, 2);
  g_assert_cmpstr (options->connect_headers[1], ==, "X-B: b");
  g_assert_false (options->sends_alpn_header);
  g_assert_cmpstr (options->user, ==, "alice");
  g_assert_cmpstr (options->password, ==, PASSWORD);
  g_assert_cmpint (options->mechanism, ==, TEP_CLIENT_MECHANISM_SHORT_TERM);
  g_assert_true (options->stays);
  g_assert_cmpuint (g_strv_length (fixture->config->tun_prefixes), ==, 2);
  g_assert_cmpstr (fixture->config->tun_prefixes[1], ==, "2001:db8::/32");
  g_assert_cmpstr (fixture->config->tun_name, ==, "tep7");
  g_assert_cmpstr (fixture->config->tun_address4, ==, "10.9.8.7");
  g_assert_cmpstr (fixture->config->tun_address6, ==, "fd00::7");
  g_assert_cmpstr (fixture->config->pcap_file, ==, "/tmp/x.pcap");
  g_assert_true (fixture->config->is_auto);
  g_assert_cmpuint (fixture->config->direct_port, ==, 50000);
  g_assert_cmpstr (fixture->config->ways_file, ==, "/tmp/networks");
  g_assert_cmpuint (fixture->config->flows->len, ==, 2);
}

/* Each with what the message has to say: where, and what to do. */
static const struct {
  const char *name;
  const char *text;
  const char *where;
  const char *says;
} refused[] = {
  { "unknown-group", "[sever]\nhost=a\n", "tep-c.conf: [sever]: ", "unknown group" },
  { "unknown-key", "[server]\nhots=a\n", "tep-c.conf: [server] hots: ", "unknown key" },
  { "key-of-another-group", "[proxy]\nhost=a\n", "tep-c.conf: [proxy] host: ", "unknown key" },
  { "unknown-key-of-a-flow", "[flow a]\nlocal-port=1\nremote=192.0.2.1:2\ndscp=46\n",
    "tep-c.conf: [flow a] dscp: ", "unknown key" },
  { "flow-without-remote", "[flow a]\nlocal-port=1\n", "[flow a] remote: ", "write ADDRESS:PORT" },
  { "flow-without-port", "[flow a]\nremote=192.0.2.1:2\n",
    "[flow a] local-port: ", "write a port" },
  { "flow-that-is-none", "[flow a]\nlocal-port=x\nremote=192.0.2.1:2\n", "[flow a] ",
    "write LOCALPORT=ADDRESS:PORT" },
  { "key-twice", "[server]\nhost=a\nhost=b\n", "tep-c.conf: line 3: [server] host ", "twice" },
  { "group-twice", "[server]\nhost=a\n[server]\nport=1\n", "line 3: [server] ", "twice" },
  { "no-group", "host=a\n", "tep-c.conf: ", "group" },
  { "no-line", "[server]\nhost\n", "tep-c.conf: ", "not a key-value pair" },
  { "empty-value", "[server]\nhost=\n", "[server] host: ", "write a value" },
  { "empty-item", "[tun]\nprefixes=192.0.2.0/24;;\n", "[tun] prefixes: ", "item 2" },
  { "host-with-port", "[server]\nhost=tep.example.net:443\n", "[server] host: ", "key of its own" },
  { "host-that-is-none", "[server]\nhost=tep example\n", "[server] host: ", "write HOST:PORT" },
  { "port-zero", "[server]\nport=0\n", "[server] port: ", "from 1 to 65535" },
  { "port-too-large", "[server]\nport=65536\n", "[server] port: ", "from 1 to 65535" },
  { "flag", "[server]\ntls=yes\n", "[server] tls: ", "write true or false" },
  { "number-too-small", "[server]\nattempt-timeout-s=0\n",
    "[server] attempt-timeout-s: ", "from 1 to 60" },
  { "number-too-large", "[server]\ngive-up-after-s=86401\n",
    "[server] give-up-after-s: ", "from 0 to 86400" },
  { "number-that-is-none", "[server]\ngive-up-after-s=1 h\n",
    "[server] give-up-after-s: ", "from 0 to 86400" },
  { "mechanism", "[credentials]\nmechanism=basic\n",
    "[credentials] mechanism: ", "write long-term or short-term" },
  { "missing-credentials", "[credentials]\nfile=nowhere\n",
    "[credentials] file: ", "No such file" },
  { "missing-proxy-credentials", "[proxy]\ncredentials-file=nowhere\n",
    "[proxy] credentials-file: ", "No such file" },
};

static void
mistakes_are_refused_with_file_group_and_key (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", refused[i].name);
    g_assert_false (load (fixture, refused[i].text, &error));
    g_assert_nonnull (error);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, fixture->path));
    g_assert_nonnull (strstr (error->message, refused[i].where));
    g_assert_nonnull (strstr (error->message, refused[i].says));
  }
}

static void
what_is_no_text_is_refused (Fixture *fixture, gconstpointer data)
{
  static const char octets[] = "[server]\0\nhost=a\n";
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (fixture->path, octets, sizeof octets - 1, NULL));
  g_assert_false (tep_client_agent_config_load (fixture->config, fixture->path, &error));
  g_assert_nonnull (strstr (error->message, "no text"));
  g_clear_error (&error);
  g_assert_false (
      tep_client_agent_config_load (fixture->config, "/nonexistent/tep-c.conf", &error));
  g_assert_nonnull (strstr (error->message, "/nonexistent/tep-c.conf"));
}

static void
secrets_that_others_can_read_are_refused (Fixture *fixture, gconstpointer data)
{
  static const int modes[] = { 0640, 0604, 0644, 0660, 0602, 0610, 0601, 0777 };

  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++) {
    g_autofree char *path = put (fixture, "login", "alice:" PASSWORD, modes[i]);
    g_autofree char *says = g_strdup_printf ("chmod 600 %s", path);
    g_autoptr (GError) error = NULL;

    g_assert_false (tep_client_agent_config_load_credentials (fixture->config, path, &error));
    g_assert_nonnull (strstr (error->message, says));
    g_assert_null (strstr (error->message, PASSWORD));
    g_clear_error (&error);
    g_assert_false (tep_client_agent_config_load_proxy_credentials (fixture->config, path, &error));
    g_assert_nonnull (strstr (error->message, says));
  }
  g_assert_null (fixture->config->options->password);
}

static const struct {
  const char *text;
  const char *user;
  const char *password;
} logins[] = {
  { "alice:secret", "alice", "secret" },
  { "alice:secret\n", "alice", "secret" },
  { "alice:secret\r\n", "alice", "secret" },
  { "alice:with:colons ", "alice", "with:colons " },
  { "491234567:pass:word", "491234567", "pass:word" }, /* a telephone number */
  { "1795300000:alice:aGVsbG8gd29ybGQgaGVsbG8gdzA=", "1795300000:alice",
    "aGVsbG8gd29ybGQgaGVsbG8gdzA=" },
  { "1795300000:aGVsbG8gd29ybGQgaGVsbG8gdzA=", "1795300000", "aGVsbG8gd29ybGQgaGVsbG8gdzA=" },
  { "", NULL, NULL },
  { "\n", NULL, NULL },
  { "alice", NULL, NULL },
  { "alice:", NULL, NULL },
  { ":secret", NULL, NULL },
  { "alice:secret\nbob:secret\n", NULL, NULL },
};

static void
logins_are_one_line (Fixture *fixture, gconstpointer data)
{
  const TepClientOptions *options = fixture->config->options;

  for (gsize i = 0; i < G_N_ELEMENTS (logins); i++) {
    g_autofree char *path = put (fixture, "login", logins[i].text, 0600);
    g_autoptr (GError) error = NULL;
    gboolean is_good = tep_client_agent_config_load_credentials (fixture->config, path, &error);

    g_assert_cmpint (is_good, ==, logins[i].user != NULL);
    if (is_good) {
      g_assert_cmpstr (options->user, ==, logins[i].user);
      g_assert_cmpstr (options->password, ==, logins[i].password);
    } else {
      g_assert_nonnull (strstr (error->message, "user:password"));
      g_assert_nonnull (strstr (error->message, path));
      g_assert_null (strstr (error->message, "secret\n"));
    }
  }
}

static void
secrets_too_long_or_of_octets_are_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "login", NULL);
  g_autofree char *octets = g_malloc (5000);

  for (gsize length = 1; length <= 5000; length += 4999) {
    g_autoptr (GError) error = NULL;

    memset (octets, length == 1 ? '\0' : 'x', length);
    g_assert_true (g_file_set_contents (path, octets, (gssize)length, NULL));
    g_assert_cmpint (g_chmod (path, 0600), ==, 0);
    g_assert_false (tep_client_agent_config_load_credentials (fixture->config, path, &error));
    g_assert_nonnull (strstr (error->message, "user:password"));
  }
  {
    g_autoptr (GError) error = NULL;

    g_assert_false (
        tep_client_agent_config_load_credentials (fixture->config, fixture->folder, &error));
    g_assert_nonnull (strstr (error->message, "is a folder"));
  }
}

static const struct {
  const char *text;
  guint local_port;
  const char *remote; /* NULL: refused */
  const char *host;
} flows[] = {
  { "40000=192.0.2.10:30000", 40000, "192.0.2.10:30000", NULL },
  { "0=192.0.2.10:1", 0, "192.0.2.10:1", NULL },
  { "65535=[2001:db8::10]:65535", 65535, "[2001:db8::10]:65535", NULL },
  { "40000=gateway.example.net:30000", 40000, "none", "gateway.example.net" },
  { "40000=a:1", 40000, "none", "a" },
  { "", 0, NULL, NULL },
  { "=", 0, NULL, NULL },
  { "40000", 0, NULL, NULL },
  { "40000=", 0, NULL, NULL },
  { "=192.0.2.10:30000", 0, NULL, NULL },
  { "65536=192.0.2.10:30000", 0, NULL, NULL },
  { "-1=192.0.2.10:30000", 0, NULL, NULL },
  { "40000=192.0.2.10", 0, NULL, NULL },
  { "40000=192.0.2.10:0", 0, NULL, NULL },
  { "40000=192.0.2.10:65536", 0, NULL, NULL },
  { "40000=192.0.2:30000", 0, NULL, NULL },
  { "40000=2001:db8::10:30000", 0, NULL, NULL },
  { "40000=a b:30000", 0, NULL, NULL },
  { "40000=-a:30000", 0, NULL, NULL },
  { "40000=a", 0, NULL, NULL },
  { "40000=a:0", 0, NULL, NULL },
};

static void
flows_are_a_port_and_a_far_side (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (flows); i++) {
    g_autoptr (GError) error = NULL;
    gboolean is_good = tep_client_agent_config_add_flow (fixture->config, flows[i].text, &error);
    guint n = fixture->config->flows->len;
    const TepClientAgentFlow *flow;
    char text[STUN_EXT_ADDRESS_TEXT_LENGTH];

    g_test_message ("“%s”", flows[i].text);
    g_assert_cmpint (is_good, ==, flows[i].remote != NULL);
    if (!is_good) {
      g_assert_nonnull (strstr (error->message, "write LOCALPORT=ADDRESS:PORT"));
      continue;
    }
    flow = &g_array_index (fixture->config->flows, TepClientAgentFlow, n - 1);
    g_assert_cmpuint (flow->local_port, ==, flows[i].local_port);
    g_assert_cmpstr (flow->host, ==, flows[i].host);
    g_assert_cmpstr (stun_ext_address_print (&flow->remote, text), ==, flows[i].remote);
  }
}

static const struct {
  const char *text;
  const char *host; /* NULL: refused */
  guint port;
} servers[] = {
  { "tep.example.net:80", "tep.example.net", 80 },
  { "tep.example.net", "tep.example.net", 443 },
  { "192.0.2.1:8443", "192.0.2.1", 8443 },
  { "[2001:db8::1]:80", "2001:db8::1", 80 },
  { "2001:db8::1", "2001:db8::1", 443 },
  { "", NULL, 0 },
  { "tep.example.net:", NULL, 0 },
  { "tep.example.net:0", NULL, 0 },
  { "tep.example.net:65536", NULL, 0 },
  { "192.0.2.256:80", NULL, 0 },
  { "https://tep.example.net", NULL, 0 },
  { "user@tep.example.net:80", NULL, 0 },
};

static void
servers_are_a_name_or_an_address_with_a_port (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (servers); i++) {
    g_autoptr (TepClientAgentConfig) config = tep_client_agent_config_new ();
    g_autoptr (GError) error = NULL;
    gboolean is_good = tep_client_agent_config_set_server (config, servers[i].text, &error);

    g_test_message ("“%s”", servers[i].text);
    g_assert_cmpint (is_good, ==, servers[i].host != NULL);
    if (is_good) {
      g_assert_cmpstr (config->options->host, ==, servers[i].host);
      g_assert_cmpuint (config->options->port, ==, servers[i].port);
    } else {
      g_assert_nonnull (strstr (error->message, "write HOST:PORT"));
    }
  }
}

#define SERVER "[server]\nhost=192.0.2.1\n"
#define LOGIN "[credentials]\nfile=login\n"
#define FLOW "[flow a]\nlocal-port=40000\nremote=192.0.2.10:30000\n"

static const struct {
  const char *name;
  const char *text;
  const char *says; /* NULL: in order */
} wholes[] = {
  { "flow", SERVER LOGIN FLOW, NULL },
  { "tun", SERVER LOGIN "[tun]\nprefixes=192.0.2.0/24\n", NULL },
  { "name-without-proxy", SERVER LOGIN "[flow a]\nlocal-port=1\nremote=a.example:2\n", NULL },
  { "name-behind-proxy",
    SERVER LOGIN "[proxy]\nurl=http://p.example:3128\n[flow a]\nlocal-port=1\nremote=a.example:2\n",
    "write the address of a.example" },
  { "nothing-to-carry", SERVER LOGIN, "give a flow" },
  { "no-server", LOGIN FLOW, "no usable server" },
  { "no-login", SERVER FLOW, "no usable user name" },
  { "local-port-twice", SERVER LOGIN FLOW "[flow b]\nlocal-port=40000\nremote=192.0.2.10:30002\n",
    "local port 40000" },
  { "any-local-port-twice",
    SERVER LOGIN "[flow a]\nlocal-port=0\nremote=192.0.2.10:30000\n"
                 "[flow b]\nlocal-port=0\nremote=192.0.2.10:30002\n",
    NULL },
  { "prefix-that-is-none", SERVER LOGIN "[tun]\nprefixes=192.0.2.0/33\n", "192.0.2.0/33" },
  { "prefix-with-host-bits", SERVER LOGIN "[tun]\nprefixes=192.0.2.1/24\n", "192.0.2.1/24" },
  { "device-name-too-long", SERVER LOGIN "[tun]\nprefixes=::/0\nname=sixteen-letters-\n",
    "no name for a device" },
  { "device-name-with-slash", SERVER LOGIN "[tun]\nprefixes=::/0\nname=a/b\n",
    "no name for a device" },
  { "device-address-of-other-family", SERVER LOGIN "[tun]\nprefixes=::/0\naddress4=fd00::1\n",
    "no IPv4 address" },
  { "device-address-with-port", SERVER LOGIN "[tun]\nprefixes=::/0\naddress4=10.0.0.1:5\n",
    "no IPv4 address" },
  { "proxy-url", SERVER LOGIN FLOW "[proxy]\nurl=socks5://p.example\n", "" },
  { "proxy-header", SERVER LOGIN FLOW "[proxy]\nurl=http://p.example:3128\nheaders=none\n", "" },
  { "pin", SERVER "tls=true\npin-sha256=zz\n" LOGIN FLOW, "" },
};

static void
what_does_not_go_together_is_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *login = put (fixture, "login", "alice:" PASSWORD, 0600);

  for (gsize i = 0; i < G_N_ELEMENTS (wholes); i++) {
    g_autoptr (TepClientAgentConfig) config = tep_client_agent_config_new ();
    g_autofree char *path = put (fixture, "tep-c.conf", wholes[i].text, 0644);
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", wholes[i].name);
    g_assert_true (tep_client_agent_config_load (config, path, &error));
    g_assert_no_error (error);
    g_assert_cmpint (tep_client_agent_config_check (config, &error), ==, wholes[i].says == NULL);
    if (wholes[i].says == NULL)
      continue;
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, wholes[i].says));
  }
}

static void
a_short_secret_needs_tls (Fixture *fixture, gconstpointer data)
{
  g_autofree char *login = put (fixture, "login", "alice:short", 0600);
  g_autoptr (GError) error = NULL;

  g_assert_true (load (fixture, SERVER LOGIN FLOW, &error));
  g_assert_false (tep_client_agent_config_check (fixture->config, &error));
  g_assert_error (error, TEP_CLIENT_ERROR, TEP_CLIENT_ERROR_INSECURE);
  g_clear_error (&error);
  fixture->config->options->is_tls = TRUE;
  g_assert_true (tep_client_agent_config_check (fixture->config, &error));
}

static void
names_are_looked_up (Fixture *fixture, gconstpointer data)
{
  const TepClientAgentFlow *flow;
  g_autoptr (GError) error = NULL;

  g_assert_true (tep_client_agent_config_add_flow (fixture->config, "1=localhost:2", &error));
  g_assert_true (tep_client_agent_config_resolve (fixture->config, &error));
  flow = &g_array_index (fixture->config->flows, TepClientAgentFlow, 0);
  g_assert_null (flow->host);
  g_assert_cmpuint (flow->remote.family, !=, 0);
  g_assert_cmpuint (flow->remote.port, ==, 2);
}

#define TEST(name, function)                                                                       \
  g_test_add ("/tep-c/agent-config/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("every-key-is-taken", every_key_is_taken);
  TEST ("mistakes-are-refused-with-file-group-and-key",
        mistakes_are_refused_with_file_group_and_key);
  TEST ("what-is-no-text-is-refused", what_is_no_text_is_refused);
  TEST ("secrets-that-others-can-read-are-refused", secrets_that_others_can_read_are_refused);
  TEST ("logins-are-one-line", logins_are_one_line);
  TEST ("secrets-too-long-or-of-octets-are-refused", secrets_too_long_or_of_octets_are_refused);
  TEST ("flows-are-a-port-and-a-far-side", flows_are_a_port_and_a_far_side);
  TEST ("servers-are-a-name-or-an-address-with-a-port",
        servers_are_a_name_or_an_address_with_a_port);
  TEST ("what-does-not-go-together-is-refused", what_does_not_go_together_is_refused);
  TEST ("a-short-secret-needs-tls", a_short_secret_needs_tls);
  TEST ("names-are-looked-up", names_are_looked_up);
  return g_test_run ();
}
