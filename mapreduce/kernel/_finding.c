/* Find lines by how they end, by their number of fields, or by words in them.
 *
 * A caller that must look at some lines of a block again need not look at all of them. It may be told
 * of a line too many, but never of one too few.
 */
#include "_finding.h"

#include <stdint.h>
#include <string.h>

enum {
    OTHER = 0,     /* ends a word; the letters are 1 to 26, whatever their case */
    DIGIT = 27,
    IGNORED = 28,  /* may stand anywhere in a word */
    BLANK = 29,    /* what stands between the words of a header */
    SIGN = 30,     /* no word of a header begins with it */
    SLOTS = 256,
    MOST_WORDS = SLOTS / 2,
    MOST_WIDTHS = 8,
    MANY = 3,      /* a line with so many of the words is wanted, whatever else it holds */
};

typedef struct {
    uint8_t delimiter;
    unsigned before;
    uint8_t kind[256];      /* of each byte */
    uint64_t slots[SLOTS];  /* the hashes of the words, each at or after its slot; 0: free */
    size_t widths[MOST_WIDTHS];
    Py_ssize_t width_count;
} Search;

/* Store numbers of fields; return -1 with an exception if they cannot be stored. */
static int
store_widths(Search *search, PyObject *widths)
{
    search->width_count = PyTuple_Size(widths);
    if (search->width_count > MOST_WIDTHS) {
        PyErr_Format(PyExc_ValueError, "choose at most %d numbers of fields", MOST_WIDTHS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < search->width_count; i++) {
        search->widths[i] = PyLong_AsSize_t(PyTuple_GetItem(widths, i));
        if (PyErr_Occurred())
            return -1;
    }
    return 0;
}

static void
set_kind(uint8_t kinds[256], const char *bytes, uint8_t kind)
{
    for (; *bytes; bytes++)
        kinds[(uint8_t)*bytes] = kind;
}

static void
sort_bytes(uint8_t kinds[256])
{
    for (unsigned letter = 0; letter < 26; letter++)
        kinds['a' + letter] = kinds['A' + letter] = (uint8_t)(letter + 1);
    set_kind(kinds, "0123456789", DIGIT);
    set_kind(kinds, "-_${}\\", IGNORED);
    set_kind(kinds, " \t,;|", BLANK);
    set_kind(kinds, "!%&()*+./:<=>?[]^~", SIGN);
}

/* Add a letter or a digit to the hash of a word, which is 1 at first. */
static inline uint64_t
hash_more(uint64_t hash, uint8_t kind)
{
    return (hash << 5 | hash >> 59) ^ kind;
}

/* Return the slot that holds a hash, or the free slot for it. */
static inline unsigned
find_slot(const uint64_t *slots, uint64_t hash)
{
    unsigned slot = (unsigned)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 56);
    while (slots[slot] && slots[slot] != hash)
        slot = (slot + 1) % SLOTS;
    return slot;
}

/* Store the hashes of words with blanks between them; return -1 with an exception if they are many. */
static int
store_words(Search *search, const uint8_t *p, const uint8_t *end)
{
    unsigned stored = 0;
    while (p < end) {
        uint64_t hash = 1;
        for (; p < end && *p != ' '; p++)
            hash = hash_more(hash, search->kind[*p]);
        search->slots[find_slot(search->slots, hash)] = hash;
        p++;
        if (++stored > MOST_WORDS) {
            PyErr_Format(PyExc_ValueError, "choose at most %d words", MOST_WORDS);
            return -1;
        }
    }
    return 0;
}

/* Return whether the bytes at p are the KELVIN SIGN, whose small letter is k. */
static inline int
is_kelvin_sign(const uint8_t *p, const uint8_t *end)
{
    return *p == 0xe2 && end - p >= 3 && p[1] == 0x84 && p[2] == 0xaa;
}

/* Return how many of the words a text has. */
static unsigned
count_words(const Search *search, const uint8_t *p, const uint8_t *end)
{
    unsigned found = 0;
    uint64_t hash = 1;
    for (; p < end; p++) {
        uint8_t kind = search->kind[*p];
        if (kind == OTHER && is_kelvin_sign(p, end)) {
            kind = search->kind['k'];
            p += 2;
        }
        if (kind == OTHER || kind >= BLANK) {
            found += search->slots[find_slot(search->slots, hash)] != 0;
            hash = 1;
        } else if (kind != IGNORED) {
            hash = hash_more(hash, kind);
        }
    }
    return found + (search->slots[find_slot(search->slots, hash)] != 0);
}

/* Return whether each word of a text begins as the words of a header do. */
static int
is_like_header(const Search *search, const uint8_t *p, const uint8_t *end)
{
    uint8_t before = BLANK;
    for (; p < end; p++) {
        uint8_t kind = search->kind[*p];
        if (before == BLANK && (kind == DIGIT || kind == SIGN))
            return 0;
        before = kind;
    }
    return 1;
}

/* Return the number of bytes that are equal to a byte, eight at a time. */
static size_t
count_byte(const uint8_t *p, const uint8_t *end, uint8_t byte)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), ones = UINT64_C(0x0101010101010101);
    size_t count = 0;
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        word ^= ones * byte;
        word = ~(((word & low) + low) | word | low);  /* 0x80 where equal */
        count += (size_t)((word >> 7) * ones >> 56);
    }
    for (; p < end; p++)
        count += *p == byte;
    return count;
}

/* Return whether a line has one of the wanted numbers of fields. */
static int
has_width(const Search *search, const uint8_t *line, const uint8_t *end)
{
    size_t width = search->width_count ? count_byte(line, end, search->delimiter) + 1 : 0;
    for (Py_ssize_t i = 0; i < search->width_count; i++)
        if (search->widths[i] == width)
            return 1;
    return 0;
}

/* Return what follows the first k delimiters of a line, or its end if it has fewer. */
static const uint8_t *
skip_fields(const uint8_t *p, const uint8_t *end, uint8_t delimiter, unsigned k)
{
    for (; k && p < end; k--) {
        const uint8_t *found = memchr(p, delimiter, (size_t)(end - p));
        p = found ? found + 1 : end;
    }
    return p;
}

static int
is_wanted(const Search *search, const uint8_t *line, const uint8_t *end)
{
    if (line == end)
        return 0;
    if (end[-1] == ' ' || end[-1] == '\t' || has_width(search, line, end))
        return 1;
    line = skip_fields(line, end, search->delimiter, search->before);
    if (line == end || search->kind[*line] == DIGIT)
        return 0;
    unsigned words = count_words(search, line, end);
    return words >= MANY || (words && is_like_header(search, line, end));
}

/* Return the list of the offsets of the wanted lines of a block. */
static PyObject *
search_block(const Search *search, const uint8_t *block, const uint8_t *end)
{
    PyObject *offsets = PyList_New(0);
    for (const uint8_t *p = block; offsets != NULL && p < end;) {
        const uint8_t *newline = memchr(p, '\n', (size_t)(end - p)), *line = p;
        const uint8_t *line_end = newline ? newline : end;
        p = line_end + 1;
        line_end -= line_end > line && line_end[-1] == '\r';
        if (!is_wanted(search, line, line_end))
            continue;
        PyObject *offset = PyLong_FromSsize_t(line - block);
        if (offset == NULL || PyList_Append(offsets, offset) < 0)
            Py_CLEAR(offsets);
        Py_XDECREF(offset);
    }
    return offsets;
}

PyObject *
find_lines(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer view;
    const char *words;
    PyObject *widths;
    Py_ssize_t size;
    Search search = {0};
    if (!PyArg_ParseTuple(args, "y*bIO!y#", &view, &search.delimiter, &search.before, &PyTuple_Type,
                          &widths, &words, &size))
        return NULL;
    sort_bytes(search.kind);
    PyObject *offsets = NULL;
    if (store_widths(&search, widths) == 0 &&
        store_words(&search, (const uint8_t *)words, (const uint8_t *)words + size) == 0)
        offsets = search_block(&search, view.buf, (const uint8_t *)view.buf + view.len);
    PyBuffer_Release(&view);
    return offsets;
}
