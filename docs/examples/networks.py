"""Count the lines of an access log by network: the keys of lines are mapped."""

from mapreduce import SKIPPED, KeyCount, LineMapper, Malformed, Verdict


def host(line: bytes) -> bytes:
    """Return the raw key of a line. This runs for each line, so it does little."""
    return line.partition(b" ")[0]


def network(address: bytes) -> bytes | Verdict:
    """Return the network of an address. This runs once for each address, so it may take time."""
    if b":" in address:
        return SKIPPED  # IPv6
    parts = address.split(b".")
    if len(parts) != 4:
        raise Malformed("the line does not begin with an address")
    return b".".join(parts[:3]) + b".0/24"


def networks() -> KeyCount:
    """Count requests by the network that they come from."""
    mapper = LineMapper(host, map_key=network)
    return KeyCount(mapper, output="networks.csv", header=("Network", "Count"), top=3)
