/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sub-commands of turn-connect. Each takes its own arguments, its name first, and returns the exit status. */
#pragma once

int turn_connect_helper_main (int argc, char **argv);
int turn_connect_forward_main (int argc, char **argv);
int turn_connect_check_main (int argc, char **argv);
