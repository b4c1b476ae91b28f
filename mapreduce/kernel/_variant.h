/* One variant of the fast scan. _variants.h includes this file once for each variant and says what
 * the macros are.
 *
 * The scan examines a line in windows of 64 bytes that begin at its first byte. The population counts
 * of the delimiter masks give the number of fields at no cost, and NTH finds any delimiter.
 */

/* Return the number of bytes before delimiter k (from 1) of a line. */
TARGET static inline size_t
NAME(find)(const uint64_t masks[WINDOWS], const uint8_t *listed, unsigned last, unsigned k)
{
#ifdef LIST
    if (last < LISTED)
        return listed[k - 1];
#else
    (void)listed;
#endif
    unsigned window;
    if (last < 3) {  /* no branches: the processor could not predict the window of the delimiter */
        unsigned first = POPCOUNT(masks[0]), second = POPCOUNT(masks[1]);
        unsigned beyond1 = k > first, beyond2 = k > first + second;
        window = beyond1 + beyond2;
        k -= (beyond1 ? first : 0) + (beyond2 ? second : 0);
    } else {
        unsigned here;
        for (window = 0; k > (here = POPCOUNT(masks[window])); window++)
            k -= here;
    }
    return window * 64 + NTH(masks[window], k);
}

/* Scan lines from p on; return where the first line begins that comes too close to the end of the
 * block, or NULL with `scan->error` set. */
TARGET static const uint8_t *
NAME(scan)(Scan *scan, const uint8_t *p, const uint8_t *end)
{
    const FieldSpec *spec = scan->spec;
    const uint8_t delimiter = spec->delimiter, joint = spec->joint;
    while (end - p >= WINDOW + SLACK) {
        const uint8_t *line = p;
        uint64_t masks[WINDOWS] = {0, 0, 0}, newlines;
        uint8_t listed[LISTED * WINDOW + WINDOW];
        unsigned window = 0, delimiters = 0;
        for (;;) {
            uint64_t found = MASK(p, delimiter);
            newlines = MASK(p, '\n');
            masks[window] = found;
#ifdef LIST
            if (window < LISTED)
                LIST(listed + delimiters, masks[window], window);
#endif
            if (newlines)
                break;
            delimiters += POPCOUNT(masks[window]);
            p += WINDOW;
            if (++window == WINDOWS || end - p < WINDOW + SLACK)
                goto slow;
        }
        unsigned stop = LOWEST(newlines);
        masks[window] &= (UINT64_C(1) << stop) - 1;
        delimiters += POPCOUNT(masks[window]);
        p += stop;
        const uint8_t *line_end = p - (p > line && p[-1] == '\r');
        p++;
        scan->lines++;
        if (delimiters < spec->least || delimiters > spec->most || line == line_end) {
            refuse(scan, line_end > line);
            continue;
        }
        size_t expected = 0;
        if (spec->before)
            expected = NAME(find)(masks, listed, window, spec->before) + 1;
        if (!is_expected(spec, line + expected)) {
            refuse(scan, 1);
            continue;
        }
        uint8_t *key = scan->keys[scan->batch.used], *out = key;
        for (unsigned r = 0; r < spec->runs; r++) {
            Run run = spec->run[r];
            const uint8_t *from = line, *to = line_end;
            if (run.first)
                from += NAME(find)(masks, listed, window, run.first) + 1;
            if (run.last <= delimiters)
                to = line + NAME(find)(masks, listed, window, run.last);
            size_t length = (size_t)(to - from);
            if (length + (size_t)(out - key) > SHORT) {
                p = line;
                goto slow_again;
            }
            memcpy(out, from, SHORT);
            out += length;
            *out++ = joint;
        }
        memset(out - 1, 0, SHORT);
        uint32_t size = (uint32_t)(out - key) - 1;
        for (unsigned w = 0; w < spec->weights; w++) {
            Run run = spec->weight[w];
            const uint8_t *from = line, *to = line_end;
            uint64_t weight;
            if (run.first)
                from += NAME(find)(masks, listed, window, run.first) + 1;
            if (run.last <= delimiters)
                to = line + NAME(find)(masks, listed, window, run.last);
            if (!read_weight(from, (size_t)(to - from), &weight)) {
                p = line;
                goto slow_again;
            }
            put_sum(key + (key_units(size) - 1) * UNIT, w, weight);
        }
        if (batch_add(&scan->batch, scan->table, key, size, 1) < 0) {
            scan->error = NO_MEMORY;
            return NULL;
        }
        continue;
    slow_again:
        scan->lines--;
    slow:
        p = scan_slowly(scan, line, end);
        if (p == NULL)
            return NULL;
    }
    return p;
}
