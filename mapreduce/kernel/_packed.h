/* Packed counts: bytes that processes exchange and merge without making a Python object of each key.
 *
 * They consist of a head and of records as in the table (_table.h). They are in the byte order of this
 * machine and never leave it. They may begin at any address, so each record is copied before its
 * members are read.
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
        if (record.length & FORGOTTEN || units_of(record.length, weights) > (size - place) / UNIT)
            return 0;
        place += units_of(record.length, weights) * UNIT;
    }
    return place == size;
}

/* Add packed counts to a table that has as many weights. */
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
            return NO_MEMORY;
        data += units_of(record.length, table->weights) * UNIT;
    }
    return batch_count(&batch, table);
}

/* Return the number of bytes of the packed counts, and fill in their head; counts of 0 are left
 * out. */
static inline size_t
packed_size(const Table *table, Packed *head)
{
    size_t size = sizeof *head;
    *head = (Packed){0, 0, table->weights};
    for (size_t place = FIRST_PLACE; place < table->used;) {
        const Record *record = record_at(table, place);
        size_t units = units_of(record->length, table->weights);
        head->keys += record->count != 0;
        head->total += record->count;
        size += record->count ? units * UNIT : 0;
        place += units;
    }
    return size;
}

/* Write the packed counts to `out`, and set all counts and sums of the table to 0. */
static inline void
table_pack(Table *table, const Packed *head, uint8_t *out)
{
    memcpy(out, head, sizeof *head);
    out += sizeof *head;
    for (size_t place = FIRST_PLACE; place < table->used;) {
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
