"""Where a channel leads, and a name that has no address at first."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from typing import TYPE_CHECKING

import pytest
from slipwayctl.calls import Clusters
from slipwayctl.connection import Access, Connection, DirectRoute, certificates_in, server_name, target_of
from slipwayctl.errors import SetupError

from tests.unit.slipwayctl.double import Double, served

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

FLAGS_FOUND, FLAGS_NO_NAME = b"\x81\x80", b"\x81\x83"
LOOPBACK = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x7f\0\0\1"
A = 1


@pytest.mark.parametrize(
    ("address", "target", "name"),
    [
        ("worker.slipway.svc:50051", "dns:///worker.slipway.svc:50051", "worker.slipway.svc"),
        ("localhost:1", "dns:///localhost:1", "localhost"),
        ("127.0.0.1:1", "dns:///127.0.0.1:1", "worker.x.svc"),
        ("[::1]:1", "dns:///[::1]:1", "worker.x.svc"),
        ("dns://10.0.0.1/w.example:1", "dns://10.0.0.1/w.example:1", "w.example"),
        ("ipv4:127.0.0.1:1", "ipv4:127.0.0.1:1", "worker.x.svc"),
    ],
)
def test_targets(address: str, target: str, name: str) -> None:
    assert (target_of(address), server_name(address, "x")) == (target, name)


def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"ca\.crt: No such file") as caught:
        certificates_in(tmp_path)
    assert "--tls-dir" in caught.value.remedy


class Names(asyncio.DatagramProtocol):
    """A name server: there is no such name, until all names are this machine's."""

    known = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        end = 12 + data[12:].index(0) + 5
        kind = struct.unpack(">H", data[end - 4 : end - 2])[0]
        found = self.known and kind == A
        flags = FLAGS_FOUND if self.known else FLAGS_NO_NAME
        counts = struct.pack(">HHHH", 1, int(found), 0, 0)
        self._transport.sendto(data[:2] + flags + counts + data[12:end] + (LOOPBACK if found else b""), addr)


def test_goes_on_soon_after_a_name_is_known(double: Double, tls: Path) -> None:
    async def use(port: int) -> float:
        loop = asyncio.get_running_loop()
        transport, names = await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
        server = "{}:{}".format(*transport.get_extra_info("sockname"))
        access = Access(
            address=f"dns://{server}/w.example.:{port}",
            server_name="worker.slipway.svc",
            tls_dir=str(tls / "client"),
        )
        connection = Connection(DirectRoute(access))
        async with contextlib.aclosing(connection):
            asked = asyncio.create_task(Clusters(connection).list(within=60))
            await asyncio.sleep(4)
            names.known, began = True, time.monotonic()
            await asked
        transport.close()
        return time.monotonic() - began

    with served(double, tls / "server") as port:
        assert asyncio.run(use(port)) < 3
