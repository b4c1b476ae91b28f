"""AWS VPC flow logs (default format, version 2); addresses are documentation or private ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_network
from random import Random

from generators.drawing import CHUNK_LINES, EPOCH, draw_addresses, skew

CHUNK_RARE = {"v6": 250, "nodata": 74, "skipdata": 8}  # the rest is v4
CHUNK_SECONDS = 8  # so the fleet writes about 1,000 records a second
INTERFACES = 1000
V4_TAILS, V6_TAILS = 1 << 18, 1 << 14  # nearly every ephemeral TCP port is in one of them

# The placeholders of the AWS documentation; one begins with a zero.
ACCOUNTS = (
    b"123456789012 111122223333 444455556666 777788889999 012345678901 987654321098 "
    b"111111111111 222222222222 333333333333 444444444444 555555555555 999999999999"
).split()
# The first is of the interfaces themselves, the others of their peers.
V4_NETWORKS = "10.0.0.0/9 10.128.0.0/9 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24"
V6_NETWORKS = "2001:db8:1::/48 2001:db8:2::/48"
# Weights per mille. 200 has no keyword at IANA; without a row in SERVICES the ports are 0 0.
V4_PROTOCOLS = {6: 796, 17: 150, 1: 30, 2: 2, 41: 3, 47: 4, 50: 5, 51: 2, 89: 3, 132: 3, 200: 2}
V6_PROTOCOLS = {6: 800, 17: 140, 58: 60}
# Destination ports, the busiest first.
SERVICES = {
    6: "443 80 22 3306 5432 8080 6379 25 8443 53 389 9092 445 993 3389 9200 2049 587 143 110 27017 "
    "1433 636 5672 21 11211 9100 1521 88 995 465 23 135 139 2379 2380 6443 10250 9090 3000 5000 "
    "8000 8081 8888 9000 9042 514 5060 1883 8883 4317 4318 2181 5044 5601 7000 7001 15672 50051 "
    "27018 9300 179 111 873 902 49153",
    17: "53 123 443 161 514 500 4500 67 68 1812 5353 88 389 137 138 1900 69 4789 8472 8125 3478 "
    "51820 1813 5060 162 520 6343 2055 4739",
    132: "38412 36412 3868 2905",
}
EPHEMERAL = range(32768, 61000)  # what Linux gives to clients
REQUESTS, RESPONSES = 0.53, 0.45  # the rest scans every port
OUTCOMES = (b"ACCEPT OK\n",) * 9 + (b"REJECT OK\n",)

LOOKUP = (
    "dstport,protocol,tag 443,tcp,sv_P1 80,tcp,sv_P1 8080,tcp,sv_P1 8443,tcp,sv_P1 443,udp,sv_P1 "
    "22,tcp,SV_P2 3389,tcp,SV_P2 9092,tcp,sv_P3 5672,tcp,sv_P3 49153,tcp,SV_P4 25,tcp,email "
    "110,tcp,email 143,tcp,email 465,tcp,email 587,tcp,email 993,tcp,email 995,tcp,email "
    "53,udp,DNS 53,tcp,DNS 123,udp,Time-Sync 0,icmp,ping 3306,tcp,db_Primary 5432,tcp,db_Primary "
    "1433,tcp,db_Legacy 1521,tcp,db_Legacy 6379,tcp,Cache 11211,tcp,Cache 389,tcp,Directory "
    "636,tcp,Directory 88,tcp,Directory 88,udp,Directory 445,tcp,FileShare 2049,tcp,FileShare "
    "161,udp,Monitoring 9100,tcp,Monitoring 514,udp,syslog 500,udp,VPN 4500,udp,VPN 0,50,VPN "
).replace(" ", "\n")
# The small sample shows one record of every kind: the pools it is drawn from, and its ports.
SMALL = (
    "v4 49152 443 6,v4 443 49152 6,v4 49154 443 6,v4 443 49154 6,v4 50110 80 6,v4 52344 22 6,"
    "v4 22 52344 6,v4 58020 25 6,v4 58021 993 6,v4 58022 110 6,nodata,v4 41200 53 17,"
    "v4 53 41200 17,v4 123 123 17,v4 38211 443 17,v6 50001 443 6,v6 443 50001 6,v6 0 0 58,"
    "v4 0 0 1,v4 0 0 1,v4 0 0 50,v4 0 0 47,v4 0 0 200,skipdata,v4 40404 23 6,v4 443 49153 6,nodata"
)


@dataclass(frozen=True)
class Pools:
    """Pieces that make a record when they are joined: side, peer, side, tail, window, outcome.

    A side is what stands before and after the peer's address: ("2 ACCOUNT ENI OWN ", "") if the
    interface sent, ("2 ACCOUNT ENI ", "OWN ") if it received.
    """

    sides: Sequence[tuple[bytes, bytes]]
    peers: Sequence[bytes]
    tails: Sequence[bytes]
    outcomes: Sequence[bytes] = OUTCOMES


def draw_ports(rng: Random, services: Sequence[int]) -> bytes:
    """Return "SRCPORT DSTPORT " of a request, a response or, seldom, a scan of any port."""
    if not services:
        return b"0 0 "
    service, client, shape = rng.choice(services), rng.choice(EPHEMERAL), rng.random()
    if shape < REQUESTS:
        return b"%d %d " % (client, service)
    if shape < REQUESTS + RESPONSES:
        return b"%d %d " % (service, client)
    return b"%d %d " % (client, rng.randrange(1, 65536))


def draw_volume(rng: Random) -> bytes:
    """Return "PACKETS BYTES " with a long tail, 40 to 1,500 bytes a packet."""
    packets = min(1_000_000, int(6 / (1 - rng.random())))
    return b"%d %d " % (packets, packets * rng.randrange(40, 1501))


def draw_tails(rng: Random, protocols: Mapping[int, int], number: int) -> list[bytes]:
    """Return pieces "SRCPORT DSTPORT PROTOCOL PACKETS BYTES " by the weights of `protocols`."""
    services = {p: skew(map(int, SERVICES.get(p, "").split()), 200) for p in protocols}
    drawn = rng.choices(list(protocols), weights=list(protocols.values()), k=number)
    return [b"%b%d %b" % (draw_ports(rng, services[p]), p, draw_volume(rng)) for p in drawn]


def build_flows(rng: Random, prefixes: list[bytes], networks: str, tails: list[bytes]) -> Pools:
    """Return the pools of one address family, with 250 peers from each network but the first."""
    home, *others = map(ip_network, networks.split())
    owned = zip(prefixes, draw_addresses(rng, home, len(prefixes)), strict=True)
    sides = [side for start, own in owned for side in ((start + own, b""), (start, own))]
    peers = [peer for network in others for peer in draw_addresses(rng, network, 250)]
    rng.shuffle(peers)
    return Pools(skew(sides, 40), skew(peers, 40), tails)


def build_idle(prefixes: Sequence[bytes], status: bytes) -> Pools:
    """Return the pools of records without a flow: a dash for every field that does not apply."""
    return Pools([(p, b"- ") for p in prefixes], [b"- "], [b"- - - - - "], [b"- %b\n" % status])


@cache
def build_pools(seed: int) -> dict[str, Pools]:
    """Return the pools of one seed by kind; a process builds them once, in half a second."""
    rng = Random(f"{seed}/pools")
    names = [(rng.choice(ACCOUNTS), rng.getrandbits(64)) for _ in range(INTERFACES)]
    prefixes = [b"2 %b eni-0%016x " % name for name in names]
    dual = prefixes[:100]  # with both families
    return {
        "v4": build_flows(rng, prefixes, V4_NETWORKS, draw_tails(rng, V4_PROTOCOLS, V4_TAILS)),
        "v6": build_flows(rng, dual, V6_NETWORKS, draw_tails(rng, V6_PROTOCOLS, V6_TAILS)),
        "nodata": build_idle(prefixes, b"NODATA"),
        "skipdata": build_idle(prefixes, b"SKIPDATA"),
    }


def draw_windows(rng: Random, clock: int) -> list[bytes]:
    """Return pieces "START END ", each less than a minute long and at most a minute old."""
    spans = ((clock - rng.randrange(60), rng.randrange(1, 60)) for _ in range(128))
    return [b"%d %d " % (start, start + length) for start, length in spans]


def join_records(rng: Random, pools: Pools, windows: Sequence[bytes], number: int) -> list[bytes]:
    """Return `number` records, each joined from pieces drawn at random."""
    ends = [window + outcome for window in windows for outcome in pools.outcomes]
    columns = (rng.choices(pool, k=number) for pool in (pools.peers, pools.tails, ends))
    drawn = zip(rng.choices(pools.sides, k=number), *columns, strict=True)
    join = b"".join  # 25 % faster here than %-formatting
    return [join((before, peer, after, tail, end)) for (before, after), peer, tail, end in drawn]


def render_chunk(seed: int, index: int) -> bytes:
    """Return chunk `index` of the file of `seed`: CHUNK_LINES lines."""
    rng, pools = Random(f"{seed}/{index}"), build_pools(seed)
    windows = draw_windows(rng, EPOCH + index * CHUNK_SECONDS)
    records = join_records(rng, pools["v4"], windows, CHUNK_LINES)
    for kind, number in CHUNK_RARE.items():
        for record in join_records(rng, pools[kind], windows, number):
            records[rng.randrange(CHUNK_LINES)] = record
    return b"".join(records)


def render_small(seed: int) -> Iterator[bytes]:
    """Yield one record for each entry of SMALL."""
    rng = Random(f"{seed}/small")
    windows = draw_windows(rng, EPOCH)
    for kind, _, ports in (entry.partition(" ") for entry in SMALL.split(",")):
        pools = build_pools(seed)[kind]
        if ports:
            pools = replace(pools, tails=[b"%b %b" % (ports.encode(), draw_volume(rng))])
        yield from join_records(rng, pools, windows, 1)
