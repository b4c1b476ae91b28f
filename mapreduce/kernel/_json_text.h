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

/* Return whether a number or a name like `true` may end before p. */
static inline int
ends_scalar(const uint8_t *p, const uint8_t *end)
{
    if (p == end)
        return 1;
    switch (*p) {
    case ',': case '}': case ']': case ' ': case '\t': case '\r':
        return 1;
    }
    return 0;
}

/* Skip digits; return NULL if there is none. */
static inline const uint8_t *
skip_digits(const uint8_t *p, const uint8_t *end)
{
    if (p == end || !is_digit(*p))
        return NULL;
    while (++p < end && is_digit(*p))
        ;
    return p;
}

/* Return the end of the number at p, or NULL if there is no number in the grammar of JSON. */
static const uint8_t *
number_end(const uint8_t *p, const uint8_t *end)
{
    p += *p == '-';
    const uint8_t *first = p;
    p = skip_digits(p, end);
    if (p == NULL || (p - first > 1 && *first == '0'))
        return NULL;
    if (p < end && *p == '.' && (p = skip_digits(p + 1, end)) == NULL)
        return NULL;
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        if ((p = skip_digits(p, end)) == NULL)
            return NULL;
    }
    return ends_scalar(p, end) ? p : NULL;
}

/* Return the end of `true`, `false` or `null` at p, or NULL if there is none of them. */
static inline const uint8_t *
name_end(const uint8_t *p, const uint8_t *end, const char *name, unsigned length)
{
    if ((size_t)(end - p) < length || memcmp(p, name, length))
        return NULL;
    return ends_scalar(p + length, end) ? p + length : NULL;
}

/* Return the end of a value that is neither a string nor an array nor an object, or NULL. */
static inline const uint8_t *
scalar_end(const uint8_t *p, const uint8_t *end)
{
    switch (*p) {
    case 't':
        return name_end(p, end, "true", 4);
    case 'f':
        return name_end(p, end, "false", 5);
    case 'n':
        return name_end(p, end, "null", 4);
    }
    return number_end(p, end);
}

/* Return whether the bytes from p to q are 1 to 16 digits, and no more than one if the first is a 0.
 * 16 bytes from p on must be readable. */
static inline int
is_short_integer(const uint8_t *p, const uint8_t *q)
{
    const uint64_t zeros = UINT64_C(0x3030303030303030);
    size_t length = (size_t)(q - p);
    if (length - 1 >= 16)
        return 0;
    if (length > 8)
        return *p != '0' && are_digits(little_endian(p)) && are_digits(little_endian(q - 8));
    uint64_t word = little_endian(p) << (64 - 8 * length);
    word |= length < 8 ? zeros >> (8 * length) : 0;
    return are_digits(word) && (*p != '0' || length == 1);
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

/* Return the member of an object that has a name, given in JSON without its quotes. */
static inline const Place *
member_of(const JsonSpec *spec, const Place *object, const uint8_t *name, const uint8_t *end,
          int line_has_escapes)
{
    const Place *places = spec->places, *place;
    size_t length = (size_t)(end - name);
    if (__builtin_expect(line_has_escapes, 0) && object->members && memchr(name, '\\', length)) {
        for (place = &places[object->members]; place != places; place = &places[place->next])
            if (is_escaped_name(name, end, place->name, place->length))
                return place;
        return places;
    }
    if ((object->lengths >> length % 64 & 1) == 0)
        return places;
    for (place = &places[object->members]; place != places; place = &places[place->next])
        if (place->length == length && !memcmp(place->name, name, length))
            return place;
    return places;
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

/* Give each path of a set a string, which stands between two quotes. */
static inline void
put_string(const uint64_t paths[BITS], Value *values, const uint8_t *open, const uint8_t *close,
           int line_has_escapes)
{
    const uint8_t *from = open + 1;
    size_t length = (size_t)(close - from);
    int quoted = length == 0 || (length == 4 && !memcmp(from, "null", 4)) ||
                 (line_has_escapes && memchr(from, '\\', length));
    put_value(paths, values, from - quoted, close + quoted);
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
