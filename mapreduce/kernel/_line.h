/* Describe which fields of a line are counted and summed, and count a single line without reading
 * past its end. */
#pragma once
#include "_batch.h"
#include "_window.h"
#include "_fields.h"

enum {
    SHORT = 32,    /* bytes of the longest key that the fast scan counts */
    WINDOWS = 8,   /* windows of the longest line that the fast scan takes */
    SLACK = SHORT, /* bytes after a window that the fast scan may read */
};

struct Scan {
    const FieldSpec *spec;
    Table *table;
    uint64_t lines, empty, misshapen;
    int error;         /* 0, or the reason why the scan stopped early */
    uint8_t *scratch;  /* room for one key of any length */
    size_t scratch_room;
    Batch batch;
    uint8_t keys[BATCH][SHORT * 2 + MAX_WEIGHTS * sizeof(Sum)];
};

static inline void
refuse(Scan *scan, int has_bytes)
{
    if (has_bytes)
        scan->misshapen++;
    else
        scan->empty++;
}

/* Return the k-th delimiter (from 1) at or after p, or `end` if there are fewer. */
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

/* Return where field number k (from 0) begins, or `end` if there is no such field. A field can be
 * missing although delimiters were counted, because another thread may write into the block. */
static const uint8_t *
find_field(const uint8_t *line, const uint8_t *end, uint8_t delimiter, unsigned k)
{
    const uint8_t *before = k ? find_delimiter(line, end, delimiter, k) : line;
    return before + (k && before < end);
}

/* Return whether the 8 bytes at `field` begin with the expected field. */
static inline int
is_expected(const FieldSpec *spec, const uint8_t *field)
{
    return ((little_endian(field) ^ spec->expected) & spec->mask) == 0;
}

/* Return whether a well-shaped line has the expected field, without reading past its end. */
static int
is_expected_slowly(const FieldSpec *spec, const uint8_t *line, const uint8_t *end)
{
    uint8_t field[8] = {0};
    line = find_field(line, end, spec->delimiter, spec->before);
    size_t size = (size_t)(end - line);
    memcpy(field, line, size < sizeof field ? size : sizeof field);
    return is_expected(spec, field);
}

/* Write a weight as the sum number w among the sums after a padded key. */
static inline void
put_sum(uint8_t *sums, unsigned w, uint64_t weight)
{
    Sum sum = {weight, 0};
    memcpy(sums + w * sizeof sum, &sum, sizeof sum);
}

/* Make room in the scratch for `size` bytes, padding and the sums. */
static int
reserve_scratch(Scan *scan, size_t size)
{
    size_t needed = size + UNIT + MAX_WEIGHTS * sizeof(Sum), room = 2 * scan->scratch_room;
    if (needed <= scan->scratch_room)
        return 0;
    room = room < needed ? needed : room;
    uint8_t *scratch = realloc(scan->scratch, room);
    if (scratch == NULL)
        return NO_MEMORY;
    scan->scratch = scratch;
    scan->scratch_room = room;
    return 0;
}

/* Append adjacent fields of a line and then a byte to the scratch. */
static int
append_run(Scan *scan, size_t *used, const uint8_t *line, const uint8_t *end, Run run, uint8_t byte)
{
    const uint8_t delimiter = scan->spec->delimiter;
    const uint8_t *from = find_field(line, end, delimiter, run.first);
    const uint8_t *to = find_delimiter(from, end, delimiter, run.last - run.first);
    size_t length = (size_t)(to - from);
    if (*used + length > (size_t)LONGEST_KEY + MAX_WEIGHTS * (MAX_DIGITS + 1))
        return KEY_TOO_LONG;  /* only an allowed key with the text of its weights may be longer */
    if (reserve_scratch(scan, *used + length + 1) < 0)
        return NO_MEMORY;
    memcpy(scan->scratch + *used, from, length);
    *used += length;
    scan->scratch[(*used)++] = byte;
    return 0;
}

/* Count one well-shaped line without reading past its end.
 *
 * If a weight is not a number of 1 to 19 digits, the line adds nothing to the sums, and a newline and
 * the text of the weights are appended to its key. So nothing is lost, and the reader of the keys
 * decides what to do with such a line. */
static int
count_slowly(Scan *scan, const uint8_t *line, const uint8_t *end)
{
    const FieldSpec *spec = scan->spec;
    uint64_t weights[MAX_WEIGHTS];
    size_t used = 0;
    int numbers = 1, error;
    for (unsigned r = 0; r < spec->runs; r++)
        if ((error = append_run(scan, &used, line, end, spec->run[r], spec->joint)) < 0)
            return error;
    size_t key = used;
    scan->scratch[used - 1] = '\n';
    for (unsigned w = 0; w < spec->weights; w++) {
        size_t from = used;
        if ((error = append_run(scan, &used, line, end, spec->weight[w], spec->joint)) < 0)
            return error;
        numbers &= read_weight_slowly(scan->scratch + from, used - 1 - from, &weights[w]);
    }
    used = numbers ? key : used;
    if (used - 1 > LONGEST_KEY)
        return KEY_TOO_LONG;
    memset(scan->scratch + used - 1, 0, UNIT);
    uint8_t *sums = scan->scratch + (key_units((uint32_t)used - 1) - 1) * UNIT;
    for (unsigned w = 0; w < spec->weights; w++)
        put_sum(sums, w, numbers ? weights[w] : 0);
    if (batch_add(&scan->batch, scan->table, scan->scratch, (uint32_t)used - 1, 1) < 0)
        return NO_MEMORY;
    return batch_count(&scan->batch, scan->table);  /* the next line needs the scratch */
}

/* Scan the line that begins at p, of any length and as close to the end of the block as may be;
 * return where the next line begins, or NULL with `scan->error` set. */
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
    if (delimiters < spec->least || delimiters > spec->most || p == line_end ||
        (spec->mask && !is_expected_slowly(spec, p, line_end)))
        refuse(scan, line_end > p);
    else if ((scan->error = count_slowly(scan, p, line_end)) < 0)
        return NULL;
    return next;
}
