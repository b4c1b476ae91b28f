"""Running text: about a million words by Zipf's law, with capitals and punctuation glued to them.

Beyond the first 8,000, words are rarer than the law has it, as in real text: each octave of ranks
has three quarters of the words of the one before.
Words are made up of syllables. An eighth of them is written in Cyrillic letters or with accents,
so that many bytes are not ASCII; one letter ends in the byte of a no-break space in Latin-1.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, islice, product
from random import Random

from generators.drawing import CHUNK_LINES, cut_octaves, draw_by_rank

VOCABULARY = (1 << 20) - 1  # twenty octaves
WEIGHTS = [1 << 14] * 13 + [3**n << 14 - 2 * n for n in range(1, 8)]
ONSETS = [*"tsndwmhblrfcpgvky", "st", "th", "sh", "ch", "tr", "pr"]
ONSETS += ["br", "gr", "fl", "pl", "cl", "sp", "qu"]
VOWELS, ENDINGS = "eaoiu", ["", "n", "s", "r"]
LATIN = "".join(sorted(set("".join((*ONSETS, *VOWELS, *ENDINGS)))))
CYRILLIC = str.maketrans(LATIN, "абкдефгхийлмнопяртсувшы")
ACCENTS = str.maketrans("aeiou", "àéîöü")
PUNCTUATION = (",",) * 9 + (".",) * 6 + (". ",) * 3 + tuple(";:?!") + ("...", "'s")
LENGTHS = (0, *range(5, 19)) * 2 + (11,)  # words of a line; some lines are empty


def build_words(number: int) -> list[str]:
    """Return distinct words, the most frequent and shortest first.

    >>> build_words(3)
    ['te', 'ten', 'tes']
    """
    syllables = ["".join(pair) for pair in product(ONSETS, VOWELS)]
    shapes = (product(*[syllables] * length, ENDINGS) for length in (1, 2, 3))
    words = list(islice(map("".join, chain.from_iterable(shapes)), number))
    words[3::16] = [word.translate(CYRILLIC) for word in words[3::16]]
    words[11::16] = [word.translate(ACCENTS) for word in words[11::16]]
    return words


@cache
def build_octaves() -> list[Sequence[str]]:
    """Return the vocabulary, cut for `draw_by_rank`; a process builds it once, in half a second."""
    return cut_octaves(build_words(VOCABULARY))


def dress(rng: Random, words: list[str]) -> None:
    """Give some words a capital, punctuation behind them, quotes or brackets around them."""
    places = range(len(words))
    for place in rng.choices(places, k=len(words) // 10):
        words[place] = words[place].capitalize()
    for place in rng.sample(places, k=len(words) // 8):
        words[place] += rng.choice(PUNCTUATION)
    for place in rng.choices(places, k=len(words) // 80):
        words[place] = rng.choice(('"%s"', "(%s)", "\t%s")) % words[place]


def cut_lines(words: list[str], lengths: Sequence[int]) -> Iterator[str]:
    """Yield lines of so many words each."""
    rest = iter(words)
    for length in lengths:
        yield " ".join(islice(rest, length)) + "\n"


def render_chunk(seed: int, index: int) -> bytes:
    """Return chunk `index` of the text of `seed`: CHUNK_LINES lines."""
    rng = Random(f"{seed}/text/{index}")
    lengths = rng.choices(LENGTHS, k=CHUNK_LINES)
    words = list(draw_by_rank(rng, build_octaves(), sum(lengths), WEIGHTS))
    dress(rng, words)
    return "".join(cut_lines(words, lengths)).encode()
