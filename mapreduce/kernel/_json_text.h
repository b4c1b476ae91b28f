/* What the scan of JSON (_json.h) needs to know of single numbers, strings and names. Nothing here reads
 * at or behind `end`, whatever another thread writes meanwhile. */
#pragma once
#include <string.h>

#include "_paths.h"
#include "_value.h"
#include "_weight.h"

static inline int
is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') <= 9;
}

/* Return whether a number or a word may end before p. */
static inline int
ends_scalar(const uint8_t *p, const uint8_t *end)
{
    if (p == end)
        return 1;
    uint8_t c = *p;
    return (c == ',') | (c == '}') | (c == ']') | (c == ' ') | (c == '\t') | (c == '\r');
}

/* Return whether `true`, `false` or `null` stands at p. */
static inline int
is_word(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    if (left < 4)
        return 0;
    int four = !memcmp(p, "true", 4) | !memcmp(p, "null", 4);
    int five = !memcmp(p, "fals", 4) && left > 4 && p[4] == 'e';
    return (four | five) && ends_scalar(p + 4 + five, end);
}

static inline unsigned
hex_digit(uint8_t byte)
{
    unsigned letter = (uint8_t)((byte | 0x20) - 'a');
    return is_digit(byte) ? byte - 48u : letter < 6 ? letter + 10 : 16;
}

/* Return the number of the four hexadecimal digits at p, or more than 0xffff if they are none. */
static uint32_t
four_digits(const uint8_t *p, const uint8_t *end)
{
    uint32_t number = 0, wrong = 0;
    if (end - p < 4)
        return UINT32_MAX;
    for (unsigned i = 0; i < 4; i++) {
        unsigned digit = hex_digit(p[i]);
        wrong |= digit;
        number = number << 4 | (digit & 15);
    }
    return wrong & 16 ? UINT32_MAX : number;
}

/* Return whether JSON knows each of the escapes whose second bytes stand in a mask of the bytes at p. */
static int
are_escapes(uint64_t mask, const uint8_t *p, const uint8_t *end)
{
    for (; mask; mask &= mask - 1) {
        const uint8_t *second = p + __builtin_ctzll(mask);
        switch (*second) {
        case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
            continue;
        case 'u':
            if (four_digits(second + 1, end) <= 0xffff)
                continue;
        }
        return 0;
    }
    return 1;
}

/* Write a character as UTF-8 (a lone surrogate, too); return the number of its bytes. */
static unsigned
write_character(uint8_t out[4], uint32_t c)
{
    unsigned size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (size == 1) {
        out[0] = (uint8_t)c;
        return 1;
    }
    for (unsigned i = size - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(0xf00 >> size | c);
    return size;
}

/* Read the character of a valid escape, which begins at *p with its backslash, and step over it. */
static uint32_t
read_escape(const uint8_t **p, const uint8_t *end)
{
    uint8_t second = *p + 1 < end ? (*p)[1] : '\\';
    uint32_t c = second, low;
    *p += *p + 1 < end ? 2 : 1;
    switch (second) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u':
        if ((c = four_digits(*p, end)) > 0xffff)
            return 0;  /* only if another thread has written here */
        *p += 4;
        if (c >> 10 != 0xd800 >> 10 || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
            return c;
        if ((low = four_digits(*p + 2, end)) >> 10 != 0xdc00 >> 10)
            return c;
        *p += 6;
        return 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
    }
    return c;
}

/* Return whether a text in JSON, without its quotes, stands for a name. */
static int
is_escaped_name(const uint8_t *p, const uint8_t *end, const uint8_t *name, size_t length)
{
    uint8_t bytes[4];
    for (size_t at = 0, size; p < end; at += size) {
        if (*p == '\\') {
            size = write_character(bytes, read_escape(&p, end));
        } else {
            bytes[0] = *p++;
            size = 1;
        }
        if (length - at < size || memcmp(name + at, bytes, size))
            return 0;
        if (p >= end)
            return at + size == length;
    }
    return length == 0;
}

/* Return the member whose name stands between p and end and contains a backslash. */
static const Place *
escaped_member(const JsonSpec *spec, const Place *object, const uint8_t *p, const uint8_t *end)
{
    const Place *place = &spec->places[object->members];
    while (place != spec->places && !is_escaped_name(p, end, place->name, place->length))
        place = &spec->places[place->next];
    return place;
}

static inline int
is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Return the end of a scalar, given the token behind it: there are blanks between them at most. */
static inline const uint8_t *
value_end(const uint8_t *p, const uint8_t *behind)
{
    const uint8_t *least = p + (*p == '"' ? 2 : 1);
    if (behind < least)
        return least;  /* only if another thread has written here */
    while (behind > least && is_blank(behind[-1]))
        behind--;
    return behind;
}

/* Return the eight bytes at p, with zeros for those that lie behind the block. */
static inline uint64_t
first_bytes(const uint8_t *p, const uint8_t *limit)
{
    uint8_t copy[8] = {0};
    if (__builtin_expect(limit - p >= 8, 1))
        return little_endian(p);
    memcpy(copy, p, (size_t)(limit - p));
    return little_endian(copy);
}

/* Return whether a member has the name of a place. The name begins with a quote, has no backslash, and
 * ends before the colon; `word` is its first eight bytes without the quote. */
static inline int
is_named(const Place *place, uint64_t word, const uint8_t *name, const uint8_t *colon)
{
    if ((word & place->mask) != place->word)
        return 0;
    return place->length < 8 || (place->length == (size_t)(value_end(name, colon) - name) - 2 &&
                                 !memcmp(place->name, name + 1, place->length));
}

/* Return the element of an array that has an index. */
static inline const Place *
element_of(const JsonSpec *spec, const Place *array, uint32_t index)
{
    const Place *place = &spec->places[array->elements];
    while (place != spec->places && place->index != index)
        place = &spec->places[place->next];
    return place;
}

/* Give each path of a set a value. */
static inline void
put_value(const uint64_t paths[BITS], Value *values, const uint8_t *from, const uint8_t *to)
{
    for (unsigned i = 0; i < BITS; i++)
        for (uint64_t set = paths[i]; set; set &= set - 1)
            values[64 * i + (unsigned)__builtin_ctzll(set)] = (Value){from, to};
}

/* Return the end of a valid scalar, which ends with the line at the latest. */
static const uint8_t *
value_end_slowly(const uint8_t *p, const uint8_t *end)
{
    if (*p == '"') {
        while (++p < end && *p != '"')
            p += *p == '\\';
        return p < end ? p + 1 : end;
    }
    while (p < end && !ends_scalar(p, end))
        p++;
    return p;
}

/* Return whether a string is a value with its quotes. */
static inline int
keeps_quotes(const uint8_t *p, const uint8_t *end, int may_have_escape)
{
    size_t length = (size_t)(end - p);
    return length <= 2 || (length == 6 && !memcmp(p + 1, "null", 4)) ||
           (may_have_escape && memchr(p, '\\', length));
}

/* Return whether bytes are UTF-8: no surrogates, and each character in its shortest form. */
static int
is_utf8(const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        if (end - p >= 8 && !(load64(p) & UINT64_C(0x8080808080808080))) {
            p += 8;
            continue;
        }
        uint8_t first = *p++;
        if (first < 0x80)
            continue;
        unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || (size_t)(end - p) < more)
            return 0;
        uint8_t second = *p;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (second < low || second > high)
            return 0;
        for (unsigned i = 1; i < more; i++)
            if ((p[i] & 0xc0) != 0x80)
                return 0;
        p += more;
    }
    return 1;
}
