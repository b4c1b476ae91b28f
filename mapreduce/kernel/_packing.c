/* The Python functions for packed counts: make them from a table, check, merge and unpack them. */
#include "_native.h"
#include "_packed.h"

PyObject *
pack(Table *table)
{
    Packed head;
    size_t size = packed_size(table, &head);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes != NULL)
        table_pack(table, &head, (uint8_t *)PyBytes_AsString(bytes));
    return bytes;
}

int
check_packed(const char *data, Py_ssize_t size)
{
    if (is_packed((const uint8_t *)data, (size_t)size))
        return 0;
    PyErr_SetString(PyExc_ValueError, "these are not packed counts");
    return -1;
}

PyObject *
merge(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *packed[2], *seed;
    Py_ssize_t size[2], seed_size;
    Table table = {0};
    if (!PyArg_ParseTuple(args, "y#y#y#", &packed[0], &size[0], &packed[1], &size[1], &seed,
                          &seed_size))
        return NULL;
    if (check_packed(packed[0], size[0]) < 0 || check_packed(packed[1], size[1]) < 0)
        return NULL;
    if (seed_size != sizeof table.seed) {
        PyErr_SetString(PyExc_ValueError, "the seed must have 32 bytes");
        return NULL;
    }
    uint64_t weights = head_of((const uint8_t *)packed[0]).weights;
    if (weights != head_of((const uint8_t *)packed[1]).weights) {
        PyErr_SetString(PyExc_ValueError, "these packed counts have different numbers of weights");
        return NULL;
    }
    memcpy(table.seed, seed, sizeof table.seed);
    table.weights = (unsigned)weights;
    int result;
    Py_BEGIN_ALLOW_THREADS
    int larger = size[1] > size[0];
    result = table_reserve(&table, head_of((const uint8_t *)packed[larger]).keys,
                           (size_t)size[larger] / UNIT);
    for (int i = 0; i < 2 && result == 0; i++)
        result = table_add_packed(&table, (const uint8_t *)packed[i]);
    Py_END_ALLOW_THREADS
    PyObject *bytes = result < 0 ? PyErr_NoMemory() : pack(&table);
    table_clear(&table);
    return bytes;
}

PyObject *
sum_as_int(Sum sum)
{
    PyObject *low = PyLong_FromUnsignedLongLong(sum.low);
    if (sum.high == 0 || low == NULL)
        return low;
    PyObject *high = PyLong_FromUnsignedLongLong(sum.high), *bits = PyLong_FromLong(64);
    PyObject *shifted = high && bits ? PyNumber_Lshift(high, bits) : NULL;
    PyObject *whole = shifted ? PyNumber_Or(shifted, low) : NULL;
    Py_XDECREF(shifted);
    Py_XDECREF(bits);
    Py_XDECREF(high);
    Py_DECREF(low);
    return whole;
}

/* Set dict[key] to a number and drop the reference to the number; -1 with an exception. */
static int
put(PyObject *dict, PyObject *key, PyObject *number)
{
    int result = number ? PyDict_SetItem(dict, key, number) : -1;
    Py_XDECREF(number);
    return result;
}

/* Store the count and each sum of a record by its key in the dicts of a list; -1 with an exception. */
static int
put_record(PyObject *columns, const char *data, unsigned weights)
{
    Record record;
    memcpy(&record, data, sizeof record);
    PyObject *key = PyBytes_FromStringAndSize(data + sizeof record, record.length);
    if (key == NULL)
        return -1;
    PyObject *count = PyLong_FromUnsignedLongLong(record.count);
    int result = put(PyList_GetItem(columns, 0), key, count);
    data += key_units(record.length) * UNIT;
    for (unsigned w = 0; w < weights && result == 0; w++) {
        Sum sum;
        memcpy(&sum, data + w * sizeof sum, sizeof sum);
        result = put(PyList_GetItem(columns, 1 + (Py_ssize_t)w), key, sum_as_int(sum));
    }
    Py_DECREF(key);
    return result;
}

/* Return a list of new dicts. */
static PyObject *
new_dicts(Py_ssize_t size)
{
    PyObject *list = PyList_New(size);
    for (Py_ssize_t i = 0; list != NULL && i < size; i++) {
        PyObject *dict = PyDict_New();
        if (dict == NULL || PyList_SetItem(list, i, dict) < 0)
            Py_CLEAR(list);
    }
    return list;
}

PyObject *
unpack(PyObject *Py_UNUSED(module), PyObject *data)
{
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &bytes, &size) < 0 || check_packed(bytes, size) < 0)
        return NULL;
    unsigned weights = (unsigned)head_of((const uint8_t *)bytes).weights;
    PyObject *columns = new_dicts(1 + (Py_ssize_t)weights);
    for (Py_ssize_t place = sizeof(Packed); columns != NULL && place < size;) {
        Record record;
        memcpy(&record, bytes + place, sizeof record);
        if (put_record(columns, bytes + place, weights) < 0)
            Py_CLEAR(columns);
        place += (Py_ssize_t)(units_of(record.length, weights) * UNIT);
    }
    return columns;
}

/* Return the sum of each sum over all keys. They cannot overflow: 2^64 lines have less than 2^64 each. */
PyObject *
sums(PyObject *Py_UNUSED(module), PyObject *data)
{
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &bytes, &size) < 0 || check_packed(bytes, size) < 0)
        return NULL;
    unsigned weights = (unsigned)head_of((const uint8_t *)bytes).weights;
    __uint128_t all[MAX_WEIGHTS] = {0};
    for (Py_ssize_t place = sizeof(Packed); place < size;) {
        Record record;
        memcpy(&record, bytes + place, sizeof record);
        size_t first = key_units(record.length) * UNIT;
        for (unsigned w = 0; w < weights; w++) {
            Sum sum;
            memcpy(&sum, bytes + place + first + w * sizeof sum, sizeof sum);
            all[w] += (__uint128_t)sum.high << 64 | sum.low;
        }
        place += (Py_ssize_t)(units_of(record.length, weights) * UNIT);
    }
    PyObject *list = PyList_New((Py_ssize_t)weights);
    for (unsigned w = 0; list != NULL && w < weights; w++) {
        PyObject *number = sum_as_int((Sum){(uint64_t)all[w], (uint64_t)(all[w] >> 64)});
        if (number == NULL || PyList_SetItem(list, (Py_ssize_t)w, number) < 0)
            Py_CLEAR(list);
    }
    return list;
}
