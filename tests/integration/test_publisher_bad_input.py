"""Whatever is wrong: the last good page stays, one line says why, and a run that publishes once ends by a code."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.publisher import TEMPLATE, Publisher, Service, listed, names, pods
from tests.support.stores import Bucket, PlainStore, VersityGateway
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.api_server import ApiServer

GOOD = b"the last good page"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VersityGateway]:
    with VersityGateway(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def bucket(store: VersityGateway) -> Bucket:
    """A bucket with a page."""
    bucket = store.bucket(f"listing-{next(_numbers)}")
    bucket.create()
    bucket.write("index.html", GOOD)
    return bucket


@pytest.fixture
def service(api: ApiServer, namespace: str) -> Service:
    service = Service(api, namespace).create()
    service.set(pods(2))
    return service


@pytest.fixture
def make(tmp_path: Path, kubeconfig: Path, namespace: str, bucket: Bucket) -> Callable[..., Publisher]:
    """Make a publisher to the bucket, with fields of its target and itself that are others."""

    def publisher(target: dict[str, Any] | None = None, **fields: Any) -> Publisher:
        targets = [bucket.target("one", **(target or {}))]
        return Publisher(tmp_path / "publisher", kubeconfig, namespace, targets=targets, **fields)

    return publisher


# What is wrong, the code that it ends by, and what it says.
CASES: dict[str, tuple[dict[str, Any], int, str]] = {
    "an undefined name": ({"template": "{{ nobody }}"}, 1, "'nobody' is undefined"),
    "an undefined field": ({"template": "{% for e in endpoints %}{{ e.name }}{% endfor %}"}, 1, "no attribute 'name'"),
    "a syntax error": ({"template": "<p>\n{% for %}"}, 1, "line 2: "),
    "an endless loop": (
        {"template": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"},
        1,
        "no page within 5 s",
    ),
    "a way out of the sandbox": ({"template": "{{ ''.__class__.__mro__[1].__subclasses__() }}"}, 1, "is unsafe"),
    "all the memory": ({"template": "{{ 'x' * 99999999999 }}"}, 1, "MemoryError"),
    "no template": ({"template": None}, 1, "cannot be read"),
    "a wrong key": ({"target": {"key": "nobody"}}, 1, "check key and secret"),
    "a wrong secret": ({"target": {"secret": "wrong"}}, 1, "check key and secret"),
    "no bucket": ({"target": {"bucket": "nowhere"}}, 1, "the bucket does not exist"),
    "no store": ({"target": {"url": "http://127.0.0.1:9"}}, 1, "it does not answer"),
    "a name of no store": ({"target": {"url": "http://store.invalid"}}, 1, "it does not answer"),
    "no Service": ({"settings": {"SERVICE_NAME": "nobody"}}, 1, "There is no Service nobody in namespace test-"),
    "no namespace": ({"settings": {"SLIPWAY_NAMESPACE": "nowhere"}}, 1, "There is no Service nginx-pool in namespace"),
    "no kubeconfig": ({"settings": {"KUBECONFIG": "/nowhere"}}, 2, "/nowhere does not exist"),
    "an unknown setting": ({"settings": {"SLIPWAY_QUIET": "soon"}}, 2, "SLIPWAY_QUIET is 'soon'"),
}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("fault", CASES)
def test_publishing_once(make: Callable[..., Publisher], bucket: Bucket, fault: str) -> None:
    fields, code, message = CASES[fault]
    publisher = make(**fields)
    done = publisher.run("--once")
    assert (done.returncode, message in done.stderr) == (code, True), done
    assert done.stderr.count("\n") == 1, "one line"
    assert bucket.secret not in done.stderr + done.stdout
    assert bucket.read("index.html") == GOOD


def test_publishing_once_that_works(make: Callable[..., Publisher], service: Service, bucket: Bucket) -> None:
    publisher = make()
    for count, generation in ((2, 1), (2, 1), (3, 2)):
        service.set(pods(count))
        done = publisher.run("--once")
        assert (done.returncode, done.stderr) == (0, ""), done
        assert listed(bucket) == names(pods(count))
        assert bucket.json("index.json")["generation"] == generation
    assert [row["count"] for row in bucket.json("history/latest.json")["entries"]] == [3, 2]


@pytest.mark.usefixtures("service")
def test_one_of_two_stores_is_wrong(make: Callable[..., Publisher], bucket: Bucket) -> None:
    publisher = make()
    publisher.targets_file.write_text(json.dumps([bucket.target("one"), bucket.target("two", secret="wrong")]))
    done = publisher.run("--once")
    assert done.returncode == 1
    assert "Target two" in done.stderr
    assert listed(bucket) == names(pods(2)), "the other one has it"


# While it runs: what is wrong, and what tells of it.
RUNNING: dict[str, tuple[dict[str, Any], str, str]] = {
    "an undefined name": ({"template": "{{ nobody }}"}, "template_ok", "'nobody' is undefined"),
    "an endless loop": (CASES["an endless loop"][0], "template_ok", "no page within 5 s"),
    "a wrong secret": (
        {"target": {"secret": "wrong"}},
        'publishes_total{target="one",result="credentials"}',
        "check key and secret",
    ),
    "no bucket": (
        {"target": {"bucket": "nowhere"}},
        'publishes_total{target="one",result="bucket_missing"}',
        "the bucket does not exist",
    ),
}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("fault", RUNNING)
def test_while_it_runs(make: Callable[..., Publisher], bucket: Bucket, fault: str) -> None:
    fields, metric, message = RUNNING[fault]
    with make(**fields) as publisher:
        eventually(publisher.leads, within=20, what="it leads")

        def told() -> bool:
            name = f"slipway_publisher_{metric}"
            name = name if "{" not in name else _sorted(name)
            value = publisher.metrics().get(name)
            return value == 0 if metric == "template_ok" else bool(value)

        eventually(told, within=30, what=f"{metric} tells of it")
        errors = eventually(lambda: publisher.logged("error"), within=10, what="a line tells of it")
        assert message in errors[0]["message"]
        assert "The last good page stays." in errors[0]["message"]
        assert len(errors) == 1, errors
        assert bucket.read("index.html") == GOOD
        assert [publisher.get(path) for path in ("/healthz", "/readyz", "/nowhere")] == [200, 200, 404]


def _sorted(name: str) -> str:
    """A sample's name as it is written, with its labels in order."""
    head, _, labels = name.rstrip("}").partition("{")
    return f"{head}{{{','.join(sorted(labels.split(',')))}}}"


def test_clocks_that_differ_by_an_hour(make: Callable[..., Publisher], service: Service, bucket: Bucket) -> None:
    """A publisher whose clock was ahead came before: time stands still until the clock has come so far."""
    publisher = make()
    assert publisher.run("--once").returncode == 0
    index = bucket.json("index.json")
    ahead = {**index, "at": "2099-01-01T00:00:00.000Z", "generation": 7}
    bucket.write("index.json", json.dumps(ahead).encode())
    with publisher:
        service.set(pods(3))
        eventually(lambda: listed(bucket) == names(pods(3)), within=20, what="the change is listed")
        found = bucket.json("index.json")
        assert (found["generation"], found["at"]) == (8, "2099-01-01T00:00:00.001Z")
        assert any("This clock is" in line["message"] for line in publisher.logged("warning"))


@pytest.mark.usefixtures("service")
def test_a_store_whose_clock_differs(tmp_path: Path, kubeconfig: Path, namespace: str) -> None:
    with PlainStore(refuses="RequestTimeTooSkewed") as store:
        bucket = store.bucket("listing")
        publisher = Publisher(tmp_path / "publisher", kubeconfig, namespace, targets=[bucket.target("one")])
        done = publisher.run("--once")
    assert done.returncode == 1
    assert "clocks of this machine and of the store differ too much" in done.stderr


@pytest.mark.usefixtures("service")
def test_a_bucket_that_may_only_be_read(tmp_path: Path, kubeconfig: Path, namespace: str) -> None:
    with PlainStore(refuses="AccessDenied", reads=True) as store:
        bucket = store.bucket("listing")
        publisher = Publisher(tmp_path / "publisher", kubeconfig, namespace, targets=[bucket.target("one")])
        done = publisher.run("--once")
    assert done.returncode == 1
    assert "allow it to read, write and list the bucket" in done.stderr


def test_settings_and_template_are_checked(make: Callable[..., Publisher]) -> None:
    good, bad = make(), make(template="{% for %}")
    assert bad.run("--check").returncode == 1
    good.template_file.write_text(TEMPLATE)
    assert good.run("--check").returncode == 0
    good.targets_file.write_text('[{"name": "x", "secret": "hidden"}]')
    done = good.run("--check")
    assert done.returncode == 2
    assert "lacks url, bucket, key" in done.stderr
    assert "hidden" not in done.stderr
