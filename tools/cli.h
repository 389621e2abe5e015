/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every program of the project does alike: options, what it says and where, how it ends. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * CliExit:
 * @CLI_EXIT_OK: what was asked for is done
 * @CLI_EXIT_FAILED: it was tried and did not work out; stderr says why
 * @CLI_EXIT_USAGE: the command line cannot be understood
 * @CLI_EXIT_UNAVAILABLE: something that is needed does not answer
 * @CLI_EXIT_SYSTEM: the system refused: an address in use, no memory
 * @CLI_EXIT_DENIED: a right is lacking, or a credential was refused
 * @CLI_EXIT_CONFIG: the configuration, or a file it names, has to be changed
 *
 * How a program ends, for scripts; numbers of sysexits(3).
 */
typedef enum {
  CLI_EXIT_OK = 0,
  CLI_EXIT_FAILED = 1,
  CLI_EXIT_USAGE = 64,
  CLI_EXIT_UNAVAILABLE = 69,
  CLI_EXIT_SYSTEM = 71,
  CLI_EXIT_DENIED = 77,
  CLI_EXIT_CONFIG = 78,
} CliExit;

/**
 * CliProgram:
 * @name: as it is called
 * @arguments: (nullable): what stands behind the options, as --help shows it
 * @summary: one sentence on what it is for
 * @description: (nullable): what stands below the options: examples, exit statuses
 */
typedef struct {
  const char *name;
  const char *arguments;
  const char *summary;
  const char *description;
} CliProgram;

/**
 * cli_parse:
 * @program: the program; kept
 * @entries: (array zero-terminated=1): its options, besides --help and --version
 * @argc: (inout): number of arguments; afterwards of those that are no options
 * @argv: (inout): the arguments
 * @status: (out): how to end, if it is to end here
 *
 * Call it first. Takes --help and --version itself, answers mistakes on stderr with a hint, and ignores SIGPIPE.
 *
 * Returns: %FALSE if the program is to end with @status
 */
gboolean cli_parse (const CliProgram *program,
                    const GOptionEntry *entries,
                    int *argc,
                    char ***argv,
                    CliExit *status);

/**
 * cli_usage:
 * @format: what is wrong with the command line
 *
 * Says it with a hint at --help.
 *
 * Returns: %CLI_EXIT_USAGE, for main() to return
 */
CliExit cli_usage (const char *format, ...) G_GNUC_PRINTF (1, 2);

/**
 * cli_say:
 * @format: a line for the person in front of the program
 *
 * Goes to stderr with the program's name before it, for stdout is for results.
 */
void cli_say (const char *format, ...) G_GNUC_PRINTF (1, 2);

/**
 * cli_finish:
 * @status: how the program would end
 *
 * Writes out what stdout still holds. A result that could not be written (a full disk, a closed pipe) is a failure.
 *
 * Returns: @status, or %CLI_EXIT_FAILED in its place if that was %CLI_EXIT_OK
 */
CliExit cli_finish (CliExit status);

/**
 * cli_json_begin:
 * @out: where the object goes
 *
 * Begins a JSON object. Members follow, then cli_json_end().
 */
void cli_json_begin (GString *out);

/**
 * cli_json_text:
 * @out: an object begun
 * @key: name of the member
 * @value: (nullable): its value; what is no UTF-8 is replaced; %NULL becomes null
 */
void cli_json_text (GString *out, const char *key, const char *value);

/**
 * cli_json_integer:
 * @out: an object begun
 * @key: name of the member
 * @value: its value
 */
void cli_json_integer (GString *out, const char *key, gint64 value);

/**
 * cli_json_real:
 * @out: an object begun
 * @key: name of the member
 * @value: its value; what JSON cannot say becomes null
 */
void cli_json_real (GString *out, const char *key, double value);

/**
 * cli_json_boolean:
 * @out: an object begun
 * @key: name of the member
 * @value: its value
 */
void cli_json_boolean (GString *out, const char *key, gboolean value);

/**
 * cli_json_raw:
 * @out: an object begun
 * @key: name of the member
 * @json: its value, JSON already: an array or another object
 */
void cli_json_raw (GString *out, const char *key, const char *json);

/**
 * cli_json_end:
 * @out: an object begun
 */
void cli_json_end (GString *out);

/**
 * cli_event_begin:
 * @name: what happened
 *
 * Begins an event of --json: an object with the members event and time (seconds since 1970).
 *
 * Returns: (transfer full): an object begun
 */
GString *cli_event_begin (const char *name);

/**
 * cli_event_print:
 * @out: (transfer full): an event begun
 *
 * Ends it and prints it as a line on stdout, at once: a script reads along.
 */
void cli_event_print (GString *out);

/**
 * cli_json_append_quoted:
 * @out: where it goes
 * @text: any text; what is no UTF-8 is replaced
 *
 * Appends a JSON string with its quotes.
 */
void cli_json_append_quoted (GString *out, const char *text);

G_END_DECLS
