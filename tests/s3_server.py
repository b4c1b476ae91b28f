"""An S3 server on loopback, behind a proxy that injects faults and logs the requests.

``python tests/s3_server.py`` prints the proxy's port. ``PUT /_faults`` with a JSON list of
``{"kind", "match", "times"}`` sets the faults, ``GET /_log`` gives the requests since then, and
``GET /_keys`` the access keys that signed them.
"""

from __future__ import annotations

import http.client
import http.server
import json
import re
import sys
import time
from typing import Any

from moto.server import ThreadedMotoServer

ERRORS = {"503": "SlowDown", "403": "AccessDenied", "412": "PreconditionFailed"}
ALIASES = {"//": "/~~/", "/../": "/~..~/", "/./": "/~.~/"}
"""Parts of keys that the S3 server cannot store, and the parts that it stores instead."""
faults: list[dict[str, Any]] = []
log: list[str] = []
keys: set[str] = set()
"""The access keys that signed the requests since the faults were set."""
behind: list[int] = []


def fault_for(request: str) -> str:
    """Return the kind of the first fault that matches a request, or an empty text."""
    for fault in faults:
        if fault["times"] > 0 and re.search(fault["match"], request):
            fault["times"] -= 1
            return str(fault["kind"])
    return ""


def aliased(path: str) -> str:
    for key, alias in ALIASES.items():
        path = path.replace(key, alias).replace(key.replace("/", "%2F"), alias.replace("/", "%2F"))
    return path


def unaliased(data: bytes) -> bytes:
    for key, alias in ALIASES.items():
        data = data.replace(alias.encode(), key.encode())
    return data


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes requests on to the S3 server unless a fault matches them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer may wait 40 ms for the client to acknowledge

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/_"):
            self._control(body)
            return
        request = f"{self.command} {self.path} {self.headers.get('Range', '')}".strip()
        log.append(request)
        keys.update(re.findall("Credential=([^/]+)/", self.headers.get("Authorization", "")))
        kind = fault_for(request)
        if kind in ERRORS:
            code = ERRORS[kind]
            self._answer(int(kind), f"<Error><Code>{code}</Code></Error>".encode(), {})
            return
        if kind.startswith("slow"):
            time.sleep(float(kind.removeprefix("slow")))
        server = http.client.HTTPConnection("127.0.0.1", behind[0])
        server.request(self.command, aliased(self.path), body, dict(self.headers))
        answer = server.getresponse()
        data = answer.read()
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in ("connection", "date")}
        if "list-type" in self.path:
            data = unaliased(data)
            headers = {k: v for k, v in headers.items() if k.lower() != "content-length"}
        self._answer(answer.status, data, headers, cut=kind == "cut")

    do_GET = do_PUT = do_HEAD = do_POST = handle_any  # noqa: N815 - the library's names

    def _control(self, body: bytes) -> None:
        text = json.dumps(sorted(keys) if self.path == "/_keys" else log).encode()
        if self.command == "PUT":
            faults[:] = json.loads(body)
            log.clear()
            keys.clear()
        self._answer(200, text, {})

    def _answer(self, status: int, data: bytes, headers: dict[str, str], cut: bool = False) -> None:
        self.send_response(status)
        length = {k.lower(): v for k, v in headers.items()}.get("content-length", str(len(data)))
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = cut


def main() -> None:
    """Serve until standard input ends: when the tests are gone, so is the server."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    behind.append(moto.get_host_and_port()[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    server.shutdown()
    moto.stop()


if __name__ == "__main__":
    main()
