r"""Access logs in the combined format, as Apache and nginx write them.

A third of the requests has a query, and hardly any query comes twice. Three lines of a thousand
hold junk instead of a request. A quote inside a referer or an agent is escaped by a backslash;
nothing else holds a quote.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from ipaddress import ip_network
from random import Random
from time import gmtime

from generators.drawing import CHUNK_LINES, EPOCH, cut_octaves, draw_addresses, draw_by_rank, skew
from generators.texts import build_words

CHUNK_SECONDS = 120  # 68 requests a second
PATHS, QUERIES, HOSTS, REFERERS, OUTCOMES = (1 << 16) - 1, 1024, 20_000, 4000, 8192
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
METHODS = (
    ["GET"] * 170 + ["POST"] * 20 + ["HEAD"] * 5 + ["OPTIONS", "PUT", "PUT", "DELETE", "PATCH"]
)
PROTOCOLS = ["HTTP/1.1"] * 14 + ["HTTP/2.0"] * 5 + ["HTTP/1.0"]
USERS = ["-"] * 97 + ["admin", "frank", "o'neill@example.org"]
# Weights per mille; those of SILENT have no body, which Apache writes as a dash.
STATUSES = {
    200: 790, 304: 70, 301: 30, 302: 20, 404: 45, 206: 8, 403: 8, 401: 5, 400: 3, 204: 6,
    500: 6, 502: 3, 503: 3, 429: 2, 405: 1,
}  # fmt: skip
SILENT = {204, 304}
# What scanners send, as Apache writes it; no request holds a quote.
JUNK = [
    r"\x16\x03\x01\x02", r"\x03", "-", "", r"\n", "GET", "quit", "GET /", r"t3 12.1.2\n",
    "OPTIONS * HTTP/1.0", "CONNECT example.com:443 HTTP/1.1", "GET http://example.com/ HTTP/1.1",
    r"GET /shell?cd+/tmp;rm+-rf+* HTTP/1.1", r"MGLNDD_192.0.2.7_80\n", "GET /a b c HTTP/1.1",
    "GET //%5C%22x%5C%22 HTTP/1.1",
]  # fmt: skip
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
BROWSERS = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/{{}}.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_{{}} like Mac OS X) {WEBKIT} Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    "Mozilla/5.0 (compatible; Examplebot/{}.1; +https://bot.example.com/)",
    "curl/8.{}.0",
]
ODD_AGENTS = ["-", "", r"\"Mozilla/5.0 (quoted)\"", r"agent \"x\" [y] \\", "Go-http-client/1.1"]


@cache
def build_pools(seed: int) -> dict[str, Sequence[str]]:
    """Return the pools of one seed, but for the paths."""
    rng = Random(f"{seed}/access")
    networks = [("10.0.0.0/8", HOSTS), ("2001:db8::/32", HOSTS // 20)]
    hosts = [
        host.decode().strip()
        for network, number in networks
        for host in draw_addresses(rng, ip_network(network), number)
    ]
    rng.shuffle(hosts)
    agents = [pattern.format(rng.randrange(60, 140)) for _ in range(60) for pattern in BROWSERS]
    return {
        "hosts": skew(hosts, 2000),
        "agents": skew(dict.fromkeys(agents), 100) + ODD_AGENTS * 2,
        "referers": ["-"] * REFERERS + [draw_referer(rng) for _ in range(REFERERS)],
        "outcomes": draw_outcomes(rng, OUTCOMES),
    }


@cache
def build_paths(seed: int) -> list[Sequence[str]]:
    """Return distinct paths, cut for `draw_by_rank`."""
    rng, words = Random(f"{seed}/paths"), build_words(5000)
    paths = {"/": None, "/index.html": None, "/favicon.ico": None, "/robots.txt": None}
    while len(paths) < PATHS:
        paths[draw_path(rng, words)] = None
    return cut_octaves(list(paths))


def draw_path(rng: Random, words: Sequence[str]) -> str:
    """Return a path without its query; what is not ASCII is percent-encoded."""
    first, second = (percent_encoded(word) for word in rng.choices(words, k=2))
    return rng.choice(
        (
            f"/{first}/{second}",
            f"/blog/20{rng.randrange(10, 26)}/{rng.randrange(1, 13):02}/{first}-{second}/",
            f"/products/{rng.randrange(100_000)}",
            f"/api/v{rng.randrange(1, 4)}/{first}/{rng.randrange(10_000)}/{second}",
            f"/static/js/{first}.{rng.getrandbits(32):08x}.js",
            f"/images/{first}/{second}-{rng.randrange(100)}x{rng.randrange(100)}.png",
        )
    )


def percent_encoded(word: str) -> str:
    """Return a word as a URL has it; urllib.parse.quote would take ten times as long."""
    if word.isascii():
        return word
    return "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in word.encode())


def draw_query(rng: Random) -> str:
    """Return a query with its question mark; hardly any comes twice."""
    return rng.choice(
        (
            f"?id={rng.randrange(10_000_000)}",
            f"?q={rng.getrandbits(24):x}+{rng.getrandbits(12):x}&page={rng.randrange(1, 40)}",
            f"?utm_source=newsletter&utm_campaign={rng.getrandbits(40):x}&next=/a?b",
            f"?session={rng.getrandbits(96):024x}",
        )
    )


def draw_referer(rng: Random) -> str:
    """Return the address of another page; one in fifty holds an escaped quote."""
    address = f"https://{rng.choice(('www', 'shop', 'm'))}.example.{rng.choice(('com', 'org'))}/"
    search = f"search?q={rng.getrandbits(20):x}" if rng.randrange(3) else ""
    return address + (search if rng.randrange(50) else r"search?q=\"to be\"")


def draw_outcomes(rng: Random, number: int) -> list[str]:
    """Return pieces "STATUS BYTES", the bytes with a long tail."""
    statuses = rng.choices(list(STATUSES), weights=list(STATUSES.values()), k=number)
    sizes = (min(50_000_000, int(2000 / (1 - rng.random()))) for _ in statuses)
    pairs = zip(statuses, sizes, strict=True)
    return [f"{status} {'-' if status in SILENT else size}" for status, size in pairs]


def render_times(index: int) -> list[str]:
    """Return the time of each request of a chunk, in order."""
    first, times = EPOCH + index * CHUNK_SECONDS, []
    for second in range(first, first + CHUNK_SECONDS):
        year, month, day, hour, minute, rest, *_ = gmtime(second)
        clock = f"{hour:02}:{minute:02}:{rest:02}"
        times.append(f"{day:02}/{MONTHS[month - 1]}/{year}:{clock} +0000")
    return [times[n * CHUNK_SECONDS // CHUNK_LINES] for n in range(CHUNK_LINES)]


def draw_requests(rng: Random, seed: int) -> list[str]:
    """Return the requests of a chunk; a third has a query."""
    queries = [""] * (2 * QUERIES) + [draw_query(rng) for _ in range(QUERIES)]
    parts = zip(
        rng.choices(METHODS, k=CHUNK_LINES),
        draw_by_rank(rng, build_paths(seed), CHUNK_LINES),
        rng.choices(queries, k=CHUNK_LINES),
        rng.choices(PROTOCOLS, k=CHUNK_LINES),
        strict=True,
    )
    requests = [f"{method} {path}{query} {protocol}" for method, path, query, protocol in parts]
    for place in rng.choices(range(CHUNK_LINES), k=CHUNK_LINES * 3 // 1000):
        requests[place] = rng.choice(JUNK)
    return requests


def render_chunk(seed: int, index: int) -> bytes:
    """Return chunk `index` of the access log of `seed`: CHUNK_LINES lines."""
    rng, pools = Random(f"{seed}/access/{index}"), build_pools(seed)
    columns: list[Iterable[str]] = [
        rng.choices(pools["hosts"], k=CHUNK_LINES),
        rng.choices(USERS, k=CHUNK_LINES),
        render_times(index),
        draw_requests(rng, seed),
        rng.choices(pools["outcomes"], k=CHUNK_LINES),
        rng.choices(pools["referers"], k=CHUNK_LINES),
        rng.choices(pools["agents"], k=CHUNK_LINES),
    ]
    lines = map('{} - {} [{}] "{}" {} "{}" "{}"\n'.format, *columns)
    return "".join(lines).encode()
