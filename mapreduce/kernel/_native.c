/* The native kernel: count the raw bytes of chosen fields of each line of a block.
 *
 * The kernel does not know what the fields mean. It scans one block after the other (_scan.h),
 * without the GIL, into a table (_table.h) that lives across blocks. The table is packed (_packing.c)
 * to travel, and the merged result can be ranked (_ranking.c). The caller seeds the hash with random
 * bytes, because attackers write into logs, too. There is no global state. This file is the Python
 * side.
 */
#include <stdatomic.h>

#include "_native.h"
#include "_packed.h"
#include "_scan.h"

typedef struct {
    PyObject_HEAD
    Table table;
    FieldSpec spec;
    ScanFunction scan;
    atomic_flag taken;  /* a call is using the table, perhaps without the GIL */
} FieldTable;

/* Take the table for one call, which must give it back; return NULL with an exception if another call
 * has it. Until it is given back, no Python code may run except the garbage collector. */
static FieldTable *
take_table(PyObject *object)
{
    FieldTable *self = (FieldTable *)object;
    if (!atomic_flag_test_and_set_explicit(&self->taken, memory_order_acquire))
        return self;
    PyErr_SetString(PyExc_RuntimeError, "another thread is using this table");
    return NULL;
}

static void
give_back(FieldTable *self)
{
    atomic_flag_clear_explicit(&self->taken, memory_order_release);
}

/* Return the number at index i of a tuple, or 0 with an exception if no field has that number. */
static unsigned
field_at(PyObject *fields, Py_ssize_t i, unsigned width)
{
    unsigned long field = PyLong_AsUnsignedLong(PyTuple_GetItem(fields, i));
    if (PyErr_Occurred())
        return 0;
    if (1 <= field && field <= (width ? width : UINT32_MAX))
        return (unsigned)field;
    PyErr_Format(PyExc_ValueError, "there is no field %lu", field);
    return 0;
}

/* Choose a field; it joins the run of the one before it if they are neighbours. */
static void
add_to_runs(FieldSpec *spec, unsigned field, unsigned last)
{
    if (spec->runs && spec->run[spec->runs - 1].last == field - 1)
        spec->run[spec->runs - 1].last = last;
    else
        spec->run[spec->runs++] = (Run){field - 1, last};
}

static int
parse_fields(FieldSpec *spec, PyObject *fields, PyObject *weights, unsigned width, int to_end)
{
    Py_ssize_t size = PyTuple_Size(fields), weighed = PyTuple_Size(weights);
    unsigned largest = 0, field;
    if (size < 1 || size > MAX_FIELDS || weighed > MAX_WEIGHTS) {
        PyErr_Format(PyExc_ValueError, "choose 1 to %d fields and at most %d weights",
                     MAX_FIELDS, MAX_WEIGHTS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < weighed; i++) {
        if ((field = field_at(weights, i, width)) == 0)
            return -1;
        spec->weight[spec->weights++] = (Run){field - 1, field};
        largest = field > largest ? field : largest;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        if ((field = field_at(fields, i, width)) == 0)
            return -1;
        add_to_runs(spec, field, to_end && i == size - 1 ? UINT32_MAX : field);
        largest = field > largest ? field : largest;
    }
    spec->least = width ? width - 1 : largest - 1;
    spec->most = width ? width - 1 : UINT32_MAX - 1;
    return 0;
}

/* Store the number of the expected field and the bytes that it must hold; number 0 means that no field
 * is expected. */
static int
parse_expected(FieldSpec *spec, unsigned number, const char *text, Py_ssize_t size)
{
    uint8_t bytes[8] = {0}, mask[8] = {0};
    if (number == 0)
        return 0;
    if (size >= (Py_ssize_t)sizeof bytes || number > spec->least) {
        PyErr_SetString(PyExc_ValueError, "the expected field is the last one, or too long");
        return -1;
    }
    memcpy(bytes, text, (size_t)size);
    bytes[size] = spec->delimiter;
    memset(mask, 0xff, (size_t)size + 1);
    spec->before = number - 1;
    spec->expected = little_endian(bytes);
    spec->mask = little_endian(mask);
    return 0;
}

static PyObject *
FieldTable_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"delimiter", "fields", "to_end", "width", "weights", "expected", "variant",
                            "seed", NULL};
    const char *delimiter, *expected, *variant, *seed;
    Py_ssize_t delimiter_size, expected_size, seed_size;
    PyObject *fields, *weights;
    unsigned width, number;
    int to_end;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#O!pIO!(Iy#)sy#", names, &delimiter,
                                     &delimiter_size, &PyTuple_Type, &fields, &to_end, &width,
                                     &PyTuple_Type, &weights, &number, &expected, &expected_size,
                                     &variant, &seed, &seed_size))
        return NULL;
    ScanFunction scan = find_variant(variant);
    if (delimiter_size != 1 || *delimiter == '\n' || *delimiter == '\r' || scan == NULL ||
        seed_size != sizeof(((Table *)0)->seed)) {
        PyErr_SetString(PyExc_ValueError, "no such delimiter, variant or seed");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    FieldTable *self = (FieldTable *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    atomic_flag_clear(&self->taken);
    self->scan = scan;
    self->spec.delimiter = (uint8_t)*delimiter;
    memcpy(self->table.seed, seed, sizeof self->table.seed);
    if (parse_fields(&self->spec, fields, weights, width, to_end) < 0 ||
        parse_expected(&self->spec, number, expected, expected_size) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->table.weights = self->spec.weights;
    return (PyObject *)self;
}

static void
FieldTable_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    table_clear(&((FieldTable *)object)->table);
    release(object);
    Py_DECREF(type);
}

/* Return the keys from a place on; none of them has been forgotten. */
static PyObject *
fresh_keys(const Table *table, size_t place)
{
    PyObject *fresh = PyList_New(0);
    while (fresh != NULL && place < table->used) {
        const Record *record = record_at(table, place);
        PyObject *key = PyBytes_FromStringAndSize((const char *)key_of(record), record->length);
        if (key == NULL || PyList_Append(fresh, key) < 0)
            Py_CLEAR(fresh);
        Py_XDECREF(key);
        place += units_of(record->length, table->weights);
    }
    return fresh;
}

/* Scan a block into a table that this call has taken. */
static PyObject *
scan_buffer(FieldTable *self, const uint8_t *block, Py_ssize_t size, int tell_fresh)
{
    Scan scan = {.spec = &self->spec, .table = &self->table};
    size_t known = self->table.used ? self->table.used : FIRST_PLACE;
    Py_BEGIN_ALLOW_THREADS
    scan_block(&scan, self->scan, block, block + size);
    Py_END_ALLOW_THREADS
    if (scan.error == NO_MEMORY)
        return PyErr_NoMemory();
    if (scan.error)
        return PyErr_SetString(PyExc_OverflowError, "a key is too long"), NULL;
    PyObject *fresh = fresh_keys(&self->table, tell_fresh ? known : self->table.used);
    if (fresh == NULL)
        return NULL;
    return Py_BuildValue("KKKNn", (unsigned long long)scan.lines, (unsigned long long)scan.empty,
                         (unsigned long long)scan.misshapen, fresh, (Py_ssize_t)self->table.keys);
}

static PyObject *
FieldTable_scan(PyObject *object, PyObject *args)
{
    Py_buffer view;
    int tell_fresh;
    if (!PyArg_ParseTuple(args, "y*p", &view, &tell_fresh))  /* may run Python code */
        return NULL;
    FieldTable *self = take_table(object);
    PyObject *result = NULL;
    if (self != NULL) {
        result = scan_buffer(self, view.buf, view.len, tell_fresh);
        give_back(self);
    }
    PyBuffer_Release(&view);
    return result;
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

static PyObject *
FieldTable_forget(PyObject *object, PyObject *keys)
{
    PyObject *own = PySequence_Tuple(keys);  /* a tuple cannot change meanwhile */
    FieldTable *self = own ? take_table(object) : NULL;
    PyObject *counts = NULL;
    if (self != NULL) {
        counts = forget_keys(&self->table, own);
        give_back(self);
    }
    Py_XDECREF(own);
    return counts;
}

static PyObject *
FieldTable_drain(PyObject *object, PyObject *Py_UNUSED(none))
{
    FieldTable *self = take_table(object);
    if (self == NULL)
        return NULL;
    PyObject *packed = pack(&self->table);
    give_back(self);
    return packed;
}

static PyMethodDef FieldTable_methods[] = {
    {"scan", FieldTable_scan, METH_VARARGS, NULL},
    {"forget", FieldTable_forget, METH_O, NULL},
    {"drain", FieldTable_drain, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot FieldTable_slots[] = {
    {Py_tp_new, FieldTable_new},
    {Py_tp_dealloc, FieldTable_dealloc},
    {Py_tp_methods, FieldTable_methods},
    {0, NULL},
};
static PyType_Spec FieldTable_spec = {
    .name = "mapreduce.kernel._native.FieldTable",
    .basicsize = sizeof(FieldTable),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = FieldTable_slots,
};

static PyObject *
variants(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    static const char *const names[] = {"avx512", "avx2", "neon", "portable"};
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < sizeof names / sizeof *names; i++) {
        if (!find_variant(names[i]))
            continue;
        PyObject *name = PyUnicode_FromString(names[i]);
        if (!name || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static int
add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int result = type ? PyModule_AddObjectRef(module, name, type) : -1;
    Py_XDECREF(type);
    return result;
}

static int
module_exec(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "LONGEST_KEY", LONGEST_KEY) < 0 ||
        add_type(module, "FieldTable", &FieldTable_spec) < 0)
        return -1;
    return add_type(module, "Ranking", &Ranking_spec);
}

/* Return whether a buffer contains a byte. */
static PyObject *
has_byte(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer view;
    unsigned char byte;
    if (!PyArg_ParseTuple(args, "y*b", &view, &byte))
        return NULL;
    int found = memchr(view.buf, byte, (size_t)view.len) != NULL;
    PyBuffer_Release(&view);
    return PyBool_FromLong(found);
}

static PyMethodDef module_methods[] = {
    {"variants", variants, METH_NOARGS, "Return the variants that this processor can run, best first."},
    {"merge", merge, METH_VARARGS, "Merge two packed counts, hashing with a seed."},
    {"has_byte", has_byte, METH_VARARGS, "Return whether a buffer contains a byte."},
    {"unpack", unpack, METH_O, "Return packed counts as a list of dicts: counts, sums."},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_gil  /* not in the limited API of 3.11, where there is always a GIL */
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};
static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module_def);
}
