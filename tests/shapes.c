/* Hold every variant of the scans of shaped lines to the portable one, without Python.
 *
 * Random blocks of CSV, access logs, runs of blanks and JSON that end where a page begins that nobody may read; the
 * number of rounds is the argument. Prints which variants were held, or the first difference and exits with 1.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "../mapreduce/kernel/_packed.h"
#include "../mapreduce/kernel/_split.h"
#define BODY "_shape_variant.h"
#include "../mapreduce/kernel/_variants.h"

enum { LONGEST = 1 << 14 };  /* bytes of a block */
enum { JSON = BLANKS + 1, KINDS };
enum { PATHS = 7 };  /* of JSON, all of which lead to the whole line */

static uint64_t state = 1;

static unsigned
chance(unsigned below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;  /* xorshift64, Marsaglia */
    return (unsigned)(state >> 33) % below;
}

static uint8_t *
put(uint8_t *out, const char *text)
{
    size_t length = strlen(text);
    memcpy(out, text, length);
    return out + length;
}

/* Write a value between two signs, or none of them; now and then, with signs in it. */
static uint8_t *
put_cell(uint8_t *out, const char *before, const char *after)
{
    int marked = chance(3) == 0;
    const char *signs = chance(4) ? "0123456789ab" : "\"\\[] \t,\r1\"\xff-";
    unsigned length = chance(10) ? chance(12) : chance(chance(4) ? 70 : 400);
    out = marked ? put(out, before) : out;
    while (length--)
        *out++ = (uint8_t)signs[chance(12)];
    return marked ? put(out, after) : out;
}

/* Write a line of JSON, or what is nearly one. */
static uint8_t *
put_json(uint8_t *out)
{
    static const char *const values[] = {"1", "-2.5e3", "null", "\"x\\n\"", "\"\\u00e9\"", "[1,{}]", "\"\xc3\xa9\"", "tru"};
    if (chance(2))
        return put(put(out, values[chance(8)]), chance(5) ? "\n" : "\r\n");
    out = put(out, "{");
    for (unsigned left = chance(7); left--;) {
        out = put(put(out, chance(2) ? "\"a\":" : "\"b\" : "), values[chance(8 - !chance(3))]);
        for (unsigned blanks = chance(5) ? 0 : chance(70); blanks--;)
            *out++ = ' ';
        out = put(out, ",");
    }
    out = put(put(out, chance(2) ? "\"a\":\"" : "\"c\":\""), chance(9) ? "y\"}" : "y\\");
    return put(out, chance(5) ? "\n" : "\r\n");
}

/* Write a line that has, or nearly has, the shape of this kind. */
static uint8_t *
put_line(uint8_t *out, int kind)
{
    if (kind == JSON)
        return put_json(out);
    for (unsigned left = chance(9); left--;) {
        out = put_cell(out, kind == ACCESS ? "[" : "\"", kind == ACCESS ? "]" : "\"");
        out = put(out, kind == QUOTED ? "," : kind == ACCESS || chance(9) ? " " : "\t   \t");
    }
    if (kind == ACCESS && chance(2))
        out = put_cell(put(out, "- - - [t] \"G /x?y H\" 200 7"), " \"", "\"");
    else
        out = put_cell(out, "\"", "\"");
    return put(out, chance(5) ? "\n" : "\r\n");
}

/* Write random lines that end at `end`, the last one perhaps without a line end; return their first byte. */
static const uint8_t *
write_block(uint8_t *end, int kind)
{
    static uint8_t text[2 * LONGEST];
    uint8_t *out = text;
    while (out < text + LONGEST && chance(40))
        out = put_line(out, kind);
    size_t size = (size_t)(out - text);
    size -= size && !chance(4);
    memcpy(end - size, text, size);
    return end - size;
}

static ShapeFunction
find_scan(const char *variant, int kind)
{
    return kind == QUOTED   ? FIND_VARIANT(variant, scan_csv)
           : kind == ACCESS ? FIND_VARIANT(variant, scan_access)
           : kind == JSON   ? FIND_VARIANT(variant, scan_json)
                            : FIND_VARIANT(variant, scan_blanks);
}

/* Scan a block into a new table; return the scan, and the packed counts. */
static ShapeScan
scanned(ShapeFunction function, const ShapeSpec *spec, const uint8_t *p, const uint8_t *end,
        uint8_t **packed, size_t *size)
{
    static Place places[] = {{.name = NULL}, {.here = {0x7f}, .within = {0x7f}}};  /* no place, and the root */
    static const JsonSpec json = {.places = places, .used = 2, .values = PATHS};
    Table table = {.seed = {1, 2, 3, 5}, .weights = spec->weights};
    ShapeScan scan = {.spec = spec, .json = &json, .table = &table, .end = end};
    Packed head;
    scan_shaped(&scan, function, p);
    if (scan.error)
        exit(2);
    *size = packed_size(&table, &head);
    *packed = malloc(*size);
    table_pack(&table, &head, *packed);
    table_clear(&table);
    return scan;
}

static int
agree(const char *variant, int kind, const ShapeSpec *spec, const uint8_t *p, const uint8_t *end)
{
    uint8_t *packed, *expected;
    size_t size, expected_size;
    ShapeScan one = scanned(find_scan("portable", kind), spec, p, end, &expected, &expected_size);
    ShapeScan two = scanned(find_scan(variant, kind), spec, p, end, &packed, &size);
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
    static const ShapeSpec specs[] = {
        {.delimiter = ',', .needed = 5, .least = 1, .keys = 1, .key = {{.place = 0}}},
        {.delimiter = ',', .needed = 7, .least = 7, .keys = 2, .weights = 1,
         .key = {{.place = 4, .skip = 1, .ends = 2, .until = {' ', '?'}}, {.place = 3, .length = 14}},
         .weight = {6}},
        {.delimiter = ',', .needed = 5, .least = 2, .width = 5, .keys = 3, .weights = 2,
         .key = {{.place = 4}, {.place = 0}, {.place = 1}}, .weight = {1, 2}},
    };
    enum { SPECS = sizeof specs / sizeof *specs, VARIANTS = 4 };
    /* The portable variant is held to itself, too: what it reads outside of a block would end the process. */
    static const char *const variants[] = {"portable", "neon", "avx2", "avx512"};
    size_t page = 65536, size = 4 * page;
    uint8_t *area = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || mprotect(area + size, page, PROT_NONE) < 0)
        return 2;
    for (int round = count > 1 ? atoi(arguments[1]) : 1000; round > 0; round--) {
        int kind = round % KINDS;
        const uint8_t *block = write_block(area + size, kind);
        for (unsigned i = 0; i < VARIANTS * SPECS; i++) {
            ShapeSpec spec = specs[i / VARIANTS];
            spec.least = kind == ACCESS ? 7 : spec.needed;
            spec.needed = kind == JSON ? PATHS : spec.needed;
            if (find_scan(variants[i % VARIANTS], kind) &&
                !agree(variants[i % VARIANTS], kind, &spec, block, area + size))
                return printf("%s differs, %d rounds before the end\n", variants[i % VARIANTS], round), 1;
        }
    }
    for (unsigned i = 1; i < VARIANTS; i++)
        if (find_scan(variants[i], QUOTED))
            printf("%s agrees\n", variants[i]);
    return 0;
}
