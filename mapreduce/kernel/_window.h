/* What is done with the 64 bytes that become one mask. */
#pragma once
#include <stdint.h>

enum {
    WINDOW = 64,  /* bytes that are examined together */
    LISTED = 4,   /* windows whose bytes can be numbered: each number fits into a byte */
};

#if defined(__x86_64__)
/* The numbers of the bytes of some windows, for LIST. */
#define EIGHT(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7
#define ROW(n)                                                                  \
    EIGHT(n), EIGHT((n) + 8), EIGHT((n) + 16), EIGHT((n) + 24), EIGHT((n) + 32), \
        EIGHT((n) + 40), EIGHT((n) + 48), EIGHT((n) + 56)
static const uint8_t numbers[LISTED * WINDOW] = {ROW(0), ROW(64), ROW(128), ROW(192)};
#endif

/* Return for each bit the xor of itself and all bits below it. For a mask of quotes, these are the bytes
 * from each opening quote to the byte before its closing one. */
static inline uint64_t
prefix_xor(uint64_t bits)
{
    bits ^= bits << 1;  /* no loop: compilers do not unroll it */
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    return bits ^ bits << 32;
}
