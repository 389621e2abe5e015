/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of the server's numbers, in one list, so that whoever shows them cannot forget one. */
#include "tep-s/counters.h"

static const TepServerCounterInfo infos[TEP_SERVER_N_COUNTERS] = {
#define INFO(id, family, label, is_gauge, help)                                                    \
  [TEP_SERVER_COUNTER_##id] = { family, label, is_gauge, help },
  TEP_SERVER_COUNTER_LIST (INFO)
#undef INFO
};

const TepServerCounterInfo *
tep_server_counter_info (TepServerCounter counter)
{
  return (guint)counter < TEP_SERVER_N_COUNTERS ? &infos[counter] : NULL;
}
