/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GLib asks every source and every descriptor at every turn of the main loop. With hundreds of
 * streams of which one has a packet, that costs more than the packet. So here the kernel keeps the
 * list (epoll), and GLib sees one source with one descriptor.
 *
 * What the kernel cannot know, as octets that a layer holds deciphered, is asked of a stream
 * whenever something was done with it: in its own function, or as its user says. A stream found
 * ready waits in a queue, in which it can be once, and is called from there, a bounded number in
 * one turn; who is still ready afterwards goes to the end of the queue. Removing a watch takes it
 * out of the queue, so nobody is called who is gone.
 *
 * The source may recurse: a function may run the main loop, and GLib would take the descriptor out
 * of the poll and back for every turn otherwise, with a wake-up of its own each time.
 */
#include "turn-connect/watcher.h"

#include "turn-connect/error-private.h"
#include "turn-connect/stream-private.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TURN_MAX 64 /* streams called before other sources get their turn */

/* What waits for nothing, and tells of an error once. */
#define MUTE EPOLLET

G_STATIC_ASSERT ((int)G_IO_IN == (int)EPOLLIN && (int)G_IO_OUT == (int)EPOLLOUT &&
                 (int)G_IO_ERR == (int)EPOLLERR && (int)G_IO_HUP == (int)EPOLLHUP);

struct _TurnConnectWatcher {
  GSource source;
  int epoll;
  gpointer tag;
  GQueue queue; /* of watches that may be ready */
};

struct _TurnConnectWatch {
  TurnConnectWatcher *watcher;
  TurnConnectStream *stream;
  TurnConnectWatchFunc func;
  gpointer user_data;
  int descriptor;
  GIOCondition wanted;
  guint32 watched;     /* what epoll looks for */
  GIOCondition polled; /* what it found */
  GList link;          /* of the queue */
  gboolean is_queued;
  gboolean is_running; /* its function is */
  gboolean is_removed; /* in there; goes when that returns */
};

static gboolean
control (TurnConnectWatch *watch, int operation, guint32 events)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  watch->watched = events;
  return epoll_ctl (watch->watcher->epoll, operation, watch->descriptor, &event) == 0;
}

/* A closed descriptor left epoll by itself, and its number may be another stream's by now. */
static gboolean
is_open (const TurnConnectWatch *watch)
{
  return turn_connect_stream_get_descriptor (watch->stream) == watch->descriptor;
}

static void
enqueue (TurnConnectWatch *watch)
{
  if (!watch->is_queued)
    g_queue_push_tail_link (&watch->watcher->queue, &watch->link);
  watch->is_queued = TRUE;
}

static GIOCondition
ask (const TurnConnectWatch *watch, GIOCondition polled)
{
  return turn_connect_stream_ready (watch->stream, polled) &
         (watch->wanted | G_IO_ERR | G_IO_HUP | G_IO_NVAL);
}

/* Something was done with the stream. */
static void
look_again (TurnConnectWatch *watch)
{
  if (is_open (watch)) {
    guint32 needs = turn_connect_stream_needs (watch->stream, watch->wanted);

    if (needs != watch->watched)
      control (watch, EPOLL_CTL_MOD, needs);
  }
  if (!watch->is_queued && ask (watch, 0) != 0)
    enqueue (watch);
}

static void
watch_free (TurnConnectWatch *watch)
{
  g_object_unref (watch->stream);
  g_source_unref (&watch->watcher->source);
  g_free (watch);
}

static void
run (TurnConnectWatch *watch)
{
  GIOCondition ready = ask (watch, watch->polled);

  watch->polled = 0;
  if (ready != 0) {
    watch->is_running = TRUE;
    watch->func (watch->stream, ready, watch->user_data);
    watch->is_running = FALSE;
  }
  if (watch->is_removed)
    watch_free (watch);
  else
    look_again (watch);
}

static void
fetch (TurnConnectWatcher *self)
{
  struct epoll_event events[TURN_MAX];
  int n = epoll_wait (self->epoll, events, TURN_MAX, 0);

  for (int i = 0; i < n; i++) {
    TurnConnectWatch *watch = events[i].data.ptr;

    if (watch->is_running) {
      /* In a main loop run by its function, which it would wake up without end. */
      control (watch, EPOLL_CTL_MOD, MUTE);
    } else {
      watch->polled |= events[i].events;
      enqueue (watch);
    }
  }
}

static gboolean
watcher_prepare (GSource *source, int *timeout)
{
  *timeout = -1;
  return ((TurnConnectWatcher *)source)->queue.length > 0;
}

static gboolean
watcher_check (GSource *source)
{
  TurnConnectWatcher *self = (TurnConnectWatcher *)source;

  return self->queue.length > 0 || g_source_query_unix_fd (source, self->tag) != 0;
}

static gboolean
watcher_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  TurnConnectWatcher *self = (TurnConnectWatcher *)source;
  guint n;

  fetch (self);
  n = MIN (self->queue.length, TURN_MAX);
  while (n-- > 0 && self->queue.length > 0 && !g_source_is_destroyed (source)) {
    TurnConnectWatch *watch = g_queue_pop_head_link (&self->queue)->data;

    watch->is_queued = FALSE;
    run (watch);
  }
  return G_SOURCE_CONTINUE;
}

static void
watcher_finalize (GSource *source)
{
  TurnConnectWatcher *self = (TurnConnectWatcher *)source;

  if (self->epoll >= 0)
    close (self->epoll);
}

static GSourceFuncs watcher_funcs = { .prepare = watcher_prepare,
                                      .check = watcher_check,
                                      .dispatch = watcher_dispatch,
                                      .finalize = watcher_finalize };

TurnConnectWatcher *
turn_connect_watcher_new (GMainContext *context, GError **error)
{
  int epoll = epoll_create1 (EPOLL_CLOEXEC);
  TurnConnectWatcher *self;

  if (epoll < 0) {
    g_propagate_error (error, turn_connect_error_from_errno (errno, "waiting for streams"));
    return NULL;
  }
  self = (TurnConnectWatcher *)g_source_new (&watcher_funcs, sizeof (TurnConnectWatcher));
  g_source_set_static_name (&self->source, "TurnConnectWatcher");
  g_source_set_can_recurse (&self->source, TRUE);
  g_queue_init (&self->queue);
  self->epoll = epoll;
  self->tag = g_source_add_unix_fd (&self->source, epoll, G_IO_IN);
  g_source_attach (&self->source, context);
  return self;
}

void
turn_connect_watcher_free (TurnConnectWatcher *watcher)
{
  g_source_destroy (&watcher->source);
  g_source_unref (&watcher->source);
}

TurnConnectWatch *
turn_connect_watcher_add (TurnConnectWatcher *watcher,
                          TurnConnectStream *stream,
                          GIOCondition condition,
                          TurnConnectWatchFunc func,
                          gpointer user_data,
                          GError **error)
{
  TurnConnectWatch *watch = g_new0 (TurnConnectWatch, 1);

  g_source_ref (&watcher->source);
  watch->watcher = watcher;
  watch->stream = g_object_ref (stream);
  watch->func = func;
  watch->user_data = user_data;
  watch->link.data = watch;
  watch->wanted = condition & (G_IO_IN | G_IO_OUT);
  watch->descriptor = turn_connect_stream_get_descriptor (stream);
  if (!control (watch, EPOLL_CTL_ADD, turn_connect_stream_needs (stream, watch->wanted))) {
    g_propagate_error (error, turn_connect_error_from_errno (errno, "waiting for a stream"));
    watch_free (watch);
    return NULL;
  }
  look_again (watch);
  return watch;
}

void
turn_connect_watch_set_condition (TurnConnectWatch *watch, GIOCondition condition)
{
  watch->wanted = condition & (G_IO_IN | G_IO_OUT);
  if (!watch->is_running)
    look_again (watch);
}

void
turn_connect_watch_remove (TurnConnectWatch *watch)
{
  if (is_open (watch))
    control (watch, EPOLL_CTL_DEL, 0);
  if (watch->is_queued)
    g_queue_unlink (&watch->watcher->queue, &watch->link);
  watch->is_queued = FALSE;
  watch->is_removed = TRUE;
  if (!watch->is_running)
    watch_free (watch);
}
