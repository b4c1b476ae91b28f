/* The Python type ShapeTable: count chosen values of lines of some shape (_shape.h). */
#include "_counting.h"
#include "_split.h"
#define BODY "_shape_variant.h"
#include "_variants.h"

typedef void (*ShapeFunction)(ShapeScan *, const uint8_t *);

typedef struct {
    Counting base;
    ShapeSpec spec;
    ShapeFunction scan;
} ShapeTable;

static ShapeFunction
find_shape(const char *kind, const char *variant)
{
    if (!strcmp(kind, "quoted"))
        return FIND_VARIANT(variant, scan_csv);
    if (!strcmp(kind, "access"))
        return FIND_VARIANT(variant, scan_access);
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

static PyObject *
ShapeTable_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    const char *kind, *delimiter, *variant, *seed;
    Py_ssize_t delimiter_size, seed_size;
    PyObject *keys, *weights;
    unsigned least, width;
    if (!PyArg_ParseTuple(args, "sy#O!O!IIsy#", &kind, &delimiter, &delimiter_size, &PyTuple_Type, &keys,
                          &PyTuple_Type, &weights, &least, &width, &variant, &seed, &seed_size))
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
    if (parse_choices(&self->spec, keys, weights) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    ShapeSpec *spec = &self->spec;
    spec->least = least > spec->needed ? least : spec->needed;
    spec->needed = spec->needed < 5 && !strcmp(kind, "access") ? 5 : spec->needed;
    spec->width = width;
    self->base.table.weights = spec->weights;
    return (PyObject *)self;
}

/* Scan a block with room that was made for it. */
static void
scan_shaped(ShapeScan *scan, ShapeFunction function, const uint8_t *block)
{
    scan->values = malloc(scan->spec->needed * sizeof *scan->values);
    scan->arena = malloc(ARENA);
    scan->room = ARENA;
    if (scan->values == NULL || scan->arena == NULL)
        scan->error = NO_MEMORY;
    else
        function(scan, block);
    if (!scan->error)
        scan->error = flush(scan);
    free(scan->values);
    free(scan->arena);
    free(scan->scratch);
}

/* Scan a block into a table that this call has taken. */
static PyObject *
scan_buffer(ShapeTable *self, const uint8_t *block, Py_ssize_t size, int tell_fresh)
{
    Table *table = &self->base.table;
    ShapeScan scan = {.spec = &self->spec, .table = table, .end = block + size};
    size_t known = table->used ? table->used : FIRST_PLACE;
    Py_BEGIN_ALLOW_THREADS
    scan_shaped(&scan, self->scan, block);
    Py_END_ALLOW_THREADS
    if (scan.error)
        return raise_error(scan.error);
    PyObject *fresh = fresh_keys(table, tell_fresh ? known : table->used);
    if (fresh == NULL)
        return NULL;
    return Py_BuildValue("KKKNn", (unsigned long long)scan.lines, (unsigned long long)scan.empty,
                         (unsigned long long)scan.misshapen, fresh, (Py_ssize_t)table->keys);
}

static PyObject *
ShapeTable_scan(PyObject *object, PyObject *args)
{
    Py_buffer view;
    int tell_fresh;
    if (!PyArg_ParseTuple(args, "y*p", &view, &tell_fresh))  /* may run Python code */
        return NULL;
    Counting *self = take_table(object);
    PyObject *result = NULL;
    if (self != NULL) {
        result = scan_buffer((ShapeTable *)object, view.buf, view.len, tell_fresh);
        give_back(self);
    }
    PyBuffer_Release(&view);
    return result;
}

static PyMethodDef ShapeTable_methods[] = {
    {"scan", ShapeTable_scan, METH_VARARGS, NULL},
    {"forget", Counting_forget, METH_O, NULL},
    {"drain", Counting_drain, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot ShapeTable_slots[] = {
    {Py_tp_new, ShapeTable_new},
    {Py_tp_dealloc, Counting_dealloc},
    {Py_tp_methods, ShapeTable_methods},
    {0, NULL},
};
PyType_Spec ShapeTable_spec = {
    .name = "mapreduce.kernel._native.ShapeTable",
    .basicsize = sizeof(ShapeTable),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = ShapeTable_slots,
};
