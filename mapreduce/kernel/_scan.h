/* Scan a block line by line, with the fast scan of one variant (_variant.h).
 *
 *   - Each window of 64 bytes becomes two bit masks: its delimiters and its newlines.
 *   - The masks of a line tell how many fields it has and where the chosen ones are.
 *   - Keys are counted in batches: hash all, fetch all slots, then compare and count (_batch.h).
 *
 * Nothing is ever read outside the block: scan_slowly counts a line where a window or the copy of a key
 * might reach past the end.
 *
 * Source: mask and population count per 64 bytes as in Langdale and Lemire, "Parsing Gigabytes of
 * JSON per Second" (2019).
 */
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "_line.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(x) JOIN(VARIANT, x)

/* Portable: eight bytes at a time in a 64-bit word (SWAR). */
static inline uint64_t
equal_bits(uint64_t word, uint64_t pattern)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t different = word ^ pattern;
    uint64_t zero = ~(((different & low) + low) | different | low);  /* 0x80 where equal */
    return (zero >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static inline uint64_t
portable_mask(const uint8_t *p, uint8_t byte)
{
    uint64_t pattern = UINT64_C(0x0101010101010101) * byte, mask = 0;
    for (unsigned i = 0; i < 8; i++) {
        mask |= equal_bits(little_endian(p + 8 * i), pattern) << (8 * i);
    }
    return mask;
}

static inline unsigned
portable_nth(uint64_t mask, unsigned k)
{
    while (--k)
        mask &= mask - 1;
    return (unsigned)__builtin_ctzll(mask);
}

#define VARIANT portable
#define TARGET
#define MASKS(p, delimiter, d, n) \
    ((d) = portable_mask((p), (delimiter)), (n) = portable_mask((p), '\n'))
#define POPCOUNT(m) ((unsigned)__builtin_popcountll(m))
#define LOWEST(m) ((unsigned)__builtin_ctzll(m))
#define NTH(m, k) portable_nth((m), (k))
#include "_variant.h"
#undef VARIANT
#undef TARGET
#undef MASKS

#if defined(__aarch64__)
/* NEON has no movemask instruction: keep one bit of each byte, then add neighbours three times. */
static inline uint64_t
neon_mask(const uint8_t *p, uint8_t byte)
{
    const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t pattern = vdupq_n_u8(byte);
    uint8x16_t a = vandq_u8(vceqq_u8(vld1q_u8(p), pattern), bits);
    uint8x16_t b = vandq_u8(vceqq_u8(vld1q_u8(p + 16), pattern), bits);
    uint8x16_t c = vandq_u8(vceqq_u8(vld1q_u8(p + 32), pattern), bits);
    uint8x16_t d = vandq_u8(vceqq_u8(vld1q_u8(p + 48), pattern), bits);
    uint8x16_t sum = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

#define VARIANT neon
#define TARGET
#define MASKS(p, delimiter, d, n) ((d) = neon_mask((p), (delimiter)), (n) = neon_mask((p), '\n'))
#include "_variant.h"
#undef VARIANT
#undef TARGET
#undef MASKS
#endif

#if defined(__x86_64__)
#undef POPCOUNT
#undef LOWEST
#undef NTH
#define POPCOUNT(m) ((unsigned)_mm_popcnt_u64(m))
#define LOWEST(m) ((unsigned)_tzcnt_u64(m))
#define NTH(m, k) ((unsigned)_tzcnt_u64(_pdep_u64(UINT64_C(1) << ((k) - 1), (m))))

#define VARIANT avx2
#define TARGET __attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt")))
TARGET static inline uint64_t
avx2_mask(__m256i low, __m256i high, uint8_t byte)
{
    __m256i pattern = _mm256_set1_epi8((char)byte);
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, pattern));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, pattern));
    return (uint64_t)b << 32 | a;
}
#define MASKS(p, delimiter, d, n)                                             \
    do {                                                                      \
        __m256i low_ = _mm256_loadu_si256((const __m256i *)(p));              \
        __m256i high_ = _mm256_loadu_si256((const __m256i *)((p) + 32));      \
        (d) = avx2_mask(low_, high_, (delimiter));                            \
        (n) = avx2_mask(low_, high_, '\n');                                   \
    } while (0)
#include "_variant.h"
#undef VARIANT
#undef TARGET
#undef MASKS

#define EIGHT(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7
#define ROW(n)                                                                  \
    EIGHT(n), EIGHT((n) + 8), EIGHT((n) + 16), EIGHT((n) + 24), EIGHT((n) + 32), \
        EIGHT((n) + 40), EIGHT((n) + 48), EIGHT((n) + 56)
static const uint8_t numbers[LISTED * WINDOW] = {ROW(0), ROW(64), ROW(128), ROW(192)};

#define VARIANT avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi2,avx2,bmi,bmi2,popcnt,lzcnt")))
#define MASKS(p, delimiter, d, n)                                                      \
    do {                                                                               \
        __m512i bytes_ = _mm512_loadu_si512((p));                                      \
        (d) = _mm512_cmpeq_epi8_mask(bytes_, _mm512_set1_epi8((char)(delimiter)));     \
        (n) = _mm512_cmpeq_epi8_mask(bytes_, _mm512_set1_epi8('\n'));                  \
    } while (0)
#define LIST(out, m, window)                                                           \
    _mm512_storeu_si512((out), _mm512_maskz_compress_epi8(                             \
                                   (m), _mm512_loadu_si512(&numbers[WINDOW * (window)])))
#include "_variant.h"
#endif

typedef const uint8_t *(*ScanFunction)(Scan *, const uint8_t *, const uint8_t *);

/* Scan a whole block. */
static int
scan_block(Scan *scan, ScanFunction fast, const uint8_t *p, const uint8_t *end)
{
    if (p < end)
        p = fast(scan, p, end);
    while (!scan->error && p < end)
        p = scan_slowly(scan, p, end);
    if (!scan->error)
        scan->error = batch_count(&scan->batch, scan->table);
    free(scan->scratch);
    return scan->error;
}

/* Return the fast scan of a variant, or NULL if this processor lacks its instructions. */
static ScanFunction
find_variant(const char *name)
{
    if (!strcmp(name, "portable"))
        return portable_scan;
#if defined(__aarch64__)
    if (!strcmp(name, "neon"))
        return neon_scan;
#endif
#if defined(__x86_64__)
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    int avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2");
    if (!strcmp(name, "avx2") && avx2)
        return avx2_scan;
    if (!strcmp(name, "avx512") && avx2 && avx512)
        return avx512_scan;
#endif
    return NULL;
}
