"""Count the requests of an access log by network and status, and sum their bytes."""

from mapreduce import SKIPPED, KeyCount, Malformed, Verdict, access_log


def network(host: bytes, status: bytes) -> tuple[bytes, bytes] | Verdict:
    """Return the key to show for a key. This runs once for each distinct key."""
    if b":" in host:
        return SKIPPED  # an address of IPv6
    parts = host.split(b".")
    if len(parts) != 4:
        raise Malformed("the host is no address")
    return b".".join(parts[:3]) + b".0/24", status[:1] + b"xx"


def networks() -> KeyCount:
    """Count requests by the network that they come from and the kind of status."""
    mapper = access_log("host", "status", summed=("bytes",))
    mapper = mapper.map_keys(network, "Network", "Status")
    return KeyCount(mapper, output="networks.csv", top=3)
