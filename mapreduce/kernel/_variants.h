/* Include the file BODY once for each instruction set, with macros that find bytes among 64.
 *
 *   NAME(x)                        x with the name of the variant in front
 *   TARGET                         the attribute that lets the compiler use the variant's instructions
 *   MASK(p, byte)                  a bit for each of the 64 bytes at p that is equal to a byte
 *   MATCH(p, bits, byte)           a bit for each of the 64 bytes at p whose `bits` are equal to a byte
 *   WHITE(p)                       a bit for each of the 64 bytes at p that is ASCII white space
 *   POPCOUNT(m), LOWEST(m)         the number of set bits; the position of the lowest set bit
 *   NTH(m, k)                      the position of the k-th set bit from below, k from 1
 *   LIST(out, m, window)           optional: for each set bit, write its position + 64 * window to
 *                                  out, as a byte
 *   COMPRESS(out, m, p)            where LIST is: for each set bit, copy the byte at its position from p
 *
 * A source file may include this file once.
 */
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "_weight.h"

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
portable_match(const uint8_t *p, uint8_t bits, uint8_t byte)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t pattern = each * byte, kept = each * bits, mask = 0;
    for (unsigned i = 0; i < 8; i++) {
        mask |= equal_bits(little_endian(p + 8 * i) & kept, pattern) << (8 * i);
    }
    return mask;
}

/* The six bytes of ASCII white space are 9 to 13 and the blank. */
static inline uint64_t
portable_white(const uint8_t *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = 0x80 * ones;
    uint64_t mask = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t word = little_endian(p + 8 * i), low = word & ~high;
        uint64_t from_9 = low + (0x80 - 9) * ones, from_14 = low + (0x80 - 14) * ones;
        uint64_t control = from_9 & ~from_14 & ~word & high;  /* 0x80 where 9 to 13 */
        mask |= ((control >> 7) * UINT64_C(0x0102040810204080) >> 56) << (8 * i);
    }
    return mask | portable_match(p, 0xff, ' ');
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
#define MASK(p, byte) portable_match((p), 0xff, (byte))
#define MATCH(p, bits, byte) portable_match((p), (bits), (byte))
#define WHITE(p) portable_white(p)
#define POPCOUNT(m) ((unsigned)__builtin_popcountll(m))
#define LOWEST(m) ((unsigned)__builtin_ctzll(m))
#define NTH(m, k) portable_nth((m), (k))
#include BODY
#undef VARIANT
#undef TARGET
#undef MASK
#undef MATCH
#undef WHITE

#if defined(__aarch64__)
/* NEON has no movemask instruction: keep one bit of each byte, then add neighbours three times. */
static inline uint64_t
neon_movemask(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t low = vpaddq_u8(vandq_u8(a, bits), vandq_u8(b, bits));
    uint8x16_t high = vpaddq_u8(vandq_u8(c, bits), vandq_u8(d, bits));
    uint8x16_t sum = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

static inline uint64_t
neon_mask(const uint8_t *p, uint8_t byte)
{
    const uint8x16_t pattern = vdupq_n_u8(byte);
    return neon_movemask(vceqq_u8(vld1q_u8(p), pattern), vceqq_u8(vld1q_u8(p + 16), pattern),
                         vceqq_u8(vld1q_u8(p + 32), pattern), vceqq_u8(vld1q_u8(p + 48), pattern));
}

static inline uint64_t
neon_match(const uint8_t *p, uint8_t bits, uint8_t byte)
{
    const uint8x16_t pattern = vdupq_n_u8(byte), kept = vdupq_n_u8(bits);
    return neon_movemask(vceqq_u8(vandq_u8(vld1q_u8(p), kept), pattern),
                         vceqq_u8(vandq_u8(vld1q_u8(p + 16), kept), pattern),
                         vceqq_u8(vandq_u8(vld1q_u8(p + 32), kept), pattern),
                         vceqq_u8(vandq_u8(vld1q_u8(p + 48), kept), pattern));
}

static inline uint8x16_t
neon_is_white(const uint8_t *p)
{
    uint8x16_t bytes = vld1q_u8(p), from_9 = vsubq_u8(bytes, vdupq_n_u8(9));
    return vorrq_u8(vcltq_u8(from_9, vdupq_n_u8(5)), vceqq_u8(bytes, vdupq_n_u8(' ')));
}

#define VARIANT neon
#define TARGET
#define MASK(p, byte) neon_mask((p), (byte))
#define MATCH(p, bits, byte) neon_match((p), (bits), (byte))
#define WHITE(p)                                              \
    neon_movemask(neon_is_white(p), neon_is_white((p) + 16), \
                  neon_is_white((p) + 32), neon_is_white((p) + 48))
#include BODY
#undef VARIANT
#undef TARGET
#undef MASK
#undef MATCH
#undef WHITE
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
TARGET static inline uint32_t
avx2_white(const uint8_t *p)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)p);
    __m256i from_9 = _mm256_sub_epi8(bytes, _mm256_set1_epi8(9));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(from_9, _mm256_set1_epi8(4)), from_9);
    __m256i blank = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' '));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(control, blank));
}
#define WHITE(p) ((uint64_t)avx2_white((p) + 32) << 32 | avx2_white(p))
#define MASK(p, byte)                                          \
    avx2_mask(_mm256_loadu_si256((const __m256i *)(p)),        \
              _mm256_loadu_si256((const __m256i *)((p) + 32)), (byte))
#define KEPT(p, bits) \
    _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(p)), _mm256_set1_epi8((char)(bits)))
#define MATCH(p, bits, byte) avx2_mask(KEPT((p), (bits)), KEPT((p) + 32, (bits)), (byte))
#include BODY
#undef VARIANT
#undef TARGET
#undef MASK
#undef MATCH
#undef WHITE

#define VARIANT avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi2,avx2,bmi,bmi2,popcnt,lzcnt")))
#define MASK(p, byte) \
    _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p), _mm512_set1_epi8((char)(byte)))
#define MATCH(p, bits, byte)                                                                   \
    _mm512_cmpeq_epi8_mask(                                                                    \
        _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi8((char)(bits))),               \
        _mm512_set1_epi8((char)(byte)))
TARGET static inline uint64_t
avx512_white(const uint8_t *p)
{
    __m512i bytes = _mm512_loadu_si512(p), from_9 = _mm512_sub_epi8(bytes, _mm512_set1_epi8(9));
    return _mm512_cmplt_epu8_mask(from_9, _mm512_set1_epi8(5)) |
           _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(' '));
}
#define WHITE(p) avx512_white(p)
#define LIST(out, m, window)                                                           \
    _mm512_storeu_si512((out), _mm512_maskz_compress_epi8(                             \
                                   (m), _mm512_loadu_si512(&numbers[WINDOW * (window)])))
#define COMPRESS(out, m, p) \
    _mm512_storeu_si512((out), _mm512_maskz_compress_epi8((m), _mm512_loadu_si512(p)))
#include BODY
#endif

/* Return the function of a variant, or NULL if this processor lacks the variant's instructions. */
#if defined(__x86_64__)
static inline int
has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

static inline int
has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2");
}
#define FIND_VARIANT(name, function)                                 \
    (!strcmp((name), "avx512") && has_avx512() ? avx512_##function   \
     : !strcmp((name), "avx2") && has_avx2()   ? avx2_##function     \
     : !strcmp((name), "portable")             ? portable_##function \
                                               : NULL)
#elif defined(__aarch64__)
#define FIND_VARIANT(name, function)                       \
    (!strcmp((name), "neon")       ? neon_##function       \
     : !strcmp((name), "portable") ? portable_##function   \
                                   : NULL)
#else
#define FIND_VARIANT(name, function) (!strcmp((name), "portable") ? portable_##function : NULL)
#endif
