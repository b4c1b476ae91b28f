/* A batch gathers keys and counts them together, so that their cache misses overlap. */
#pragma once
#include "_table.h"

enum { BATCH = 32 };

typedef struct {
    unsigned used;
    uint32_t lengths;  /* the bitwise or of all lengths: an upper bound of each length */
    struct {
        const uint8_t *key;  /* padded; the sums follow it, as in a record of the table */
        uint32_t length, hash;
        uint64_t count;
    } item[BATCH];
} Batch;

/* Return the number of units that the records of all keys take. */
static size_t
batch_units(const Batch *batch, unsigned weights)
{
    size_t units = 0;
    for (unsigned i = 0; i < batch->used; i++)
        units += units_of(batch->item[i].length, weights);
    return units;
}

/* Hash all keys of the batch and fetch their slots. */
static inline void
batch_hash(Batch *batch, const Table *table)
{
    const unsigned used = batch->used;
    for (unsigned i = 0; i < used; i++) {
        uint32_t hash = table_hash(table, batch->item[i].key, batch->item[i].length);
        batch->item[i].hash = hash;
        __builtin_prefetch(&table->slots[hash & table->mask]);
    }
}

/* Fetch the records of all keys of the batch, and with `whole` also the second cache line that a record
 * may be on. The table must have slots. */
static inline void
batch_fetch(const Batch *batch, const Table *table, int whole)
{
    const uint32_t places = (uint32_t)(table->room - 1);
    const unsigned used = batch->used;
    for (unsigned i = 0; i < used; i++) {
        uint32_t slot = table->slots[batch->item[i].hash & table->mask];
        const uint8_t *record = (const uint8_t *)record_at(table, slot & places);
        __builtin_prefetch(record, 1);
        if (whole)
            __builtin_prefetch(record + 2 * UNIT - 1, 1);
    }
}

/* Make room in the table for all keys of the batch. */
static inline int
batch_reserve(const Batch *batch, Table *table)
{
    unsigned used = batch->used;
    /* Compute the exact number of units only if there is no room for this simple bound. */
    size_t at_most = used * units_of(batch->lengths, table->weights);
    if (has_room(table, used, at_most))
        return 0;
    return table_reserve(table, used, batch_units(batch, table->weights));
}

/* Count all keys of the batch, which has been hashed and has room, and empty it. */
static inline void
batch_finish(Batch *batch, Table *table)
{
    const unsigned used = batch->used;
    for (unsigned i = 0; i < used; i++)
        table_add(table, batch->item[i].key, batch->item[i].length, batch->item[i].hash,
                  batch->item[i].count);
    batch->used = 0;
    batch->lengths = 0;
}

/* Count all keys of the batch and empty it. */
static inline int
batch_count(Batch *batch, Table *table)
{
    if (batch_reserve(batch, table) < 0)
        return NO_MEMORY;
    batch_hash(batch, table);
    batch_fetch(batch, table, 0);
    batch_finish(batch, table);
    return 0;
}

/* Add a padded key to the batch, which is not full. The bytes of the key must stay in place. */
static inline void
batch_put(Batch *batch, const uint8_t *key, uint32_t length, uint64_t count)
{
    unsigned i = batch->used++;
    batch->item[i].key = key;
    batch->item[i].length = length;
    batch->item[i].count = count;
    batch->lengths |= length;
}

/* Add a padded key, followed by its sums, to the batch; count the whole batch when it is full. The
 * bytes of the key must stay in place until then. */
static inline int
batch_add(Batch *batch, Table *table, const uint8_t *key, uint32_t length, uint64_t count)
{
    batch_put(batch, key, length, count);
    return batch->used < BATCH ? 0 : batch_count(batch, table);
}
