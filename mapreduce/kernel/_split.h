/* Split a line into values byte by byte: what the masks of a window cannot settle (_shape_variant.h). */
#pragma once
#include "_shape.h"

enum { MISSHAPEN = -3 };

static inline void
keep_value(ShapeScan *scan, size_t number, const uint8_t *from, const uint8_t *to)
{
    if (number < scan->spec->needed)
        scan->values[number] = (Value){from, to};
}

/* Return the first byte of [p, end) that is equal to a byte, or `end`. */
static inline const uint8_t *
find_byte(const uint8_t *p, const uint8_t *end, uint8_t byte)
{
    const uint8_t *found = p < end ? memchr(p, byte, (size_t)(end - p)) : NULL;
    return found ? found : end;
}

/* Copy the content of a field in quotes, [from, to), to `out`: of two quotes, one. */
static uint8_t *
copy_without_doubles(uint8_t *out, const uint8_t *from, const uint8_t *to)
{
    while (from < to) {
        *out++ = *from;
        from += 1 + (*from == '"');
    }
    return out;
}

/* Return the closing quote of a field, of which `from` is the first byte after its opening quote; `end`
 * if there is none. Set whether there are two quotes together before it. */
static const uint8_t *
find_closing_quote(const uint8_t *from, const uint8_t *end, int *has_doubles)
{
    *has_doubles = 0;
    for (;;) {
        const uint8_t *quote = find_byte(from, end, '"');
        if (quote == end || quote + 1 == end || quote[1] != '"')
            return quote;
        *has_doubles = 1;
        from = quote + 2;
    }
}

/* Split a line of CSV; return the number of its fields, or MISSHAPEN, or NO_MEMORY. */
static long long
split_quoted(ShapeScan *scan, const uint8_t *p, const uint8_t *end)
{
    const uint8_t delimiter = scan->spec->delimiter;
    long long number = 0;
    if (reserve_scratch(scan, (size_t)(end - p)) < 0)
        return NO_MEMORY;
    uint8_t *out = scan->scratch;
    for (;; p++) {
        const uint8_t *from = p;
        if (p < end && *p == '"') {
            int has_doubles;
            const uint8_t *to = find_closing_quote(++from, end, &has_doubles);
            if (to == end)
                return MISSHAPEN;
            p = to + 1;
            if (p < end && *p != delimiter)
                return MISSHAPEN;
            const uint8_t *copy = out;
            if (has_doubles)
                keep_value(scan, (size_t)number, copy, out = copy_without_doubles(out, from, to));
            else
                keep_value(scan, (size_t)number, from, to);
        } else {
            p = find_byte(p, end, delimiter);
            keep_value(scan, (size_t)number, from, p);
        }
        number++;
        if (p == end)
            return number;
    }
}

/* Return where a field of an access log ends that begins with a quote at `from` - 1: at its closing
 * quote; `end` if there is none. */
static const uint8_t *
find_unescaped_quote(const uint8_t *from, const uint8_t *end)
{
    for (; from < end && *from != '"'; from++)
        from += *from == '\\';
    return from < end ? from : end;
}

/* Split a line of an access log; return the number of its fields, or MISSHAPEN. */
static long long
split_access(ShapeScan *scan, const uint8_t *p, const uint8_t *end)
{
    long long number = 0;
    for (;; p++) {
        const uint8_t *from = p, first = p < end ? *p : 0;
        if ((number == 3 && first != '[') || (number == 4 && first != '"'))
            return MISSHAPEN;
        if (first == '"' || first == '[') {
            from++;
            const uint8_t *to = first == '[' ? find_byte(from, end, ']') : find_unescaped_quote(from, end);
            if (to == end || (to + 1 < end && to[1] != ' '))
                return MISSHAPEN;
            keep_value(scan, (size_t)number, from, to);
            p = to + 1;
        } else {
            p = find_byte(p, end, ' ');
            keep_value(scan, (size_t)number, from, p);
        }
        number++;
        if (p == end)
            return number;
    }
}

/* Split a line at runs of blanks and tabs; return the number of its fields. */
static long long
split_blanks(ShapeScan *scan, const uint8_t *p, const uint8_t *end)
{
    long long number = 0;
    for (;;) {
        while (p < end && (*p == ' ' || *p == '\t'))
            p++;
        if (p == end)
            return number;
        const uint8_t *from = p;
        while (p < end && *p != ' ' && *p != '\t')
            p++;
        keep_value(scan, (size_t)number++, from, p);
    }
}

/* What is known about a line from its windows so far. The lowest bit of `at_start` and `after_close` is
 * about the next byte; `inside` and `bracket` have all bits or none. */
typedef struct {
    uint64_t inside, bracket;  /* the next byte is in quotes, in brackets */
    uint64_t at_start;         /* a field begins at the next byte */
    uint64_t after_close;      /* the byte before closed quotes or brackets */
    uint64_t odd;              /* the masks do not settle the line */
    uint64_t doubles;          /* two quotes stand together and mean one */
    int has_quotes;
    unsigned begun, found;     /* values whose beginning, whose end is known */
} Carry;

typedef enum { QUOTED, ACCESS, BLANKS } Kind;

static inline uint64_t
all_or_none(uint64_t bit)
{
    return UINT64_C(0) - bit;
}

/* Note it if quotes or brackets open where no field begins, or close where none ends. At the bytes
 * `joined`, quotes open that close at the byte before. */
static inline void
check_edges(Carry *carry, uint64_t opens, uint64_t closes, uint64_t joined, uint64_t delimiters,
            uint64_t ends)
{
    uint64_t after = closes << 1 | carry->after_close;
    carry->odd |= opens & ~(joined | delimiters << 1 | carry->at_start);
    carry->odd |= after & ~(joined | delimiters | ends);
    carry->after_close = closes >> 63;
    carry->at_start = delimiters >> 63;
}

/* Copy the last bytes of a block into a window, and end the line there. */
static inline const uint8_t *
copy_window(uint8_t window[WINDOW], const uint8_t *p, const uint8_t *end)
{
    size_t size = (size_t)(end - p);
    memset(window, '\n', WINDOW);
    memcpy(window, p, size);
    return window;
}

/* End the field that reaches to the end of its line. */
static inline void
end_last_field(ShapeScan *scan, Kind kind, Carry *carry, const uint8_t *from, const uint8_t *end,
               size_t *fields)
{
    if (kind != BLANKS) {
        ++*fields;
        if (carry->found < scan->spec->needed)
            scan->values[carry->found++] = (Value){from, end};
    } else if (carry->found < carry->begun) {
        scan->values[carry->found++].to = end;
    }
}

/* Return whether the time and the request of an access log are in brackets and quotes. */
static inline int
is_access(const Value *values)
{
    return values[3].from < values[3].to && *values[3].from == '[' && values[4].from < values[4].to &&
           *values[4].from == '"';
}

/* Make one quote of two in the values of a line of `size` bytes, whose own quotes are off. */
static inline void
undouble(ShapeScan *scan, size_t size)
{
    if ((scan->error = reserve_scratch(scan, size)) < 0)
        return;
    uint8_t *out = scan->scratch;
    for (unsigned i = 0; i < scan->spec->needed; i++) {
        Value *value = &scan->values[i];
        if (find_byte(value->from, value->to, '"') == value->to)
            continue;
        const uint8_t *copy = out;
        out = copy_without_doubles(out, value->from, value->to);
        *value = (Value){copy, out};
    }
}

/* Take quotes and brackets off the values of a line of `size` bytes; return whether the line has its
 * shape. */
static inline int
unwrap(ShapeScan *scan, Kind kind, const Carry *carry, size_t size)
{
    if (kind == ACCESS && !is_access(scan->values))
        return 0;
    for (unsigned i = 0; i < scan->spec->needed; i++) {
        Value *value = &scan->values[i];
        if (value->to - value->from >= 2 &&
            (*value->from == '"' || (kind == ACCESS && *value->from == '['))) {
            value->from++;
            value->to--;
        }
    }
    if (carry->doubles)
        undouble(scan, size);
    return 1;
}

/* Split a line byte by byte; return the number of its fields, or 0 if it is misshapen. */
static size_t
split_slowly(ShapeScan *scan, Kind kind, const uint8_t *line, const uint8_t *end)
{
    long long fields = kind == QUOTED   ? split_quoted(scan, line, end)
                       : kind == ACCESS ? split_access(scan, line, end)
                                        : split_blanks(scan, line, end);
    if (fields == NO_MEMORY)
        scan->error = NO_MEMORY;
    return fields < 0 ? 0 : (size_t)fields;
}
