"""Identification results as a table to read."""

from collections.abc import Sequence

import numpy as np

from facejobs.cli.counts import count_of
from facejobs.cli.tables import printable
from facejobs.evaluation.confidence import RULE_OF_30
from facejobs.evaluation.fixed_threshold import RatesAtThreshold
from facejobs.evaluation.identification import FnirAtFpir, IdentificationResult
from facejobs.evaluation.identification_results import MeasuredPair, outcomes_of
from facejobs.evaluation.person_outcomes import PersonOutcome, most_attractive, most_missed
from facejobs.evaluation.searches import NOBODY, Flags

_MOST_SHOWN = 5


def to_table(measured: MeasuredPair, result: IdentificationResult, refused: int) -> str:
    """Return the result as lines for a terminal; `refused` photographs could not be enrolled."""
    searches, headline = result.searches, result.headline
    not_enrolled = f", {count_of(refused, 'photograph')} of them could not be enrolled" if refused else ""
    lines = [
        f"{count_of(searches.people, 'person')} enrolled{not_enrolled}",
        f"  probes of them {_probes(result, searches.mated)}",
        f"  of strangers   {_probes(result, ~searches.mated)}",
        f"  protocol {result.protocol}",
    ]
    for point in result.ranks:
        lines.append(f"  rank-{point.rank} accuracy    {point.value:.4f}  {_interval(point.interval)}")
    lines += [_open_set(point) for point in result.open_set]
    if any(point.rough for point in result.open_set):
        lines.append(f"  * the threshold rests on fewer than {RULE_OF_30} false positives")
    if result.at_threshold is not None:
        lines.append(_calibrated(result.at_threshold))
    lines += [f"  {missing.name}: not measured, {missing.reason}" for missing in result.not_measured]
    outcomes = outcomes_of(result)
    if searches.mated.any():
        place = f"at cosine {headline.threshold:.4f}" if headline else "whatever the similarity"
        lines += _people(f"missed most {place}", [_missed(one, measured) for one in most_missed(outcomes)])
    if not searches.mated.all() and headline:
        attractive = [_attractive(one, measured) for one in most_attractive(outcomes)]
        lines += _people("attract strangers most", attractive)
    return "\n".join(lines)


def _probes(result: IdentificationResult, which: Flags) -> str:
    without = int((which & ~result.searches.searched).sum())
    people = len(np.unique(result.subjects[which]))
    told = f"{count_of(int(which.sum()), 'photograph')} of {count_of(people, 'person')}"
    return f"{told}, without a face {without:,}" if without else told


def _open_set(point: FnirAtFpir) -> str:
    told = (
        f"  FNIR at FPIR {point.fpir:<5g} {point.fnir:.4f}  {_interval(point.interval)} at cosine {point.threshold:.4f}"
    )
    return f"{told}, FPIR {point.reached:.4f} {_interval(point.reached_interval)}{'*' if point.rough else ''}"


def _calibrated(rates: RatesAtThreshold) -> str:
    told = [
        f"{name} {value:.4f} {_interval(interval)}"
        for name, value, interval in (
            ("FNIR", rates.fnir, rates.fnir_interval),
            ("FPIR", rates.fpir, rates.fpir_interval),
        )
        if value is not None and interval is not None
    ]
    return f"  calibrated to cosine {rates.threshold:.4f}: {', '.join(told)}"


def _people(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return [f"  {title}: nobody"]
    more = [f"    and {len(lines) - _MOST_SHOWN:,} more"] if len(lines) > _MOST_SHOWN else []
    return [f"  {title}:", *(f"    {line}" for line in lines[:_MOST_SHOWN]), *more]


def _missed(one: PersonOutcome, measured: MeasuredPair) -> str:
    why = [f"{one.without_face} without a face"] if one.without_face else []
    if one.misnamed:
        assert one.confused_with != NOBODY
        why.append(f"{one.misnamed} got another name, most often {printable(measured.people[one.confused_with])}")
    told = f" ({', '.join(why)})" if why else ""
    return f"{printable(measured.people[one.person])}: {one.missed} of {count_of(one.probes, 'photograph')}{told}"


def _attractive(one: PersonOutcome, measured: MeasuredPair) -> str:
    return (
        f"{printable(measured.people[one.person])}: named for {count_of(one.strangers, 'photograph')} of strangers and "
        f"{one.others:,} of other people; nearest to {one.nearest_to_strangers:,} of strangers"
    )


def _interval(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.4f}, {interval[1]:.4f}]"
