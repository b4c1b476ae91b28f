/* Hold the table to its promises when memory runs out and when keys are long, without Python.
 *
 * The kernel's allocations are counted here, and one of them can be made to fail. Prints the promise
 * that does not hold and exits with 1.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long until_failure = -1;  /* allocations that succeed before one fails; -1: all succeed */
static size_t largest;           /* bytes of the largest allocation */

static int
fails(size_t size)
{
    largest = size > largest ? size : largest;
    return until_failure >= 0 && until_failure-- == 0;
}

static void *
counted_malloc(size_t size)
{
    return fails(size) ? NULL : malloc(size);
}

static void *
counted_aligned_alloc(size_t alignment, size_t size)
{
    return fails(size) ? NULL : aligned_alloc(alignment, size);
}

static void *
counted_realloc(void *old, size_t size)
{
    return fails(size) ? NULL : realloc(old, size);
}

#define malloc counted_malloc
#define aligned_alloc counted_aligned_alloc
#define realloc counted_realloc
#define LONGEST_KEY 2000000

#include "../../mapreduce/kernel/_rank.h"
#include "../../mapreduce/kernel/_scan.h"

enum { KEYS = 900 };

static const FieldSpec first_field = {
    .delimiter = ' ', .least = 1, .most = UINT32_MAX - 1, .runs = 1, .run = {{0, 1}}};

static void
hold(int promise, const char *text)
{
    if (!promise) {
        printf("broken: %s\n", text);
        exit(1);
    }
}

static void
write_key(uint8_t *padded, unsigned number)
{
    memset(padded, 0, UNIT);
    snprintf((char *)padded, UNIT, "key%u", number);
}

static uint64_t
count_of(const Table *table, unsigned number)
{
    uint8_t key[UNIT];
    write_key(key, number);
    uint32_t length = (uint32_t)strlen((char *)key);
    size_t at = table_find(table, key, length, table_hash(table, key, length));
    uint32_t slot = table->slots[at];
    return slot ? record_at(table, slot & (uint32_t)(table->room - 1))->count : 0;
}

static void
add(Table *table, unsigned number, uint64_t count)
{
    uint8_t key[UNIT];
    write_key(key, number);
    uint32_t length = (uint32_t)strlen((char *)key);
    hold(table_reserve(table, 1, units_of(length, 0)) == 0, "there is memory for one more key");
    table_add(table, key, length, table_hash(table, key, length), count);
}

/* Let the table grow, both its records and its slots, and let one of the two allocations fail. */
static void
test_a_table_that_cannot_grow_stays_as_it_is(void)
{
    for (int failing = 0; failing < 2; failing++) {
        Table table = {.seed = {1, 2, 3, 5}};
        for (unsigned i = 0; i < KEYS; i++)
            add(&table, i, i + 1);
        size_t room = table.room, mask = table.mask;
        until_failure = failing;
        hold(table_reserve(&table, 100000, 300000) == NO_MEMORY, "the failure is told");
        until_failure = -1;
        hold(table.room == room && table.mask == mask, "a table that cannot grow keeps its size");
        for (unsigned i = 0; i < KEYS; i++)
            hold(count_of(&table, i) == i + 1, "a table that cannot grow keeps its counts");
        for (unsigned i = 0; i < 20 * KEYS; i++)
            add(&table, i, 1);
        hold(table.keys == 20 * KEYS, "a table that could not grow grows later");
        for (unsigned i = 0; i < KEYS; i++)
            hold(count_of(&table, i) == i + 2, "a table that could not grow counts later");
        table_clear(&table);
    }
}

/* Let each allocation of a scan fail, one after the other. */
static void
test_a_scan_without_memory_says_so(void)
{
    uint8_t block[3000];
    memset(block, 'k', sizeof block);
    for (size_t i = 49; i < sizeof block; i += 50)
        block[i - 1] = ' ', block[i] = '\n';
    block[1500] = 'x';
    for (int failing = 0, error = NO_MEMORY; error; failing++) {
        Table table = {.seed = {1, 2, 3, 5}};
        Scan scan = {.spec = &first_field, .table = &table};
        until_failure = failing;
        error = scan_block(&scan, find_variant("portable"), block, block + sizeof block);
        hold(error == (until_failure < 0 ? NO_MEMORY : 0), "a scan tells that memory ran out");
        until_failure = -1;
        table_clear(&table);
    }
}

/* Scan a batch of one short key and a line whose key has `length` bytes; return what the scan returns. */
static int
scan_long_key(size_t length, Table *table)
{
    size_t size = 4 * (BATCH - 1) + length + 2;
    uint8_t *block = calloc(1, size), *line = block;
    for (int i = 1; i < BATCH; i++, line += 4)
        memcpy(line, "s x\n", 4);
    memset(line, 'k', length);
    line[length] = ' ', line[length + 1] = '\n';
    Scan scan = {.spec = &first_field, .table = table};
    int error = scan_block(&scan, find_variant("portable"), block, block + size);
    free(block);
    return error;
}

static void
test_a_long_key_takes_the_memory_that_it_needs(void)
{
    Table table = {.seed = {1, 2, 3, 5}};
    size_t length = 1 << 20;
    largest = 0;
    hold(scan_long_key(length, &table) == 0 && table.keys == 2, "a long key is counted");
    hold(largest <= 4 * length, "a long key reserves no more than its own size needs");
    table_clear(&table);
}

static void
test_a_key_that_is_too_long_is_told_from_too_many_keys(void)
{
    Table table = {.seed = {1, 2, 3, 5}};
    hold(scan_long_key(LONGEST_KEY, &table) == 0, "the longest key is counted");
    hold(scan_long_key(LONGEST_KEY + 1, &table) == KEY_TOO_LONG, "a longer key is too long");
    hold(scan_long_key(LONGEST_KEY * 2, &table) == KEY_TOO_LONG, "a much longer key is too long");
    hold(table.keys == 2, "a key that is too long is not in the table");
    table_clear(&table);
}

/* Another thread may write into the block between the count of the delimiters and the copy. */
static void
test_a_line_that_loses_its_delimiters_is_not_read_behind_its_end(void)
{
    const uint8_t line[] = "no delimiter";
    Table table = {.seed = {1, 2, 3, 5}};
    Scan scan = {.spec = &first_field, .table = &table};
    size_t used = 0;
    const uint8_t *end = line + sizeof line - 1;
    int error = append_run(&scan, &used, line, end, (Run){3, 4}, ' ');
    hold(error == 0 && used == 1, "a field that has vanished is empty");
    hold(find_field(line, end, ' ', 3) == end, "a field that has vanished lies within its line");
    hold(find_field(line, end, ' ', 1) == line + 3, "a field begins behind its delimiter");
    hold(find_field(line, end, ' ', 0) == line, "the first field begins with the line");
    free(scan.scratch);
}

/* Bytes that come from another process may begin anywhere; the sanitizer of the test sees each access. */
static void
test_packed_counts_may_begin_at_any_address(void)
{
    Table table = {.seed = {1, 2, 3, 5}}, merged = {.seed = {7, 8, 9, 10}};
    for (unsigned i = 0; i < KEYS; i++)
        add(&table, i, 1 + i);
    Packed head;
    size_t size = packed_size(&table, &head);
    uint8_t *area = malloc(size + UNIT);
    for (int shift = 0; shift < UNIT; shift++) {
        add(&table, 0, 1), add(&table, 1, 1);  /* so that packing sees a count in every turn */
        size = packed_size(&table, &head);
        table_pack(&table, &head, area + shift);
        hold(is_packed(area + shift, size), "packed counts are packed counts anywhere");
        hold(!is_packed(area + shift, size - 1), "packed counts that are cut are none");
        hold(table_add_packed(&merged, area + shift) == 0, "packed counts are merged anywhere");
        Item *items = ranked_items(area + shift, head.keys, (Order){0, ~UINT64_C(0)});
        hold(items && record_of(items[0].record).count >= record_of(items[1].record).count,
             "packed counts are ranked anywhere");
        free(items);
    }
    hold(count_of(&merged, KEYS - 1) == KEYS && count_of(&merged, 0) == 1 + UNIT, "merging adds");
    free(area);
    table_clear(&table);
    table_clear(&merged);
}

int
main(void)
{
    test_packed_counts_may_begin_at_any_address();
    test_a_table_that_cannot_grow_stays_as_it_is();
    test_a_scan_without_memory_says_so();
    test_a_long_key_takes_the_memory_that_it_needs();
    test_a_key_that_is_too_long_is_told_from_too_many_keys();
    test_a_line_that_loses_its_delimiters_is_not_read_behind_its_end();
    puts("held");
    return 0;
}
