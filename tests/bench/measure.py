"""The rounds of the benchmark, and what follows from their times."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contenders import CASES, CONTENDERS, LARGE, MANY
from tests.support.calm import calm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.bench.contenders import Case, Contender, Site, Timing


@dataclass(frozen=True)
class Sample:
    """One step of one contender in one round; seconds."""

    case: str
    step: str
    contender: str
    round: int
    work: float
    command: float


def rounds(
    count: int, site: Site, *, cases: Sequence[Case] = CASES, contenders: Sequence[Contender] = CONTENDERS
) -> Iterator[Sample]:
    """Measure `count` rounds; in each the contenders take turns, and who begins alternates."""
    for number in range(count):
        present = [each for each in contenders if number < each.rounds]
        turn = number % len(present)
        for case in cases:
            for contender in (*present[turn:], *present[:turn]):
                for step, run in (("create", contender.create), ("delete", contender.delete)):
                    calm()
                    yield _sample(step, run(case, site), case, contender, number)


def medians(samples: Iterable[Sample], measure: str = "work") -> dict[tuple[str, str], dict[str, float]]:
    """The median of each contender's `work` or `command`, by case and step."""
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for sample in samples:
        row = values.setdefault((sample.case, sample.step), {})
        row.setdefault(sample.contender, []).append(getattr(sample, measure))
    return {key: {name: median(each) for name, each in row.items()} for key, row in values.items()}


@dataclass(frozen=True)
class Bound:
    """Slipway takes at most `factor` times as long as somebody else, with this step of these cases."""

    contender: str
    step: str
    factor: float
    cases: tuple[Case, ...] = CASES


def as_kubectl(factor: float) -> tuple[Bound, ...]:
    """About as fast as kubectl, which does no more than it must."""
    return tuple(Bound("kubectl", step, factor, (LARGE, MANY)) for step in ("create", "delete"))


def too_slow(
    samples: Sequence[Sample],
    *,
    bounds: Iterable[Bound],
    overhead: float = 2.0,
    commands: Mapping[tuple[str, str], float] | None = None,
) -> list[str]:
    """What breaks a bound, or takes more than `overhead` seconds around its work.

    :param commands: the most seconds of a whole command, by case and step.
    """
    work, whole = medians(samples), medians(samples, "command")
    compared = [
        (f"{case.title}, {bound.step}: {work[case.title, bound.step]['Slipway']:.2f} s", bound, times)
        for bound in bounds
        for case in bound.cases
        if (times := work.get((case.title, bound.step)))
    ]
    slow = [
        f"{what}, more than {bound.factor:.3g} times {bound.contender}'s {times[bound.contender]:.2f} s"
        for what, bound, times in compared
        if times["Slipway"] > bound.factor * times[bound.contender]
    ]
    late = [
        f"{case}, {step}: the command took {times['Slipway']:.2f} s for {work[case, step]['Slipway']:.2f} s of work"
        for (case, step), times in whole.items()
        if times["Slipway"] > min(work[case, step]["Slipway"] + overhead, (commands or {}).get((case, step), inf))
    ]
    return slow + late


def _sample(step: str, timing: Timing, case: Case, contender: Contender, number: int) -> Sample:
    return Sample(case.title, step, contender.name, number + 1, round(timing.work, 3), round(timing.command, 3))
