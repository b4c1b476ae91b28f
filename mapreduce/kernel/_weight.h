/* A weight is a number in a field. Its sum has 128 bits, so that 2^64 lines cannot overflow it. */
#pragma once
#include <stdint.h>
#include <string.h>

enum { MAX_DIGITS = 19 };  /* digits of the longest weight: any such number fits into 64 bits */

typedef struct {
    uint64_t low, high;
} Sum;

static inline uint64_t
load64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static inline uint64_t
little_endian(const uint8_t *p)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(load64(p));
#else
    return load64(p);
#endif
}

/* Add `sums`, which need not be aligned, to `to`. */
static inline void
add_sums(Sum *to, const void *sums, unsigned weights)
{
    for (unsigned w = 0; w < weights; w++) {
        Sum more;
        memcpy(&more, (const uint8_t *)sums + w * sizeof more, sizeof more);
        to[w].low += more.low;
        to[w].high += more.high + (to[w].low < more.low);
    }
}

/* Return whether the eight bytes of a little-endian word are all digits. */
static inline int
are_digits(uint64_t word)
{
    const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0), zeros = UINT64_C(0x3030303030303030);
    return (word & high) == zeros && ((word + UINT64_C(0x0606060606060606)) & high) == zeros;
}

/* Return the value of eight digits: combine digits into pairs, pairs into fours, and fours into all
 * eight. */
static inline uint64_t
eight_digits(uint64_t word)
{
    word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;
    word = (word & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
    return (word & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32;
}

/* Read a weight of 1 to 16 digits; return 0 if it is longer or not a number. 16 bytes from p on must
 * be readable.
 *
 * Source: Lemire, "Quickly parsing eight digits" (2018). */
static inline int
read_weight(const uint8_t *p, size_t length, uint64_t *weight)
{
    const uint64_t zeros = UINT64_C(0x3030303030303030);
    if (length - 1 >= 16)
        return 0;
    size_t first = length > 8 ? length - 8 : length;  /* digits in the first word, 1 to 8 */
    uint64_t word = little_endian(p) << (64 - 8 * first);
    word |= first < 8 ? zeros >> (8 * first) : 0;
    *weight = eight_digits(word);
    if (length <= 8)
        return are_digits(word);
    uint64_t rest = little_endian(p + first);
    *weight = *weight * 100000000 + eight_digits(rest);
    return are_digits(word) && are_digits(rest);
}

/* Read a weight of 1 to 19 digits byte by byte; return 0 if it is longer or not a number. */
static inline int
read_weight_slowly(const uint8_t *p, size_t length, uint64_t *weight)
{
    uint64_t value = 0;
    if (length - 1 >= MAX_DIGITS)
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (p[i] < '0' || p[i] > '9')
            return 0;
        value = value * 10 + (p[i] - '0');
    }
    *weight = value;
    return 1;
}
