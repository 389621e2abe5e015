/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A proxy configuration file is JavaScript from the network, and its interpreters are no code to
 * have in a process that holds keys; libproxy loads plug-ins that talk to desktops. Both have a
 * program of their own, so they run beside us. Input and output are files in memory: nobody has to
 * be fed, nothing can be clogged, and the limit on file size bounds what can be said.
 */
#include "turn-connect/proxy/program.h"

#include "turn-connect/error-private.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MEMORY_MAX (512u * 1024 * 1024) /* of address space; measured: 160 MB are needed */
#define PROCESSOR_S 3
#define OUTPUT_MAX (64 * 1024)
#define NOBODY 65534

typedef struct {
  char *name;
  GSubprocess *process;
  GSource *timer;
  int out, err;
  gboolean is_late;
} Job;

static void
close_file (int *descriptor)
{
  if (*descriptor >= 0)
    close (*descriptor);
  *descriptor = -1;
}

static void
destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
job_free (gpointer data)
{
  Job *job = data;

  destroy_source (&job->timer);
  g_clear_object (&job->process);
  close_file (&job->out);
  close_file (&job->err);
  g_free (job->name);
  g_free (job);
}

static void
limit (int what, rlim_t most)
{
  struct rlimit limits = { most, most };

  setrlimit (what, &limits);
}

/* In the child, before it becomes the program: nothing but system calls. */
static void
before_exec (gpointer is_stranger)
{
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  limit (RLIMIT_CORE, 0);
  limit (RLIMIT_CPU, PROCESSOR_S);
  limit (RLIMIT_FSIZE, OUTPUT_MAX);
  if (is_stranger != NULL) {
    limit (RLIMIT_AS, MEMORY_MAX);
    limit (RLIMIT_NOFILE, 16);
  }
  if (is_stranger != NULL && geteuid () == 0 &&
      (setgroups (0, NULL) != 0 || setresgid (NOBODY, NOBODY, NOBODY) != 0 ||
       setresuid (NOBODY, NOBODY, NOBODY) != 0))
    _exit (126);
  /* Last, for another user's identity clears it. */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static int
make_file (GBytes *content)
{
  int descriptor = memfd_create ("turn-connect", MFD_CLOEXEC);
  gsize length = 0, done = 0;
  const guint8 *octets = content != NULL ? g_bytes_get_data (content, &length) : NULL;

  while (descriptor >= 0 && done < length) {
    ssize_t n = write (descriptor, octets + done, length - done);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      close_file (&descriptor);
      return -1;
    }
    done += (gsize)n;
  }
  if (descriptor >= 0)
    lseek (descriptor, 0, SEEK_SET);
  return descriptor;
}

static char *
read_file (int descriptor)
{
  GString *text = g_string_new (NULL);
  char buffer[4096];
  ssize_t n;
  off_t at = 0;

  while ((n = pread (descriptor, buffer, sizeof buffer, at)) > 0 && at < OUTPUT_MAX) {
    g_string_append_len (text, buffer, n);
    at += n;
  }
  return g_string_free (text, FALSE);
}

/* What it complained about last, in one line. */
static char *
read_complaint (int descriptor)
{
  g_autofree char *text = read_file (descriptor);

  g_strdelimit (g_strstrip (text), "\r\n\t", ' ');
  return turn_connect_error_quote (text, strlen (text), 200);
}

static void
ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Job *job = g_task_get_task_data (task);
  g_autofree char *complaint = NULL;
  GError *error = NULL;

  destroy_source (&job->timer);
  if (!g_subprocess_wait_finish (job->process, result, &error)) { /* cancelled */
    g_subprocess_force_exit (job->process);
    g_task_return_error (task, error);
    return;
  }
  if (g_subprocess_get_successful (job->process)) {
    g_task_return_pointer (task, read_file (job->out), g_free);
    return;
  }
  complaint = read_complaint (job->err);
  if (job->is_late || (g_subprocess_get_if_signaled (job->process) &&
                       g_subprocess_get_term_sig (job->process) != SIGSEGV &&
                       g_subprocess_get_term_sig (job->process) != SIGABRT))
    g_task_return_new_error (task, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_TIMED_OUT,
                             "%s came to no end within its limits of time and size", job->name);
  else
    g_task_return_new_error (task, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_INVALID, "%s fails: %s",
                             job->name, *complaint != '\0' ? complaint : "without a word");
}

static gboolean
timer_fired (gpointer user_data)
{
  Job *job = user_data;

  job->is_late = TRUE;
  g_subprocess_force_exit (job->process);
  return G_SOURCE_REMOVE;
}

static GSubprocess *
spawn (const TurnConnectProgram *program, Job *job, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autofree char *path = g_find_program_in_path (program->argv[0]);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  static char *const bare[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C.UTF-8", NULL };
  int in;

  if (path == NULL) {
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_UNSUPPORTED,
                 "the program %s is needed and not installed (package %s)", program->argv[0],
                 program->package);
    return NULL;
  }
  g_ptr_array_add (argv, path);
  for (const char *const *argument = program->argv + 1; *argument != NULL; argument++)
    g_ptr_array_add (argv, (gpointer)*argument);
  g_ptr_array_add (argv, NULL);
  in = make_file (program->input);
  job->out = make_file (NULL);
  job->err = make_file (NULL);
  if (in < 0 || job->out < 0 || job->err < 0) {
    close_file (&in);
    g_set_error (error, TURN_CONNECT_ERROR, TURN_CONNECT_ERROR_RESOURCES,
                 "no memory or descriptors for running %s", program->argv[0]);
    return NULL;
  }
  g_subprocess_launcher_take_stdin_fd (launcher, in);
  g_subprocess_launcher_take_stdout_fd (launcher, dup (job->out));
  g_subprocess_launcher_take_stderr_fd (launcher, dup (job->err));
  g_subprocess_launcher_set_child_setup (launcher, before_exec,
                                         GINT_TO_POINTER (program->is_stranger), NULL);
  if (program->is_stranger) {
    g_subprocess_launcher_set_environ (launcher, (char **)bare);
    g_subprocess_launcher_set_cwd (launcher, "/");
  }
  return g_subprocess_launcher_spawnv (launcher, (const char *const *)argv->pdata, error);
}

void
turn_connect_program_async (const TurnConnectProgram *program,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  Job *job = g_new0 (Job, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, turn_connect_program_async);
  g_task_set_task_data (task, job, job_free);
  job->out = job->err = -1;
  job->name = g_strdup (program->argv[0]);
  job->process = spawn (program, job, &error);
  if (job->process == NULL) {
    g_task_return_error (task, error);
    return;
  }
  job->timer = g_timeout_source_new (0);
  g_source_set_ready_time (job->timer, program->deadline);
  g_source_set_callback (job->timer, timer_fired, job, NULL);
  g_source_attach (job->timer, g_task_get_context (task));
  g_subprocess_wait_async (job->process, cancellable, ended, g_steal_pointer (&task));
}

char *
turn_connect_program_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
