/* Packed counts: what travels between processes, and is merged without a Python object per key.
 *
 * A head, then records as in the table (_table.h), in the machine's own byte order: they never
 * leave the machine.
 */
#pragma once
#include "_batch.h"

typedef struct {
    uint64_t keys, total, weights;
} Packed;

static inline Packed
head_of(const uint8_t *packed)
{
    Packed head;
    memcpy(&head, packed, sizeof head);
    return head;
}

/* Return whether data is packed counts and nothing else. */
static inline int
is_packed(const uint8_t *data, size_t size)
{
    if (size < sizeof(Packed))
        return 0;
    Packed head = head_of(data);
    size_t place = sizeof head;
    if (head.weights > MAX_WEIGHTS)
        return 0;
    unsigned weights = (unsigned)head.weights;
    for (uint64_t i = 0; i < head.keys; i++) {
        Record record;
        if (size - place < sizeof record)
            return 0;
        memcpy(&record, data + place, sizeof record);
        if (record.length & DEAD || units_of(record.length, weights) > (size - place) / UNIT)
            return 0;
        place += units_of(record.length, weights) * UNIT;
    }
    return place == size;
}

/* Add packed counts to a table of as many weights; -1 without memory. */
static inline int
table_add_packed(Table *table, const uint8_t *data)
{
    Packed head = head_of(data);
    Batch batch = {.used = 0};
    data += sizeof head;
    for (uint64_t i = 0; i < head.keys; i++) {
        Record record;
        memcpy(&record, data, sizeof record);
        if (batch_add(&batch, table, data + sizeof record, record.length, record.count) < 0)
            return -1;
        data += units_of(record.length, table->weights) * UNIT;
    }
    return batch_count(&batch, table);
}

/* Return how many bytes the counts that are not 0 take when packed, and their head. */
static inline size_t
packed_size(const Table *table, Packed *head)
{
    size_t size = sizeof *head;
    *head = (Packed){0, 0, table->weights};
    for (size_t place = FIRST; place < table->used;) {
        const Record *record = record_at(table, place);
        size_t units = units_of(record->length, table->weights);
        head->keys += record->count != 0;
        head->total += record->count;
        size += record->count ? units * UNIT : 0;
        place += units;
    }
    return size;
}

/* Pack the counts that are not 0 and set them and their sums to 0. */
static inline void
table_pack(Table *table, const Packed *head, uint8_t *out)
{
    memcpy(out, head, sizeof *head);
    out += sizeof *head;
    for (size_t place = FIRST; place < table->used;) {
        Record *record = record_at(table, place);
        size_t units = units_of(record->length, table->weights);
        if (record->count) {
            memcpy(out, record, units * UNIT);
            out += units * UNIT;
            record->count = 0;
            memset(sums_of(record), 0, table->weights * sizeof(Sum));
        }
        place += units;
    }
}
