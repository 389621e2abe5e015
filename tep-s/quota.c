/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One account for all workers, so that a user who comes in through several of them has one quota.
 * Only beginnings and ends come here, never packets. */
#include "tep-s/quota.h"

#include <pthread.h>
#include <string.h>

typedef struct {
  guint64 key;
  guint alive;
} Account;

struct _TepServerQuota {
  pthread_mutex_t mutex;
  GHashTable *accounts; /* Account, by its key */
  guint64 total;
};

TepServerQuota *
tep_server_quota_new (void)
{
  TepServerQuota *quota = g_new0 (TepServerQuota, 1);

  pthread_mutex_init (&quota->mutex, NULL);
  quota->accounts = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  return quota;
}

void
tep_server_quota_free (TepServerQuota *quota)
{
  g_clear_pointer (&quota->accounts, g_hash_table_unref);
  pthread_mutex_destroy (&quota->mutex);
  g_free (quota);
}

guint64
tep_server_quota_source_key (const StunExtAddress *source)
{
  StunExtAddress address = stun_ext_address_canonical (source);
  guint64 key = 0;

  /* An IPv4 address has four octets, a /64 has eight; what tells them apart stands where no global
   * unicast /64 has it. */
  for (gsize i = 0; i < (address.family == 4 ? 4 : 8); i++)
    key = key << 8 | address.octets[i];
  return address.family == 4 ? key | G_GUINT64_CONSTANT (0xff04) << 48 : key;
}

gboolean
tep_server_quota_take (TepServerQuota *quota, guint64 key, guint limit)
{
  Account *account;
  gboolean is_taken;

  pthread_mutex_lock (&quota->mutex);
  account = g_hash_table_lookup (quota->accounts, &key);
  is_taken = limit > 0 && (account == NULL || account->alive < limit);
  if (is_taken && account == NULL) {
    account = g_new0 (Account, 1);
    account->key = key;
    g_hash_table_insert (quota->accounts, &account->key, account);
  }
  if (is_taken) {
    account->alive++;
    quota->total++;
  }
  pthread_mutex_unlock (&quota->mutex);
  return is_taken;
}

void
tep_server_quota_give (TepServerQuota *quota, guint64 key)
{
  Account *account;

  pthread_mutex_lock (&quota->mutex);
  account = g_hash_table_lookup (quota->accounts, &key);
  if (account != NULL) {
    quota->total--;
    if (--account->alive == 0)
      g_hash_table_remove (quota->accounts, &key);
  }
  pthread_mutex_unlock (&quota->mutex);
}

guint
tep_server_quota_count (TepServerQuota *quota, guint64 key)
{
  const Account *account;
  guint alive;

  pthread_mutex_lock (&quota->mutex);
  account = g_hash_table_lookup (quota->accounts, &key);
  alive = account != NULL ? account->alive : 0;
  pthread_mutex_unlock (&quota->mutex);
  return alive;
}

guint64
tep_server_quota_total (TepServerQuota *quota)
{
  guint64 total;

  pthread_mutex_lock (&quota->mutex);
  total = quota->total;
  pthread_mutex_unlock (&quota->mutex);
  return total;
}
