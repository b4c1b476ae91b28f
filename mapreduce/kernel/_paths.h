/* The paths whose values are looked for in lines of JSON, as a tree of places. */
#pragma once
#include <stdint.h>

enum {
    MAX_PATHS = 128,
    MAX_DEPTH = 1000,    /* arrays and objects that may stand within one another */
    NOWHERE = 0,         /* the number of the place that no path leads to; it has no steps */
    ROOT = 1,            /* the number of the place of the whole line */
    BITS = MAX_PATHS / 64,
};

/* A place in a document, and the steps that lead on from it. */
typedef struct {
    uint8_t *name;       /* of the member that is this place; NULL if this place is an element */
    uint32_t length;     /* bytes of the name */
    uint32_t index;      /* of the element that is this place */
    uint32_t next;       /* the number of the next place with the same origin, or NOWHERE */
    uint32_t members;    /* the number of the first member or element that a path leads to, */
    uint32_t elements;   /* or NOWHERE */
    uint64_t firsts[4];  /* a bit for each byte that a name of its members begins with; 34 ends a name */
    uint64_t word, mask; /* the first 8 bytes of the name and a quote, and which of them are given */
    uint64_t here[BITS];   /* a bit for each path that ends here */
    uint64_t within[BITS]; /* a bit for each path that ends here or leads on from here */
} Place;

typedef struct {
    Place *places;
    uint32_t used;
    unsigned values;  /* one for each path */
} JsonSpec;

#ifdef Py_PYTHON_H
/* Make the tree of paths, each a tuple of str and int; return 0, or -1 with a ValueError or MemoryError.
 * What was made must be cleared. */
int json_spec(JsonSpec *spec, PyObject *paths);
void json_spec_clear(JsonSpec *spec);
#endif
