/* Keys that wait to be counted together, so that their cache misses overlap. */
#pragma once
#include "_table.h"

enum { BATCH = 32 };

typedef struct {
    unsigned used;
    uint32_t lengths;  /* all of them or'ed: at least the longest one */
    struct {
        const uint8_t *key;  /* padded, and followed by as many sums as the table has */
        uint32_t length, hash;
        uint64_t count;
    } item[BATCH];
} Batch;

static inline int
batch_count(Batch *batch, Table *table)
{
    unsigned used = batch->used;
    if (table_reserve(table, used, used * units_of(batch->lengths, table->weights)) < 0)
        return -1;
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

/* Let a padded key and the sums that follow it wait, which must stay where they are; count all when
 * the batch is full. */
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
