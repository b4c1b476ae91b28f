/* Count chosen values of a line, whatever shape of lines they were found in.
 *
 * A shape finds the values of a line as parts of the block (or of the scratch, where a value had to be
 * changed). This file makes a key of the chosen ones: the values, with a newline between them, because
 * no value can hold one. Keys are copied into an arena and counted in batches (_batch.h).
 */
#pragma once
#include "_batch.h"
#include "_paths.h"
#include "_value.h"
#include "_window.h"

enum {
    MAX_CHOSEN = 64,    /* values in a key */
    ARENA = 1 << 14,    /* bytes of keys that wait to be counted */
    SMALL = 32,         /* bytes of a value that is copied without a loop */
    MAX_ENDS = 2,       /* bytes, each of which ends a part of a value */
};

/* A value by its place in the line, from 0; or the part of it after its `skip`-th blank, up to one of
 * the bytes `until`, and at most `length` bytes of it (0: all of them). */
typedef struct {
    unsigned place, skip, ends;
    uint8_t until[MAX_ENDS];
    size_t length;
} Choice;

typedef struct {
    uint8_t delimiter;
    unsigned needed;  /* values of a line that are found: as many as the last chosen one needs */
    unsigned least;   /* values that a well-shaped line has at least */
    unsigned width;   /* values that it has exactly; 0 means any number */
    unsigned keys, weights;
    Choice key[MAX_CHOSEN];
    unsigned weight[MAX_WEIGHTS];  /* places of the values to sum */
} ShapeSpec;

typedef struct {
    const ShapeSpec *spec;
    const JsonSpec *json;  /* the paths, if the lines are JSON */
    Table *table;
    const uint8_t *end;    /* of the block */
    uint64_t lines, empty, misshapen;
    int error;             /* 0, or the reason why the scan stopped early */
    Value *values;         /* room for the needed values of one line */
    uint8_t *scratch;      /* room for the changed values of one line */
    size_t scratch_room;
    uint8_t *arena;
    size_t used, room;     /* bytes of the arena */
    Batch batch;
} ShapeScan;

/* Count the keys that wait in the arena, and empty it. */
static int
flush(ShapeScan *scan)
{
    scan->used = 0;
    return batch_count(&scan->batch, scan->table);
}

/* Make room in the arena for a key of `size` bytes and for what is written behind it. */
static int
reserve(ShapeScan *scan, size_t size)
{
    size_t needed = size + SMALL + UNIT + MAX_WEIGHTS * sizeof(Sum);
    if (needed <= scan->room - scan->used)
        return 0;
    if (flush(scan) < 0)
        return NO_MEMORY;
    if (needed <= scan->room)
        return 0;
    uint8_t *arena = realloc(scan->arena, needed);
    if (arena == NULL)
        return NO_MEMORY;
    scan->arena = arena;
    scan->room = needed;
    return 0;
}

/* Copy a value to a place with SMALL bytes more room than it needs. */
static inline void
copy_value(const ShapeScan *scan, uint8_t *to, Value value)
{
    size_t length = (size_t)(value.to - value.from);
    /* The scratch has SMALL bytes more than its values; the block ends where it ends. */
    if (length <= SMALL && (size_t)(scan->end - value.from) >= SMALL && value.from < scan->end)
        memcpy(to, value.from, SMALL);
    else
        memcpy(to, value.from, length);
}

/* Return the part of a value that a choice names. */
static inline Value
cut(const Choice *choice, Value value)
{
    for (unsigned i = 0; i < choice->skip; i++) {
        const uint8_t *blank = memchr(value.from, ' ', (size_t)(value.to - value.from));
        value.from = blank ? blank + 1 : value.to;
    }
    for (unsigned i = 0; i < choice->ends; i++) {
        const uint8_t *end = memchr(value.from, choice->until[i], (size_t)(value.to - value.from));
        value.to = end ? end : value.to;
    }
    if (choice->length && (size_t)(value.to - value.from) > choice->length)
        value.to = value.from + choice->length;
    return value;
}

/* Return whether a value is a number of 1 to 19 digits, and store it. */
static inline int
weigh(const ShapeScan *scan, Value value, uint64_t *weight)
{
    size_t length = (size_t)(value.to - value.from);
    int in_block = value.from < scan->end && scan->end - value.from >= 16;
    return (in_block && read_weight(value.from, length, weight)) ||
           read_weight_slowly(value.from, length, weight);
}

/* Append the texts of the weights to a key that has room for them; return the new size. */
static size_t
append_weights(ShapeScan *scan, uint8_t *key, size_t size)
{
    for (unsigned w = 0; w < scan->spec->weights; w++) {
        Value value = scan->values[scan->spec->weight[w]];
        key[size++] = '\n';
        copy_value(scan, key + size, value);
        size += (size_t)(value.to - value.from);
    }
    return size;
}

/* Return the bytes of a key with all that may be appended to it. */
static inline size_t
size_of_key(const ShapeScan *scan, const Value *chosen)
{
    size_t size = scan->spec->keys + scan->spec->weights;
    for (unsigned k = 0; k < scan->spec->keys; k++)
        size += (size_t)(chosen[k].to - chosen[k].from);
    for (unsigned w = 0; w < scan->spec->weights; w++) {
        Value value = scan->values[scan->spec->weight[w]];
        size += (size_t)(value.to - value.from);
    }
    return size;
}

/* Count a line whose values were found. If a weight is not a number of 1 to 19 digits, the line adds
 * nothing to the sums, and the texts of its weights are appended to its key. So nothing is lost, and the
 * reader of the keys decides what to do with such a line. */
static inline int
count_values(ShapeScan *scan)
{
    const ShapeSpec *spec = scan->spec;
    Value chosen[MAX_CHOSEN];
    uint64_t weights[MAX_WEIGHTS];
    int numbers = 1, error;
    for (unsigned k = 0; k < spec->keys; k++)
        chosen[k] = cut(&spec->key[k], scan->values[spec->key[k].place]);
    if ((error = reserve(scan, size_of_key(scan, chosen))) < 0)
        return error;
    uint8_t *key = scan->arena + scan->used;
    size_t size = 0;
    for (unsigned k = 0; k < spec->keys; k++) {
        copy_value(scan, key + size, chosen[k]);
        size += (size_t)(chosen[k].to - chosen[k].from);
        key[size++] = '\n';
    }
    size--;
    for (unsigned w = 0; w < spec->weights; w++)
        numbers &= weigh(scan, scan->values[spec->weight[w]], &weights[w]);
    if (!numbers)
        size = append_weights(scan, key, size);
    if (size > LONGEST_KEY)
        return KEY_TOO_LONG;
    memset(key + size, 0, UNIT);
    size_t padded = (key_units((uint32_t)size) - 1) * UNIT;
    for (unsigned w = 0; w < spec->weights; w++) {
        Sum sum = {numbers ? weights[w] : 0, 0};
        memcpy(key + padded + w * sizeof sum, &sum, sizeof sum);
    }
    scan->used += padded + spec->weights * sizeof(Sum);
    int full = scan->batch.used == BATCH - 1;
    if (batch_add(&scan->batch, scan->table, key, (uint32_t)size, 1) < 0)
        return NO_MEMORY;
    scan->used = full ? 0 : scan->used;
    return 0;
}

/* Make room for the changed values of a line of `size` bytes; together they are never longer. */
static int
reserve_scratch(ShapeScan *scan, size_t size)
{
    size += SMALL;
    if (size <= scan->scratch_room)
        return 0;
    uint8_t *scratch = realloc(scan->scratch, size);
    if (scratch == NULL)
        return NO_MEMORY;
    scan->scratch = scratch;
    scan->scratch_room = size;
    return 0;
}

/* A scan of a block of lines of one shape. */
typedef void (*ShapeFunction)(ShapeScan *, const uint8_t *);

/* Scan a block with room that was made for it. */
static void
scan_shaped(ShapeScan *scan, ShapeFunction function, const uint8_t *block)
{
    scan->values = malloc(scan->spec->needed * sizeof *scan->values);
    scan->arena = malloc(ARENA);
    scan->room = ARENA;
    if (scan->values == NULL || scan->arena == NULL)
        scan->error = NO_MEMORY;
    else
        function(scan, block);
    if (!scan->error)
        scan->error = flush(scan);
    free(scan->values);
    free(scan->arena);
    free(scan->scratch);
}
