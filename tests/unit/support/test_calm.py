"""Who measures has the machine alone."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from tests.support import calm
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("one", "other"), [(False, True), (True, False), (True, True)])
def test_who_is_to_be_alone_and_others_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one: bool, other: bool
) -> None:
    monkeypatch.setattr(calm, "LOCK", tmp_path / "tests" / "machine.lock")
    has = Event()

    def come() -> None:
        with calm.machine(alone=other):
            has.set()

    with calm.machine(alone=one):
        second = Thread(target=come)
        second.start()
        eventually(lambda: "Waiting for whoever has this machine" in capsys.readouterr().out, within=10, what="a wait")
        assert not has.is_set()
    second.join(10)
    assert has.is_set()


def test_others_do_not_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm, "LOCK", tmp_path / "machine.lock")
    with calm.machine(alone=False), calm.machine(alone=False):
        pass
