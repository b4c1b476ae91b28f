/* The Python type FieldTable: count the fields of lines between one byte (_scan.h). */
#include "_counting.h"
#include "_scan.h"

typedef struct {
    Counting base;
    FieldSpec spec;
    ScanFunction scan;
} FieldTable;

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
    if (delimiter_size != 1 || *delimiter == '\n' || *delimiter == '\r' || scan == NULL) {
        PyErr_SetString(PyExc_ValueError, "no such delimiter or variant");
        return NULL;
    }
    FieldTable *self = (FieldTable *)new_counting(type, seed, seed_size);
    if (self == NULL)
        return NULL;
    self->scan = scan;
    self->spec.delimiter = self->spec.joint = (uint8_t)*delimiter;
    if (parse_fields(&self->spec, fields, weights, width, to_end) < 0 ||
        parse_expected(&self->spec, number, expected, expected_size) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->base.table.weights = self->spec.weights;
    return (PyObject *)self;
}

ScanFunction
find_field_scan(const char *variant)
{
    return find_variant(variant);
}

int
scan_fields(const FieldSpec *spec, ScanFunction function, Table *table, const uint8_t *block,
            const uint8_t *end, Lines *lines)
{
    Scan scan = {.spec = spec, .table = table};
    int error = scan_block(&scan, function, block, end);
    *lines = (Lines){scan.lines, scan.empty, scan.misshapen};
    return error;
}

/* Scan a block into a table that this call has taken. */
static PyObject *
scan_buffer(Counting *base, const uint8_t *block, Py_ssize_t size, int wanted)
{
    FieldTable *self = (FieldTable *)base;
    Table *table = &self->base.table;
    size_t known = first_unused(table);
    Telling telling = {wanted, 0, 0};
    Lines lines;
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = scan_fields(&self->spec, self->scan, table, block, block + size, &lines);
    Py_END_ALLOW_THREADS
    return error ? raise_error(error) : scan_result(table, &lines, known, telling);
}

static PyObject *
FieldTable_scan(PyObject *object, PyObject *args)
{
    return scan_taken(object, args, scan_buffer);
}

static PyMethodDef FieldTable_methods[] = {
    {"scan", FieldTable_scan, METH_VARARGS, NULL},
    {"forget", Counting_forget, METH_O, NULL},
    {"drain", Counting_drain, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot FieldTable_slots[] = {
    {Py_tp_new, FieldTable_new},
    {Py_tp_dealloc, Counting_dealloc},
    {Py_tp_methods, FieldTable_methods},
    {0, NULL},
};
PyType_Spec FieldTable_spec = {
    .name = "mapreduce.kernel._native.FieldTable",
    .basicsize = sizeof(FieldTable),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = FieldTable_slots,
};

PyObject *
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

