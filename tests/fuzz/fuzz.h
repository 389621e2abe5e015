/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a fuzz target is: it takes any octets and returns 0. A defect is a failed assertion, a fatal
 * warning, or what a sanitizer finds. The input is in memory of exactly its size. */
int LLVMFuzzerTestOneInput (const guint8 *data, gsize length);

/* Octets to decide by; zeros when there are no more. */
typedef struct {
  const guint8 *data;
  gsize length;
} FuzzInput;

static inline guint8
fuzz_u8 (FuzzInput *input)
{
  if (input->length == 0)
    return 0;
  input->length--;
  return *input->data++;
}

static inline guint16
fuzz_u16 (FuzzInput *input)
{
  guint16 high = fuzz_u8 (input);

  return (guint16)(high << 8 | fuzz_u8 (input));
}

static inline guint32
fuzz_u32 (FuzzInput *input)
{
  guint32 high = fuzz_u16 (input);

  return high << 16 | fuzz_u16 (input);
}
