r"""A service's log as JSON lines: 15 to 18 members, of which `http` and others are nested.

Members come in many orders, some are missing, some are null; strings hold escapes, quotes, and
letters that are not ASCII, raw and as \u escapes; a few messages hold JSON themselves.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from random import Random
from time import gmtime

from generators.access_logs import build_paths
from generators.drawing import CHUNK_LINES, EPOCH, draw_by_rank

CHUNK_SECONDS = 40  # 200 lines a second
ORDERS, POOL = 64, 4096
METHODS = ["GET"] * 60 + ["POST"] * 25 + ["PUT"] * 8 + ["DELETE"] * 4 + ["PATCH", "HEAD"]
STATUSES = [200] * 80 + [201] * 6 + [204] * 4 + [301, 302, 304, 400, 401, 403, 404, 404, 409, 422]
STATUSES += [429, 500, 502, 503]
SERVICES = ["checkout", "cart", "search", "auth", "billing", "mail", "web"] * 3 + ["käse-api"]
MESSAGES = ["done", "done", "cache miss"] * 15 + ["zu spät", "😀 ok", "支払い完了", "path C:\\"]
MESSAGES += ["café\tretry", 'bad header "X-Id"', "C:\\temp\\new\nline"]
MESSAGES += ["\u2028 odd \x07 bell", 'upstream said {"http":{"status":999,"method":"NONE"}}']
TAGS = ["blue", "canary", "eu-west", "batch", "retry"] * 5 + ["été", 'a"b']


def member(name: str, value: object, blank: str = "") -> str:
    """Return the text of a member, its strings raw or (if `blank` is given) with escapes.

    >>> member("a", "é"), member("a", "é", " ")
    ('"a":"é"', '"a": "\\\\u00e9"')
    """
    text = json.dumps(value, ensure_ascii=bool(blank), separators=("," + blank, ":" + blank))
    return f'"{name}":{blank}{text}'


def members(name: str, values: Sequence[object]) -> list[str]:
    """Return a pool of members in two spellings, the one without blanks nine times of ten."""
    return [member(name, value, " " if n % 10 == 0 else "") for n, value in enumerate(values)]


def hexadecimal(rng: Random, digits: int) -> list[object]:
    return [f"{rng.getrandbits(4 * digits):0{digits}x}" for _ in range(POOL)]


@cache
def build_pools(seed: int) -> list[list[str]]:
    """Return the pool of each member but `time` and `http`; an empty text is a missing member."""
    rng = Random(f"{seed}/json")
    numbers = [rng.randrange(1 << rng.randrange(1, 30)) for _ in range(POOL)]
    tags = [rng.choices(TAGS, k=rng.randrange(3)) for _ in range(100)]
    return [
        members("level", ["info"] * 17 + ["warn", "warn", "error"]),
        members("service", SERVICES),
        members("host", [f"web-{number:03}" for number in range(200)]),
        members("pid", [rng.randrange(300, 65_000) for _ in range(200)]),
        members("message", MESSAGES),
        members("trace", hexadecimal(rng, 8)),
        members("user", [{"id": n} for n in numbers[:400]] + [None] * 100),
        members("tags", tags),
        members("geo", [[n / 8, -n / 16] for n in range(50)]),
        members("try", [1] * 9 + [2, 3, -1]),
        members("ratio", [1.5e-07, 0.25, 1e22, 0, 12.125] * 4),
        members("sampled", [True, False, False]),
        members("bytes", list(numbers)),
        members("zone", ["eu-1", "us-2", None] * 4),
        members("error", [{"code": n, "stack": ["f()", "g()"]} for n in range(20)]) + [""] * 200,
        members("flags", [{}, [], None]) + [""] * 3,
    ]


@cache
def build_orders(seed: int) -> list[Callable[[tuple[str, ...]], tuple[str, ...]]]:
    """Return functions that put the members of a line into one of ORDERS orders."""
    rng, places = Random(f"{seed}/orders"), range(len(build_pools(seed)) + 2)
    return [itemgetter(*rng.sample(places, len(places))) for _ in range(ORDERS)]


@cache
def build_answers(seed: int) -> list[str]:
    """Return beginnings of `http` up to its path: method and status, seldom odd ones."""
    rng = Random(f"{seed}/answers")
    pairs = [(rng.choice(METHODS), rng.choice(STATUSES)) for _ in range(POOL)]
    plain = [f'"http":{{"method":"{method}","status":{status},' for method, status in pairs]
    turned = [f'"http": {{ "status" : {status}, "method": "{method}", ' for method, status in pairs]
    odd = [
        '"http":{"method":"POST","status":null,',
        '"http":{"method":null,"status":500,',
        '"http":{"status":204,',
        '"http":{"method":"GET",',
        '"http":{',
        r'"http":{"method":"P\u004fST","\u0073tatus":201,',
        '"http":{"headers":{"status":1,"method":"x"},"method":"GET","status":200,',
    ]
    return plain * 2 + turned + odd * 10


def draw_http(rng: Random, seed: int) -> list[str]:
    """Return the member `http` of each line; one in fifty lines has none."""
    parts = zip(
        rng.choices(build_answers(seed), k=CHUNK_LINES),
        draw_by_rank(rng, build_paths(seed), CHUNK_LINES),
        rng.choices(range(1, 3000), k=CHUNK_LINES),
        strict=True,
    )
    found = [f'{start}"path":"{path}","ms":{ms}}}' for start, path, ms in parts]
    for place in rng.choices(range(CHUNK_LINES), k=CHUNK_LINES // 50):
        found[place] = ""
    return found


def render_times(index: int) -> list[str]:
    """Return the member `time` of each line of a chunk, in order."""
    first, thousandths = EPOCH + index * CHUNK_SECONDS, CHUNK_SECONDS * 1000
    clocks = [
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*gmtime(first + second)[:6])
        for second in range(CHUNK_SECONDS)
    ]
    passed = (n * thousandths // CHUNK_LINES for n in range(CHUNK_LINES))
    return [f'"time":"{clocks[ms // 1000]}.{ms % 1000:03}Z"' for ms in passed]


def render_chunk(seed: int, index: int) -> bytes:
    """Return chunk `index` of the log of `seed`: CHUNK_LINES lines."""
    rng = Random(f"{seed}/json/{index}")
    pools = (rng.choices(pool, k=CHUNK_LINES) for pool in build_pools(seed))
    drawn = zip(render_times(index), draw_http(rng, seed), *pools, strict=True)
    orders = rng.choices(build_orders(seed), k=CHUNK_LINES)
    commas = rng.choices([","] * 9 + [" , "], k=CHUNK_LINES)
    lines = [
        comma.join(filter(None, order(found)))
        for comma, order, found in zip(commas, orders, drawn, strict=True)
    ]
    return "".join([f"{{{line}}}\n" for line in lines]).encode()
