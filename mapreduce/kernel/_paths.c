/* Make the tree of the paths that are looked for in lines of JSON. */
#include "_native.h"

#include "_paths.h"

/* Let a place find its name by the first bytes. A name with a quote or a backslash is always escaped, so
 * no first bytes are equal to these. */
static void
set_first_bytes(Place *place)
{
    uint8_t bytes[8] = {0}, mask[8] = {0};
    size_t size = place->length < 8 ? place->length + 1 : 8;
    memcpy(bytes, place->name, size);
    memset(mask, 0xff, size);
    place->word = little_endian(bytes);
    place->mask = little_endian(mask);
    if (memchr(place->name, '"', place->length) || memchr(place->name, '\\', place->length)) {
        place->word = 1;
        place->mask = 0;
    }
}

/* Let a place be the member or the element that a step of a path names. */
static int
read_step(Place *place, PyObject *step)
{
    if (PyUnicode_Check(step)) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(step, &size);
        if (text == NULL)
            return -1;
        if (size > UINT32_MAX) {
            PyErr_SetString(PyExc_ValueError, "a name in a path is too long");
            return -1;
        }
        if ((place->name = malloc((size_t)size + 1)) == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memcpy(place->name, text, (size_t)size);
        place->name[size] = '"';
        place->length = (uint32_t)size;
        set_first_bytes(place);
        return 0;
    }
    unsigned long index = PyLong_Check(step) ? PyLong_AsUnsignedLong(step) : ULONG_MAX;
    if (PyErr_Occurred() || index >= UINT32_MAX) {
        PyErr_Clear();
        PyErr_SetString(PyExc_ValueError, "a path consists of names and of indexes from 0");
        return -1;
    }
    place->index = (uint32_t)index;
    return 0;
}

static int
is_same_step(const Place *one, const Place *two)
{
    if (one->name == NULL || two->name == NULL)
        return one->name == two->name && one->index == two->index;
    return one->length == two->length && !memcmp(one->name, two->name, one->length);
}

/* Return the number of the place that a step leads to, which is made if there is none; 0 with an
 * exception. */
static uint32_t
place_behind(JsonSpec *spec, uint32_t origin, PyObject *step)
{
    Place *fresh = &spec->places[spec->used];
    if (read_step(fresh, step) < 0)
        return NOWHERE;
    Place *from = &spec->places[origin];
    uint32_t *link = fresh->name ? &from->members : &from->elements;
    for (; *link != NOWHERE; link = &spec->places[*link].next)
        if (is_same_step(&spec->places[*link], fresh)) {
            free(fresh->name);
            memset(fresh, 0, sizeof *fresh);
            return *link;
        }
    if (fresh->name)
        from->firsts[fresh->name[0] >> 6] |= UINT64_C(1) << (fresh->name[0] & 63);
    return *link = spec->used++;
}

static int
add_path(JsonSpec *spec, PyObject *path, unsigned number)
{
    const uint64_t bit = UINT64_C(1) << number % 64;
    uint32_t place = ROOT;
    for (Py_ssize_t i = 0;; i++) {
        spec->places[place].within[number / 64] |= bit;
        if (i == PyTuple_Size(path))
            break;
        if ((place = place_behind(spec, place, PyTuple_GetItem(path, i))) == NOWHERE)
            return -1;
    }
    spec->places[place].here[number / 64] |= bit;
    return 0;
}

/* Return how many places the paths need at most, or 0 with an exception. */
static size_t
count_places(PyObject *paths)
{
    size_t places = ROOT + 1;
    if (!PyTuple_Check(paths) || PyTuple_Size(paths) > MAX_PATHS) {
        PyErr_Format(PyExc_ValueError, "give a tuple of at most %d paths", MAX_PATHS);
        return 0;
    }
    for (Py_ssize_t i = 0; i < PyTuple_Size(paths); i++) {
        PyObject *path = PyTuple_GetItem(paths, i);
        if (!PyTuple_Check(path) || PyTuple_Size(path) > MAX_DEPTH) {
            PyErr_Format(PyExc_ValueError, "a path is a tuple of at most %d steps", MAX_DEPTH);
            return 0;
        }
        places += (size_t)PyTuple_Size(path);
    }
    return places;
}

int
json_spec(JsonSpec *spec, PyObject *paths)
{
    size_t places = count_places(paths);
    memset(spec, 0, sizeof *spec);
    if (places == 0)
        return -1;
    if ((spec->places = calloc(places + 1, sizeof *spec->places)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    spec->used = ROOT + 1;
    spec->values = (unsigned)PyTuple_Size(paths);
    for (unsigned i = 0; i < spec->values; i++)
        if (add_path(spec, PyTuple_GetItem(paths, (Py_ssize_t)i), i) < 0) {
            json_spec_clear(spec);
            return -1;
        }
    return 0;
}

void
json_spec_clear(JsonSpec *spec)
{
    for (uint32_t i = 0; i < spec->used; i++)
        free(spec->places[i].name);
    free(spec->places);
    memset(spec, 0, sizeof *spec);
}
