"""What a data node does at its start, and while it runs. Pure and total: evidence in, decision out.

The Sentinels alone say who is master. An agent decides whether its copy may be what they want it to be: it never
starts as a master with less than others have, and it is no candidate for a failover before it has what they have.
Only where a majority of them remembers nothing do the agents choose, and then all of them, and all the same one.
"""

from __future__ import annotations

import typing as t
from collections import Counter

from .model import Blocked, Copy, Decision, Evidence, Follow, Lead, Named, Phase, Role, State, Wait, Yield

if t.TYPE_CHECKING:
    from .model import Live

_NOBODY_SAYS = Wait("nobody can say who is master")
_SENTINELS_COME_WITHIN = 30.0  # seconds after which all data nodes together go on without them

Rule = t.Callable[[Evidence], Decision | None]


def decide(evidence: Evidence) -> Decision:
    """Return what to do now; to be asked again soon unless that is to start."""
    found = next((each for rule in _RULES if (each := rule(evidence)) is not None), _NOBODY_SAYS)
    if isinstance(found, Wait) and evidence.waited >= evidence.cold_start_wait:
        return Blocked(f"{found.why}; {_remedy(evidence)}")
    return found


def named(evidence: Evidence) -> Named | None:
    """Return whom a majority of all Sentinels names, unless anybody knows of a later epoch than theirs."""
    answers = Counter((each.master, each.epoch) for each in evidence.voices.values() if each.master)
    if not answers:
        return None
    (master, epoch), count = answers.most_common(1)[0]
    if count < evidence.cluster.majority or epoch < _last_epoch(evidence):
        return None
    return Named(
        master=master, epoch=epoch, switching=any(each.switching for each in evidence.voices.values() if each.master)
    )


def vote(evidence: Evidence) -> str:
    """Return the best copy's node where all copies are known, else "" ."""
    return _best(evidence.copies, evidence) if evidence.everyone else ""


def may_be_promoted(evidence: Evidence, live: Live, was: bool) -> bool:
    """Return whether the Sentinels may make this running replica the master (its replica-priority is not 0).

    They compare offsets, which mean nothing beside those of a history that has begun anew.

    :param was: whether they might before.
    """
    was = was and _goes_on(evidence, live.master)
    master = named(evidence)
    if master is None or master.master == evidence.me:
        return was
    follows = live.role is Role.REPLICA and live.master == master.master and live.link_up
    if follows and _in_sync(evidence, live) and not any(each.down for each in evidence.voices.values()):
        return True  # not while the master has only just come up: it would be replaced for no reason
    return was or evidence.force == evidence.me or _stands_in(evidence, master.master)


def may_ask_for_another(evidence: Evidence) -> bool:
    """Return whether the Sentinels may be asked to replace this master, which does not run.

    They choose by the offsets that each replica told them up to a second ago, so that before they find the master down
    they may promote one that lacks what another has acknowledged.
    """
    down = sum(each.down for each in evidence.voices.values())
    return down >= evidence.cluster.majority and not any(each.switching for each in evidence.voices.values())


def deposed_by(evidence: Evidence, live: Live) -> str:
    """Return the node that this running master has to follow from now on, "" if none."""
    master = named(evidence)
    if live.role is not Role.MASTER or master is None or master.master == evidence.me or master.switching:
        return ""  # while the named one is replaced, this may be the one that is being promoted
    known = evidence.own.state
    return master.master if known is None or master.epoch > known.epoch else ""


def may_write(evidence: Evidence, live: Live, *, up: float) -> bool:
    """Return whether a Redis that the Sentinels want as master takes writes, now that it has begun or is heard again.

    Not before so many of them have heard of it since that the others are too few for a failover: what is acknowledged
    during one would be lost, also if a replica has acknowledged it, for that may have followed either master.

    :param up: seconds for which it has answered.
    """
    if live.role is not Role.MASTER:
        return True
    master = named(evidence)
    if master is None or master.master != evidence.me or master.switching:
        return False
    sure = sum(each.master == evidence.me and not each.down and each.heard < up for each in evidence.voices.values())
    return len(evidence.cluster.sentinels) - sure < evidence.cluster.quorum


def cut_off(evidence: Evidence, live: Live, *, needed: int) -> bool:
    """Return whether this master hears neither the replicas that a write needs nor a majority that names it.

    It refuses writes as it is. It is not to take them again as soon as a replica is back, but when it is known who is
    master: what is acknowledged meanwhile would be lost where there is another.
    """
    names_me = sum(each.master == evidence.me for each in evidence.voices.values())
    return live.role is Role.MASTER and live.replicas < needed and names_me < evidence.cluster.majority


def rival(evidence: Evidence, live: Live) -> str:
    """Return another node that is being made master beside this running one, "" if none.

    Its promotion is known to its own agent before a majority of the Sentinels knows, and until then a replica of both
    may acknowledge what is written here, which would be lost: so this one takes no writes meanwhile.
    """
    own = evidence.own.state
    if live.role is not Role.MASTER or own is None or own.role is not Role.MASTER:
        return ""
    return next((name for name, each in _others(evidence).items() if _rises_above(each, own)), "")


def recorded(evidence: Evidence, live: Live, *, at: float) -> State | None:
    """Return what to write of this copy, now that its Redis says ``live``: the state before if that is not sure."""
    before, master = evidence.own.state, named(evidence)
    lineage = _lineage(evidence, live, master)
    if lineage is None:
        if before is None or live.replid != before.replid:
            return before
        lineage = before.lineage
    epoch, life = lineage
    return State(
        epoch=epoch,
        life=life,
        role=live.role,
        replid=live.replid,
        offset=live.offset,
        dbsize=live.dbsize,
        durable=live.durable,
        at=at,
    )


def _by_sentinels(evidence: Evidence) -> Decision | None:
    """A majority of the Sentinels remembers the master."""
    master = named(evidence)
    if master is None:
        return None
    if master.master not in {each.name for each in evidence.cluster.data}:
        return Wait(f"the Sentinels name {master.master}, which is no node of this set")
    if master.master != evidence.me:
        return Follow(master.master, f"the Sentinels name it, at epoch {master.epoch}")
    if evidence.force == evidence.me:
        return Lead(master.epoch, "it is forced to")
    if master.switching:
        return Wait("a failover is under way")
    return _trusted(evidence, master)


def _trusted(evidence: Evidence, master: Named) -> Decision:
    """The Sentinels name this node: has it what its replicas have?"""
    own, others = evidence.own, _others(evidence)
    if own.state is None:
        better = any(each.state for each in others.values())
        return Yield("this copy is empty") if better else Wait("this copy is empty, and so is every other that answers")
    newer = [name for name, each in others.items() if each.state and each.state.lineage > own.state.lineage]
    if newer:
        return Yield(f"the copy of {newer[0]} is newer")
    if own.state.role is Role.MASTER and own.state.epoch == master.epoch:
        ahead = [name for name, each in others.items() if _runs_ahead(each, own.state)]
        if own.state.durable or not ahead:
            return Lead(master.epoch, "it was master, and nobody has more")
        return Yield(f"its disk may lack what it had acknowledged last, and {ahead[0]} has run on")
    if not evidence.enough:
        return Wait(f"it was not yet master of epoch {master.epoch}, and too few copies answer")
    return Lead(master.epoch, "it was promoted when it stopped, and no copy is newer")


def _by_live_master(evidence: Evidence) -> Decision | None:
    """The Sentinels do not say it, but there is a master whose copy is the newest of enough."""
    masters = [
        name
        for name, each in _others(evidence).items()
        if each.live and each.live.role is Role.MASTER and each.state and each.state.lineage == _newest(evidence)
    ]
    if len(masters) == 1 and len(evidence.copies) >= evidence.cluster.enough:
        return Follow(masters[0], "it is the master, and no copy is newer")
    return None


def _by_all_copies(evidence: Evidence) -> Decision | None:
    """No Sentinel majority remembers anything: all agents together choose the best of all copies."""
    own = evidence.own.state
    if not evidence.everyone or own is None or _runs_master(evidence) or not _on_their_own(evidence):
        return None
    if {each.vote for each in evidence.copies.values()} != {evidence.me}:
        return None
    if own.epoch < _last_epoch(evidence):
        return None
    return Lead(own.epoch, "all agents find its copy the best of all")


def _by_bootstrap(evidence: Evidence) -> Decision | None:
    """A set that is new: nobody has anything, and we are told that this is as it should be."""
    empty = evidence.everyone and not any(each.state for each in evidence.copies.values())
    remembered = any(each.master for each in evidence.voices.values())
    if evidence.bootstrap and empty and not remembered and evidence.me == evidence.cluster.data[0].name:
        return Lead(0, "the set is new")
    return None


def _by_force(evidence: Evidence) -> Decision | None:
    """An operator has said who it is to be."""
    if evidence.force != evidence.me or _runs_master(evidence):
        return None
    return Lead(max(_last_epoch(evidence), 0), "it is forced to")


# The first that says something decides.
_RULES: tuple[Rule, ...] = (_by_sentinels, _by_live_master, _by_all_copies, _by_bootstrap, _by_force)


def _others(evidence: Evidence) -> dict[str, Copy]:
    return {name: each for name, each in evidence.copies.items() if name != evidence.me}


def _newest(evidence: Evidence) -> tuple[int, int]:
    return max((each.state.lineage for each in evidence.copies.values() if each.state), default=(-1, 0))


def _last_epoch(evidence: Evidence) -> int:
    """The highest epoch that anybody who answers knows of."""
    voices = [each.epoch for each in evidence.voices.values() if each.master]
    return max([_newest(evidence)[0], *voices])


def _runs_master(evidence: Evidence) -> bool:
    return any(each.live and each.live.role is Role.MASTER for each in evidence.copies.values())


def _runs_ahead(copy: Copy, state: State) -> bool:
    """Whether a replica that has run on has all that this state knew of."""
    live, known = copy.live, copy.state
    if live is None or known is None or known.lineage != state.lineage:
        return False
    return live.replid == state.replid and live.offset >= state.offset


def _goes_on(evidence: Evidence, follows: str) -> bool:
    """Whether this copy's history goes on: with the master that it follows, and with every newer copy."""
    own = evidence.own.state
    if own is None:
        return False
    newer = [each for each in _others(evidence).values() if each.state and each.state.lineage > own.lineage]
    followed = [each for name, each in evidence.copies.items() if name == follows and each.live]
    return all(_of_one_history(each, own) for each in (*newer, *followed))


def _of_one_history(copy: Copy, state: State) -> bool:
    """Whether this copy goes on from that state, so that their offsets can be compared."""
    if copy.live is None:
        return copy.state is not None and copy.state.epoch != state.epoch
    return state.replid in (copy.live.replid, copy.live.replid2)


def _rises_above(copy: Copy, state: State) -> bool:
    """Whether this copy's Redis has become master after the one of that state."""
    if copy.live is None or copy.live.role is not Role.MASTER or copy.state is None:
        return False
    return copy.state.role is Role.REPLICA or copy.state.lineage > state.lineage


def _on_their_own(evidence: Evidence) -> bool:
    """Whether the Sentinels are not to be waited for: a majority has no memory, or they have had their time."""
    blank = sum(not each.master for each in evidence.voices.values())
    remember = len(evidence.voices) - blank
    late = evidence.waited >= min(_SENTINELS_COME_WITHIN, evidence.cold_start_wait)
    return blank >= evidence.cluster.majority or (late and remember < evidence.cluster.majority)


def _rank(name: str, copy: Copy, evidence: Evidence) -> tuple[t.Any, ...]:
    """What orders copies. A master had all that its replicas had; offsets may have been written a second before."""
    state = copy.state
    if state is None:
        return ()
    return *state.lineage, state.role is Role.MASTER, state.offset, state.dbsize, -evidence.cluster.ordinal(name)


def _best(copies: t.Mapping[str, Copy], evidence: Evidence) -> str:
    found = max(copies, key=lambda name: _rank(name, copies[name], evidence), default="")
    return found if found and copies[found].state else ""


def _stands_in(evidence: Evidence, master: str) -> bool:
    """Whether this copy is the best one left of enough, while the named master will not, or does not, come."""
    absent = master not in evidence.copies
    yields = not absent and evidence.copies[master].phase is Phase.YIELDING
    if not (absent and evidence.waited >= evidence.cold_start_wait) and not yields:
        return False
    left = {name: each for name, each in evidence.copies.items() if name != master}
    return evidence.enough and _best(left, evidence) == evidence.me


def _in_sync(evidence: Evidence, live: Live) -> bool:
    """Whether this replica has all that the master which it follows had when it last noted its offset.

    A master that has begun anew and takes no writes yet has noted none.
    """
    own, its = evidence.own.state, evidence.copies.get(live.master)
    if own is None or its is None or its.state is None or its.live is None:
        return False
    of_one_history = own.lineage == its.state.lineage and live.replid == its.live.replid
    return of_one_history and (its.state.replid != live.replid or live.offset >= its.state.offset)


def _lineage(evidence: Evidence, live: Live, master: Named | None) -> tuple[int, int] | None:
    """Return (epoch, life) of what a running Redis has, None while that is not sure."""
    if live.role is Role.MASTER:
        return _lineage_led(evidence.own.state, master, evidence.me)
    its = evidence.copies.get(live.master)
    if not live.link_up or its is None or its.state is None or its.state.replid != live.replid:
        return None
    if master:
        current = (live.master, its.state.epoch) == (master.master, master.epoch)
    else:
        current = its.state.role is Role.MASTER and its.state.lineage == _newest(evidence)
    return its.state.lineage if current else None


def _lineage_led(before: State | None, master: Named | None, me: str) -> tuple[int, int] | None:
    if master and master.master == me:
        return master.epoch, before.life if before and before.epoch == master.epoch else 0
    begun = before and before.role is Role.MASTER and not before.replid
    return before.lineage if before and begun and master is None else None


def _remedy(evidence: Evidence) -> str:
    """The exact words of the override."""
    best = _best(evidence.copies, evidence)
    if not best:
        return (
            "no copy that answers has any data: to begin with nothing, and perhaps restore a backup, run "
            f"playbooks/force_redis_master.yml -e force_master={evidence.cluster.data[0].name}"
        )
    missing = sorted({each.name for each in evidence.cluster.data} - set(evidence.copies))
    lost = f" and {' and '.join(missing)} is lost for good" if missing else ""
    return f"if its copy is good enough{lost}, run playbooks/force_redis_master.yml -e force_master={best}"
