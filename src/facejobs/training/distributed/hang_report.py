"""Which of several workers hold up the others."""

from dataclasses import dataclass

from facejobs.training.distributed.group import Phase

# What a worker does while it can go on only when another one has come so far.
_WAITS = frozenset({"exchanging", "waiting"})


@dataclass(frozen=True)
class Whereabouts:
    """What one worker was last heard doing, and whether it answered when it was asked."""

    rank: int
    host: str
    phase: Phase
    step: int
    answers: bool


def name_the_stalled(standings: list[Whereabouts]) -> str:
    """Who stalls and who waits, in words."""
    silent = [s for s in standings if not s.answers]
    stalled = [s for s in standings if s.answers and s.phase not in _WAITS]
    waiting = [s for s in standings if s.answers and s.phase in _WAITS]
    parts = [f"{_name(s)} does not answer at all, last heard {s.phase} at step {s.step}" for s in silent]
    parts += [f"{_name(s)} stalled {s.phase} at step {s.step}" for s in stalled]
    if waiting and not parts:
        steps = sorted({s.step for s in waiting})
        return f"all workers wait in the exchange of step {', '.join(map(str, steps))}: a server or the network stalls"
    if waiting:
        verb = "waits" if len(waiting) == 1 else "wait"
        parts.append(f"{', '.join(map(_name, waiting))} {verb} for that")
    return "; ".join(parts)


def _name(standing: Whereabouts) -> str:
    return f"worker {standing.rank} ({standing.host})"
