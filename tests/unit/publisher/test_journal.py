"""The history as a publisher knows it."""

from __future__ import annotations

from slipway_publisher.journal import Journal
from slipway_publisher.listing import Endpoint, Snapshot, following, parse, rows

NOON = 1_795_953_600.0


def state(number: int) -> Snapshot:
    endpoints = (Endpoint(f"10.0.0.{number}", f"pod-{number}"),)
    return following(None, endpoints, generation=number, now=NOON + number, service="s", namespace="n")


def test_what_a_store_lacks_is_had_from_memory_or_from_another_store() -> None:
    journal, asked = Journal(10), []
    states = [state(number) for number in range(1, 4)]
    journal.offer([states[0].key], lambda key: asked.append(key) or states[0].entry)  # type: ignore[func-returns-value]
    for each in states[1:]:
        journal.add(each)
    missing = journal.missing({states[1].key})
    assert missing == [states[2].key, states[0].key]
    assert [journal.body(key) for key in missing] == [states[2].entry, states[0].entry]
    assert asked == [states[0].key]
    assert journal.body("history/other.json") is None


def test_only_so_many_are_of_interest() -> None:
    journal = Journal(3)
    for number in range(1, 9):
        journal.add(state(number))
    assert journal.missing(set()) == [state(number).key for number in (8, 7, 6)]
    assert [row["generation"] for row in rows(journal.contents())] == [8, 7, 6]


def test_an_entry_without_a_row_is_read_for_it() -> None:
    journal = Journal(10)
    stored = {state(1).key: state(1).entry, "history/2026/wrong.json": b"?"}
    journal.offer(stored, stored.get)
    assert sorted(journal.untold()) == sorted([state(1).key, "history/2026/wrong.json"])
    for key in journal.untold():
        journal.tell(key, parse)
    assert journal.untold() == []
    assert rows(journal.contents()) == [state(1).summary]


def test_what_is_forgotten_is_not_filled_in_again() -> None:
    journal = Journal(10)
    journal.add(state(1))
    journal.forget([state(1).key])
    assert (journal.missing(set()), rows(journal.contents())) == ([], [])
