/* One variant of the scan of a line of JSON. _variants.h says what the macros are; include this file
 * once for each variant.
 *
 * Tokens are the brackets, colons and commas outside of strings, both quotes of each string, and the
 * first byte of each number, `true`, `false` and `null`. Bit masks of 64 bytes find them without a
 * branch for each byte; then a loop over the tokens checks the grammar, follows the paths, and builds
 * nothing.
 *
 * Source: Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019).
 */
#include "_json_tokens.h"

/* List the tokens of 64 bytes of the line; they stand at p, which may be a copy. */
TARGET static inline uint16_t *
NAME(list_window)(Tokens *tokens, const uint8_t *p, uint64_t valid, uint16_t *out, uint16_t base)
{
    uint64_t quotes = MASK(p, '"'), backslashes = MASK(p, '\\') & valid;
    uint64_t controls = MATCH(p, 0xe0, 0) & valid, blanks = MASK(p, ' ') | controls;
    /* bit 0x20 tells [ from {, and ] from } */
    uint64_t marks = MATCH(p, 0xdf, '[') | MATCH(p, 0xdf, ']') | MASK(p, ',') | MASK(p, ':');
    if (__builtin_expect((backslashes | tokens->escaped) != 0, 0)) {
        uint64_t escaped = find_escaped(backslashes, &tokens->escaped);
        tokens->wrong |= !are_escapes(escaped & valid, tokens->at, tokens->end);
        tokens->escapes |= escaped;
        quotes &= ~escaped;
    }
    uint64_t in_string = prefix_xor(quotes) ^ tokens->in_string;
    uint64_t scalars = ~(marks | blanks | quotes | in_string);
    uint64_t starts = scalars & ~(scalars << 1 | tokens->in_scalar);
    uint64_t found = ((marks & ~in_string) | quotes | starts) & valid;
    if (__builtin_expect(controls != 0, 0))
        tokens->wrong |= (controls & (in_string | ~(MASK(p, '\t') | MASK(p, '\r')))) != 0;
    tokens->wide |= MATCH(p, 0x80, 0x80) & valid;
    tokens->in_string = (uint64_t)((int64_t)in_string >> 63);
    tokens->in_scalar = scalars >> 63;
    unsigned count = POPCOUNT(found);
#ifdef LIST
    uint8_t positions[WINDOW];
    LIST(positions, found, 0);
    for (unsigned i = 0; i < WINDOW; i++)  /* more than are needed, because this takes no branch */
        out[i] = (uint16_t)(base + positions[i]);
#else
    for (unsigned i = 0; i < count; i++, found &= found - 1)
        out[i] = (uint16_t)(base + LOWEST(found));
#endif
    return out + count;
}

/* List the tokens of the next bytes of the line; return 0 if there is none left. */
TARGET static __attribute__((noinline)) int
NAME(list_tokens)(Tokens *tokens)
{
    uint16_t *out = tokens->list;
    while (out == tokens->list && tokens->at < tokens->end) {
        tokens->base = tokens->at;
        for (unsigned i = 0; i < JSON_CHUNK && tokens->at < tokens->end; i += 64) {
            uint8_t copy[64];
            const uint8_t *p = tokens->at;
            size_t left = (size_t)(tokens->end - p);
            uint64_t valid = left < 64 ? (UINT64_C(1) << left) - 1 : ~UINT64_C(0);
            if (__builtin_expect(tokens->limit - p < 64, 0)) {
                memset(copy, ' ', sizeof copy);
                memcpy(copy, p, left);
                p = copy;
            }
            out = NAME(list_window)(tokens, p, valid, out, (uint16_t)i);
            tokens->at += left < 64 ? left : 64;
        }
    }
    tokens->last = out;
    return out > tokens->list;
}

/* Set `token` to the next token, or return 0 if there is none. */
#define NEXT(token)                                    \
    do {                                               \
        if (__builtin_expect(next == tokens.last, 0)) { \
            if (!NAME(list_tokens)(&tokens))           \
                return 0;                              \
            next = tokens.list;                        \
        }                                              \
        token = tokens.base + *next++;                 \
    } while (0)

/* Find the values of all paths in the line from p to end; return 0 if the line is not JSON, or if a path
 * leads to an array or an object. Bytes up to `limit` may be read, and no others. */
TARGET static int
NAME(json_values)(const JsonSpec *spec, const uint8_t *p, const uint8_t *end, const uint8_t *limit,
                  Value *values)
{
    Tokens tokens;
    Level levels[MAX_DEPTH + 1], *level = levels;
    const Place *const nowhere = &spec->places[NOWHERE], *place = &spec->places[ROOT];
    const uint8_t *token, *close;
    const uint16_t *next;
    start_tokens(&tokens, p, end, limit);
    next = tokens.last;
    for (unsigned i = 0; i < spec->values; i++)
        values[i] = (Value){p, p};

value:
    NEXT(token);
value_at_token:
    if (*token == '"') {
        NEXT(close);
        if (place != nowhere)
            put_string(place->here, values, token, close, tokens.escapes != 0);
        goto after_value;
    }
    if ((*token & 0xdf) == '[') {
        if (level == levels + MAX_DEPTH)
            return 0;
        put_value(place->here, values, p, NULL);
        level++;
        level->place = place;
        level->index = 0;
        level->is_array = *token == '[';
        NEXT(token);
        if (!level->is_array)
            goto first_member;
        if (*token == ']')
            goto close_level;
        place = element_of(spec, place, 0);
        goto value_at_token;
    }
    close = next < tokens.last ? tokens.base + *next : token;
    if (limit - token < 16 || !is_short_integer(token, close))
        if ((close = scalar_end(token, end)) == NULL)
            return 0;
    if (place != nowhere)
        put_value(place->here, values, token, close);

after_value:
    if (level == levels)
        goto end_of_document;
    NEXT(token);
    if (level->is_array) {
        if (*token == ']')
            goto close_level;
        if (*token != ',')
            return 0;
        place = element_of(spec, level->place, ++level->index);
        goto value;
    }
    if (*token == '}')
        goto close_level;
    if (*token != ',')
        return 0;
    NEXT(token);
member:
    if (*token != '"')
        return 0;
    NEXT(close);
    place = member_of(spec, level->place, token + 1, close, tokens.escapes != 0);
    if (place != nowhere)
        put_value(place->within, values, p, p);
    NEXT(token);
    if (*token != ':')
        return 0;
    goto value;

first_member:
    if (*token != '}')
        goto member;
close_level:
    level--;
    goto after_value;

end_of_document:
    if (next < tokens.last || NAME(list_tokens)(&tokens) || tokens.wrong)
        return 0;
    return are_scalars(values, spec->values) && (!tokens.wide || is_utf8(p, end));
}
#undef NEXT
