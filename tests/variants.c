/* Hold every variant of the scan to the portable one, without Python: for other processors.
 *
 * Random blocks that end where a page begins that nobody may read; the number of rounds is the
 * argument. Prints which variants were held, or the first difference and exits with 1.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "../mapreduce/kernel/_packed.h"
#include "../mapreduce/kernel/_scan.h"

static uint64_t state = 1;

static unsigned
chance(unsigned below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;  /* xorshift64, Marsaglia */
    return (unsigned)(state >> 33) % below;
}

/* Write random lines up to `end`, often the last one as long as some windows; return where the
 * first one begins. */
static uint8_t *
write_block(uint8_t *area, uint8_t *end)
{
    uint8_t *p = end;
    *--p = '\n';
    while (p > area + 2000 && chance(60)) {
        unsigned fields = chance(10) ? 4 : chance(9);
        for (unsigned f = 0; f < fields; f++) {
            unsigned digits = chance(2) ? 10 : 16;
            unsigned length = chance(20) ? chance(20) : chance(chance(2) ? 70 : 400);
            while (length-- && p > area + 2000)
                *--p = (uint8_t)"0123456789-a\xff\0xy"[chance(digits)];
            *--p = ' ';
        }
        while (fields > 3 && end - p < 300 && (end - p) % 64)
            *--p = 'x';
        if (!chance(6))
            *--p = '\r';
        *--p = '\n';
    }
    return p + chance(2);
}

/* Scan a block into a new table; return the scan, and the packed counts. */
static Scan
scanned(const char *variant, const FieldSpec *spec, const uint8_t *p, const uint8_t *end,
        uint8_t **packed, size_t *size)
{
    Table table = {.seed = {1, 2, 3, 5}, .weights = spec->weights};
    Scan scan = {.spec = spec, .table = &table};
    Packed head;
    if (scan_block(&scan, find_variant(variant), p, end) < 0)
        exit(2);
    *size = packed_size(&table, &head);
    *packed = malloc(*size);
    table_pack(&table, &head, *packed);
    table_clear(&table);
    return scan;
}

static int
agree(const char *variant, const FieldSpec *spec, const uint8_t *p, const uint8_t *end)
{
    uint8_t *packed, *expected;
    size_t size, expected_size;
    Scan one = scanned("portable", spec, p, end, &expected, &expected_size);
    Scan two = scanned(variant, spec, p, end, &packed, &size);
    int same = one.lines == two.lines && one.empty == two.empty &&
               one.misshapen == two.misshapen && size == expected_size &&
               !memcmp(packed, expected, size) && is_packed(packed, size);
    free(packed);
    free(expected);
    return same;
}

int
main(int count, char **arguments)
{
    static const FieldSpec specs[] = {
        {.delimiter = ' ', .least = 3, .most = 3, .runs = 1, .run = {{1, 3}}},
        {.delimiter = ' ', .least = 3, .most = 3, .runs = 2, .run = {{2, 3}, {0, 1}},
         .weights = 2, .weight = {{1, 2}, {3, 4}}},
        {.delimiter = ' ', .least = 0, .most = UINT32_MAX - 1, .runs = 1, .run = {{0, 1}},
         .weights = 1, .weight = {{0, 1}}},
        {.delimiter = 'a', .least = 2, .most = UINT32_MAX - 1, .runs = 3,
         .run = {{2, 3}, {0, 1}, {2, 3}}},
        {.delimiter = ' ', .least = 3, .most = 3, .runs = 1, .run = {{1, 3}},
         .before = 1, .expected = ' ', .mask = 0xff},  /* the second field is empty */
    };
    enum { SPECS = sizeof specs / sizeof *specs };
    static const char *const variants[] = {"neon", "avx2", "avx512"};
    size_t page = 65536, size = 4 * page;
    uint8_t *area = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || mprotect(area + size, page, PROT_NONE) < 0)
        return 2;
    for (int round = count > 1 ? atoi(arguments[1]) : 1000; round > 0; round--) {
        const uint8_t *block = write_block(area, area + size);
        for (unsigned i = 0; i < 3 * SPECS; i++)
            if (find_variant(variants[i % 3]) &&
                !agree(variants[i % 3], &specs[i / 3], block, area + size))
                return printf("%s differs, %d rounds before the end\n", variants[i % 3], round), 1;
    }
    for (unsigned i = 0; i < 3; i++)
        if (find_variant(variants[i]))
            printf("%s agrees\n", variants[i]);
    return 0;
}
