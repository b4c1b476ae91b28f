/* One line: which fields of it are counted and summed, and counting it without reading a byte more
 * than it has. */
#pragma once
#include "_batch.h"

enum {
    SHORT = 32,   /* bytes of a key that is counted fast */
    WINDOW = 64,
    WINDOWS = 8,  /* of a line that is scanned fast */
    LISTED = 4,   /* of a line whose delimiters can be listed: their places are bytes */
    SLACK = SHORT,
    MAX_FIELDS = 64,
};

/* Adjacent chosen fields: from behind delimiter `first` (0: the line's start) to before delimiter
 * `last` (or the line's end, where there is no such delimiter). */
typedef struct {
    unsigned first, last;
} Run;

typedef struct {
    uint8_t delimiter;
    unsigned least, most;  /* delimiters of a well-shaped line */
    unsigned runs, weights;
    Run run[MAX_FIELDS];
    Run weight[MAX_WEIGHTS];  /* one field each, a number that is summed */
} FieldSpec;

typedef struct {
    const FieldSpec *spec;
    Table *table;
    uint64_t lines, empty, misshapen;
    uint8_t *scratch;  /* a key of any length */
    size_t scratch_room;
    Batch batch;
    uint8_t keys[BATCH][SHORT * 2 + MAX_WEIGHTS * sizeof(Sum)];
} Scan;

static inline void
refuse(Scan *scan, int has_bytes)
{
    if (has_bytes)
        scan->misshapen++;
    else
        scan->empty++;
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

/* Put a sum of one weight behind a padded key. */
static inline void
put_sum(uint8_t *sums, unsigned w, uint64_t weight)
{
    Sum sum = {weight, 0};
    memcpy(sums + w * sizeof sum, &sum, sizeof sum);
}

/* Make room for `size` bytes, a padding and sums in the scratch; -1 without memory. */
static int
reserve_scratch(Scan *scan, size_t size)
{
    size_t behind = UNIT + MAX_WEIGHTS * sizeof(Sum);
    if (size + behind <= scan->scratch_room)
        return 0;
    size_t room = (size + behind) * 2;
    uint8_t *scratch = size < DEAD ? realloc(scan->scratch, room) : NULL;
    if (scratch == NULL)
        return -1;
    scan->scratch = scratch;
    scan->scratch_room = room;
    return 0;
}

/* Append adjacent fields of a line and a byte to the scratch; -1 without memory. */
static int
append_run(Scan *scan, size_t *used, const uint8_t *line, const uint8_t *end, Run run, uint8_t byte)
{
    const uint8_t delimiter = scan->spec->delimiter, *from = line;
    if (run.first)
        from = find_delimiter(line, end, delimiter, run.first) + 1;
    const uint8_t *to = find_delimiter(from, end, delimiter, run.last - run.first);
    size_t length = (size_t)(to - from);
    if (reserve_scratch(scan, *used + length + 1) < 0)
        return -1;
    memcpy(scan->scratch + *used, from, length);
    *used += length;
    scan->scratch[(*used)++] = byte;
    return 0;
}

/* Count one well-shaped line without reading a byte more than it has.
 *
 * If a weight is no number of at most 19 digits, the weights are 0, and what stands there follows
 * the key behind a newline: nothing is lost, and whoever reads the keys decides. */
static int
count_slowly(Scan *scan, const uint8_t *line, const uint8_t *end)
{
    const FieldSpec *spec = scan->spec;
    uint64_t weights[MAX_WEIGHTS];
    size_t used = 0;
    int numbers = 1;
    for (unsigned r = 0; r < spec->runs; r++)
        if (append_run(scan, &used, line, end, spec->run[r], spec->delimiter) < 0)
            return -1;
    size_t key = used;
    scan->scratch[used - 1] = '\n';
    for (unsigned w = 0; w < spec->weights; w++) {
        size_t from = used;
        if (append_run(scan, &used, line, end, spec->weight[w], spec->delimiter) < 0)
            return -1;
        numbers &= read_weight_slowly(scan->scratch + from, used - 1 - from, &weights[w]);
    }
    used = numbers ? key : used;
    memset(scan->scratch + used - 1, 0, UNIT);
    uint8_t *sums = scan->scratch + (key_units((uint32_t)used - 1) - 1) * UNIT;
    for (unsigned w = 0; w < spec->weights; w++)
        put_sum(sums, w, numbers ? weights[w] : 0);
    if (batch_add(&scan->batch, scan->table, scan->scratch, (uint32_t)used - 1, 1) < 0)
        return -1;
    return batch_count(&scan->batch, scan->table);  /* the scratch is needed for the next one */
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
