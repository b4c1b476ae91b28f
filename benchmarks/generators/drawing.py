"""How all generators draw: by integers, division and `random.Random` only.

So one seed gives the same bytes on every Python and machine: no hash(), set order or libm.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from random import Random
from typing import TypeVar

T = TypeVar("T")

CHUNK_LINES = 8192  # about 1 MB: a draw of this many costs 3 ms or more, far above a task's cost
EPOCH = 1_700_000_000


def skew(items: Iterable[T], head: int) -> list[T]:
    """Repeat each item 1 + head // rank times, so that uniform draws from the result are skewed."""
    return [item for rank, item in enumerate(items, 1) for _ in range(1 + head // rank)]


def cut_octaves(ranked: Sequence[T]) -> list[Sequence[T]]:
    """Cut items, the most frequent first, into octaves: ranks 1, 2 to 3, 4 to 7, and so on.

    >>> cut_octaves("abcdefg")
    ['a', 'bc', 'defg']
    """
    return [ranked[(1 << n) - 1 : (2 << n) - 1] for n in range(len(ranked).bit_length())]


def draw_by_rank(
    rng: Random,
    octaves: Sequence[Sequence[T]],
    number: int,
    weights: Sequence[int] | None = None,
) -> Iterator[T]:
    """Yield `number` items, each about as often as 1 / its rank (Zipf's law).

    Octaves are drawn equally often, as the law has it: the sum of 1 / rank over each is alike.
    With weights they are drawn by those.
    """
    order = rng.choices(range(len(octaves)), weights, k=number)
    drawn = [iter(rng.choices(octave, k=order.count(n))) for n, octave in enumerate(octaves)]
    return map(next, map(drawn.__getitem__, order))


def draw_addresses(rng: Random, network: IPv4Network | IPv6Network, number: int) -> list[bytes]:
    """Return distinct pieces "ADDRESS " of `network`, never its first or last."""
    hosts = rng.sample(range(1, min(network.num_addresses - 1, 1 << 62)), number)  # len() < 2**63
    return [b"%b " % str(network[host]).encode() for host in hosts]
