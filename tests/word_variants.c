/* Hold every variant of the count of words to the count byte by byte, without Python: for other
 * processors.
 *
 * Random blocks that end where a page begins that nobody may read; the number of rounds is the
 * argument. Prints which variants were held, or the first difference and exits with 1.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "../mapreduce/kernel/_keys.h"
#include "../mapreduce/kernel/_packed.h"

static uint64_t state = 1;

static unsigned
chance(unsigned below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;  /* xorshift64, Marsaglia */
    return (unsigned)(state >> 33) % below;
}

/* Fill an area with random words and white space up to its end. */
static void
write_block(uint8_t *p, uint8_t *end)
{
    while (p < end) {
        unsigned length = chance(20) ? chance(9) : chance(chance(9) ? 90 : 2000), is_word = chance(3);
        uint8_t byte = (uint8_t)(is_word ? "ab\x08\x0e!\x89\xa0"[chance(7)] : " \n\n\t\v\f\r"[chance(7)]);
        while (length-- && p < end)
            *p++ = byte;
    }
    end[-1] = '\n';
}

/* Count the words of a block with a new table; return the counts packed. */
static uint8_t *
counted(WordFunction words, const uint8_t *p, const uint8_t *end, size_t *size, uint64_t lines[2])
{
    Table table = {.seed = {1, 2, 3, 5}};
    Keys keys = {.table = &table};
    Packed head;
    if (words ? count_words(&keys, words, p, end)
              : count_words_slowly(&keys, p, end, (WordPlace){NULL, 1}))
        exit(2);
    lines[0] = keys.lines, lines[1] = keys.empty;
    *size = packed_size(&table, &head);
    uint8_t *packed = malloc(*size);
    table_pack(&table, &head, packed);
    table_clear(&table);
    return packed;
}

static int
agree(WordFunction words, const uint8_t *p, const uint8_t *end)
{
    size_t size, expected_size;
    uint64_t lines[2], expected_lines[2];
    uint8_t *packed = counted(words, p, end, &size, lines);
    uint8_t *expected = counted(NULL, p, end, &expected_size, expected_lines);
    int same = size == expected_size && !memcmp(packed, expected, size) &&
               !memcmp(lines, expected_lines, sizeof lines);
    free(packed);
    free(expected);
    return same;
}

int
main(int count, char **arguments)
{
    static const char *const variants[] = {"portable", "neon", "avx2", "avx512"};
    size_t page = 65536;
    uint8_t *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || mprotect(area + page, page, PROT_NONE) < 0)
        return 2;
    for (int round = count > 1 ? atoi(arguments[1]) : 1000; round > 0; round--) {
        uint8_t *end = area + page, *block = end - 1 - chance(round % 2 ? 300 : 20000);
        write_block(block, end);
        for (unsigned i = 0; i < 4; i++)
            if (find_word_variant(variants[i]) && !agree(find_word_variant(variants[i]), block, end))
                return printf("%s differs, %d rounds before the end\n", variants[i], round), 1;
    }
    for (unsigned i = 0; i < 4; i++)
        if (find_word_variant(variants[i]))
            printf("%s agrees\n", variants[i]);
    return 0;
}
