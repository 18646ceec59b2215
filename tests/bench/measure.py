"""The rounds of the benchmark, and what follows from their times."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contenders import CASES, CONTENDERS
from tests.support.calm import calm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
        for case in cases:
            turn = number % len(contenders)
            for contender in (*contenders[turn:], *contenders[:turn]):
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


def too_slow(samples: Sequence[Sample], *, bound: float, overhead: float = 2.0) -> list[str]:
    """What Slipway did slower than `bound` times kubectl, or with more than `overhead` seconds around its work."""
    work, command = medians(samples), medians(samples, "command")
    slow = [
        f"{case}, {step}: {row['Slipway']:.2f} s, more than {bound:g} times kubectl's {row['kubectl']:.2f} s"
        for (case, step), row in work.items()
        if row["Slipway"] > bound * row["kubectl"]
    ]
    late = [
        f"{case}, {step}: the command took {row['Slipway']:.2f} s for {work[case, step]['Slipway']:.2f} s of work"
        for (case, step), row in command.items()
        if row["Slipway"] > work[case, step]["Slipway"] + overhead
    ]
    return slow + late


def _sample(step: str, timing: Timing, case: Case, contender: Contender, number: int) -> Sample:
    return Sample(case.title, step, contender.name, number + 1, round(timing.work, 3), round(timing.command, 3))
