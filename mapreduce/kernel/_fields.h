/* Which fields of a line between one byte are counted and summed, and the scan that counts them. */
#pragma once
#include "_table.h"

enum { MAX_FIELDS = 64 };

/* Adjacent chosen fields: they begin after delimiter `first` (0: at the start of the line) and end
 * before delimiter `last` (or at the end of the line, if it has no such delimiter). */
typedef struct {
    unsigned first, last;
} Run;

typedef struct {
    uint8_t delimiter;
    uint8_t joint;         /* what separates the fields in a key; adjacent ones keep the delimiter */
    unsigned least, most;  /* number of delimiters in a well-shaped line */
    unsigned runs, weights;
    Run run[MAX_FIELDS];
    Run weight[MAX_WEIGHTS];  /* one field each: a number to sum */
    unsigned before;          /* delimiters before the field that must hold the expected bytes */
    uint64_t expected, mask;  /* those bytes and the delimiter after them; mask 0 accepts any field */
} FieldSpec;

typedef struct Scan Scan;
typedef const uint8_t *(*ScanFunction)(Scan *, const uint8_t *, const uint8_t *);

/* The numbers of lines of a block. */
typedef struct {
    uint64_t lines, empty, misshapen;
} Lines;

/* Return the scan of a variant, or NULL if this processor lacks its instructions. */
ScanFunction find_field_scan(const char *variant);

/* Count a block of lines; return 0 or the reason why it failed. */
int scan_fields(const FieldSpec *spec, ScanFunction scan, Table *table, const uint8_t *block,
                const uint8_t *end, Lines *lines);
