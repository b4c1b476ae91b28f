/* The native kernel: count the raw bytes of chosen fields of each line of a block.
 *
 * The kernel does not know what the fields mean. It scans one block after the other (_scan.h),
 * without the GIL, into a table (_table.h) that lives across blocks. The table is packed (_packing.c)
 * to travel, and the merged result can be ranked (_ranking.c). The caller seeds the hash with random
 * bytes, because attackers write into logs, too. There is no global state. This file is the Python
 * side.
 */
#include "_finding.h"
#include "_native.h"

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
        add_type(module, "FieldTable", &FieldTable_spec) < 0 ||
        add_type(module, "ShapeTable", &ShapeTable_spec) < 0 ||
        add_type(module, "KeyTable", &KeyTable_spec) < 0)
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
    {"find_lines", find_lines, METH_VARARGS, "Return the offsets of some lines of a block."},
    {"sums", sums, METH_O, "Return the sum of each sum of packed counts over all keys."},
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
