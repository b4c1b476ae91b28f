/* The Python type ShapeTable: count chosen values of lines of some shape (_shape.h). */
#include "_counting.h"
#include "_split.h"
#define BODY "_shape_variant.h"
#include "_variants.h"

typedef struct {
    Counting base;
    ShapeSpec spec;
    JsonSpec json;
    ShapeFunction scan;
    FieldSpec plain;          /* the same values, for blocks of CSV without any quote */
    ScanFunction plain_scan;  /* NULL if they cannot be counted as plain fields */
    int has_quotes;           /* quotes have a meaning */
} ShapeTable;

static ShapeFunction
find_shape(const char *kind, const char *variant)
{
    if (!strcmp(kind, "quoted") || !strcmp(kind, "plain"))
        return FIND_VARIANT(variant, scan_csv);
    if (!strcmp(kind, "access"))
        return FIND_VARIANT(variant, scan_access);
    if (!strcmp(kind, "json"))
        return FIND_VARIANT(variant, scan_json);
    return !strcmp(kind, "blanks") ? FIND_VARIANT(variant, scan_blanks) : NULL;
}

/* Read (number, skip, until, length) from a tuple; return -1 with an exception if it is something else. */
static int
parse_choice(Choice *choice, PyObject *tuple)
{
    const char *until;
    Py_ssize_t ends, length;
    unsigned number;
    if (!PyArg_ParseTuple(tuple, "IIy#n", &number, &choice->skip, &until, &ends, &length))
        return -1;
    if (number < 1 || ends > MAX_ENDS || length < 0) {
        PyErr_SetString(PyExc_ValueError, "there is no such part of a value");
        return -1;
    }
    choice->place = number - 1;
    choice->ends = (unsigned)ends;
    memcpy(choice->until, until, (size_t)ends);
    choice->length = (size_t)length;
    return 0;
}

static int
parse_choices(ShapeSpec *spec, PyObject *keys, PyObject *weights)
{
    Py_ssize_t size = PyTuple_Size(keys), weighed = PyTuple_Size(weights);
    if (size < 1 || size > MAX_CHOSEN || weighed > MAX_WEIGHTS) {
        PyErr_Format(PyExc_ValueError, "choose 1 to %d values and at most %d weights", MAX_CHOSEN,
                     MAX_WEIGHTS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        if (parse_choice(&spec->key[i], PyTuple_GetItem(keys, i)) < 0)
            return -1;
        unsigned needed = spec->key[i].place + 1;
        spec->needed = needed > spec->needed ? needed : spec->needed;
    }
    for (Py_ssize_t i = 0; i < weighed; i++) {
        unsigned long number = PyLong_AsUnsignedLong(PyTuple_GetItem(weights, i));
        if (PyErr_Occurred())
            return -1;
        spec->weight[i] = (unsigned)number - 1;
        spec->needed = number > spec->needed ? (unsigned)number : spec->needed;
    }
    spec->keys = (unsigned)size;
    spec->weights = (unsigned)weighed;
    return 0;
}

/* Describe the values as plain fields; return whether they are such. */
static int
describe_plain(FieldSpec *plain, const ShapeSpec *spec)
{
    *plain = (FieldSpec){.delimiter = spec->delimiter, .joint = '\n'};
    for (unsigned k = 0; k < spec->keys; k++) {
        Choice key = spec->key[k];
        if (key.skip || key.ends || key.length)
            return 0;
        plain->run[plain->runs++] = (Run){key.place, key.place + 1};
    }
    for (unsigned w = 0; w < spec->weights; w++)
        plain->weight[plain->weights++] = (Run){spec->weight[w], spec->weight[w] + 1};
    plain->least = (spec->width ? spec->width : spec->least) - 1;
    plain->most = spec->width ? spec->width - 1 : UINT32_MAX - 1;
    return 1;
}

static PyObject *
ShapeTable_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    const char *kind, *delimiter, *variant, *seed;
    Py_ssize_t delimiter_size, seed_size;
    PyObject *paths, *keys, *weights;
    unsigned least, width;
    if (!PyArg_ParseTuple(args, "sy#O!O!O!IIsy#", &kind, &delimiter, &delimiter_size, &PyTuple_Type,
                          &paths, &PyTuple_Type, &keys, &PyTuple_Type, &weights, &least, &width, &variant,
                          &seed, &seed_size))
        return NULL;
    ShapeFunction scan = find_shape(kind, variant);
    if (scan == NULL || delimiter_size != 1) {
        PyErr_SetString(PyExc_ValueError, "no such shape, delimiter or variant");
        return NULL;
    }
    ShapeTable *self = (ShapeTable *)new_counting(type, seed, seed_size);
    if (self == NULL)
        return NULL;
    self->scan = scan;
    self->spec.delimiter = (uint8_t)*delimiter;
    if (json_spec(&self->json, paths) < 0 || parse_choices(&self->spec, keys, weights) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    ShapeSpec *spec = &self->spec;
    spec->least = least > spec->needed ? least : spec->needed;
    spec->needed = spec->needed < 5 && !strcmp(kind, "access") ? 5 : spec->needed;
    spec->width = width;
    if (!strcmp(kind, "json") && spec->needed > self->json.values) {
        PyErr_SetString(PyExc_ValueError, "there is no such path");
        Py_DECREF(self);
        return NULL;
    }
    spec->needed = spec->needed > self->json.values ? spec->needed : self->json.values;
    int is_plain = !strcmp(kind, "plain");
    if ((is_plain || !strcmp(kind, "quoted")) && describe_plain(&self->plain, spec))
        self->plain_scan = find_field_scan(variant);
    self->has_quotes = !is_plain;
    if (is_plain && self->plain_scan == NULL) {
        PyErr_SetString(PyExc_ValueError, "plain fields cannot be cut");
        Py_DECREF(self);
        return NULL;
    }
    self->base.table.weights = spec->weights;
    return (PyObject *)self;
}

/* Count a block: one without any quote as plain fields, if the values are whole fields of CSV. */
static int
scan_block(ShapeTable *self, const uint8_t *block, const uint8_t *end, Lines *lines)
{
    Table *table = &self->base.table;
    int is_plain = !self->has_quotes || !memchr(block, '"', (size_t)(end - block));
    if (self->plain_scan && is_plain)
        return scan_fields(&self->plain, self->plain_scan, table, block, end, lines);
    ShapeScan scan = {.spec = &self->spec, .json = &self->json, .table = table, .end = end};
    scan_shaped(&scan, self->scan, block);
    *lines = (Lines){scan.lines, scan.empty, scan.misshapen};
    return scan.error;
}

/* Scan a block into a table that this call has taken. */
static PyObject *
scan_buffer(Counting *base, const uint8_t *block, Py_ssize_t size, int wanted)
{
    ShapeTable *self = (ShapeTable *)base;
    Table *table = &self->base.table;
    size_t known = first_unused(table);
    Telling telling = {wanted, self->spec.keys - 1, self->json.values > 0};
    Lines lines;
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = scan_block(self, block, block + size, &lines);
    Py_END_ALLOW_THREADS
    return error ? raise_error(error) : scan_result(table, &lines, known, telling);
}

static PyObject *
ShapeTable_scan(PyObject *object, PyObject *args)
{
    return scan_taken(object, args, scan_buffer);
}

static void
ShapeTable_dealloc(PyObject *object)
{
    json_spec_clear(&((ShapeTable *)object)->json);
    Counting_dealloc(object);
}

static PyMethodDef ShapeTable_methods[] = {
    {"scan", ShapeTable_scan, METH_VARARGS, NULL},
    {"forget", Counting_forget, METH_O, NULL},
    {"drain", Counting_drain, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot ShapeTable_slots[] = {
    {Py_tp_new, ShapeTable_new},
    {Py_tp_dealloc, ShapeTable_dealloc},
    {Py_tp_methods, ShapeTable_methods},
    {0, NULL},
};
PyType_Spec ShapeTable_spec = {
    .name = "mapreduce.kernel._native.ShapeTable",
    .basicsize = sizeof(ShapeTable),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = ShapeTable_slots,
};
