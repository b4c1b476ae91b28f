"""Give the port of a service by its name.

Source: the IANA registry "Service Name and Transport Protocol Port Number Registry"
(service-names-port-numbers, as of May 2025), of which this is the part that people name in lookups.
A name that the registry gives several ports (``http-alt``) is missing: nobody knows which one is
meant. The platform's own table is not used: ``/etc/services`` differs from machine to machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Final, NamedTuple

_REGISTERED: Final = {
    "tcp udp": """
        echo=7 daytime=13 qotd=17 chargen=19 telnet=23 smtp=25 time=37 nameserver=42
        nicname=43 tacacs=49 domain=53 bootps=67 bootpc=68 tftp=69 gopher=70 finger=79
        www=80 kerberos=88 pop3=110 sunrpc=111 auth=113 nntp=119 ntp=123 epmap=135
        netbios-ns=137 netbios-dgm=138 netbios-ssn=139 snmp=161 snmptrap=162 irc=194
        rtsps=322 ldap=389 microsoft-ds=445 kpasswd=464 isakmp=500 printer=515 kshell=544
        dhcpv6-client=546 dhcpv6-server=547 afpovertcp=548 rtsp=554 nntps=563 submission=587
        ipp=631 ldaps=636 netconf-ssh=830 domain-s=853 rsync=873 ftps-data=989 ftps=990
        telnets=992 pop3s=995 socks=1080 ms-sql-s=1433 ms-sql-m=1434 wins=1512 l2tp=1701
        pptp=1723 radius=1812 radius-acct=1813 mqtt=1883 ssdp=1900 cisco-sccp=2000
        radsec=2083 cvspserver=2401 iscsi-target=3260 msft-gc=3268 msft-gc-ssl=3269
        mysql=3306 ms-wbt-server=3389 stun=3478 teredo=3544 distcc=3632 bfd-control=3784
        ipsec-nat-t=4500 stuns=5349 turns=5349 mdns=5353 llmnr=5355 postgresql=5432
        amqps=5671 coap=5683 coaps=5684 rfb=5900 couchdb=5984 wsman=5985 wsmans=5986
        wbem-http=5988 wbem-https=5989 sflow=6343 pcsync-https=8443 secure-mqtt=8883
        pdl-datastream=9100 git=9418 memcache=11211
    """,
    "tcp": """
        ident=113 imap=143 submissions=465 exec=512 login=513 shell=514 ipps=631 imaps=993
        docker=2375 docker-s=2376 etcd-client=2379 etcd-server=2380 ntske=4460
        xmpp-client=5222 xmpp-server=5269 redis=6379 puppet=8140 mongodb=27017
    """,
    "tcp udp sctp": """
        ftp-data=20 ftp=21 ssh=22 http=80 bgp=179 https=443 nfs=2049 ipfix=4739 sip=5060
        sips=5061 amqp=5672
    """,
    "udp": """
        biff=512 who=513 syslog=514 router=520 gre-in-udp=4754 vxlan=4789 geneve=6081
    """,
    "tcp udp sctp dccp": """
        discard=9
    """,
    "tcp sctp": """
        diameter=3868
    """,
}
"""The names with their ports, by the protocols that the registry has them for."""


class Service(NamedTuple):
    """The port of a service, and the numbers of the protocols that it is registered for."""

    port: int
    protocols: Set[int]


def _services() -> Iterator[tuple[str, Service]]:
    for keywords, services in _REGISTERED.items():
        protocols = {_PROTOCOLS[keyword] for keyword in keywords.split()}
        for service in services.split():
            name, _, port = service.partition("=")
            yield name, Service(int(port), protocols)


_PROTOCOLS: Final = {"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132}
_SERVICES: Final = dict(_services())


def find_service(name: str) -> Service | None:
    """Return the service of a name in any letter case, or ``None`` for an unknown name."""
    return _SERVICES.get(name.lower()) if name.isascii() else None
