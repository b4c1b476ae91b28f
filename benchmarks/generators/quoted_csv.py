"""Orders as CSV (RFC 4180) under a header; about a third of the lines has a quoted field.

Fields are quoted because they hold a comma or a quote, which is then doubled, or for no reason; so
one city stands in the file with and without quotes. No field holds a line end.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from random import Random
from time import gmtime

from generators.drawing import CHUNK_LINES, EPOCH, cut_octaves, draw_by_rank, skew
from generators.texts import build_words

HEADER = b"order,time,customer,email,city,product,quantity,amount,note\n"
CHUNK_SECONDS = 3600
CITIES, PRODUCTS, CUSTOMERS = 400, (1 << 12) - 1, 20_000
NOTES = ["", "", "", "gift", "call before delivery", "back door", "n/a", "Größe tauschen"] * 5 + [
    "leave it with the neighbour, please",
    'he said "ring twice", then left',
    '"urgent"',
    "a, b, and c",
]


def quoted(text: str) -> str:
    """Return a field as a writer of CSV has it: in quotes only where it must be.

    >>> quoted('19" screen')
    '"19"" screen"'
    """
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def name_city(rng: Random, word: str) -> str:
    """Return the name of a city, one in twelve with its state behind a comma."""
    return (
        f"{word}, {rng.choice(('DC', 'TX', 'Île-de-France'))}" if rng.randrange(12) == 0 else word
    )


def name_product(rng: Random, word: str) -> str:
    """Return the name of a product, one in ten with a size in inches or with a comma."""
    kind = rng.randrange(20)
    return {0: f'{word} {rng.randrange(5, 60)}" wide', 1: f"{word}, large"}.get(kind, word)


def name_customer(rng: Random, first: str, last: str) -> str:
    """Return a piece "CUSTOMER,EMAIL", one in fifteen with the last name first."""
    name = f'"{last}, {first}"' if rng.randrange(15) == 0 else f"{first} {last}"
    return f"{name},{first.lower()}.{last.lower()}@example.com"


@cache
def build_pools(seed: int) -> dict[str, Sequence[str]]:
    """Return the pools of one seed, but for the products; the fields are ready for the file."""
    rng, words = Random(f"{seed}/csv"), [word.capitalize() for word in build_words(PRODUCTS)]
    cities = [quoted(name_city(rng, f"{word}ville")) for word in words[:CITIES]]
    bare = [city for city in cities if '"' not in city]
    people = (rng.choices(words, k=2) for _ in range(CUSTOMERS))
    return {
        "cities": skew(cities, 100) * 19 + [f'"{city}"' for city in bare],
        "customers": [name_customer(rng, first, last) for first, last in people],
        "notes": [quoted(note) for note in NOTES],
    }


@cache
def build_products(seed: int) -> list[Sequence[str]]:
    """Return the products, cut for `draw_by_rank`."""
    rng = Random(f"{seed}/products")
    return cut_octaves([quoted(name_product(rng, word)) for word in build_words(PRODUCTS)])


def draw_amounts(rng: Random) -> list[str]:
    """Return pieces "QUANTITY,AMOUNT", the amount in cents with a long tail."""
    quantities = rng.choices((1, 1, 1, 2, 2, 3, 5, 10, 100), k=CHUNK_LINES)
    prices = (min(1_000_000, int(900 / (1 - rng.random()))) for _ in quantities)
    pairs = zip(quantities, prices, strict=True)
    return [f"{quantity},{quantity * price}" for quantity, price in pairs]


def render_times(index: int) -> list[str]:
    """Return the time of each order of a chunk, in order."""
    seconds = range(EPOCH + index * CHUNK_SECONDS, EPOCH + (index + 1) * CHUNK_SECONDS)
    times = ["{}-{:02}-{:02} {:02}:{:02}:{:02}".format(*gmtime(second)[:6]) for second in seconds]
    return [times[n * CHUNK_SECONDS // CHUNK_LINES] for n in range(CHUNK_LINES)]


def render_chunk(seed: int, index: int) -> bytes:
    """Return chunk `index` of the orders of `seed`: CHUNK_LINES lines, the first one the header."""
    rng, pools = Random(f"{seed}/csv/{index}"), build_pools(seed)
    first = index * CHUNK_LINES
    columns: list[Iterable[object]] = [
        range(first, first + CHUNK_LINES),
        render_times(index),
        rng.choices(pools["customers"], k=CHUNK_LINES),
        rng.choices(pools["cities"], k=CHUNK_LINES),
        draw_by_rank(rng, build_products(seed), CHUNK_LINES),
        draw_amounts(rng),
        rng.choices(pools["notes"], k=CHUNK_LINES),
    ]
    chunk = "".join(map("{},{},{},{},{},{},{}\n".format, *columns)).encode()
    return chunk if index else HEADER + chunk[chunk.index(b"\n") + 1 :]
