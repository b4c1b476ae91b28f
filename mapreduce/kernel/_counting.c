/* What all types that count in a table share: one caller at a time, forgetting keys, and draining. */
#include "_counting.h"

Counting *
take_table(PyObject *object)
{
    Counting *self = (Counting *)object;
    if (!atomic_flag_test_and_set_explicit(&self->taken, memory_order_acquire))
        return self;
    PyErr_SetString(PyExc_RuntimeError, "another thread is using this table");
    return NULL;
}

void
give_back(Counting *self)
{
    atomic_flag_clear_explicit(&self->taken, memory_order_release);
}

/* Return whether a key is told. */
static int
is_told(const Record *record, Telling telling)
{
    const uint8_t *key = key_of(record), *end = key + record->length;
    if (telling.wanted == TELL_ALL || (telling.quotes && memchr(key, '"', record->length)))
        return 1;
    unsigned newlines = 0;
    for (; newlines <= telling.inside && (key = memchr(key, '\n', (size_t)(end - key))); key++)
        newlines++;
    return newlines > telling.inside;
}

/* Return keys from a place on as a list. */
static PyObject *
fresh_keys(const Table *table, size_t place, Telling telling)
{
    PyObject *fresh = PyList_New(0);
    while (fresh != NULL && place < table->used && telling.wanted != TELL_NONE) {
        const Record *record = record_at(table, place);
        place += units_of(record->length, table->weights);
        if (!is_told(record, telling))
            continue;
        PyObject *key = PyBytes_FromStringAndSize((const char *)key_of(record), record->length);
        if (key == NULL || PyList_Append(fresh, key) < 0)
            Py_CLEAR(fresh);
        Py_XDECREF(key);
    }
    return fresh;
}

PyObject *
scan_taken(PyObject *object, PyObject *args, ScanTaken scan)
{
    Py_buffer view;
    int wanted;
    if (!PyArg_ParseTuple(args, "y*i", &view, &wanted))  /* may run Python code */
        return NULL;
    Counting *self = take_table(object);
    PyObject *result = NULL;
    if (self != NULL) {
        result = scan(self, view.buf, view.len, wanted);
        give_back(self);
    }
    PyBuffer_Release(&view);
    return result;
}

size_t
first_unused(const Table *table)
{
    return table->used ? table->used : FIRST_PLACE;
}

PyObject *
scan_result(const Table *table, const Lines *lines, size_t place, Telling telling)
{
    PyObject *fresh = fresh_keys(table, place, telling);
    if (fresh == NULL)
        return NULL;
    return Py_BuildValue("KKKNn", (unsigned long long)lines->lines, (unsigned long long)lines->empty,
                         (unsigned long long)lines->misshapen, fresh, (Py_ssize_t)table->keys);
}

/* Forget one key; return the count that it had, or NULL with an exception. */
static PyObject *
forget_key(Table *table, PyObject *key)
{
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(key, &bytes, &length) < 0)
        return NULL;
    if (length > (Py_ssize_t)LONGEST_KEY)
        return PyLong_FromLong(0);  /* so long a key is never counted */
    uint8_t *padded = calloc(1, (size_t)length + UNIT);
    if (padded == NULL)
        return PyErr_NoMemory();
    memcpy(padded, bytes, (size_t)length);
    uint64_t count = table_forget(table, padded, (uint32_t)length);
    free(padded);
    return PyLong_FromUnsignedLongLong(count);
}

/* Forget the keys of a tuple; return the list of the counts that they had. */
static PyObject *
forget_keys(Table *table, PyObject *keys)
{
    Py_ssize_t size = PyTuple_Size(keys);
    PyObject *counts = PyList_New(size);
    for (Py_ssize_t i = 0; counts != NULL && i < size; i++) {
        PyObject *count = forget_key(table, PyTuple_GetItem(keys, i));
        if (count == NULL || PyList_SetItem(counts, i, count) < 0)
            Py_CLEAR(counts);
    }
    if (table->forgotten > table->used / 2)
        table_compact(table);
    return counts;
}

PyObject *
Counting_forget(PyObject *object, PyObject *keys)
{
    PyObject *own = PySequence_Tuple(keys);  /* a tuple cannot change meanwhile */
    Counting *self = own ? take_table(object) : NULL;
    PyObject *counts = NULL;
    if (self != NULL) {
        counts = forget_keys(&self->table, own);
        give_back(self);
    }
    Py_XDECREF(own);
    return counts;
}

PyObject *
Counting_drain(PyObject *object, PyObject *Py_UNUSED(none))
{
    Counting *self = take_table(object);
    if (self == NULL)
        return NULL;
    PyObject *packed = pack(&self->table);
    give_back(self);
    return packed;
}

Counting *
new_counting(PyTypeObject *type, const char *seed, Py_ssize_t seed_size)
{
    if (seed_size != sizeof(((Table *)0)->seed)) {
        PyErr_SetString(PyExc_ValueError, "the seed must have 32 bytes");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Counting *self = (Counting *)allocate(type, 0);
    if (self != NULL) {
        atomic_flag_clear(&self->taken);
        memcpy(self->table.seed, seed, sizeof self->table.seed);
    }
    return self;
}

PyObject *
raise_error(int error)
{
    if (error == NO_MEMORY)
        return PyErr_NoMemory();
    PyErr_SetString(PyExc_OverflowError, "a key is too long");
    return NULL;
}

void
Counting_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    table_clear(&((Counting *)object)->table);
    release(object);
    Py_DECREF(type);
}
