"""Pages of templates, good and bad, by the process that makes them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from slipway_publisher.page import SAMPLE, Renderer, TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture
def renderer(tmp_path: Path) -> Iterator[Renderer]:
    renderer = Renderer(tmp_path / "index.template")
    yield renderer
    renderer.close()


def test_a_page(renderer: Renderer) -> None:
    text = "<p>{{ service }} ü {{ generation }}</p>{% for e in endpoints %}<b>{{ e.ip }} {{ e.pod }}</b>{% endfor %}"
    wanted = "<p>sample ü 1</p><b>192.0.2.1 sample-&lt;1&gt;</b><b>2001:db8::1 </b>"
    assert renderer.render(SAMPLE, text).decode() == wanted


def test_lines_that_a_template_writes_are_no_answers(renderer: Renderer) -> None:
    assert (
        renderer.render(SAMPLE, '{"page": "other"}\n\n{{ at }}\n') == b'{"page": "other"}\n\n2026-01-01T00:00:00.000Z'
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ nobody }}", "'nobody' is undefined"),
        ("{% for e in endpoints %}\n{{ e.name }}{% endfor %}", "has no attribute 'name'"),
        ("a\nb {% if %}", "line 2: "),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% include 'other' %}", "no loader"),
        ("{{ ''.__class__.__mro__ }}", "is unsafe"),
        ("{{ endpoints.append(1) }}", "is unsafe"),
        (ENDLESS, "makes no page within 5 s"),
        ("{{ 'x' * 99999999999 }}", "MemoryError"),
        ("{{ 'x' * 9000000 }}", "larger than 8 MiB"),
    ],
)
def test_a_bad_template_and_a_good_one_after_it(renderer: Renderer, text: str, problem: str) -> None:
    with pytest.raises(TemplateError) as refused:
        renderer.render(SAMPLE, text)
    assert problem in str(refused.value)
    assert renderer.render(SAMPLE, "{{ service }}") == b"sample"


def test_a_check_is_of_the_file_with_and_without_endpoints(renderer: Renderer, tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="cannot be read"):
        renderer.check()
    (tmp_path / "index.template").write_text("{{ endpoints[0].ip }}")
    with pytest.raises(TemplateError, match="no element 0"):
        renderer.check()
    (tmp_path / "index.template").write_text("{{ endpoints | length }}")
    renderer.check()


def test_many_endpoints_take_little_time(renderer: Renderer) -> None:
    many = [{"ip": f"10.0.{n // 250}.{n % 250}", "pod": f"pod-{n}", "node": "n", "since": "s"} for n in range(5000)]
    text = "{% for e in endpoints %}<tr><td>{{ e.ip }}<td>{{ e.pod }}<td>{{ e.node }}<td>{{ e.since }}</tr>{% endfor %}"
    renderer.render(SAMPLE, text)
    began = time.monotonic()
    assert renderer.render({**SAMPLE, "endpoints": many}, text).count(b"<tr>") == 5000
    assert time.monotonic() - began < 1
