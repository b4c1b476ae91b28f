/* A value of a line: a part of its bytes. */
#pragma once
#include <stdint.h>

typedef struct {
    const uint8_t *from, *to;
} Value;
