"""Who is missed most, and who attracts strangers: Doddington's goats and lambs.

Doddington and others, "Sheep, Goats, Lambs and Wolves: A Statistical Analysis of Speaker Performance" (ICSLP 1998).
"""

from dataclasses import dataclass

import numpy as np

from facejobs.evaluation.searches import NOBODY, Flags, Ints, Searches


@dataclass(frozen=True, slots=True)
class PersonOutcome:
    """One enrolled person: how their own searches ended at a threshold, and who else was given their name.

    `missed` counts those that did not return the right name, among them `without_face` and `misnamed`, which returned
    another one. `confused_with` is the person that was returned most often in their place, NOBODY if none was.
    `strangers` and `others` count searches of strangers and of other enrolled people that returned this person's name;
    `nearest_to_strangers` those of strangers for which this person is the most similar one, at any threshold.
    """

    person: int
    probes: int
    without_face: int
    missed: int
    misnamed: int
    confused_with: int
    strangers: int
    others: int
    nearest_to_strangers: int


def person_outcomes(searches: Searches, threshold: float) -> list[PersonOutcome]:
    """One for each person who has a probe, or who was most similar to one that shows somebody else."""
    named = searches.searched & (searches.returned != NOBODY) & (searches.top_similarity >= threshold)
    returned, mated = searches.returned, searches.mated
    right = named & mated & (returned == searches.mates)
    wrong = named & mated & ~right
    seen = np.unique(np.concatenate([searches.mates[mated], returned[returned != NOBODY]]))
    place = {int(person): position for position, person in enumerate(seen)}

    def counted(people: Ints, which: Flags) -> Ints:
        return np.bincount(np.searchsorted(seen, people[which]), minlength=len(seen))

    probes, missed = counted(searches.mates, mated), counted(searches.mates, mated & ~right)
    without_face = counted(searches.mates, mated & ~searches.searched)
    misnamed, others = counted(searches.mates, wrong), counted(returned, wrong)
    strangers = counted(returned, named & ~mated)
    nearest = counted(returned, ~mated & (returned != NOBODY))
    return [
        PersonOutcome(
            person=person,
            probes=int(probes[at]),
            without_face=int(without_face[at]),
            missed=int(missed[at]),
            misnamed=int(misnamed[at]),
            confused_with=_most_frequent(returned[wrong & (searches.mates == person)]) if misnamed[at] else NOBODY,
            strangers=int(strangers[at]),
            others=int(others[at]),
            nearest_to_strangers=int(nearest[at]),
        )
        for person, at in place.items()
        if probes[at] or others[at] or nearest[at]
    ]


def most_missed(outcomes: list[PersonOutcome]) -> list[PersonOutcome]:
    """Those with a miss, the highest share of misses first; of equals the one with more misses."""
    missed = [outcome for outcome in outcomes if outcome.missed]
    return sorted(missed, key=lambda one: (-one.missed / one.probes, -one.missed, one.person))


def most_attractive(outcomes: list[PersonOutcome]) -> list[PersonOutcome]:
    """Those nearest to a stranger, or whose name somebody else got: first who got most, then who was nearest most."""
    found = [outcome for outcome in outcomes if outcome.strangers or outcome.others or outcome.nearest_to_strangers]
    return sorted(found, key=lambda one: (-one.strangers - one.others, -one.nearest_to_strangers, one.person))


def _most_frequent(people: Ints) -> int:
    names, counts = np.unique(people, return_counts=True)
    return int(names[counts.argmax()])
