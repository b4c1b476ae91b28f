/* One variant of the scan of a line of JSON. _variants.h says what the macros are; include this file
 * once for each variant.
 *
 * Tokens are the brackets, colons and commas outside of strings, the opening quote of each string, and
 * the first byte of each other scalar: a number, `true`, `false` or `null`. Bit masks of 64 bytes find
 * them without a branch for each byte, and check the scalars. Then a loop over the tokens checks the
 * grammar, follows the paths, and builds nothing; a member with a scalar takes it one step.
 *
 * Source: Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019).
 */
#include "_json_tokens.h"

/* Check the numbers among the 64 bytes at p; return the first bytes of the words. `starts` are the first
 * bytes of both.
 *
 * A number has an integer, perhaps a fraction and perhaps an exponent. Each of them is a run of digits;
 * adding the first bits of the runs to the mask of all digits carries them to the bytes behind the runs.
 */
TARGET static inline uint64_t
NAME(check_numbers)(NumberCarry *carry, const uint8_t *p, uint64_t scalars, uint64_t starts)
{
    uint64_t digits = scalars & (MATCH(p, 0xf8, '0') | MATCH(p, 0xfe, '8')), minus = MASK(p, '-');
    uint64_t words = starts & ~(digits | minus);
    uint64_t numbers = scalars & add_bits(scalars, words, &carry->word);
    digits &= numbers;
    starts &= numbers;
    uint64_t first = (starts & ~minus) | shift_bits(starts & minus, &carry->minus);
    uint64_t behind = add_bits(digits, first, &carry->integer) & ~digits & numbers;
    carry->wrong |= (first & ~digits) | (shift_bits(first & MASK(p, '0'), &carry->zero) & digits);
    if (behind | carry->behind) {
        uint64_t e = MATCH(p, 0xdf, 'E'), points = behind & MASK(p, '.');
        uint64_t fraction = shift_bits(points, &carry->point);
        uint64_t behind_fraction = add_bits(digits, fraction, &carry->fraction) & ~digits & numbers;
        uint64_t exponent = shift_bits((behind | behind_fraction) & e, &carry->e);
        uint64_t signs = exponent & (minus | MASK(p, '+'));
        exponent = (exponent & ~signs) | shift_bits(signs, &carry->sign);
        uint64_t behind_exponent = add_bits(digits, exponent, &carry->exponent) & ~digits & numbers;
        carry->wrong |= (behind & ~(points | e)) | (fraction & ~digits) | (behind_fraction & ~e) |
                        (exponent & ~digits) | behind_exponent;
        carry->behind = carry->point | carry->fraction | carry->e | carry->sign | carry->exponent;
    }
    return words;
}

/* Find the tokens and the scalars among the 64 bytes at p. `valid` are those of the line. */
TARGET static inline JsonWindow
NAME(find_tokens)(JsonCarry *carry, const uint8_t *p, uint64_t valid)
{
    JsonWindow window = {.wide = MATCH(p, 0x80, 0x80) & valid};
    uint64_t quotes = MASK(p, '"') & valid, backslashes = MASK(p, '\\') & valid;
    uint64_t controls = MATCH(p, 0xe0, 0) & valid, blanks = MASK(p, ' ') | controls;
    /* bit 0x20 tells [ from {, and ] from } */
    uint64_t marks = MATCH(p, 0xdf, '[') | MATCH(p, 0xdf, ']') | MASK(p, ',') | MASK(p, ':');
    if (__builtin_expect((backslashes | carry->escaped) != 0, 0)) {
        window.escaped = find_escaped(backslashes, &carry->escaped) & valid;
        quotes &= ~window.escaped;
    }
    uint64_t in_string = prefix_xor(quotes) ^ carry->in_string;
    if (__builtin_expect(controls != 0, 0))
        carry->wrong |= controls & (in_string | ~(MASK(p, '\t') | MASK(p, '\r')));
    window.scalars = ~(marks | blanks | quotes | in_string) & valid;
    window.starts = window.scalars & ~(window.scalars << 1 | carry->in_scalar);
    window.tokens = (marks & ~in_string & valid) | (quotes & in_string) | window.starts;
    carry->in_string = (uint64_t)((int64_t)in_string >> 63);
    carry->in_scalar = window.scalars >> 63;
    return window;
}

/* List the places and the first bytes of the tokens among the 64 bytes at p. Up to 64 tokens are written,
 * whatever their number is. */
TARGET static inline void
NAME(list_window)(uint16_t *place, uint8_t *mark, const uint8_t *p, uint64_t found, unsigned base)
{
#ifdef LIST
    uint8_t positions[WINDOW];
    LIST(positions, found, 0);
    COMPRESS(mark, found, p);
    for (unsigned i = 0; i < WINDOW; i++)
        place[i] = (uint16_t)(base + positions[i]);
#else
    for (unsigned i = 0; found; i++, found &= found - 1) {
        place[i] = (uint16_t)(base + LOWEST(found));
        mark[i] = p[LOWEST(found)];
    }
#endif
}

/* Check the numbers and the words of the bytes from tokens->base on. */
TARGET static inline void
NAME(check_scalars)(Tokens *tokens, const JsonWindow *window, const JsonWindow *last)
{
    NumberCarry carry = tokens->numbers;
    uint16_t words[JSON_CHUNK + 2], *last_word = words;
    uint64_t goes_on = tokens->scalar_goes_on;
    for (const uint8_t *p = tokens->base; window < last; window++, p += WINDOW) {
        uint8_t copy[WINDOW];
        if ((window->scalars | goes_on) == 0)
            continue;
        goes_on = window->scalars >> 63;
        uint64_t found = NAME(check_numbers)(&carry, readable(tokens, p, copy), window->scalars,
                                             window->starts);
        last_word = list_words(last_word, found, (unsigned)(p - tokens->base));
    }
    tokens->numbers = carry;
    tokens->scalar_goes_on = goes_on;
    check_words(tokens, words, last_word);
}

/* List the tokens of the next bytes of the line, and return how many. */
TARGET static inline unsigned
NAME(list_chunk)(Tokens *tokens)
{
    JsonCarry carry = tokens->carry;
    JsonWindow windows[JSON_CHUNK / WINDOW], *window = windows;
    const uint8_t *p = tokens->at, *end = tokens->end - p < JSON_CHUNK ? tokens->end : p + JSON_CHUNK;
    unsigned listed = 0, base = 0;
    tokens->base = p;
    for (; p < end; p += WINDOW, base += WINDOW, window++) {
        uint8_t copy[WINDOW];
        const uint8_t *from = readable(tokens, p, copy);
        uint64_t valid = end - p < WINDOW ? (UINT64_C(1) << (end - p)) - 1 : ~UINT64_C(0);
        *window = NAME(find_tokens)(&carry, from, valid);
        NAME(list_window)(tokens->place + listed, tokens->mark + listed, from, window->tokens, base);
        listed += POPCOUNT(window->tokens);
    }
    tokens->at = end;
    tokens->carry = carry;
    NAME(check_scalars)(tokens, windows, window);
    check_windows(tokens, windows, window);
    return listed;
}

/* List the next tokens; return 0 if there is none left. */
TARGET static __attribute__((noinline)) int
NAME(list_tokens)(Tokens *tokens)
{
    tokens->listed = 0;
    while (tokens->listed == 0 && tokens->at < tokens->end)
        tokens->listed = NAME(list_chunk)(tokens);
    memset(tokens->mark + tokens->listed, 0, AHEAD);
    return tokens->listed > 0;
}

/* Find the values of all paths in the line from p to end; return 0 if the line is not JSON, or if a path
 * leads to an array or an object. Bytes up to `limit` may be read, and no others. */
TARGET static int
NAME(json_values)(const JsonSpec *spec, const uint8_t *p, const uint8_t *end, const uint8_t *limit,
                  Value *values)
{
/* Go to the next token, or return 0 if there is none. */
#define NEXT()                                              \
    do {                                                    \
        if (__builtin_expect(++i >= tokens.listed, 0)) {    \
            if (!NAME(list_tokens)(&tokens))                \
                return 0;                                   \
            i = 0;                                          \
        }                                                   \
    } while (0)

    Tokens tokens;
    Level levels[MAX_DEPTH + 1], *level = levels;
    const Place *const nowhere = &spec->places[NOWHERE], *place = &spec->places[ROOT];
    const uint8_t *name, *colon;
    unsigned i = 0;
    start_tokens(&tokens, p, end, limit);
    for (unsigned n = 0; n < spec->values; n++)
        values[n] = (Value){p, p};

value:
    NEXT();
value_here:
    if (is_scalar(tokens.mark[i])) {
        if (place != nowhere)
            put_scalar(place->here, values, &tokens, i);
        goto after_value;
    }
    if ((tokens.mark[i] & 0xdf) != '[' || level == levels + MAX_DEPTH)
        return 0;
    put_value(place->here, values, p, NULL);
    *++level = (Level){place, 0, tokens.mark[i] == '['};
    NEXT();
    if (tokens.mark[i] == (level->is_array ? ']' : '}'))
        goto close_level;
    if (!level->is_array)
        goto member;
    place = element_of(spec, place, 0);
    goto value_here;

after_value:
    if (level == levels)
        goto end_of_line;
    NEXT();
    if (level->is_array) {
        if (tokens.mark[i] == ']')
            goto close_level;
        if (tokens.mark[i] != ',')
            return 0;
        place = element_of(spec, level->place, ++level->index);
        goto value;
    }
    if (tokens.mark[i] == '}')
        goto close_level;
    if (tokens.mark[i] != ',')
        return 0;
    NEXT();

member:
    while (is_plain_member(tokens.mark + i)) {
        name = tokens.base + tokens.place[i];
        colon = tokens.base + tokens.place[i + 1];
        if (may_be_chosen(level->place, &tokens, name, colon)) {
            place = member_of(spec, level->place, &tokens, name, colon);
            if (place != nowhere) {
                put_value(place->within, values, p, p);
                put_scalar(place->here, values, &tokens, i + 2);
            }
        }
        i += 3;
        NEXT();
    }
    if (tokens.mark[i] != '"')
        return 0;
    name = tokens.base + tokens.place[i];
    NEXT();
    if (tokens.mark[i] != ':')
        return 0;
    colon = tokens.base + tokens.place[i];
    place = nowhere;
    if (may_be_chosen(level->place, &tokens, name, colon))
        place = member_of(spec, level->place, &tokens, name, colon);
    if (place != nowhere)
        put_value(place->within, values, p, p);
    goto value;

close_level:
    level--;
    goto after_value;

end_of_line:
    if (i + 1 < tokens.listed || NAME(list_tokens)(&tokens))
        return 0;
    return are_right(&tokens) && are_scalars(values, spec->values);
#undef NEXT
}
