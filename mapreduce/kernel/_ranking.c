/* The Python type Ranking: packed counts in an order, read by row number. */
#include "_native.h"
#include "_rank.h"

typedef struct {
    PyObject_HEAD
    PyObject *packed;  /* the bytes that the items point into */
    Item *items;
    Py_ssize_t size;
    unsigned weights;
} Ranking;

static PyObject *
Ranking_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"packed", "top", "by", "descending", NULL};
    PyObject *packed;
    char *data;
    Py_ssize_t size, top;
    int by = 0, descending = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Sn|ip", names, &packed, &top, &by, &descending))
        return NULL;
    if (PyBytes_AsStringAndSize(packed, &data, &size) < 0 || check_packed(data, size) < 0)
        return NULL;
    if (top < 0) {
        PyErr_SetString(PyExc_ValueError, "a ranking cannot have fewer than 0 rows");
        return NULL;
    }
    if (by < BY_KEY || by > (int)head_of((const uint8_t *)data).weights) {
        PyErr_SetString(PyExc_ValueError, "a ranking is by key (-1), count (0) or a sum (from 1)");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Ranking *self = (Ranking *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->packed = Py_NewRef(packed);
    Py_ssize_t keys = (Py_ssize_t)load64((const uint8_t *)data);
    self->size = top < keys ? top : keys;
    self->weights = (unsigned)head_of((const uint8_t *)data).weights;
    Order order = {by, descending ? UINT64_MAX : 0};
    Py_BEGIN_ALLOW_THREADS
    self->items = ranked_items((const uint8_t *)data, (size_t)keys, order);
    Py_END_ALLOW_THREADS
    if (self->items == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void
Ranking_dealloc(PyObject *object)
{
    Ranking *self = (Ranking *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free(self->items);
    Py_XDECREF(self->packed);
    release(object);
    Py_DECREF(type);
}

static Py_ssize_t
Ranking_length(PyObject *object)
{
    return ((Ranking *)object)->size;
}

/* Return whether the ranking has these rows; 0 with an exception. */
static int
has_rows(const Ranking *self, Py_ssize_t start, Py_ssize_t stop)
{
    if (0 <= start && start <= stop && stop <= self->size)
        return 1;
    PyErr_SetString(PyExc_IndexError, "the ranking does not have these rows");
    return 0;
}

/* Return a key, its count and its sums as a tuple. */
static PyObject *
item_of(const uint8_t *packed, unsigned weights)
{
    Record record = record_of(packed);
    const char *key = (const char *)packed + sizeof record;
    PyObject *item = PyTuple_New(2 + (Py_ssize_t)weights);
    for (unsigned i = 0; item != NULL && i < 2 + weights; i++) {
        PyObject *value = i == 0   ? PyBytes_FromStringAndSize(key, (Py_ssize_t)record.length)
                          : i == 1 ? PyLong_FromUnsignedLongLong(record.count)
                                   : sum_as_int(sum_of(packed, i - 2));
        if (value == NULL || PyTuple_SetItem(item, (Py_ssize_t)i, value) < 0)
            Py_CLEAR(item);
    }
    return item;
}

static PyObject *
Ranking_items(PyObject *object, PyObject *args)
{
    Ranking *self = (Ranking *)object;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(args, "nn", &start, &stop) || !has_rows(self, start, stop))
        return NULL;
    PyObject *list = PyList_New(stop - start);
    for (Py_ssize_t i = start; list != NULL && i < stop; i++) {
        PyObject *item = item_of(self->items[i].record, self->weights);
        if (item == NULL || PyList_SetItem(list, i - start, item) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *
Ranking_csv(PyObject *object, PyObject *args)
{
    Ranking *self = (Ranking *)object;
    Py_ssize_t start, stop;
    int delimiter;
    if (!PyArg_ParseTuple(args, "nni", &start, &stop, &delimiter) || !has_rows(self, start, stop))
        return NULL;
    size_t room = 1;
    for (Py_ssize_t i = start; i < stop; i++)
        room += line_room(&self->items[i], self->weights);
    uint8_t *text = malloc(room), *end = text;
    if (text == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = start; i < stop; i++)
        end = write_line(end, &self->items[i], delimiter, self->weights);
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)text, end - text);
    free(text);
    return bytes;
}

static PyMethodDef Ranking_methods[] = {
    {"items", Ranking_items, METH_VARARGS, NULL},
    {"csv", Ranking_csv, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot Ranking_slots[] = {
    {Py_tp_new, Ranking_new},
    {Py_tp_dealloc, Ranking_dealloc},
    {Py_sq_length, Ranking_length},
    {Py_tp_methods, Ranking_methods},
    {0, NULL},
};
PyType_Spec Ranking_spec = {
    .name = "mapreduce.kernel._native.Ranking",
    .basicsize = sizeof(Ranking),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = Ranking_slots,
};
