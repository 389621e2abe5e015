/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets come from files that nobody but their owner may read, and leave memory when they are no
 * longer needed. The file is opened first and judged by its descriptor, so that it cannot be
 * changed for another in between. */
#include "tep-s/secret-file-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stun-ext/crypto.h"
#include "tep-s/error.h"

static gboolean
fail (GError **error, const char *path, const char *problem)
{
  g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG, "%s: %s", path, problem);
  return FALSE;
}

/* Non-blocking, for a pipe in the place of a file would hold up the start for ever. */
static int
open_checked (const char *path, gsize *size, GError **error)
{
  struct stat info;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0) {
    fail (error, path,
          errno == EACCES ? "may not be read; it has to belong to the user the server runs as"
                          : g_strerror (errno));
    return -1;
  }
  if (fstat (fd, &info) != 0 || !S_ISREG (info.st_mode)) {
    fail (error, path, "is no plain file");
    close (fd);
    return -1;
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    g_set_error (error, TEP_SERVER_ERROR, TEP_SERVER_ERROR_CONFIG,
                 "%s: holds secrets, but others than its owner may use it (mode %04o); run: chmod "
                 "600 %s",
                 path, (guint)info.st_mode & 07777, path);
    close (fd);
    return -1;
  }
  *size = (gsize)info.st_size;
  return fd;
}

gboolean
tep_server_secret_check (const char *path, GError **error)
{
  gsize size;
  int fd = open_checked (path, &size, error);

  if (fd < 0)
    return FALSE;
  close (fd);
  return TRUE;
}

static gboolean
read_all (int fd, TepServerSecret *secret, gsize size)
{
  while (secret->length < size) {
    ssize_t n = read (fd, secret->text + secret->length, size - secret->length);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return FALSE;
    if (n == 0)
      break;
    secret->length += (gsize)n;
  }
  return TRUE;
}

gboolean
tep_server_secret_read (TepServerSecret *secret, const char *path, gsize max, GError **error)
{
  gboolean is_read;
  gsize size;
  int fd = open_checked (path, &size, error);

  *secret = (TepServerSecret){ 0 };
  if (fd < 0)
    return FALSE;
  if (size > max) {
    close (fd);
    return fail (error, path, "is far too large for what it should hold");
  }
  secret->text = g_malloc0 (size + 1);
  is_read = read_all (fd, secret, size);
  close (fd);
  if (!is_read) {
    tep_server_secret_clear (secret);
    return fail (error, path, "cannot be read");
  }
  return TRUE;
}

void
tep_server_secret_clear (TepServerSecret *secret)
{
  if (secret->text != NULL)
    stun_ext_crypto_cleanse (secret->text, secret->length);
  g_clear_pointer (&secret->text, g_free);
  secret->length = 0;
}
