/* The native kernel: count the raw bytes of chosen fields of each line of a block.
 *
 * It knows nothing of what the fields mean. One block after the other is scanned without the GIL
 * into a table that lives across blocks:
 *
 *   64 bytes at a time: two bit masks, delimiters and newlines   (_scan.h, one variant each for
 *                                                                 AVX-512, AVX2, NEON, portable)
 *   a line's masks: number of fields, place of the chosen ones
 *   batches of keys: hash all, fetch all slots, then compare and count   (count_batch)
 *
 * Nothing is ever read outside the block: where a window of 64 bytes or a load of a key might reach
 * over the end, scan_slowly takes over. The hash is seeded by the caller with random bytes, because
 * a log is written by attackers too. There is no global state.
 *
 * Sources: mask and population count per 64 bytes as in Langdale and Lemire, "Parsing Gigabytes of
 * JSON per Second" (2019); the folded multiply of wyhash (Wang Yi); deletion from a linear-probing
 * table as in Knuth, TAOCP 6.4, algorithm R.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum {
    INLINE = 32,  /* bytes of a key that lie in its entry; longer keys lie in the arena */
    WINDOW = 64,
    WINDOWS = 8,  /* of a line that is scanned fast */
    SLACK = INLINE,
    BATCH = 32,
    MAX_FIELDS = 64,
};

/* ---- The table: open addressing over an array of entries in the order of their arrival. ---- */

typedef struct {
    uint8_t key[INLINE];  /* padded with zeros; of a longer key, its offset in the arena */
    uint64_t count;
    uint32_t hash;
    uint32_t length;
} Entry;

typedef struct {
    Entry *entries;
    size_t used, room;
    uint64_t *slots;  /* hash << 32 | number of the entry from 1; 0 is free */
    size_t mask;      /* number of slots - 1, a power of two - 1 */
    uint8_t *arena;
    size_t arena_used, arena_room;
    uint64_t seed[4];
} Table;

static uint64_t
load64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Hash a key of at most INLINE bytes, padded with zeros. */
static inline uint32_t
hash_short(const Table *table, const uint8_t *key, uint32_t length)
{
    const uint64_t *seed = table->seed;
    uint64_t low = fold(load64(key) ^ seed[0], load64(key + 8) ^ seed[1]);
    uint64_t high = fold(load64(key + 16) ^ seed[2], load64(key + 24) ^ seed[3] ^ length);
    return (uint32_t)((low ^ high) >> 16);
}

static uint32_t
hash_long(const Table *table, const uint8_t *key, size_t length)
{
    uint64_t state = table->seed[0] ^ length;
    uint8_t rest[16] = {0};
    for (; length > 16; key += 16, length -= 16)
        state = fold(load64(key) ^ table->seed[1], load64(key + 8) ^ state);
    memcpy(rest, key, length);
    state = fold(load64(rest) ^ table->seed[2], load64(rest + 8) ^ state);
    return (uint32_t)(fold(state ^ table->seed[3], table->seed[1]) >> 16);
}

static const uint8_t *
entry_key(const Table *table, const Entry *entry)
{
    return entry->length <= INLINE ? entry->key : table->arena + load64(entry->key);
}

/* Make room for `more` entries and keep at least half of the slots free; -1 without memory. */
static int
table_reserve(Table *table, size_t more)
{
    size_t wanted = table->used + more;
    if (wanted > table->room) {
        size_t room = table->room ? table->room * 2 : 1024;
        while (room < wanted)
            room *= 2;
        Entry *entries = room < UINT32_MAX ? realloc(table->entries, room * sizeof *entries) : NULL;
        if (entries == NULL)
            return -1;
        table->entries = entries;
        table->room = room;
    }
    if (table->slots != NULL && wanted * 2 <= table->mask + 1)
        return 0;
    size_t size = table->slots ? (table->mask + 1) * 2 : 4096;
    while (size < wanted * 2)
        size *= 2;
    uint64_t *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return -1;
    for (size_t i = 0; i < table->used; i++) {
        size_t at = table->entries[i].hash & (size - 1);
        while (slots[at])
            at = (at + 1) & (size - 1);
        slots[at] = (uint64_t)table->entries[i].hash << 32 | (i + 1);
    }
    free(table->slots);
    table->slots = slots;
    table->mask = size - 1;
    return 0;
}

/* Return the slot of a key, or the free slot where it belongs. `key` is padded if it is short. */
static inline size_t
table_find(const Table *table, const uint8_t *key, uint32_t length, uint32_t hash)
{
    size_t at = hash & table->mask;
    for (uint64_t slot; (slot = table->slots[at]); at = (at + 1) & table->mask) {
        if (slot >> 32 != hash)
            continue;
        const Entry *entry = &table->entries[(uint32_t)slot - 1];
        if (entry->length != length)
            continue;
        if (length <= INLINE ? !memcmp(entry->key, key, INLINE)
                             : !memcmp(table->arena + load64(entry->key), key, length))
            break;
    }
    return at;
}

/* Put a new key into a free slot, for which table_reserve has made room; -1 without memory. */
static int
table_insert(Table *table, size_t at, const uint8_t *key, uint32_t length, uint32_t hash)
{
    Entry *entry = &table->entries[table->used];
    if (length <= INLINE) {
        memcpy(entry->key, key, INLINE);
    } else {
        uint64_t offset = table->arena_used;
        if (offset + length > table->arena_room) {
            size_t room = (offset + length) * 2;
            uint8_t *arena = realloc(table->arena, room);
            if (arena == NULL)
                return -1;
            table->arena = arena;
            table->arena_room = room;
        }
        memcpy(table->arena + offset, key, length);
        memset(entry->key, 0, INLINE);
        memcpy(entry->key, &offset, sizeof offset);
        table->arena_used += length;
    }
    entry->count = 0;
    entry->hash = hash;
    entry->length = length;
    table->slots[at] = (uint64_t)hash << 32 | ++table->used;
    return 0;
}

static inline int
table_add(Table *table, const uint8_t *key, uint32_t length, uint32_t hash, uint64_t count)
{
    size_t at = table_find(table, key, length, hash);
    if (table->slots[at] == 0 && table_insert(table, at, key, length, hash) < 0)
        return -1;
    table->entries[(uint32_t)table->slots[at] - 1].count += count;
    return 0;
}

/* Add to the count of a key of any length that is not padded; -1 without memory. */
static int
table_add_bytes(Table *table, const uint8_t *key, size_t length, uint64_t count)
{
    uint8_t padded[INLINE] = {0};
    if (length > UINT32_MAX || table_reserve(table, 1) < 0)
        return -1;
    if (length > INLINE)
        return table_add(table, key, (uint32_t)length, hash_long(table, key, length), count);
    memcpy(padded, key, length);
    uint32_t hash = hash_short(table, padded, (uint32_t)length);
    return table_add(table, padded, (uint32_t)length, hash, count);
}

/* Free a slot; those behind it that would no longer be found move up. */
static void
table_free_slot(Table *table, size_t at)
{
    size_t next = at;
    for (;;) {
        next = (next + 1) & table->mask;
        uint64_t slot = table->slots[next];
        if (slot == 0)
            break;
        size_t home = (slot >> 32) & table->mask;
        if (((next - home) & table->mask) < ((next - at) & table->mask))
            continue;
        table->slots[at] = slot;
        at = next;
    }
    table->slots[at] = 0;
}

/* Remove a key, whose place the newest entry takes; return the count that it had. */
static uint64_t
table_remove(Table *table, const uint8_t *key, size_t length)
{
    uint8_t padded[INLINE] = {0};
    uint32_t hash;
    if (table->used == 0)
        return 0;
    if (length <= INLINE) {
        memcpy(padded, key, length);
        key = padded;
        hash = hash_short(table, key, (uint32_t)length);
    } else {
        hash = hash_long(table, key, length);
    }
    size_t at = table_find(table, key, (uint32_t)length, hash);
    if (table->slots[at] == 0)
        return 0;
    size_t number = (uint32_t)table->slots[at] - 1, newest = table->used - 1;
    Entry *entry = &table->entries[number];
    uint64_t count = entry->count;
    if (length > INLINE && load64(entry->key) + length == table->arena_used)
        table->arena_used -= length;
    table_free_slot(table, at);
    if (number != newest) {
        *entry = table->entries[newest];
        size_t moved = entry->hash & table->mask;
        while ((uint32_t)table->slots[moved] != newest + 1)
            moved = (moved + 1) & table->mask;
        table->slots[moved] = (uint64_t)entry->hash << 32 | (number + 1);
    }
    table->used--;
    return count;
}

static void
table_clear(Table *table)
{
    free(table->entries);
    free(table->slots);
    free(table->arena);
}

/* ---- The scan ---- */

/* Adjacent chosen fields: from behind delimiter `first` (0: the line's start) to before delimiter
 * `last` (or the line's end, where there is no such delimiter). */
typedef struct {
    unsigned first, last;
} Run;

typedef struct {
    uint8_t delimiter;
    unsigned least, most;  /* delimiters of a well-shaped line */
    unsigned runs;
    Run run[MAX_FIELDS];
} FieldSpec;

/* Keys that wait to be counted together, so that their cache misses overlap. */
typedef struct {
    unsigned used;
    uint32_t lengths[BATCH], hashes[BATCH];
    uint8_t keys[BATCH][INLINE * 2 + 8];
} Batch;

typedef struct {
    const FieldSpec *spec;
    Table *table;
    uint64_t lines, empty, misshapen;
    uint8_t *scratch;  /* for long keys that are no single run */
    size_t scratch_room;
    Batch batch;
} Scan;

static inline void
refuse(Scan *scan, int has_bytes)
{
    if (has_bytes)
        scan->misshapen++;
    else
        scan->empty++;
}

static int
count_batch(Scan *scan)
{
    Table *table = scan->table;
    Batch *batch = &scan->batch;
    if (table_reserve(table, batch->used) < 0)
        return -1;
    for (unsigned i = 0; i < batch->used; i++) {
        batch->hashes[i] = hash_short(table, batch->keys[i], batch->lengths[i]);
        __builtin_prefetch(&table->slots[batch->hashes[i] & table->mask]);
    }
    for (unsigned i = 0; i < batch->used; i++) {
        uint64_t slot = table->slots[batch->hashes[i] & table->mask];
        __builtin_prefetch(&table->entries[(uint32_t)slot - (slot != 0)], 1);
    }
    for (unsigned i = 0; i < batch->used; i++)
        if (table_add(table, batch->keys[i], batch->lengths[i], batch->hashes[i], 1) < 0)
            return -1;
    batch->used = 0;
    return 0;
}

/* Return the k-th delimiter (from 1) at or behind p, or `end` if there are fewer. */
static const uint8_t *
find_delimiter(const uint8_t *p, const uint8_t *end, uint8_t delimiter, unsigned k)
{
    for (;; p++) {
        p = p < end ? memchr(p, delimiter, (size_t)(end - p)) : NULL;
        if (p == NULL)
            return end;
        if (--k == 0)
            return p;
    }
}

/* Count one well-shaped line without reading a byte more than it has. */
static int
count_slowly(Scan *scan, const uint8_t *line, const uint8_t *end)
{
    const FieldSpec *spec = scan->spec;
    size_t used = 0;
    for (unsigned r = 0; r < spec->runs; r++) {
        Run run = spec->run[r];
        const uint8_t *from = line;
        if (run.first)
            from = find_delimiter(line, end, spec->delimiter, run.first) + 1;
        const uint8_t *to = find_delimiter(from, end, spec->delimiter, run.last - run.first);
        size_t length = (size_t)(to - from);
        if (spec->runs == 1)
            return table_add_bytes(scan->table, from, length, 1);
        if (used + length + 1 > scan->scratch_room) {
            size_t room = (used + length + 1) * 2;
            uint8_t *scratch = realloc(scan->scratch, room);
            if (scratch == NULL)
                return -1;
            scan->scratch = scratch;
            scan->scratch_room = room;
        }
        memcpy(scan->scratch + used, from, length);
        used += length;
        scan->scratch[used++] = spec->delimiter;
    }
    return table_add_bytes(scan->table, scan->scratch, used - 1, 1);
}

/* Scan the one line that begins at p, of any length and however close to the end of the block;
 * return where the next one begins, or NULL without memory. */
static const uint8_t *
scan_slowly(Scan *scan, const uint8_t *p, const uint8_t *end)
{
    const FieldSpec *spec = scan->spec;
    const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
    const uint8_t *next = newline ? newline + 1 : end;
    const uint8_t *line_end = newline ? newline : end;
    unsigned delimiters = 0;
    line_end -= line_end > p && line_end[-1] == '\r';
    for (const uint8_t *q = p; (q = find_delimiter(q, line_end, spec->delimiter, 1)) < line_end; q++)
        if (++delimiters > spec->most)
            break;
    scan->lines++;
    if (delimiters < spec->least || delimiters > spec->most || p == line_end)
        refuse(scan, line_end > p);
    else if (count_slowly(scan, p, line_end) < 0)
        return NULL;
    return next;
}

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
        uint64_t word = load64(p + 8 * i);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        mask |= equal_bits(word, pattern) << (8 * i);
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
#include "_scan.h"
#undef VARIANT
#undef TARGET
#undef MASKS

#if defined(__aarch64__)
/* NEON has no movemask: and with one bit for each byte, then add neighbours three times. */
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
#include "_scan.h"
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
#include "_scan.h"
#undef VARIANT
#undef TARGET
#undef MASKS

#define VARIANT avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx2,bmi,bmi2,popcnt,lzcnt")))
#define MASKS(p, delimiter, d, n)                                                      \
    do {                                                                               \
        __m512i bytes_ = _mm512_loadu_si512((p));                                      \
        (d) = _mm512_cmpeq_epi8_mask(bytes_, _mm512_set1_epi8((char)(delimiter)));     \
        (n) = _mm512_cmpeq_epi8_mask(bytes_, _mm512_set1_epi8('\n'));                  \
    } while (0)
#include "_scan.h"
#endif

typedef const uint8_t *(*ScanFunction)(Scan *, const uint8_t *, const uint8_t *);

/* ---- Packed counts: what travels between processes, and is merged without an object per key.
 *
 * number of keys, total of all counts, the counts (64-bit each), the lengths (32-bit each), the
 * bytes of the keys; in the machine's own byte order, for it never leaves the machine. ---- */

typedef struct {
    uint64_t keys, total;
} Header;

typedef struct {
    Header header;
    const uint8_t *counts, *lengths, *bytes;
} Packed;

/* Return 0 and where the parts are, or -1 if they are not all there. */
static int
packed_open(Packed *packed, const uint8_t *data, size_t size)
{
    if (size < sizeof(Header))
        return -1;
    memcpy(&packed->header, data, sizeof(Header));
    uint64_t keys = packed->header.keys, rest = size - sizeof(Header), bytes = 0;
    if (keys > rest / 12)
        return -1;
    packed->counts = data + sizeof(Header);
    packed->lengths = packed->counts + 8 * keys;
    packed->bytes = packed->lengths + 4 * keys;
    for (uint64_t i = 0; i < keys; i++) {
        uint32_t length;
        memcpy(&length, packed->lengths + 4 * i, 4);
        bytes += length;
    }
    return bytes == rest - 12 * keys ? 0 : -1;
}

/* Add all counts to a table; -1 without memory. */
static int
table_add_packed(Table *table, const Packed *packed)
{
    const uint8_t *key = packed->bytes;
    for (uint64_t i = 0; i < packed->header.keys; i++) {
        uint32_t length;
        memcpy(&length, packed->lengths + 4 * i, 4);
        if (table_add_bytes(table, key, length, load64(packed->counts + 8 * i)) < 0)
            return -1;
        key += length;
    }
    return 0;
}

/* Return how many bytes the counts that are not 0 take when packed, and their header. */
static size_t
packed_size(const Table *table, Header *header)
{
    size_t bytes = 0;
    *header = (Header){0, 0};
    for (size_t i = 0; i < table->used; i++) {
        const Entry *entry = &table->entries[i];
        header->keys += entry->count != 0;
        header->total += entry->count;
        bytes += entry->count ? entry->length : 0;
    }
    return sizeof *header + 12 * header->keys + bytes;
}

/* Pack the counts that are not 0 and set them to 0. */
static void
table_pack(Table *table, const Header *header, uint8_t *out)
{
    uint8_t *counts = out + sizeof *header;
    uint8_t *lengths = counts + 8 * header->keys, *bytes = lengths + 4 * header->keys;
    memcpy(out, header, sizeof *header);
    for (size_t i = 0; i < table->used; i++) {
        Entry *entry = &table->entries[i];
        if (entry->count == 0)
            continue;
        memcpy(counts, &entry->count, 8);
        memcpy(lengths, &entry->length, 4);
        memcpy(bytes, entry_key(table, entry), entry->length);
        counts += 8;
        lengths += 4;
        bytes += entry->length;
        entry->count = 0;
    }
}

/* ---- The module ---- */

typedef struct {
    PyObject_HEAD
    Table table;
    FieldSpec spec;
    ScanFunction scan;
    int busy;  /* a scan is under way without the GIL */
} FieldTable;

/* Return the table, or NULL with an exception while another thread scans into it. */
static FieldTable *
idle_table(PyObject *object)
{
    FieldTable *self = (FieldTable *)object;
    if (!self->busy)
        return self;
    PyErr_SetString(PyExc_RuntimeError, "another thread scans into this table");
    return NULL;
}

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
    if (!strcmp(name, "avx2") && avx2)
        return avx2_scan;
    if (!strcmp(name, "avx512") && avx2 && __builtin_cpu_supports("avx512bw"))
        return avx512_scan;
#endif
    return NULL;
}

static int
parse_fields(FieldSpec *spec, PyObject *fields, unsigned width)
{
    Py_ssize_t size = PyTuple_Size(fields);
    unsigned largest = 0;
    if (size < 1 || size > MAX_FIELDS) {
        PyErr_Format(PyExc_ValueError, "between 1 and %d fields, please", MAX_FIELDS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        unsigned long field = PyLong_AsUnsignedLong(PyTuple_GetItem(fields, i));
        if (PyErr_Occurred())
            return -1;
        if (field < 1 || field > (width ? width : UINT32_MAX)) {
            PyErr_Format(PyExc_ValueError, "there is no field %lu", field);
            return -1;
        }
        if (spec->runs && spec->run[spec->runs - 1].last == field - 1)
            spec->run[spec->runs - 1].last = (unsigned)field;
        else
            spec->run[spec->runs++] = (Run){(unsigned)field - 1, (unsigned)field};
        largest = field > largest ? (unsigned)field : largest;
    }
    spec->least = width ? width - 1 : largest - 1;
    spec->most = width ? width - 1 : UINT32_MAX - 1;
    return 0;
}

static PyObject *
FieldTable_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"delimiter", "fields", "width", "variant", "seed", NULL};
    const char *delimiter, *variant, *seed;
    Py_ssize_t delimiter_size, seed_size;
    PyObject *fields;
    unsigned width;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#O!Isy#", names, &delimiter, &delimiter_size,
                                     &PyTuple_Type, &fields, &width, &variant, &seed, &seed_size))
        return NULL;
    ScanFunction scan = find_variant(variant);
    if (delimiter_size != 1 || *delimiter == '\n' || *delimiter == '\r' || scan == NULL ||
        seed_size != sizeof(((Table *)0)->seed)) {
        PyErr_SetString(PyExc_ValueError, "no such delimiter, variant or seed");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    FieldTable *self = (FieldTable *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->scan = scan;
    self->spec.delimiter = (uint8_t)*delimiter;
    memcpy(self->table.seed, seed, sizeof self->table.seed);
    if (parse_fields(&self->spec, fields, width) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
FieldTable_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    table_clear(&((FieldTable *)object)->table);
    release(object);
    Py_DECREF(type);
}

/* Return the keys that were not there before. */
static PyObject *
fresh_keys(const Table *table, size_t known)
{
    PyObject *fresh = PyList_New((Py_ssize_t)(table->used - known));
    for (size_t i = known; fresh != NULL && i < table->used; i++) {
        const Entry *entry = &table->entries[i];
        const char *bytes = (const char *)entry_key(table, entry);
        PyObject *key = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)entry->length);
        if (key == NULL || PyList_SetItem(fresh, (Py_ssize_t)(i - known), key) < 0)
            Py_CLEAR(fresh);
    }
    return fresh;
}

/* Scan a whole block; -1 without memory. */
static int
scan_block(Scan *scan, ScanFunction fast, const uint8_t *p, const uint8_t *end)
{
    if (p < end)
        p = fast(scan, p, end);
    while (p != NULL && p < end)
        p = scan_slowly(scan, p, end);
    int result = p == NULL && end != NULL ? -1 : count_batch(scan);
    free(scan->scratch);
    return result;
}

static PyObject *
FieldTable_scan(PyObject *object, PyObject *args)
{
    FieldTable *self = idle_table(object);
    Py_buffer view;
    int tell_fresh;
    if (self == NULL || !PyArg_ParseTuple(args, "y*p", &view, &tell_fresh))
        return NULL;
    Scan scan = {.spec = &self->spec, .table = &self->table};
    size_t known = self->table.used;
    int result;
    self->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    result = scan_block(&scan, self->scan, view.buf, (const uint8_t *)view.buf + view.len);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    PyBuffer_Release(&view);
    if (result < 0)
        return PyErr_NoMemory();
    PyObject *fresh = fresh_keys(&self->table, tell_fresh ? known : self->table.used);
    if (fresh == NULL)
        return NULL;
    return Py_BuildValue("KKKN", (unsigned long long)scan.lines, (unsigned long long)scan.empty,
                         (unsigned long long)scan.misshapen, fresh);
}

static PyObject *
FieldTable_forget(PyObject *object, PyObject *keys)
{
    FieldTable *self = idle_table(object);
    Py_ssize_t size = self ? PyList_Size(keys) : -1;
    PyObject *counts = size < 0 ? NULL : PyList_New(size);
    for (Py_ssize_t i = 0; counts != NULL && i < size; i++) {
        char *key;
        Py_ssize_t length;
        PyObject *count = NULL;
        if (PyBytes_AsStringAndSize(PyList_GetItem(keys, i), &key, &length) == 0) {
            uint64_t had = table_remove(&self->table, (const uint8_t *)key, (size_t)length);
            count = PyLong_FromUnsignedLongLong(had);
        }
        if (count == NULL || PyList_SetItem(counts, i, count) < 0)
            Py_CLEAR(counts);
    }
    return counts;
}

static PyObject *
pack(Table *table)
{
    Header header;
    size_t size = packed_size(table, &header);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes != NULL)
        table_pack(table, &header, (uint8_t *)PyBytes_AsString(bytes));
    return bytes;
}

static PyObject *
FieldTable_drain(PyObject *object, PyObject *Py_UNUSED(none))
{
    FieldTable *self = idle_table(object);
    return self ? pack(&self->table) : NULL;
}

static int
open_packed(Packed *packed, const char *data, Py_ssize_t size)
{
    if (packed_open(packed, (const uint8_t *)data, (size_t)size) == 0)
        return 0;
    PyErr_SetString(PyExc_ValueError, "these are no packed counts");
    return -1;
}

static PyObject *
merge(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *left, *right, *seed;
    Py_ssize_t left_size, right_size, seed_size;
    Table table = {0};
    Packed packed[2];
    int result;
    if (!PyArg_ParseTuple(args, "y#y#y#", &left, &left_size, &right, &right_size, &seed, &seed_size))
        return NULL;
    if (open_packed(&packed[0], left, left_size) < 0 || open_packed(&packed[1], right, right_size) < 0)
        return NULL;
    if (seed_size != sizeof table.seed) {
        PyErr_SetString(PyExc_ValueError, "the seed has another size");
        return NULL;
    }
    memcpy(table.seed, seed, sizeof table.seed);
    Py_BEGIN_ALLOW_THREADS
    result = table_reserve(&table, packed[0].header.keys);
    for (int i = 0; i < 2 && result == 0; i++)
        result = table_add_packed(&table, &packed[i]);
    Py_END_ALLOW_THREADS
    PyObject *bytes = result < 0 ? PyErr_NoMemory() : pack(&table);
    table_clear(&table);
    return bytes;
}

static PyObject *
unpack(PyObject *Py_UNUSED(module), PyObject *data)
{
    char *bytes;
    Py_ssize_t size;
    Packed packed;
    if (PyBytes_AsStringAndSize(data, &bytes, &size) < 0 || open_packed(&packed, bytes, size) < 0)
        return NULL;
    PyObject *counts = PyDict_New();
    const uint8_t *next = packed.bytes;
    for (uint64_t i = 0; counts != NULL && i < packed.header.keys; i++) {
        uint32_t length;
        memcpy(&length, packed.lengths + 4 * i, 4);
        PyObject *key = PyBytes_FromStringAndSize((const char *)next, (Py_ssize_t)length);
        PyObject *count = PyLong_FromUnsignedLongLong(load64(packed.counts + 8 * i));
        if (key == NULL || count == NULL || PyDict_SetItem(counts, key, count) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(key);
        Py_XDECREF(count);
        next += length;
    }
    return counts;
}

static PyMethodDef FieldTable_methods[] = {
    {"scan", FieldTable_scan, METH_VARARGS, NULL},
    {"forget", FieldTable_forget, METH_O, NULL},
    {"drain", FieldTable_drain, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot FieldTable_slots[] = {
    {Py_tp_new, FieldTable_new},
    {Py_tp_dealloc, FieldTable_dealloc},
    {Py_tp_methods, FieldTable_methods},
    {0, NULL},
};
static PyType_Spec FieldTable_spec = {
    .name = "mapreduce.kernel._native.FieldTable",
    .basicsize = sizeof(FieldTable),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = FieldTable_slots,
};

static PyObject *
variants(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    static const char *const names[] = {"avx512", "avx2", "neon", "portable"};
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < sizeof names / sizeof *names; i++) {
        if (!find_variant(names[i]))
            continue;
        PyObject *name = PyUnicode_FromString(names[i]);
        if (!name || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static int
module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &FieldTable_spec, NULL);
    int result = type ? PyModule_AddObjectRef(module, "FieldTable", type) : -1;
    Py_XDECREF(type);
    return result;
}

static PyMethodDef module_methods[] = {
    {"variants", variants, METH_NOARGS, "The variants that this processor can run, best first."},
    {"merge", merge, METH_VARARGS, "Merge two packed counts, hashing with a seed."},
    {"unpack", unpack, METH_O, "Return packed counts as a dict."},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};
static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module_def);
}
