/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets come from files that nobody else can read, never from a command line, which everybody can. */
#include "turn-connect/secret-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 4096
#define HMAC_SHA1_BASE64 28 /* octets of a time-limited password, PROTOCOL section 7.1 */

void
turn_connect_secret_free (char *secret)
{
  if (secret != NULL)
    explicit_bzero (secret, strlen (secret));
  g_free (secret);
}

G_GNUC_PRINTF (2, 3)
static gboolean
fail (GError **error, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  if (error != NULL)
    *error = g_error_new_valist (TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, format, arguments);
  va_end (arguments);
  return FALSE;
}

static gboolean
check_mode (int descriptor, const char *path, GError **error)
{
  struct stat about;

  if (fstat (descriptor, &about) < 0)
    return fail (error, "%s: %s", path, g_strerror (errno));
  if (S_ISDIR (about.st_mode))
    return fail (error, "%s: is a folder; name the file in it", path);
  if (S_ISREG (about.st_mode) && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return fail (error, "%s: others can read this file of secrets; run: chmod 600 %s", path, path);
  return TRUE;
}

/* Also from a pipe, such as a shell's <(...). */
static gboolean
read_all (int descriptor, char *buffer, gsize size, gsize *length)
{
  *length = 0;
  while (*length < size) {
    gssize n = read (descriptor, buffer + *length, size - *length);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n == 0;
    *length += n;
  }
  return TRUE;
}

static char *
read_line (const char *path, GError **error)
{
  int descriptor = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  char buffer[FILE_MAX + 1];
  char *text = NULL;
  gsize length = 0;

  if (descriptor < 0) {
    fail (error, "%s: %s", path, g_strerror (errno));
    return NULL;
  }
  if (!check_mode (descriptor, path, error)) {
    close (descriptor);
    return NULL;
  }
  if (!read_all (descriptor, buffer, FILE_MAX, &length))
    fail (error, "%s: %s", path, g_strerror (errno));
  else if (length == FILE_MAX)
    fail (error, "%s: is too long for a secret; write one line, user:password", path);
  else {
    while (length > 0 && (buffer[length - 1] == '\n' || buffer[length - 1] == '\r'))
      length--;
    buffer[length] = '\0';
    if (strlen (buffer) == length && strpbrk (buffer, "\r\n") == NULL)
      text = g_strdup (buffer);
    else
      fail (error, "%s: is more than a line of text; write user:password", path);
  }
  explicit_bzero (buffer, sizeof buffer);
  close (descriptor);
  return text;
}

/* Where the password begins. */
static const char *
find_password (const char *text, gboolean is_time_limited)
{
  const char *colon = strchr (text, ':');
  const char *second = colon != NULL && is_time_limited ? strchr (colon + 1, ':') : NULL;

  if (second != NULL && strspn (text, "0123456789") == (gsize)(colon - text) &&
      strlen (second + 1) == HMAC_SHA1_BASE64 && g_str_has_suffix (second, "="))
    colon = second;
  return colon != NULL ? colon + 1 : NULL;
}

gboolean
turn_connect_secret_file_load (
    const char *path, gboolean may_be_time_limited, char **user, char **password, GError **error)
{
  char *text = read_line (path, error);
  const char *secret;

  if (text == NULL)
    return FALSE;
  secret = find_password (text, may_be_time_limited);
  if (secret == NULL || secret - 1 == text || *secret == '\0') {
    turn_connect_secret_free (text);
    return fail (error, "%s: write one line, user:password", path);
  }
  g_free (*user);
  *user = g_strndup (text, secret - 1 - text);
  turn_connect_secret_free (*password);
  *password = g_strdup (secret);
  turn_connect_secret_free (text);
  return TRUE;
}
