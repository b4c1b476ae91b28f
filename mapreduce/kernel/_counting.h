/* The part that all types that count in a table have in common. */
#pragma once
#include "_native.h"

#include <stdatomic.h>

#include "_fields.h"

typedef struct {
    PyObject_HEAD
    Table table;
    atomic_flag taken;  /* a call is using the table, perhaps without the GIL */
} Counting;

/* Take the table for one call, which must give it back; return NULL with an exception if another call
 * has it. Until it is given back, no Python code may run except the garbage collector. */
Counting *take_table(PyObject *object);
void give_back(Counting *self);

/* Make an empty table; return NULL with an exception if the seed does not have 32 bytes. */
Counting *new_counting(PyTypeObject *type, const char *seed, Py_ssize_t seed_size);

/* Counts a block into a table that is taken, and tells the keys that are wanted (TELL_...). */
typedef PyObject *(*ScanTaken)(Counting *self, const uint8_t *block, Py_ssize_t size, int wanted);

/* Call a scan for the arguments (block, wanted) of a method while the table is taken. */
PyObject *scan_taken(PyObject *object, PyObject *args, ScanTaken scan);

/* Return the place of the next record. */
size_t first_unused(const Table *table);

/* Which of the keys that a block has added are told. */
enum { TELL_NONE, TELL_ALL, TELL_MARKED };

typedef struct {
    int wanted;       /* one of the above */
    unsigned inside;  /* a key with more newlines than these is marked: weights stand behind it */
    int quotes;       /* so is a key with a quote in it */
} Telling;

/* Return what a scan has found as a tuple: lines, empty ones, misshapen ones, keys from a place on, of
 * which none has been forgotten, and the number of all keys. */
PyObject *scan_result(const Table *table, const Lines *lines, size_t place, Telling telling);

/* Set the exception for an error of the table, and return NULL. */
PyObject *raise_error(int error);

/* The methods forget and drain, and the destructor. */
PyObject *Counting_forget(PyObject *object, PyObject *keys);
PyObject *Counting_drain(PyObject *object, PyObject *none);
void Counting_dealloc(PyObject *object);
