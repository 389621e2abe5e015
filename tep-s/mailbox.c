/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Workers share nothing, so whatever concerns two threads goes through here. The mutex is a pthread
 * one: the thread sanitizer does not see into GLib's.
 */
#include "tep-s/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct _Message Message;
struct _Message {
  Message *next;
  TepServerMessageFunc func;
  gpointer data;
  gsize media; /* octets of it in data */
};

struct _TepServerMailbox {
  pthread_mutex_t lock;
  Message *first;
  Message **last;
  int fd;
  _Atomic gsize media; /* octets that wait */
};

TepServerMailbox *
tep_server_mailbox_new (void)
{
  int fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  TepServerMailbox *mailbox;

  if (fd < 0)
    return NULL;
  mailbox = g_new0 (TepServerMailbox, 1);
  pthread_mutex_init (&mailbox->lock, NULL);
  mailbox->last = &mailbox->first;
  mailbox->fd = fd;
  return mailbox;
}

static Message *
take_all (TepServerMailbox *mailbox)
{
  Message *first;

  pthread_mutex_lock (&mailbox->lock);
  first = mailbox->first;
  mailbox->first = NULL;
  mailbox->last = &mailbox->first;
  pthread_mutex_unlock (&mailbox->lock);
  return first;
}

static void
run (TepServerMailbox *mailbox, Message *first, gpointer receiver, gboolean is_delivered)
{
  while (first != NULL) {
    Message *message = first;

    first = message->next;
    message->func (receiver, message->data, is_delivered);
    if (message->media > 0)
      atomic_fetch_sub_explicit (&mailbox->media, message->media, memory_order_relaxed);
    g_free (message);
  }
}

void
tep_server_mailbox_free (TepServerMailbox *mailbox)
{
  run (mailbox, take_all (mailbox), NULL, FALSE);
  pthread_mutex_destroy (&mailbox->lock);
  close (mailbox->fd);
  g_free (mailbox);
}

int
tep_server_mailbox_fd (const TepServerMailbox *mailbox)
{
  return mailbox->fd;
}

static void
post (TepServerMailbox *mailbox, const Message *what)
{
  Message *message = g_new (Message, 1);
  gboolean was_empty;

  *message = *what;
  pthread_mutex_lock (&mailbox->lock);
  was_empty = mailbox->first == NULL;
  *mailbox->last = message;
  mailbox->last = &message->next;
  pthread_mutex_unlock (&mailbox->lock);
  /* An eventfd takes eight octets unless its counter is full, and then it is readable anyway. */
  if (was_empty) {
    const guint64 one = 1;
    ssize_t n = write (mailbox->fd, &one, sizeof one);

    (void)n;
  }
}

void
tep_server_mailbox_post (TepServerMailbox *mailbox, TepServerMessageFunc func, gpointer data)
{
  const Message message = { .func = func, .data = data };

  post (mailbox, &message);
}

void
tep_server_mailbox_post_media (TepServerMailbox *mailbox,
                               TepServerMessageFunc func,
                               gpointer data,
                               gsize length)
{
  const Message message = { .func = func, .data = data, .media = length };

  atomic_fetch_add_explicit (&mailbox->media, length, memory_order_relaxed);
  post (mailbox, &message);
}

gboolean
tep_server_mailbox_has_room (const TepServerMailbox *mailbox, gsize length)
{
  gsize waiting = atomic_load_explicit (&mailbox->media, memory_order_relaxed);

  return waiting + length <= TEP_SERVER_MAILBOX_MEDIA;
}

void
tep_server_mailbox_empty (TepServerMailbox *mailbox, gpointer receiver)
{
  guint64 count;
  ssize_t n = read (mailbox->fd, &count, sizeof count);

  (void)n;
  run (mailbox, take_all (mailbox), receiver, TRUE);
}
