/* Count keys that the caller finds one after the other, and all words of a block. */
#pragma once
#include "_batch.h"
#include "_window.h"

enum {
    SHORT_KEY = 32,     /* bytes that are copied at once */
    LONG_KEY = 1024,    /* bytes of the longest key that is counted in a batch */
    KEY_ROOM = 8 << 10, /* bytes for the keys of a batch */
    STAGES = 3,
};

/* Keys pass through three stages: their slots are fetched, their records are fetched, they are counted.
 * While one batch is filled, the memory that the two batches before it need is on its way. */
typedef struct {
    Table *table;
    uint64_t lines, empty;
    int error;        /* 0, or the reason why the count stopped early */
    unsigned filled;  /* the batch that is being filled; the one after it is the oldest */
    size_t used;      /* bytes of its room that its keys take */
    Batch batch[STAGES];
    uint8_t room[STAGES][KEY_ROOM];
} Keys;

/* Move each batch one stage on; the oldest one is counted, and is filled next. */
static int
move_keys(Keys *keys)
{
    Table *table = keys->table;
    unsigned oldest = (keys->filled + 1) % STAGES, middle = (keys->filled + 2) % STAGES;
    if (batch_reserve(&keys->batch[oldest], table) < 0)
        return keys->error = NO_MEMORY;
    batch_hash(&keys->batch[keys->filled], table);
    batch_finish(&keys->batch[oldest], table);
    if (table->slots != NULL)
        batch_fetch(&keys->batch[middle], table, 1);
    keys->filled = oldest;
    keys->used = 0;
    return 0;
}

/* Count all keys that have been added. */
static int
flush_keys(Keys *keys)
{
    for (int i = 0; i < STAGES && keys->error == 0; i++)
        move_keys(keys);
    return keys->error;
}

/* Return where a key of at most LONG_KEY bytes can be written, and SHORT_KEY bytes after it; NULL with
 * `keys->error` set if there is no memory. */
static inline uint8_t *
room_for_key(Keys *keys, size_t length)
{
    if (keys->used + length + SHORT_KEY > KEY_ROOM && move_keys(keys) < 0)
        return NULL;
    return keys->room[keys->filled] + keys->used;
}

/* Add the padded key that stands where room_for_key has pointed to. */
static inline int
add_padded_key(Keys *keys, size_t length)
{
    Batch *batch = &keys->batch[keys->filled];
    batch_put(batch, keys->room[keys->filled] + keys->used, (uint32_t)length, 1);
    keys->used += (key_units((uint32_t)length) - 1) * UNIT;
    return batch->used < BATCH ? 0 : move_keys(keys);
}

/* Count one key of any length without the room. */
static int
add_long_key(Keys *keys, const uint8_t *key, size_t length)
{
    if (length > LONGEST_KEY)
        return keys->error = KEY_TOO_LONG;
    uint8_t *padded = calloc(1, length + UNIT);
    if (padded == NULL)
        return keys->error = NO_MEMORY;
    memcpy(padded, key, length);
    batch_put(&keys->batch[keys->filled], padded, (uint32_t)length, 1);
    flush_keys(keys);
    free(padded);
    return keys->error;
}

/* Write a key of 1 to 32 bytes with zeros behind it, reading nothing outside it: two copies of a fixed
 * size may overlap. */
static inline void
copy_short_key(uint8_t *out, const uint8_t *key, size_t length)
{
    memset(out, 0, SHORT_KEY);
    if (length > 16) {
        memcpy(out, key, 16);
        memcpy(out + length - 16, key + length - 16, 16);
    } else if (length >= 8) {
        memcpy(out, key, 8);
        memcpy(out + length - 8, key + length - 8, 8);
    } else if (length >= 4) {
        memcpy(out, key, 4);
        memcpy(out + length - 4, key + length - 4, 4);
    } else {
        out[0] = key[0];
        out[length / 2] = key[length / 2];
        out[length - 1] = key[length - 1];
    }
}

/* Add a key of any length without reading past its end. */
static inline int
add_key(Keys *keys, const uint8_t *key, size_t length)
{
    if (length > LONG_KEY)
        return add_long_key(keys, key, length);
    uint8_t *out = room_for_key(keys, length);
    if (out == NULL)
        return keys->error;
    if (length - 1 < SHORT_KEY) {
        copy_short_key(out, key, length);
    } else {
        memcpy(out, key, length);
        memset(out + length, 0, UNIT);
    }
    return add_padded_key(keys, length);
}

static inline int
is_white(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Where the count of words is in a block. */
typedef struct {
    const uint8_t *word;  /* where the word begins that is not over yet; NULL between words */
    unsigned blank;       /* whether the line has had no word yet */
} WordPlace;

#define BODY "_words.h"
#include "_variants.h"

typedef const uint8_t *(*WordFunction)(Keys *, const uint8_t *, const uint8_t *, WordPlace *);

/* Count the words of a block from p on byte by byte, without reading past its end. */
static int
count_words_slowly(Keys *keys, const uint8_t *p, const uint8_t *end, WordPlace place)
{
    for (; p < end; p++) {
        if (!is_white(*p)) {
            place.word = place.word ? place.word : p;
            place.blank = 0;
            continue;
        }
        if (place.word && add_key(keys, place.word, (size_t)(p - place.word)) < 0)
            return keys->error;
        place.word = NULL;
        if (*p == '\n') {
            keys->lines++;
            keys->empty += place.blank;
            place.blank = 1;
        }
    }
    if (place.word && add_key(keys, place.word, (size_t)(end - place.word)) < 0)
        return keys->error;
    return flush_keys(keys);
}

/* Count all words of a block. */
static int
count_words(Keys *keys, WordFunction fast, const uint8_t *p, const uint8_t *end)
{
    WordPlace place = {NULL, 1};
    p = fast(keys, p, end, &place);
    return p == NULL ? keys->error : count_words_slowly(keys, p, end, place);
}

/* Return the function that counts words with a variant, or NULL if this processor lacks it. */
static WordFunction
find_word_variant(const char *name)
{
    return FIND_VARIANT(name, words);
}
