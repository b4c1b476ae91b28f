/* One variant of the fast count of words. _variants.h includes this file once for each variant and says
 * what the macros are.
 *
 * Each window of 64 bytes becomes two masks: its white space and its newlines. Words begin and end where
 * the mask of white space changes.
 */

/* Count words from p on while a window and SHORT_KEY bytes behind it can be read; return where the count
 * stopped, or NULL with `keys->error` set. */
TARGET static const uint8_t *
NAME(words)(Keys *keys, const uint8_t *p, const uint8_t *end, WordPlace *place)
{
    const uint8_t *word = place->word;
    uint64_t blank = place->blank, inside = 0, lines = 0, empty = 0;
    for (; end - p >= WINDOW + SHORT_KEY; p += WINDOW) {
        uint64_t white = WHITE(p), newlines = MASK(p, '\n');
        uint64_t before = ~white << 1 | inside;  /* a bit where the byte before belongs to a word */
        uint64_t begins = ~white & ~before, ends = white & before;
        inside = ~white >> 63;
        /* A line is empty if only white space is between its start and its newline. The sum carries each
         * start through such a run to the byte after the run. */
        uint64_t spaces = white & ~newlines, starts = newlines << 1 | blank, carried;
        blank = newlines >> 63 | __builtin_add_overflow(spaces, starts & spaces, &carried);
        empty += POPCOUNT(newlines & (starts | (carried & ~spaces)));
        lines += POPCOUNT(newlines);
        while (ends) {
            if (word == NULL) {
                word = p + LOWEST(begins);
                begins &= begins - 1;
            }
            size_t length = (size_t)(p + LOWEST(ends) - word);
            ends &= ends - 1;
            if (length > SHORT_KEY) {
                if (add_key(keys, word, length) < 0)
                    return NULL;
            } else {
                uint8_t *out = room_for_key(keys, SHORT_KEY);
                if (out == NULL)
                    return NULL;
                memcpy(out, word, SHORT_KEY);
                memset(out + length, 0, SHORT_KEY);
                if (add_padded_key(keys, length) < 0)
                    return NULL;
            }
            word = NULL;
        }
        if (begins)
            word = p + LOWEST(begins);
    }
    *place = (WordPlace){word, (unsigned)blank};
    keys->lines += lines;
    keys->empty += empty;
    return p;
}
