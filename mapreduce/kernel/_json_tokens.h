/* What all variants of the scan of JSON (_json.h) share: the list of tokens, and the levels of arrays
 * and objects around a value. */
#pragma once
#include "_json_text.h"
#include "_window.h"

enum {
    JSON_CHUNK = 2048,  /* bytes whose tokens are listed together */
    AHEAD = 4,          /* tokens that are examined together */
};

/* What goes on from 64 bytes to the next ones. */
typedef struct {
    uint64_t in_string;  /* the next byte is in a string: all bits or none */
    uint64_t in_scalar;  /* the last byte was one of a number or a word: 1 or 0 */
    uint64_t escaped;    /* the last byte was a backslash that escapes: 1 or 0 */
    uint64_t wrong;      /* not 0: the line cannot be JSON */
} JsonCarry;

/* The same of a number or a word: 1 or 0, unless said otherwise. */
typedef struct {
    uint64_t word;                         /* it is a word */
    uint64_t minus, zero, point, e, sign;  /* the last byte was its first minus, its first zero, ... */
    uint64_t integer, fraction, exponent;  /* the last byte was a digit of this part */
    uint64_t behind;                       /* not 0: it goes on behind its integer */
    uint64_t wrong;                        /* not 0: a number was wrong */
} NumberCarry;

/* What was found in 64 bytes. */
typedef struct {
    uint64_t tokens;
    uint64_t scalars;  /* the bytes of numbers and words, */
    uint64_t starts;   /* the first of each */
    uint64_t escaped;  /* bytes behind a backslash */
    uint64_t wide;     /* bytes that are not ASCII */
} JsonWindow;

typedef struct {
    const uint8_t *at, *end, *limit;  /* what is not listed yet, the end of the line, of the block */
    const uint8_t *base;              /* the places in the list count from here */
    unsigned listed;                  /* tokens in the list */
    JsonCarry carry;
    NumberCarry numbers;
    uint64_t scalar_goes_on;          /* 1 if a number or a word went on behind the last chunk */
    const uint8_t *first_escape, *last_escape;  /* all backslashes stand between these */
    const uint8_t *wide, *wide_end;   /* all bytes that are not ASCII stand between these */
    uint16_t place[JSON_CHUNK + WINDOW];
    uint8_t mark[JSON_CHUNK + WINDOW];  /* the first bytes of the tokens, and AHEAD zeros */
} Tokens;

/* An array or an object around the value that is read. */
typedef struct {
    const Place *place;
    uint32_t index;  /* of the element that is read */
    uint32_t is_array;
} Level;

static inline void
start_tokens(Tokens *tokens, const uint8_t *p, const uint8_t *end, const uint8_t *limit)
{
    tokens->at = tokens->base = p;
    tokens->end = end;
    tokens->limit = limit;
    tokens->listed = 0;
    tokens->carry = (JsonCarry){0};
    tokens->numbers = (NumberCarry){0};
    tokens->scalar_goes_on = 0;
    tokens->first_escape = tokens->wide = end;
    tokens->last_escape = tokens->wide_end = p;
}

/* Return a bit for each byte that a backslash escapes; `carry` goes from 64 bytes to the next ones. */
static inline uint64_t
find_escaped(uint64_t backslashes, uint64_t *carry)
{
    uint64_t escaped = *carry;
    *carry = 0;
    for (uint64_t rest = backslashes & ~escaped; rest;) {
        uint64_t lowest = rest & -rest;
        escaped |= lowest << 1;
        rest &= ~(lowest | lowest << 1);
        *carry = lowest >> 63;
    }
    return escaped;
}

/* Return where the 64 bytes at p can be read: at p or, if the block ends before, in a copy. */
static inline const uint8_t *
readable(const Tokens *tokens, const uint8_t *p, uint8_t copy[WINDOW])
{
    size_t left = (size_t)(tokens->limit - p);
    if (__builtin_expect(left >= WINDOW, 1))
        return p;
    memset(copy, ' ', WINDOW);
    memcpy(copy, p, left);
    return copy;
}

/* Add bits to a mask; a carry goes from 64 bytes to the next ones. */
static inline uint64_t
add_bits(uint64_t mask, uint64_t bits, uint64_t *carry)
{
    uint64_t sum, overflows = __builtin_add_overflow(mask, bits, &sum);
    overflows |= __builtin_add_overflow(sum, *carry, &sum);
    *carry = overflows;
    return sum;
}

/* Return a bit for each byte behind a bit. */
static inline uint64_t
shift_bits(uint64_t bits, uint64_t *carry)
{
    uint64_t behind = bits << 1 | *carry;
    *carry = bits >> 63;
    return behind;
}

/* List the words that begin at some bits, and return the end of the list. Nearly always they are two at
 * most, which takes no branch. */
static inline uint16_t *
list_words(uint16_t *word, uint64_t starts, unsigned base)
{
    const uint64_t high = UINT64_C(1) << 63;
    do {
        for (int i = 0; i < 2; i++) {
            *word = (uint16_t)(base + (unsigned)__builtin_ctzll(starts | high));
            word += starts != 0;
            starts &= starts - 1;
        }
    } while (__builtin_expect(starts != 0, 0));
    return word;
}

static inline void
check_words(Tokens *tokens, const uint16_t *word, const uint16_t *last)
{
    for (; word < last; word++)
        tokens->carry.wrong |= !is_word(tokens->base + *word, tokens->end);
}

/* Settle what masks did not settle in the bytes whose tokens were listed. */
static inline void
check_windows(Tokens *tokens, const JsonWindow *window, const JsonWindow *last)
{
    for (const uint8_t *p = tokens->base; window < last; window++, p += WINDOW) {
        if ((window->escaped | window->wide) == 0)
            continue;
        if (window->wide) {
            tokens->wide = tokens->wide < p ? tokens->wide : p;
            tokens->wide_end = tokens->end - p < WINDOW ? tokens->end : p + WINDOW;
        }
        if (window->escaped) {
            const uint8_t *first = p + __builtin_ctzll(window->escaped) - 1;
            tokens->carry.wrong |= !are_escapes(window->escaped, p, tokens->end);
            tokens->first_escape = tokens->first_escape < first ? tokens->first_escape : first;
            tokens->last_escape = p + 63 - __builtin_clzll(window->escaped);
        }
    }
}

#define MARK(c) (UINT64_C(1) << ((c) & 63))

/* Return whether a token begins a scalar, given its first byte. Of those that begin no scalar of JSON,
 * some do as well, but they were found wrong when the token was listed. */
static inline int
is_scalar(uint8_t mark)
{
    const uint64_t others = MARK('{') | MARK('}') | MARK('[') | MARK(']') | MARK(',') | MARK(':');
    return (others >> (mark & 63) & 1) == 0;
}

/* Return whether four tokens are a name, a colon, a scalar and a comma. */
static inline int
is_plain_member(const uint8_t *marks)
{
    uint32_t four;
    const uint8_t others[4] = {0xff, 0xff, 0, 0xff}, member[4] = {'"', ':', 0, ','};
    uint32_t mask, expected;
    memcpy(&four, marks, 4), memcpy(&mask, others, 4), memcpy(&expected, member, 4);
    return (four & mask) == expected && is_scalar(marks[2]);
}

/* Return whether a backslash may stand in the bytes between p and end. */
static inline int
may_have_escape(const Tokens *tokens, const uint8_t *p, const uint8_t *end)
{
    return p <= tokens->last_escape && tokens->first_escape < end;
}

/* Return whether a path may lead to the member whose name begins with a quote at `name`. */
static inline int
may_be_chosen(const Place *object, const Tokens *tokens, const uint8_t *name, const uint8_t *colon)
{
    return (object->firsts[name[1] >> 6] >> (name[1] & 63) & 1) ||
           __builtin_expect(may_have_escape(tokens, name, colon), 0);
}

/* Return the member of an object whose name begins with a quote at `name`, before the colon. */
static const Place *
member_of(const JsonSpec *spec, const Place *object, const Tokens *tokens, const uint8_t *name,
          const uint8_t *colon)
{
    const Place *places = spec->places, *place = &places[object->members];
    if (may_have_escape(tokens, name, colon) && memchr(name, '\\', (size_t)(colon - name)))
        return escaped_member(spec, object, name + 1, value_end(name, colon) - 1);
    uint64_t word = first_bytes(name + 1, tokens->limit);
    while (place != places && !is_named(place, word, name, colon))
        place = &places[place->next];
    return place;
}

/* Give each path of a set the value that is the i-th token. */
static inline void
put_scalar(const uint64_t paths[BITS], Value *values, const Tokens *tokens, unsigned i)
{
    const uint8_t *from = tokens->base + tokens->place[i], *to;
    int may_have = 1;  /* escapes, if the value goes on behind what is listed */
    if (i + 1 < tokens->listed) {
        to = value_end(from, tokens->base + tokens->place[i + 1]);
        may_have = may_have_escape(tokens, from, to);
    } else {
        to = value_end_slowly(from, tokens->end);
    }
    if (*from == '"' && !keeps_quotes(from, to, may_have))
        put_value(paths, values, from + 1, to - 1);
    else
        put_value(paths, values, from, to);
}

/* Return whether nothing is wrong with a line of which all tokens were listed. */
static inline int
are_right(const Tokens *tokens)
{
    const NumberCarry *numbers = &tokens->numbers;
    if (tokens->carry.wrong || tokens->carry.in_string || numbers->wrong)
        return 0;
    if (numbers->minus || numbers->point || numbers->e || numbers->sign)
        return 0;
    return tokens->wide >= tokens->wide_end || is_utf8(tokens->wide, tokens->wide_end);
}

/* Return whether no value is an array or an object, which are marked by an end that is NULL. */
static inline int
are_scalars(const Value *values, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        if (values[i].to == NULL)
            return 0;
    return 1;
}
