/* A hash table: the count of each key, and the sums of its weights.
 *
 * One array holds a record for each key, in the order in which the keys arrived. A record takes whole
 * units of 16 bytes: a head, the key padded with zeros, and the sum of each weight. Keys may have any
 * length. The record of a key of at most 16 bytes takes half a cache line without weights, and a whole
 * one with two weights; a lookup touches the record and one slot of 4 bytes. A slot holds the place of
 * a record. The bits that no place needs hold a part of the hash, so that a lookup seldom reads the
 * record of another key. The slots use open addressing with linear probing and are at most half full.
 *
 * The hash is the folded multiply of wyhash (Wang Yi), seeded by the caller with random bytes.
 * Deletion from linear probing: Knuth, TAOCP 6.4, algorithm R.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "_weight.h"

enum {
    UNIT = 16,
    FIRST_PLACE = 4,  /* the unit of the first record; place 0 marks a free slot */
    MAX_WEIGHTS = 8,
};

/* A function that fails returns one of these instead of 0. */
enum {
    NO_MEMORY = -1,
    KEY_TOO_LONG = -2,
};

static const uint32_t FORGOTTEN = UINT32_C(1) << 31;  /* set in the length of a forgotten key */

/* Bytes of the longest key; tests compile this file with a smaller number. */
#ifndef LONGEST_KEY
#define LONGEST_KEY (FORGOTTEN - 1)
#endif

typedef struct {
    uint64_t count;
    uint32_t hash;
    uint32_t length;  /* of the key that follows, in bytes */
} Record;

typedef struct {
    uint8_t *records;
    unsigned weights;     /* sums in each record */
    size_t used, room;    /* units; room is a power of two */
    size_t keys;
    size_t forgotten;     /* units that the records of forgotten keys take */
    uint32_t *slots;
    size_t mask;          /* number of slots - 1, a power of two - 1 */
    uint64_t seed[4];
} Table;

/* Return the units of a head and a key; the sums begin after them. */
static inline size_t
key_units(uint32_t length)
{
    size_t bytes = length & ~FORGOTTEN;
    return 1 + (bytes + (bytes == 0) + UNIT - 1) / UNIT;
}

/* Return the units of a whole record. */
static inline size_t
units_of(uint32_t length, unsigned weights)
{
    return key_units(length) + weights;
}

static inline Record *
record_at(const Table *table, size_t place)
{
    return (Record *)(void *)(table->records + place * UNIT);
}

static inline const uint8_t *
key_of(const Record *record)
{
    return (const uint8_t *)(record + 1);
}

static inline Sum *
sums_of(Record *record)
{
    return (Sum *)(void *)((uint8_t *)record + key_units(record->length) * UNIT);
}

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Hash a padded key. */
static inline uint32_t
table_hash(const Table *table, const uint8_t *key, uint32_t length)
{
    const uint64_t *seed = table->seed;
    uint64_t state = fold(load64(key) ^ seed[0], load64(key + 8) ^ seed[1] ^ length);
    for (size_t i = UNIT; i < length; i += UNIT)
        state = fold(load64(key + i) ^ seed[2], load64(key + i + 8) ^ seed[3] ^ state);
    return (uint32_t)(state >> 16);
}

static inline uint64_t
unit_differs(const uint8_t *a, const uint8_t *b)
{
    return (load64(a) ^ load64(b)) | (load64(a + 8) ^ load64(b + 8));
}

/* Return the slot of a padded key, or the free slot where it belongs. */
static inline size_t
table_find(const Table *table, const uint8_t *key, uint32_t length, uint32_t hash)
{
    uint32_t places = (uint32_t)(table->room - 1);
    size_t at = hash & table->mask;
    for (uint32_t slot; (slot = table->slots[at]); at = (at + 1) & table->mask) {
        if ((slot ^ hash) & ~places)
            continue;
        const Record *record = record_at(table, slot & places);
        uint64_t different = (record->length ^ length) | unit_differs(key_of(record), key);
        for (size_t i = UNIT; i < length && !different; i += UNIT)
            different = unit_differs(key_of(record) + i, key + i);
        if (!different)
            break;
    }
    return at;
}

/* Fill the slots from the records, some at a time, so that their cache misses overlap. */
static inline void
table_index(Table *table)
{
    uint32_t places = (uint32_t)(table->room - 1);
    memset(table->slots, 0, (table->mask + 1) * sizeof *table->slots);
    for (size_t place = FIRST_PLACE; place < table->used;) {
        uint32_t hashes[32], found[32];
        unsigned size = 0;
        for (; size < 32 && place < table->used;) {
            const Record *record = record_at(table, place);
            if (!(record->length & FORGOTTEN)) {
                __builtin_prefetch(&table->slots[record->hash & table->mask], 1);
                hashes[size] = record->hash;
                found[size++] = (uint32_t)place;
            }
            place += units_of(record->length, table->weights);
        }
        for (unsigned i = 0; i < size; i++) {
            size_t at = hashes[i] & table->mask;
            while (table->slots[at])
                at = (at + 1) & table->mask;
            table->slots[at] = (hashes[i] & ~places) | found[i];
        }
    }
}

static inline size_t
power_of_two(size_t least, size_t wanted)
{
    size_t power = least;
    while (power < wanted)
        power *= 2;
    return power;
}

/* Allocate memory that is aligned to cache lines, so that a record of half a line never crosses two of
 * them. Ask for huge pages where they save time: the places of keys are random, and a processor knows
 * the addresses of few pages. */
static inline void *
allocate(size_t size)
{
    const size_t huge = 2 << 20;
    void *memory = aligned_alloc(size < 2 * huge ? 64 : huge, size);
#ifdef MADV_HUGEPAGE
    if (memory != NULL && size >= 2 * huge)
        madvise(memory, size, MADV_HUGEPAGE);
#endif
    return memory;
}

/* Return whether there is room for more keys that take `units` units together. */
static inline int
has_room(const Table *table, size_t keys, size_t units)
{
    return table->used + units < table->room && (table->keys + keys) * 2 <= table->mask + 1;
}

/* Make room for more keys that take `units` units together. If there is not enough memory for all of
 * it, leave the table as it is. */
static inline int
table_reserve(Table *table, size_t keys, size_t units)
{
    size_t room = table->room, size = table->slots ? table->mask + 1 : 0;
    if (has_room(table, keys, units))
        return 0;
    room = power_of_two(room ? room : 2048, table->used + units + FIRST_PLACE + 1);
    size = power_of_two(size ? size : 4096, (table->keys + keys) * 2);
    if (room > UINT64_C(1) << 31)  /* a place must fit into the 32 bits of a slot */
        return NO_MEMORY;
    int more_room = room > table->room, more_slots = !table->slots || size > table->mask + 1;
    uint8_t *records = more_room ? allocate(room * UNIT) : table->records;
    uint32_t *slots = more_slots ? allocate(size * sizeof *slots) : table->slots;
    if (records == NULL || slots == NULL) {
        free(more_room ? records : NULL);
        free(more_slots ? slots : NULL);
        return NO_MEMORY;
    }
    if (more_room) {
        if (table->used)
            memcpy(records, table->records, table->used * UNIT);
        else
            table->used = FIRST_PLACE;
        free(table->records);
        table->records = records;
        table->room = room;
    }
    if (more_slots) {
        free(table->slots);
        table->slots = slots;
        table->mask = size - 1;
    }
    table_index(table);
    return 0;
}

/* Add to the count of a padded key, and add the sums that follow the key to its sums. The caller must
 * have made room with table_reserve. */
static inline void
table_add(Table *table, const uint8_t *key, uint32_t length, uint32_t hash, uint64_t count)
{
    uint32_t places = (uint32_t)(table->room - 1);
    size_t at = table_find(table, key, length, hash);
    if (table->slots[at]) {
        Record *known = record_at(table, table->slots[at] & places);
        known->count += count;
        if (table->weights)
            add_sums(sums_of(known), key + (key_units(length) - 1) * UNIT, table->weights);
        return;
    }
    Record *record = record_at(table, table->used);
    *record = (Record){count, hash, length};
    memcpy(record + 1, key, (units_of(length, table->weights) - 1) * UNIT);
    table->slots[at] = (hash & ~places) | (uint32_t)table->used;
    table->used += units_of(length, table->weights);
    table->keys++;
}

/* ---- Forgetting ---- */

/* Close the gaps that forgotten keys have left between the records. */
static inline void
table_compact(Table *table)
{
    size_t to = FIRST_PLACE;
    for (size_t place = FIRST_PLACE; place < table->used;) {
        const Record *record = record_at(table, place);
        size_t units = units_of(record->length, table->weights);
        if (!(record->length & FORGOTTEN)) {
            memmove(record_at(table, to), record, units * UNIT);
            to += units;
        }
        place += units;
    }
    table->used = to;
    table->forgotten = 0;
    table_index(table);
}

/* Free a slot, and move up those slots after it that a lookup would no longer find. */
static inline void
table_free_slot(Table *table, size_t at)
{
    uint32_t places = (uint32_t)(table->room - 1);
    size_t next = at;
    for (;;) {
        next = (next + 1) & table->mask;
        uint32_t slot = table->slots[next];
        if (slot == 0)
            break;
        size_t home = record_at(table, slot & places)->hash & table->mask;
        if (((next - home) & table->mask) < ((next - at) & table->mask))
            continue;
        table->slots[at] = slot;
        at = next;
    }
    table->slots[at] = 0;
}

/* Forget a padded key; return the count that it had. */
static inline uint64_t
table_forget(Table *table, const uint8_t *key, uint32_t length)
{
    if (table->keys == 0)
        return 0;
    size_t at = table_find(table, key, length, table_hash(table, key, length));
    if (table->slots[at] == 0)
        return 0;
    Record *record = record_at(table, table->slots[at] & (uint32_t)(table->room - 1));
    uint64_t count = record->count;
    record->count = 0;
    record->length |= FORGOTTEN;  /* the record stays in its place until the table is compacted */
    table->forgotten += units_of(length, table->weights);
    table->keys--;
    table_free_slot(table, at);
    return count;
}

static inline void
table_clear(Table *table)
{
    free(table->records);
    free(table->slots);
}
