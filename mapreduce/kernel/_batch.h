/* Keys wait in a batch and are counted together, so that their cache misses overlap. */
#pragma once
#include "_table.h"

enum { BATCH = 32 };

typedef struct {
    unsigned used;
    uint32_t lengths;  /* the bitwise or of all lengths: no key is longer */
    struct {
        const uint8_t *key;  /* padded; as many sums follow it as a record of the table has */
        uint32_t length, hash;
        uint64_t count;
    } item[BATCH];
} Batch;

/* Return how many units the records of all keys take. */
static size_t
batch_units(const Batch *batch, unsigned weights)
{
    size_t units = 0;
    for (unsigned i = 0; i < batch->used; i++)
        units += units_of(batch->item[i].length, weights);
    return units;
}

/* Count all keys of the batch, which is empty then. */
static inline int
batch_count(Batch *batch, Table *table)
{
    unsigned used = batch->used;
    /* The exact number of units is only looked for where this simple bound does not fit. */
    size_t at_most = used * units_of(batch->lengths, table->weights);
    if (!has_room(table, used, at_most) &&
        table_reserve(table, used, batch_units(batch, table->weights)) < 0)
        return NO_MEMORY;
    uint32_t places = (uint32_t)(table->room - 1);
    for (unsigned i = 0; i < used; i++) {
        uint32_t hash = table_hash(table, batch->item[i].key, batch->item[i].length);
        batch->item[i].hash = hash;
        __builtin_prefetch(&table->slots[hash & table->mask]);
    }
    for (unsigned i = 0; i < used; i++) {
        uint32_t slot = table->slots[batch->item[i].hash & table->mask];
        __builtin_prefetch(record_at(table, slot & places), 1);
    }
    for (unsigned i = 0; i < used; i++)
        table_add(table, batch->item[i].key, batch->item[i].length, batch->item[i].hash,
                  batch->item[i].count);
    batch->used = 0;
    batch->lengths = 0;
    return 0;
}

/* Put a padded key, which the sums follow, into the batch; count all when the batch is full. The bytes
 * must stay where they are until then. */
static inline int
batch_add(Batch *batch, Table *table, const uint8_t *key, uint32_t length, uint64_t count)
{
    unsigned i = batch->used++;
    batch->item[i].key = key;
    batch->item[i].length = length;
    batch->item[i].count = count;
    batch->lengths |= length;
    return batch->used < BATCH ? 0 : batch_count(batch, table);
}
