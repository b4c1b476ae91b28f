/* Sort packed counts by count, sum or key without making a Python object of each key.
 *
 * The sort compares one word of 8 bytes at a time, most significant first: the value, then the key
 * from left to right. A merge sort orders the items by one word; then each run of equal words is
 * sorted by the next word. The words are stored in the array that is sorted, so a record is read once
 * for each word and not once for each comparison.
 */
#pragma once
#include "_packed.h"

enum {
    FEW = 12,       /* up to this many items are sorted by insertion */
    DEEP = 8 * 16,  /* bytes of a key to sort word by word; after them, compare whole keys */
};

typedef struct {
    uint64_t word;
    const uint8_t *record;
} Item;

static inline uint64_t
big_endian(const uint8_t *p)
{
    return __builtin_bswap64(little_endian(p));
}

static inline Record
record_of(const uint8_t *packed)
{
    Record record;
    memcpy(&record, packed, sizeof record);
    return record;
}

static inline int
compare_keys(const void *a, const void *b)
{
    const uint8_t *one = ((const Item *)a)->record, *two = ((const Item *)b)->record;
    uint32_t left = record_of(one).length, right = record_of(two).length;
    int order = memcmp(one + sizeof(Record), two + sizeof(Record), left < right ? left : right);
    return order ? order : (left > right) - (left < right);
}

/* Sort items by their words; `spare` has room for as many. */
static inline void
sort_words(Item *items, Item *spare, size_t size)
{
    if (size <= FEW) {
        for (size_t i = 1; i < size; i++) {
            Item item = items[i];
            size_t to = i;
            for (; to > 0 && items[to - 1].word > item.word; to--)
                items[to] = items[to - 1];
            items[to] = item;
        }
        return;
    }
    size_t half = size / 2;
    sort_words(items, spare, half);
    sort_words(items + half, spare, size - half);
    if (items[half - 1].word <= items[half].word)
        return;
    memcpy(spare, items, half * sizeof *items);
    const Item *left = spare, *left_end = spare + half, *right = items + half, *end = items + size;
    while (left < left_end) {
        int from_right = right < end && right->word < left->word;
        *items++ = from_right ? *right : *left;
        left += !from_right;
        right += from_right;
    }
}

/* Sort items whose keys agree before `depth`, a multiple of 8 bytes. */
static inline void
sort_keys(Item *items, Item *spare, size_t size, size_t depth)
{
    if (depth >= DEEP) {
        qsort(items, size, sizeof *items, compare_keys);
        return;
    }
    int all_end = 1;
    for (size_t i = 0; i < size; i++) {
        size_t length = record_of(items[i].record).length;
        items[i].word = depth < length ? big_endian(items[i].record + sizeof(Record) + depth) : 0;
        all_end &= length <= depth + 8;
    }
    sort_words(items, spare, size);
    for (size_t i = 0, next; i < size; i = next) {
        for (next = i + 1; next < size && items[next].word == items[i].word;)
            next++;
        if (next - i > 1)  /* if all keys end in this word, equal ones differ only in trailing zeros */
            sort_keys(items + i, spare, next - i, all_end ? DEEP : depth + 8);
    }
}

/* Return the sum number w behind a packed key. */
static inline Sum
sum_of(const uint8_t *record, unsigned w)
{
    Sum sum;
    memcpy(&sum, record + key_units(record_of(record).length) * UNIT + w * sizeof sum, sizeof sum);
    return sum;
}

/* What items are ordered by: a value, where 0 is the count and 1 the first sum, or the key. */
enum { BY_KEY = -1 };
typedef struct {
    int by;
    uint64_t flip;  /* all bits are set if the highest value comes first */
} Order;

/* Return the bits of a record's value by which it is sorted first: a sum has 128, a count 64. */
static inline uint64_t
first_word(const uint8_t *record, Order order)
{
    if (order.by == 0)
        return record_of(record).count ^ order.flip;
    return order.by > 0 ? sum_of(record, (unsigned)order.by - 1).high ^ order.flip : 0;
}

/* Sort items by their words, which are the high bits of a value, or all of it; items with equal words
 * by the low bits, then by the bytes of the key. */
static inline void
sort_values(Item *items, Item *spare, size_t size, Order order, int high)
{
    sort_words(items, spare, size);
    for (size_t i = 0, next; i < size; i = next) {
        for (next = i + 1; next < size && items[next].word == items[i].word;)
            next++;
        if (next - i > 1 && high) {
            for (size_t j = i; j < next; j++)
                items[j].word = sum_of(items[j].record, (unsigned)order.by - 1).low ^ order.flip;
            sort_values(items + i, spare, next - i, order, 0);
        }
        else if (next - i > 1)
            sort_keys(items + i, spare, next - i, 0);
    }
}

static inline void
reverse(Item *items, size_t size)
{
    for (size_t i = 0; i < size / 2; i++) {
        Item item = items[i];
        items[i] = items[size - 1 - i];
        items[size - 1 - i] = item;
    }
}

/* Return the items of packed counts in an order, those with equal values by the bytes of the key;
 * NULL if there is not enough memory. */
static inline Item *
ranked_items(const uint8_t *data, size_t size, Order order)
{
    Item *items = malloc((size + 1) * sizeof *items), *spare = malloc((size + 1) * sizeof *items);
    if (items == NULL || spare == NULL) {
        free(items);
        free(spare);
        return NULL;
    }
    unsigned weights = (unsigned)head_of(data).weights;
    data += sizeof(Packed);
    for (size_t i = 0; i < size; i++) {
        items[i] = (Item){first_word(data, order), data};
        data += units_of(record_of(data).length, weights) * UNIT;
    }
    if (order.by != BY_KEY)
        sort_values(items, spare, size, order, order.by > 0);
    else {
        sort_keys(items, spare, size, 0);
        if (order.flip)
            reverse(items, size);
    }
    free(spare);
    return items;
}

/* ---- Lines of CSV (RFC 4180, line feeds): the fields of the key, the count, the sums. ---- */

/* Return the most bytes that a record's line can take. */
static inline size_t
line_room(const Item *item, unsigned weights)
{
    return 3 * (size_t)record_of(item->record).length + 32 + 40 * weights;
}

static inline uint8_t *
write_field(uint8_t *out, const uint8_t *field, size_t length)
{
    int plain = 1;
    for (size_t i = 0; i < length; i++)
        plain &= field[i] != ',' && field[i] != '"' && field[i] != '\r' && field[i] != '\n';
    if (plain) {
        memcpy(out, field, length);
        return out + length;
    }
    *out++ = '"';
    for (size_t i = 0; i < length; i++) {
        if (field[i] == '"')
            *out++ = '"';
        *out++ = field[i];
    }
    *out++ = '"';
    return out;
}

static inline uint8_t *
write_number(uint8_t *out, Sum sum)
{
    __uint128_t number = (__uint128_t)sum.high << 64 | sum.low;
    uint8_t digits[40];
    unsigned used = 0;
    for (; number >> 64; number /= 10)
        digits[used++] = (uint8_t)('0' + (uint8_t)(number % 10));
    uint64_t rest = (uint64_t)number;
    do
        digits[used++] = (uint8_t)('0' + rest % 10);
    while (rest /= 10);
    while (used)
        *out++ = digits[--used];
    return out;
}

/* Write the line of a record; split its key at the delimiter unless that is negative. */
static inline uint8_t *
write_line(uint8_t *out, const Item *item, int delimiter, unsigned weights)
{
    Record record = record_of(item->record);
    const uint8_t *field = item->record + sizeof record, *end = field + record.length;
    for (const uint8_t *stop; field <= end; field = stop + 1) {
        stop = delimiter < 0 ? NULL : memchr(field, delimiter, (size_t)(end - field));
        stop = stop ? stop : end;
        out = write_field(out, field, (size_t)(stop - field));
        *out++ = ',';
    }
    out = write_number(out, (Sum){record.count, 0});
    for (unsigned w = 0; w < weights; w++) {
        *out++ = ',';
        out = write_number(out, sum_of(item->record, w));
    }
    *out++ = '\n';
    return out;
}
