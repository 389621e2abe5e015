/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A descriptor and no path: the agent gives its rights up before anything is chosen, and nobody can put
 * another file there meanwhile. A text cut short by a crash loses lines and does no harm. */
#include "tep-c/choice-file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct _TepClientChoiceFile {
  int descriptor;
};

static gboolean
begins_well (int descriptor)
{
  char text[sizeof TEP_CLIENT_CHOICE_HEADER];
  ssize_t n = pread (descriptor, text, sizeof text - 1, 0);

  return n == sizeof text - 1 && memcmp (text, TEP_CLIENT_CHOICE_HEADER, sizeof text - 1) == 0;
}

static const char *
find_fault (int descriptor)
{
  struct stat about;

  if (fstat (descriptor, &about) != 0)
    return g_strerror (errno);
  if (!S_ISREG (about.st_mode))
    return "is no file; name another one";
  if (about.st_uid != geteuid ())
    return "is somebody else's; name another one, or remove it";
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return "can be written by others; chmod 600, or remove it";
  if (about.st_nlink > 1)
    return "has another name too; name another one, or remove it";
  if (about.st_size > 0 && !begins_well (descriptor))
    return "holds something else; name another one, or remove it";
  return NULL;
}

TepClientChoiceFile *
tep_client_choice_file_open (const char *path, GError **error)
{
  int descriptor =
      open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
  const char *fault = descriptor >= 0 ? find_fault (descriptor) : g_strerror (errno);
  TepClientChoiceFile *file;

  if (fault != NULL) {
    g_set_error (error, G_IO_ERROR,
                 descriptor >= 0 ? G_IO_ERROR_FAILED : g_io_error_from_errno (errno),
                 "memory of networks %s: %s", path, fault);
    if (descriptor >= 0)
      close (descriptor);
    return NULL;
  }
  if (fchmod (descriptor, 0600) != 0)
    g_info ("%s: %s", path, g_strerror (errno));
  file = g_new0 (TepClientChoiceFile, 1);
  file->descriptor = descriptor;
  return file;
}

void
tep_client_choice_file_free (TepClientChoiceFile *file)
{
  close (file->descriptor);
  g_free (file);
}

void
tep_client_choice_file_load (TepClientChoiceFile *file, TepClientChoiceMemory *memory, gint64 now_s)
{
  g_autofree char *text = g_malloc (TEP_CLIENT_CHOICE_TEXT_MAX + 1);
  gsize length = 0;
  ssize_t n;

  do {
    n = pread (file->descriptor, text + length, TEP_CLIENT_CHOICE_TEXT_MAX + 1 - length,
               (off_t)length);
    length += n > 0 ? (gsize)n : 0;
  } while ((n > 0 && length <= TEP_CLIENT_CHOICE_TEXT_MAX) || (n < 0 && errno == EINTR));
  tep_client_choice_memory_read (memory, text, length, now_s);
}

void
tep_client_choice_file_save (TepClientChoiceFile *file, const TepClientChoiceMemory *memory)
{
  g_autofree char *text = tep_client_choice_memory_write (memory);
  gsize length = strlen (text);

  if (ftruncate (file->descriptor, 0) != 0 ||
      pwrite (file->descriptor, text, length, 0) != (ssize_t)length)
    g_info ("what worked in this network cannot be written down: %s", g_strerror (errno));
}
