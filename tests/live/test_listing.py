"""The listing of the site: it follows the pool at once, and no reader notices what is away. In full: tests/drills."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.faults.redis_site import Site as RedisSite
from tests.support.calm import calm
from tests.support.listing_live import (
    PUBLISHER,
    Site,
    fresh,
    leader_killed,
    leader_stopped,
    node_maintained,
    nothing_noticed,
    out_and_back,
    ports_known,
    power_cuts,
    restart,
    stores_away,
)

if TYPE_CHECKING:
    from tests.support.kubernetes import Kubernetes

CHANGES = 40
SECONDS, REQUESTS = 30.0, 3000
ONE_CUT = 15.0  # of one cut there is no median


@pytest.fixture
def site(kubernetes: Kubernetes) -> Site:
    """The site, all of which is there."""
    site = Site(kubernetes)
    for deployment in (*site.stores(), PUBLISHER):
        site.available(deployment, within=90)
    RedisSite(kubernetes).settled()  # else its budget forbids to drain a node
    return site


def test_changes_are_soon_on_the_page(site: Site) -> None:
    calm()
    print(fresh(site, CHANGES))


def test_all_sets_are_in_the_history(site: Site) -> None:
    print(out_and_back(site))


def test_stores_away(site: Site) -> None:
    print(stores_away(site, SECONDS, REQUESTS))


def test_rolling_restart_while_the_leader_is_killed(site: Site) -> None:
    with nothing_noticed(site) as note:
        print(leader_killed(site, partial(restart, site)))
    print(*note)


def test_leader_that_was_stopped_goes_on_beside_its_successor(site: Site) -> None:
    print(leader_stopped(site))


def test_node_drained_and_rebooted(site: Site) -> None:
    print(node_maintained(site, site.announcer()))


def test_address_moved_to_a_node_that_knows_the_ports_of_what_is_open(site: Site) -> None:
    print(ports_known(site, 20))


def test_power_cut_of_the_node_that_announces(site: Site) -> None:
    print(power_cuts(site, 1, ONE_CUT))
