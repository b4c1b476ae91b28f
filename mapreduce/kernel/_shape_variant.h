/* One variant of the scans of shaped lines. _variants.h includes this file once for each variant and says
 * what the macros are.
 *
 * A line is examined in windows of 64 bytes that begin at its first byte. Each window becomes a mask of
 * the delimiters that are not in quotes: a prefix sum (by xor) of the mask of the quotes has a bit for
 * each byte inside of them. Where quotes or brackets are not as plain as usual, the line is split byte by
 * byte instead (_split.h).
 *
 * Source: the quote mask as in Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019).
 */

#include "_json.h"

/* Return the delimiters of CSV in a window. `below` has a bit for each byte before the line end, and
 * `ends` for the line end itself. */
TARGET static inline uint64_t
NAME(csv_delimiters)(const uint8_t *p, uint8_t delimiter, uint64_t below, uint64_t ends, Carry *carry)
{
    uint64_t quotes = MASK(p, '"') & below, delimiters = MASK(p, delimiter) & below;
    if (!(quotes | carry->inside | carry->after_close)) {
        carry->at_start = delimiters >> 63;
        return delimiters;
    }
    uint64_t inside = prefix_xor(quotes) ^ carry->inside;
    uint64_t opens = quotes & inside, closes = quotes & ~inside;
    uint64_t after = closes << 1 | carry->after_close;
    delimiters &= ~inside;
    carry->has_quotes = 1;
    carry->doubles |= opens & after;
    carry->odd |= inside & ends;
    check_edges(carry, opens, closes, opens & after, delimiters, ends);
    carry->inside = all_or_none(inside >> 63);
    return delimiters;
}

/* Return the blanks in a window of an access log that separate fields. */
TARGET static inline uint64_t
NAME(access_delimiters)(const uint8_t *p, uint64_t below, uint64_t ends, Carry *carry)
{
    uint64_t quotes = MASK(p, '"') & below, blanks = MASK(p, ' ') & below;
    uint64_t quoted = prefix_xor(quotes) ^ carry->inside;
    uint64_t open = MASK(p, '[') & below & ~quoted, close = MASK(p, ']') & below & ~quoted;
    uint64_t bracketed = prefix_xor(open | close) ^ carry->bracket, inside = quoted | bracketed;
    uint64_t opens = (quotes & quoted) | open, closes = (quotes & ~quoted) | close;
    carry->has_quotes = 1;
    carry->odd |= (quotes & bracketed) | (open & ~bracketed) | (close & bracketed);
    carry->odd |= (inside & ends) | (MASK(p, '\\') & below);
    carry->odd |= opens & (closes << 1 | carry->after_close);
    check_edges(carry, opens, closes, 0, blanks & ~inside, ends);
    carry->inside = all_or_none(quoted >> 63);
    carry->bracket = all_or_none(bracketed >> 63);
    return blanks & ~inside;
}

/* Find the fields between runs of blanks and tabs in a window; return the number of those that begin. */
TARGET static inline unsigned
NAME(find_words)(ShapeScan *scan, const uint8_t *window, const uint8_t *p, uint64_t below, Carry *carry)
{
    uint64_t text = ~(MASK(window, ' ') | MASK(window, '\t')) & below;
    uint64_t before = text << 1 | carry->inside, starts = text & ~before, ends = ~text & before;
    unsigned begun = POPCOUNT(starts);
    carry->inside = text >> 63;
    while (starts && carry->begun < scan->spec->needed) {
        scan->values[carry->begun++].from = p + LOWEST(starts);
        starts &= starts - 1;
    }
    while (ends && carry->found < carry->begun) {
        scan->values[carry->found++].to = p + LOWEST(ends);
        ends &= ends - 1;
    }
    return begun;
}

/* Find the fields of a line that begins at p; return the end of the line, and set the number of fields. */
TARGET static inline const uint8_t *
NAME(find_fields)(ShapeScan *scan, const uint8_t *p, Kind kind, Carry *carry, size_t *fields)
{
    const ShapeSpec *spec = scan->spec;
    const uint8_t *from = p, *line = p;
    uint8_t last[WINDOW];
    for (;; p += WINDOW) {
        const uint8_t *window = scan->end - p >= WINDOW ? p : copy_window(last, p, scan->end);
        uint64_t newlines = MASK(window, '\n'), ends = newlines & -newlines, below = ends - 1;
        if (kind == BLANKS) {
            if (ends > 1 && window[LOWEST(ends) - 1] == '\r')
                below >>= 1;
            *fields += NAME(find_words)(scan, window, p, below, carry);
        } else {
            if (ends > 1 && window[LOWEST(ends) - 1] == '\r')
                ends |= ends >> 1;
            uint64_t delimiters = kind == QUOTED
                ? NAME(csv_delimiters)(window, spec->delimiter, below, ends, carry)
                : NAME(access_delimiters)(window, below, ends, carry);
            *fields += POPCOUNT(delimiters);
            for (; delimiters && carry->found < spec->needed; delimiters &= delimiters - 1) {
                scan->values[carry->found++] = (Value){from, p + LOWEST(delimiters)};
                from = p + LOWEST(delimiters) + 1;
            }
        }
        if (newlines) {
            p += LOWEST(newlines);
            const uint8_t *end = p - (p > line && p[-1] == '\r');
            carry->odd |= end < p && ends == 1;  /* the window before took \r for a part of the line */
            end_last_field(scan, kind, carry, from, end, fields);
            return end;
        }
    }
}

TARGET static inline void
NAME(scan_lines)(ShapeScan *scan, const uint8_t *p, Kind kind)
{
    const ShapeSpec *spec = scan->spec;
    while (p < scan->end) {
        Carry carry = {.at_start = 1};
        size_t fields = 0;
        const uint8_t *line = p, *end = NAME(find_fields)(scan, p, kind, &carry, &fields);
        p = end + (end < scan->end && *end == '\r') + 1;
        scan->lines++;
        if (line == end) {
            scan->empty++;
            continue;
        }
        if (carry.odd)
            fields = split_slowly(scan, kind, line, end);
        else if (carry.has_quotes && carry.found == spec->needed)
            fields = unwrap(scan, kind, &carry, (size_t)(end - line)) ? fields : 0;
        if (kind == BLANKS && fields == 0)
            scan->empty++;
        else if (fields < spec->least || (spec->width && fields != spec->width))
            scan->misshapen++;
        else if (!scan->error)
            scan->error = count_values(scan);
        if (scan->error)
            return;
    }
}

TARGET static void
NAME(scan_csv)(ShapeScan *scan, const uint8_t *p)
{
    NAME(scan_lines)(scan, p, QUOTED);
}

TARGET static void
NAME(scan_access)(ShapeScan *scan, const uint8_t *p)
{
    NAME(scan_lines)(scan, p, ACCESS);
}

TARGET static void
NAME(scan_blanks)(ShapeScan *scan, const uint8_t *p)
{
    NAME(scan_lines)(scan, p, BLANKS);
}

TARGET static void
NAME(scan_json)(ShapeScan *scan, const uint8_t *p)
{
    while (p < scan->end && !scan->error) {
        const uint8_t *newline = find_byte(p, scan->end, '\n'), *line = p;
        const uint8_t *end = newline - (newline > p && newline[-1] == '\r');
        p = newline + 1;
        scan->lines++;
        if (line == end)
            scan->empty++;
        else if (!NAME(json_values)(scan->json, line, end, scan->end, scan->values))
            scan->misshapen++;
        else
            scan->error = count_values(scan);
    }
}
