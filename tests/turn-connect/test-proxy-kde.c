/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn-connect/proxy/kde.h"

#define OURS "[Proxy Settings]\n"

typedef struct {
  const char *name;
  const char *system;
  const char *user;
  int type;
  const char *script;
} Row;

static const Row rows[] = {
  { "nothing-is-none", "", "", 0, NULL },
  { "a-file-of-the-user", "", OURS "ProxyType=2\nProxy Config Script=http://a/x\n", 2,
    "http://a/x" },
  { "a-file-of-the-system", OURS "ProxyType=2\nProxy Config Script=http://a/x", "", 2,
    "http://a/x" },
  { "the-user-wins", OURS "ProxyType=2\nProxy Config Script=http://a/\n",
    OURS "Proxy Config Script=http://b/\n", 2, "http://b/" },
  { "what-is-locked-stays", OURS "ProxyType[$i]=2\nProxy Config Script[$ei]=http://a/\n",
    OURS "ProxyType=0\nProxy Config Script=http://b/\n", 2, "http://a/" },
  { "a-locked-group-stays", "[Proxy Settings][$i]\nProxyType=3\n", OURS "ProxyType=0\n", 3, NULL },
  { "marks-do-not-hide-a-name", "",
    OURS "ProxyType[$e]=2\r\nProxy Config Script[$e] = http://a/ \r\n", 2, "http://a/" },
  { "a-path-is-a-file", "", OURS "ProxyType=2\nProxy Config Script=/etc/x.pac\n", 2,
    "file:///etc/x.pac" },
  { "other-groups-do-not-count", "ProxyType=2\n[Other]\nProxyType=2\n",
    "[Proxy Settings x]\nProxyType=2\n", 0, NULL },
  { "other-names-do-not-count", "", OURS "#ProxyType=2\nProxyTypes=2\nProxyType\nproxytype=2\n", 0,
    NULL },
  { "nonsense-is-passed-over", "=\n[\n[]\n]=[\n\x01=\xff\n", OURS "=2\n[$i]=2\nProxyType=\n", 0,
    NULL },
};

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_auto (TurnConnectKde) kde = { 0 };

  turn_connect_kde_take (&kde, row->system);
  turn_connect_kde_take (&kde, row->user);
  g_assert_cmpint (kde.type, ==, row->type);
  g_assert_cmpstr (kde.script, ==, row->script);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/turn-connect/proxy-kde/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_row);
  }
  return g_test_run ();
}
