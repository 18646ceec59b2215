"""`make load`: more requests than two pods are meant for, until the pool has scaled out; then none, until it is back.

The listing must have followed. Writes docs/results/load.json and load.svg.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

from tests.load.plot import plot
from tests.load.series import Story, at, faults
from tests.support.listing import Load, changes, judged
from tests.support.listing_live import HERE, POOL, Eyes, Site, looking
from tests.support.paths import RESULTS
from tests.support.record import commit, today
from tests.support.waiting import eventually

CLIENTS = 60


def main() -> int:
    """Return the exit code: 1 where the pool did not scale, the listing did not follow, or a request failed."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=90.0, help="for how long requests are sent [90]")
    parser.add_argument("rate", nargs="?", type=float, default=400.0, help="how many a second [400]")
    asked = parser.parse_args()
    site = Site()
    least = int(site.kubernetes.get("hpa", POOL, HERE)["spec"]["minReplicas"])
    with looking(site) as eyes:
        story = lived(site, eyes, seconds=asked.seconds, rate=asked.rate, least=least)
    RESULTS.mkdir(parents=True, exist_ok=True)
    data = {"run": f"{today()}, commit {commit()}, {asked.rate:g} requests a second", **asdict(story)}
    (RESULTS / "load.json").write_text(json.dumps(data, indent=1) + "\n")
    plot(story, RESULTS / "load.svg")
    wrong = faults(story, least)
    print(f"\nplot: {RESULTS / 'load.svg'}", *wrong, sep="\n")
    return 1 if wrong else 0


def lived(site: Site, eyes: Eyes, *, seconds: float, rate: float, least: int) -> Story:
    """Send requests for so long, then wait until the pool is as small as at first; return what was seen."""
    eventually(lambda: len(eyes.watcher.now) == least, within=150, what=f"a pool of {least} to begin with", every=0.5)
    began = time.monotonic()
    with Load(site.url, rate=rate, clients=CLIENTS) as load:

        def over() -> bool:
            show(eyes, load, began)
            return time.monotonic() - began >= seconds

        eventually(over, within=seconds + 5, what="the time is over", every=1)
    loaded = time.monotonic() - began

    def back() -> bool:
        show(eyes, load, began)
        return len(eyes.watcher.now) == least and eyes.right()

    eventually(back, within=240, what=f"a pool of {least} again", every=1)
    ended = time.monotonic()
    samples = [
        at(second, began, load.requests, changes(eyes.watcher.states), eyes.reader.reads)
        for second in range(int(ended - began) + 1)  # the last one may not be whole
    ]
    return Story(samples, loaded, len(load.requests), len(judged(load.requests, [], 0)[0]))


def show(eyes: Eyes, load: Load, began: float) -> None:
    """Say how it is going, in a line that is overwritten."""
    second = int(time.monotonic() - began)
    now = at(second - 1, began, load.since(began + second - 2), changes(eyes.watcher.states), eyes.reader.reads[-100:])
    sys.stdout.write(f"\r{second:4d} s {now.requests:5d} requests/s {now.pods:3d} pods {now.listed:3d} listed   ")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
