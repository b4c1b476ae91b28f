/* What all variants of the scan of JSON (_json.h) share: the list of tokens, and the levels of arrays
 * and objects around a value. */
#pragma once
#include "_json_text.h"
#include "_window.h"

enum { JSON_CHUNK = 2048 };  /* bytes whose tokens are listed together */

typedef struct {
    const uint8_t *at, *end, *limit;  /* what is not listed yet, the end of the line, of the block */
    const uint8_t *base;              /* the positions in the list count from here */
    const uint16_t *last;             /* the end of the list */
    uint64_t in_string;               /* all bits are set if what is not listed begins in a string */
    uint64_t in_scalar;               /* 1 if it follows a byte of a number or the like */
    uint64_t escaped;                 /* 1 if it follows a backslash that escapes */
    uint64_t escapes, wide;           /* not 0 if there was an escape; a byte that is not ASCII */
    int wrong;                        /* there was a control character or an unknown escape */
    uint16_t list[JSON_CHUNK + WINDOW];
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
    tokens->last = tokens->list;
    tokens->in_string = tokens->in_scalar = tokens->escaped = tokens->escapes = tokens->wide = 0;
    tokens->wrong = 0;
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

/* Return whether no value is an array or an object, which are marked by an end that is NULL. */
static inline int
are_scalars(const Value *values, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        if (values[i].to == NULL)
            return 0;
    return 1;
}
