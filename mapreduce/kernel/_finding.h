/* The declaration of the search for lines, which needs no table. */
#pragma once
#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

/* Return the offsets of some lines of a block. */
PyObject *find_lines(PyObject *module, PyObject *args);
