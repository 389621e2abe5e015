/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the server tells by its work if a user exists (requirement 22). Time on a shared machine says
 * little, so what takes time is counted: each call at the door of the cryptographic library with the octets
 * it works on, each allocation and each lock. It has to be the same, call by call, for a wrong password and
 * for every way in which there is no such user. Ratios of times: tests/bench/users.
 */
#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include <glib/gstdio.h>

#include "world.h"

#define STEPS_MAX 256
#define HASH_BLOCK 64
#define LONG_PASSWORD                                                                              \
  "a password that is a good deal longer than one block of the hash function is, namely 64"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1 /* as gcc says it */
#endif
#endif

/* ---- what is counted ---- */

typedef struct {
  const char *name;
  gsize n;
} Step;

typedef struct {
  Step steps[STEPS_MAX];
  guint n_steps;
  guint n_allocations;
  guint n_locks;
} Work;

static Work *counting; /* NULL while nothing is counted */

static void
count (const char *name, gsize n)
{
  if (counting == NULL)
    return;
  g_assert_cmpuint (counting->n_steps, <, STEPS_MAX);
  counting->steps[counting->n_steps++] = (Step){ name, n };
}

#define REAL(name) ((__typeof__ (&name))dlsym (RTLD_NEXT, #name))

int
EVP_DigestUpdate (EVP_MD_CTX *context, const void *data, size_t length)
{
  count ("digest", length);
  return REAL (EVP_DigestUpdate) (context, data, length);
}

int
EVP_DigestFinal_ex (EVP_MD_CTX *context, unsigned char *digest, unsigned int *length)
{
  count ("digest-final", 0);
  return REAL (EVP_DigestFinal_ex) (context, digest, length);
}

/* A key up to a block takes as long as any other; a longer one is hashed first. */
int
EVP_MAC_init (EVP_MAC_CTX *context,
              const unsigned char *key,
              size_t length,
              const OSSL_PARAM parameters[])
{
  count ("mac-init", length > HASH_BLOCK ? length : 0);
  return REAL (EVP_MAC_init) (context, key, length, parameters);
}

int
EVP_MAC_update (EVP_MAC_CTX *context, const unsigned char *data, size_t length)
{
  count ("mac", length);
  return REAL (EVP_MAC_update) (context, data, length);
}

int
EVP_MAC_final (EVP_MAC_CTX *context, unsigned char *out, size_t *length, size_t size)
{
  count ("mac-final", 0);
  return REAL (EVP_MAC_final) (context, out, length, size);
}

int
CRYPTO_memcmp (const void *a, const void *b, size_t length)
{
  count ("compare", length);
  return REAL (CRYPTO_memcmp) (a, b, length);
}

/* The sanitizer has an allocator and locks of its own. */
#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *malloc (size_t size);
void *calloc (size_t n, size_t size);

void *
malloc (size_t size)
{
  if (counting != NULL)
    counting->n_allocations++;
  return __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
  if (counting != NULL)
    counting->n_allocations++;
  return __libc_calloc (n, size);
}

int
pthread_mutex_lock (pthread_mutex_t *mutex)
{
  if (counting != NULL)
    counting->n_locks++;
  return REAL (pthread_mutex_lock) (mutex);
}
#endif

/* ---- one try to log in ---- */

/* Fills a long-term login after a challenge. */
static void
prepare_long_term (Client *client, StunExtTepRequest *request)
{
  static const guint8 offered[] = { 0, STUN_EXT_PASSWORD_ALGORITHM_SHA256, 0, 0 };
  StunExtTepRequest first;

  client_prepare (client, &first);
  first.open.realm = (StunExtSpan){ WORLD_REALM, strlen (WORLD_REALM) };
  first.open.username = (StunExtSpan){ NULL, 0 };
  client_send (client, client->peer, &first, (StunExtSpan){ NULL, 0 });
  g_assert_cmpuint (client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL), ==, 401);
  client_prepare (client, request);
  request->open.realm = first.open.realm;
  request->open.password_algorithms = (StunExtSpan){ offered, sizeof offered };
  request->open.password_algorithm = STUN_EXT_PASSWORD_ALGORITHM_SHA256;
}

typedef enum {
  BY_SHORT_TERM,
  BY_LONG_TERM,
  BY_USERHASH,
} By;

/* The work that the server does for one request with that name and a key that is wrong. */
static guint
try_to_log_in (By by, const char *user, Work *work)
{
  g_autoptr (World) world = world_new (NULL, 1);
  g_autoptr (Client) client = client_new (world, "192.0.2.7:5000");
  g_autofree char *users = g_build_filename (world->folder, "users", NULL);
  const StunExtSpan key = { "a wrong key of thirty-two octets", 32 };
  const guint8 transaction_id[STUN_EXT_TRANSACTION_ID_LENGTH] = { 42 };
  guint8 frame[2 + STUN_EXT_TEP_MESSAGE_MAX];
  guint8 hash[STUN_EXT_USERHASH_LENGTH];
  StunExtTepRequest request;
  gsize length;

  g_assert_true (g_file_set_contents_full (
      users, "alice:" WORLD_PASSWORD "\nlarge:" LONG_PASSWORD "\nshort:too short\n", -1, 0, 0600,
      NULL));
  world_reload (world, NULL);
  if (by != BY_SHORT_TERM)
    prepare_long_term (client, &request);
  else
    client_prepare (client, &request);
  request.open.username = (StunExtSpan){ user, strlen (user) };
  if (by == BY_USERHASH) {
    g_assert_true (stun_ext_userhash (request.open.username, request.open.realm, hash));
    request.open.username = (StunExtSpan){ NULL, 0 };
    request.open.userhash = (StunExtSpan){ hash, sizeof hash };
  }
  g_assert_true (stun_ext_tep_write_request (&request, transaction_id, key, frame + 2,
                                             sizeof frame - 2, &length));
  frame[0] = (guint8)(length >> 8);
  frame[1] = (guint8)length;
  memset (work, 0, sizeof *work);
  counting = work;
  tep_server_core_input (world->cores[0], client->peer->connection, frame, length + 2);
  tep_server_core_flush (world->cores[0]);
  counting = NULL;
  g_assert_cmpuint (world_count (world, TEP_SERVER_COUNTER_AUTH_FAILED), ==, 1);
  return client_answer (client, client->peer, STUN_EXT_TEP_OPEN, NULL);
}

static gboolean
is_same_work (const Work *a, const Work *b)
{
  return a->n_steps == b->n_steps &&
         memcmp (a->steps, b->steps, a->n_steps * sizeof *a->steps) == 0 &&
         a->n_allocations == b->n_allocations && a->n_locks == b->n_locks;
}

static void
tell_work (const char *user, const Work *work)
{
  gsize octets = 0;

  for (guint i = 0; i < work->n_steps; i++)
    octets += work->steps[i].n;
  g_test_message ("%s: %u calls over %" G_GSIZE_FORMAT " octets, %u allocations, %u locks", user,
                  work->n_steps, octets, work->n_allocations, work->n_locks);
}

/* ---- tests ---- */

static void
test_no_user_costs_what_a_wrong_password_costs (gconstpointer data)
{
  /* Nobody; a password too short for plain TCP; one longer than a block. */
  static const char *const others[] = { "mallo", "short", "large", "alicf", "zzzzz" };
  By by = (By)GPOINTER_TO_INT (data);
  Work known, other;

  try_to_log_in (by, "alice", &known); /* what the library makes at the first call */
  g_assert_cmpuint (try_to_log_in (by, "alice", &known), ==, 401);
  tell_work ("alice", &known);
  g_assert_cmpuint (known.n_steps, >, 5);
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_assert_cmpuint (try_to_log_in (by, others[i], &other), ==, 401);
    tell_work (others[i], &other);
    g_assert_true (is_same_work (&known, &other));
  }
}

/* The counting sees a key that is longer than a block, and a key that is tried more often. */
static void
test_a_difference_would_be_seen (void)
{
  static const guint8 key[HASH_BLOCK + 1];
  static const struct {
    gsize key_length;
    guint times;
  } rows[] = { { HASH_BLOCK, 1 },
               { HASH_BLOCK, 1 },
               { HASH_BLOCK, 1 },
               { HASH_BLOCK + 1, 1 },
               { HASH_BLOCK, 2 } };
  Work works[G_N_ELEMENTS (rows)] = { 0 };
  guint8 mac[STUN_EXT_SHA256_LENGTH];
  StunExtSpan part = { "x", 1 };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    counting = &works[i];
    for (guint j = 0; j < rows[i].times; j++)
      g_assert_true (
          stun_ext_crypto_hmac (STUN_EXT_HASH_SHA256, key, rows[i].key_length, &part, 1, mac));
    counting = NULL;
  }
  /* The first call of all is the one in which the library makes what it keeps. */
  g_assert_true (is_same_work (&works[1], &works[2]));
  g_assert_false (is_same_work (&works[1], &works[3]));
  g_assert_false (is_same_work (&works[1], &works[4]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/tep-s/oracle/no-user-costs-what-a-wrong-password-costs/short-term",
                        GINT_TO_POINTER (BY_SHORT_TERM),
                        test_no_user_costs_what_a_wrong_password_costs);
  g_test_add_data_func ("/tep-s/oracle/no-user-costs-what-a-wrong-password-costs/long-term",
                        GINT_TO_POINTER (BY_LONG_TERM),
                        test_no_user_costs_what_a_wrong_password_costs);
  g_test_add_data_func ("/tep-s/oracle/no-user-costs-what-a-wrong-password-costs/userhash",
                        GINT_TO_POINTER (BY_USERHASH),
                        test_no_user_costs_what_a_wrong_password_costs);
  g_test_add_func ("/tep-s/oracle/a-difference-would-be-seen", test_a_difference_would_be_seen);
  return g_test_run ();
}
