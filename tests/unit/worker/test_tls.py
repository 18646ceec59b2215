"""Certificates that are read again when they change, by real handshakes."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509
from slipway_worker.tls import FILES, Certificates, TlsError, parse

from tests.support.authority import DAY, SERVER_NAME, Authority

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Callable
    from pathlib import Path

NEW, OLD = Authority.new("new"), Authority.new("old", life=DAY / 2)
OPTIONS = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.use_local_subchannel_pool", 1)]


def mount(volume: Path, version: Path) -> None:
    """Show a directory as a volume of Kubernetes does: by one link that is swapped, and a link for each file."""
    volume.mkdir(exist_ok=True)
    (volume / "..next").symlink_to(version, target_is_directory=True)
    (volume / "..next").rename(volume / "..data")
    for name in FILES:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")


def server(home: Path, authority: Authority, *, trusts: tuple[Authority, ...], life: dt.timedelta = DAY) -> Path:
    """Make a directory with the certificate of a server and the CAs that it trusts."""
    authority.server(home, life=life)
    (home / "ca.crt").write_bytes(b"".join(each.pem for each in trusts))
    return home


async def reaches(channel: grpc.aio.Channel) -> bool:
    """Whether a call gets to the server, which has no such method."""
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/any/method")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await method(b"", timeout=10)
    return error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def connects(address: str, client: Path, trusts: Authority) -> bool:
    """Whether a call over a connection of its own reaches the server."""
    key, chain = ((client / name).read_bytes() for name in ("tls.key", "tls.crt"))
    credentials = grpc.ssl_channel_credentials(trusts.pem, key, chain)
    async with grpc.aio.secure_channel(address, credentials, OPTIONS) as channel:
        return await reaches(channel)


async def served(certificates: Certificates, trial: Callable[[str], Awaitable[None]]) -> None:
    """Run a trial while a server of these certificates is there."""
    instance = grpc.aio.server()
    port = instance.add_secure_port("127.0.0.1:0", certificates.credentials())
    await instance.start()
    try:
        await trial(f"127.0.0.1:{port}")
    finally:
        await instance.stop(None)


def test_only_clients_with_a_certificate_of_the_ca_connect(tmp_path: Path) -> None:
    certificates = Certificates(server(tmp_path / "server", NEW, trusts=(NEW,)))
    ours, others = NEW.client(tmp_path / "ours"), OLD.client(tmp_path / "others")
    expired = NEW.client(tmp_path / "expired", life=-DAY)

    async def trial(address: str) -> None:
        assert await connects(address, ours, NEW)
        assert not await connects(address, others, NEW)
        assert not await connects(address, expired, NEW)
        async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(NEW.pem), OPTIONS) as channel:
            assert not await reaches(channel)

    asyncio.run(served(certificates, trial))


def test_a_new_ca_takes_over_without_a_restart(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    mount(volume, server(tmp_path / "1", OLD, trusts=(OLD,)))
    certificates = Certificates(volume)
    old, new = OLD.client(tmp_path / "old"), NEW.client(tmp_path / "new")

    async def trial(address: str) -> None:
        assert await connects(address, old, OLD)
        assert not await connects(address, new, OLD)
        mount(volume, server(tmp_path / "2", OLD, trusts=(OLD, NEW)))
        assert await connects(address, old, OLD)
        assert await connects(address, new, OLD)
        mount(volume, server(tmp_path / "3", NEW, trusts=(OLD, NEW)))
        assert not await connects(address, old, OLD)  # who trusts only the old one has been left behind
        assert await connects(address, old, NEW)
        mount(volume, server(tmp_path / "4", NEW, trusts=(NEW,)))
        assert not await connects(address, old, NEW)
        assert await connects(address, new, NEW)

    asyncio.run(served(certificates, trial))


def cut(directory: Path) -> None:
    """Leave a file half written."""
    (directory / "tls.crt").write_bytes((directory / "tls.crt").read_bytes()[:300])


def cut_second(directory: Path) -> None:
    """Leave the second of two CAs half written."""
    (directory / "ca.crt").write_bytes(NEW.pem + OLD.pem[:300])


def mix(directory: Path) -> None:
    """Have a certificate with another one's key."""
    shutil.copy(NEW.server(directory / "other") / "tls.key", directory)


def lose(directory: Path) -> None:
    """Lose a file."""
    (directory / "tls.key").unlink()


def empty(directory: Path) -> None:
    """Empty a file."""
    (directory / "ca.crt").write_bytes(b"")


SPOILED = [
    pytest.param(cut, "tls.crt holds no certificate in PEM, or half of one", id="half written"),
    pytest.param(cut_second, "ca.crt holds ", id="half of the second"),
    pytest.param(mix, "tls.key is not the key of tls.crt", id="another key"),
    pytest.param(lose, "No such file", id="missing"),
    pytest.param(empty, "ca.crt holds no certificate", id="empty"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILED)
def test_files_that_cannot_be_used_leave_it_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], said: str
) -> None:
    home, client = server(tmp_path / "server", NEW, trusts=(NEW,)), NEW.client(tmp_path / "client")
    certificates = Certificates(home)
    ends = certificates.ends()

    async def trial(address: str) -> None:
        spoil(home)
        assert await connects(address, client, NEW)
        assert await connects(address, client, NEW)
        assert certificates.ends() == ends
        (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
        assert said in warning.getMessage()
        server(home, NEW, trusts=(NEW,), life=DAY / 2)
        assert await connects(address, client, NEW)
        assert certificates.ends()["server"] < ends["server"]

    asyncio.run(served(certificates, trial))


@pytest.mark.parametrize(("spoil", "said"), SPOILED)
def test_they_must_be_right_at_first(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    home = server(tmp_path / "server", NEW, trusts=(NEW,))
    spoil(home)
    with pytest.raises(TlsError, match=r"It must hold ca\.crt") as error:
        Certificates(home)
    assert said in str(error.value)
    assert str(home) in str(error.value)


def test_a_volume_is_read_as_it_is_at_one_time(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    mount(volume, server(tmp_path / "1", OLD, trusts=(OLD,)))
    os.unlink(volume / "tls.crt")  # only ..data counts
    (volume / "tls.crt").write_text("half")
    assert set(Certificates(volume).ends()) == {"server", "ca"}


@pytest.mark.parametrize("more", [b"", OLD.crossed(NEW)], ids=["alone", "signed by the old one too"])
def test_the_ca_whose_end_counts_is_that_of_the_certificate(tmp_path: Path, more: bytes) -> None:
    home = NEW.server(tmp_path)
    material = parse(OLD.pem + NEW.pem, (home / "tls.crt").read_bytes() + more, (home / "tls.key").read_bytes())
    leaf = x509.load_pem_x509_certificate(material.certificate)
    assert material.ends == {"server": leaf.not_valid_after_utc, "ca": NEW.certificate.not_valid_after_utc}
