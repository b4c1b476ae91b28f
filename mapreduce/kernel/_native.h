/* The declarations that the C files of the Python extension share. setup.py decides whether they are
 * compiled for the limited API. */
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_table.h"

extern PyType_Spec FieldTable_spec;
extern PyType_Spec KeyTable_spec;
extern PyType_Spec Ranking_spec;
extern PyType_Spec ShapeTable_spec;

/* Return 0, or -1 with an exception if the data are not packed counts. */
int check_packed(const char *data, Py_ssize_t size);

/* Pack the counts of a table and set them to 0. */
PyObject *pack(Table *table);

/* Return a sum as an int. */
PyObject *sum_as_int(Sum sum);

/* Merge two packed counts, hashing with a seed. */
PyObject *merge(PyObject *module, PyObject *args);

/* Return packed counts as a list of dicts by key: the counts, then the sums of each weight. */
PyObject *sums(PyObject *module, PyObject *data);
PyObject *unpack(PyObject *module, PyObject *data);

/* Return a list of the variants that this processor can run, the best one first. */
PyObject *variants(PyObject *module, PyObject *none);
