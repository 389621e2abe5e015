/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The door to json-glib, for the units of the record alone. */
#pragma once

#include <json-glib/json-glib.h>

#define TURN_CONNECT_RECORD_DEPTH_MAX 8   /* a record needs five */
#define TURN_CONNECT_RECORD_TEXT_MAX 1024 /* octets of one text */

/* JSON that json-glib printed, with reals of as many digits as there is sense in. */
char *turn_connect_record_tidy (const char *json);
