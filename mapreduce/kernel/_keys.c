/* The Python type KeyTable: count keys that Python code has made, and words (_keys.h). */
#include "_counting.h"
#include "_keys.h"

typedef struct {
    Counting base;
    WordFunction words;
} KeyTable;

static PyObject *
KeyTable_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"variant", "seed", NULL};
    const char *variant, *seed;
    Py_ssize_t seed_size;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sy#", names, &variant, &seed, &seed_size))
        return NULL;
    WordFunction words = find_word_variant(variant);
    if (words == NULL) {
        PyErr_SetString(PyExc_ValueError, "no such variant");
        return NULL;
    }
    KeyTable *self = (KeyTable *)new_counting(type, seed, seed_size);
    if (self != NULL)
        self->words = words;
    return (PyObject *)self;
}

/* ---- Lists of keys ---- */

/* Return a new reference to a list that no other thread can change while this one holds the GIL; where
 * there is no GIL, this is a copy, with tuples instead of the lists in it; NULL with an exception if
 * there is a tuple that is no key. */
static PyObject *
own_list(PyObject *list, unsigned columns)
{
#ifndef Py_GIL_DISABLED
    (void)columns;
    return Py_NewRef(list);
#else
    PyObject *own = PyList_GetSlice(list, 0, PY_SSIZE_T_MAX);
    for (Py_ssize_t i = 0; own != NULL && i < PyList_Size(own); i++) {
        PyObject *item = PyList_GetItem(own, i);
        if (PyTuple_CheckExact(item) && columns == 0) {
            PyErr_Format(PyExc_TypeError, "item %zd is neither bytes nor None nor a list of bytes", i);
            Py_CLEAR(own);
            break;
        }
        if (!PyList_CheckExact(item))
            continue;
        item = PyList_AsTuple(item);
        if (item == NULL || PyList_SetItem(own, i, item) < 0)
            Py_CLEAR(own);
    }
    return own;
#endif
}

/* Return the number of items of a list or tuple; -1 for anything else. */
static inline Py_ssize_t
size_of(PyObject *object)
{
    return PyList_CheckExact(object) ? PyList_Size(object)
           : PyTuple_CheckExact(object) ? PyTuple_Size(object)
                                        : -1;
}

static inline PyObject *
item_of(PyObject *object, Py_ssize_t i)
{
    return PyList_CheckExact(object) ? PyList_GetItem(object, i) : PyTuple_GetItem(object, i);
}

/* Return whether all items of a list or tuple are bytes, and without newlines if they are columns. */
static int
are_bytes(PyObject *object, Py_ssize_t size, int are_columns)
{
    char *bytes;
    Py_ssize_t length;
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *item = item_of(object, i);
        if (!PyBytes_CheckExact(item))
            return 0;
        if (are_columns && PyBytes_AsStringAndSize(item, &bytes, &length) == 0 &&
            memchr(bytes, '\n', (size_t)length))
            return 0;
    }
    return 1;
}

/* Return whether an item is a list of keys. Without a GIL, own_list has made tuples of lists. */
static inline int
is_several(PyObject *item)
{
#ifndef Py_GIL_DISABLED
    return PyList_CheckExact(item);
#else
    return PyTuple_CheckExact(item);
#endif
}

/* Return the number of keys that an item stands for; -1 if it is not what it must be. */
static inline Py_ssize_t
keys_in(PyObject *item, unsigned columns)
{
    if (columns < 2 && PyBytes_CheckExact(item))
        return 1;
    if (columns == 0 && item == Py_None)
        return 0;
    Py_ssize_t size = size_of(item);
    if (columns ? !PyTuple_CheckExact(item) : !is_several(item))
        return -1;
    if (columns == 1 || size < 0 || (columns && size != (Py_ssize_t)columns))
        return -1;
    return !are_bytes(item, size, columns > 1) ? -1 : columns ? 1 : size;
}

/* Return the number of items of a list that have a key; -1 with an exception if an item is wrong. */
static Py_ssize_t
check_items(PyObject *list, unsigned columns)
{
    Py_ssize_t size = PyList_Size(list), counted = 0;
    for (Py_ssize_t i = 0; i < size; i++) {
        Py_ssize_t keys = keys_in(PyList_GetItem(list, i), columns);
        counted += keys > 0;
        if (keys >= 0)
            continue;
        if (columns > 1)
            PyErr_Format(PyExc_TypeError, "item %zd is no tuple of %u bytes without line feeds", i,
                         columns);
        else if (columns)
            PyErr_Format(PyExc_TypeError, "item %zd is not bytes", i);
        else
            PyErr_Format(PyExc_TypeError, "item %zd is neither bytes nor None nor a list of bytes", i);
        return -1;
    }
    return counted;
}

static inline int
add_bytes(Keys *keys, PyObject *key)
{
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(key, &bytes, &length) < 0)
        return -1;
    return add_key(keys, (const uint8_t *)bytes, (size_t)length);
}

/* Add the values of a tuple as one key, with newlines between them. */
static int
add_joined(Keys *keys, PyObject *values, unsigned columns)
{
    char *bytes;
    Py_ssize_t length;
    size_t size = columns - 1;
    for (unsigned i = 0; i < columns; i++)
        size += (size_t)PyBytes_Size(item_of(values, i));
    uint8_t *long_key = size > LONG_KEY ? malloc(size + 1) : NULL, *out = long_key;
    if (size > LONG_KEY && long_key == NULL)
        return keys->error = NO_MEMORY;
    if (long_key == NULL && (out = room_for_key(keys, size)) == NULL)
        return keys->error;
    for (unsigned i = 0; i < columns; i++) {
        PyBytes_AsStringAndSize(item_of(values, i), &bytes, &length);
        memcpy(out, bytes, (size_t)length);
        out += length;
        *out++ = '\n';
    }
    if (long_key == NULL) {
        memset(out - 1, 0, UNIT);
        return add_padded_key(keys, size);
    }
    add_long_key(keys, long_key, size);
    free(long_key);
    return keys->error;
}

/* Add the keys of a list that has been checked. */
static int
add_items(Keys *keys, PyObject *list, unsigned columns)
{
    Py_ssize_t size = PyList_Size(list);
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *item = PyList_GetItem(list, i);
        if (columns > 1)
            add_joined(keys, item, columns);
        else if (PyBytes_CheckExact(item))
            add_bytes(keys, item);
        else
            for (Py_ssize_t k = 0, inner = size_of(item); k < inner && !keys->error; k++)
                add_bytes(keys, item_of(item, k));
        if (keys->error)
            return keys->error;
    }
    return flush_keys(keys);
}

/* Add a list to a table that this call has taken; Python code cannot run meanwhile. The result has only
 * the lines with a key, the new keys and the number of all keys. */
static PyObject *
add_list(KeyTable *self, PyObject *list, unsigned columns, int tell_fresh)
{
    Table *table = &self->base.table;
    Keys keys = {.table = table};
    size_t known = first_unused(table);
    Py_ssize_t counted = check_items(list, columns);
    if (counted < 0)
        return NULL;
    if (add_items(&keys, list, columns) < 0)
        return raise_error(keys.error);
    Lines lines = {.lines = (uint64_t)counted};
    return scan_result(table, &lines, known, (Telling){tell_fresh ? TELL_ALL : TELL_NONE, 0, 0});
}

static PyObject *
KeyTable_add(PyObject *object, PyObject *args)
{
    PyObject *found;
    unsigned columns;
    int tell_fresh;
    if (!PyArg_ParseTuple(args, "O!Ip", &PyList_Type, &found, &columns, &tell_fresh))
        return NULL;
    PyObject *own = own_list(found, columns), *result = NULL;
    Counting *self = own ? take_table(object) : NULL;
    if (self != NULL) {
        result = add_list((KeyTable *)object, own, columns, tell_fresh);
        give_back(self);
    }
    Py_XDECREF(own);
    return result;
}

/* ---- Words ---- */

/* Count the words of a block into a table that this call has taken. */
static PyObject *
count_buffer(Counting *base, const uint8_t *block, Py_ssize_t size, int tell_fresh)
{
    KeyTable *self = (KeyTable *)base;
    Table *table = &self->base.table;
    Keys keys = {.table = table};
    size_t known = first_unused(table);
    Py_BEGIN_ALLOW_THREADS
    count_words(&keys, self->words, block, block + size);
    Py_END_ALLOW_THREADS
    if (keys.error)
        return raise_error(keys.error);
    Lines lines = {.lines = keys.lines, .empty = keys.empty};
    return scan_result(table, &lines, known, (Telling){tell_fresh ? TELL_ALL : TELL_NONE, 0, 0});
}

static PyObject *
KeyTable_words(PyObject *object, PyObject *args)
{
    return scan_taken(object, args, count_buffer);
}

static PyMethodDef KeyTable_methods[] = {
    {"add", KeyTable_add, METH_VARARGS, NULL},
    {"words", KeyTable_words, METH_VARARGS, NULL},
    {"forget", Counting_forget, METH_O, NULL},
    {"drain", Counting_drain, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot KeyTable_slots[] = {
    {Py_tp_new, KeyTable_new},
    {Py_tp_dealloc, Counting_dealloc},
    {Py_tp_methods, KeyTable_methods},
    {0, NULL},
};
PyType_Spec KeyTable_spec = {
    .name = "mapreduce.kernel._native.KeyTable",
    .basicsize = sizeof(KeyTable),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = KeyTable_slots,
};
