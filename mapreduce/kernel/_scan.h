/* Scan a block line by line, with the fast scan of one variant (_variant.h).
 *
 *   - Each window of 64 bytes becomes two bit masks: its delimiters and its newlines.
 *   - The masks of a line tell how many fields it has and where the chosen ones are.
 *   - Keys are counted in batches: hash all, fetch all slots, then compare and count (_batch.h).
 *
 * Nothing is ever read outside the block: scan_slowly counts a line where a window or the copy of a key
 * might reach past the end.
 *
 * Source: mask and population count per 64 bytes as in Langdale and Lemire, "Parsing Gigabytes of
 * JSON per Second" (2019).
 */
#pragma once
#include "_line.h"

#define BODY "_variant.h"
#include "_variants.h"

/* Scan a whole block. */
static int
scan_block(Scan *scan, ScanFunction fast, const uint8_t *p, const uint8_t *end)
{
    if (p < end)
        p = fast(scan, p, end);
    while (!scan->error && p < end)
        p = scan_slowly(scan, p, end);
    if (!scan->error)
        scan->error = batch_count(&scan->batch, scan->table);
    free(scan->scratch);
    return scan->error;
}

/* Return the fast scan of a variant, or NULL if this processor lacks its instructions. */
static ScanFunction
find_variant(const char *name)
{
    return FIND_VARIANT(name, scan);
}
