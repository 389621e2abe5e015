/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a configuration file strictly. Internal to the library. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * TepServerConfigFile:
 * @path: what messages call the file
 * @folder: where relative file names start
 * @keys: what it says
 */
typedef struct {
  char *path;
  char *folder;
  GKeyFile *keys;
} TepServerConfigFile;

/**
 * tep_server_config_file_parse:
 * @file: (out): the file; to be cleared
 * @data: the text
 * @length: octets
 * @path: what to call it
 * @error: return location
 *
 * GKeyFile merges groups and keys that stand there twice without a word; here they are errors.
 *
 * Returns: %FALSE with %TEP_SERVER_ERROR_CONFIG
 */
gboolean tep_server_config_file_parse (
    TepServerConfigFile *file, const char *data, gsize length, const char *path, GError **error);

void tep_server_config_file_clear (TepServerConfigFile *file);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TepServerConfigFile, tep_server_config_file_clear)

/**
 * tep_server_config_file_fail:
 * @file: the file
 * @group: name of the group
 * @key: (nullable): name of the key
 * @error: return location
 * @format: what is wrong and what to write instead
 *
 * Returns: %FALSE, for the caller to return
 */
gboolean tep_server_config_file_fail (const TepServerConfigFile *file,
                                      const char *group,
                                      const char *key,
                                      GError **error,
                                      const char *format,
                                      ...) G_GNUC_PRINTF (5, 6);

/* The value without surrounding space; NULL without an error if the key is not there. */
char *tep_server_config_file_text (const TepServerConfigFile *file,
                                   const char *group,
                                   const char *key,
                                   GError **error);

/* The items between semicolons without surrounding space, none of them empty; NULL without an error
 * if the key is not there. */
char **tep_server_config_file_list (const TepServerConfigFile *file,
                                    const char *group,
                                    const char *key,
                                    GError **error);

/* A file name, from the folder of the configuration file if it is relative. */
char *tep_server_config_file_resolve (const TepServerConfigFile *file, const char *name);

G_END_DECLS
