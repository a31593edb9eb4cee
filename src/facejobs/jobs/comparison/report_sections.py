"""The parts of a report: headline, verdicts, what differs, metrics, curves, versions."""

from collections.abc import Mapping
from html import escape
from typing import Any

from facejobs.jobs.comparison.changes import ABSENT, is_seed
from facejobs.jobs.comparison.comparison import Comparison, Pair
from facejobs.jobs.comparison.experiments import Experiment
from facejobs.jobs.comparison.formatting import number, plain, signed, value_text
from facejobs.jobs.comparison.identification_significance import PeopleChange, PersonChange
from facejobs.jobs.comparison.metric_rows import Cell, MetricRow
from facejobs.jobs.comparison.run import Fact, Run
from facejobs.jobs.comparison.terminal import remark

_WHOLE_VALUE = 400


def body(comparison: Comparison) -> str:
    """All sections, in the order in which a reader asks for them."""
    return "\n".join(
        [
            _header(comparison),
            '<main><div class="columns"><div>',
            *(_verdict(pair, len(comparison.pairs) > 1) for pair in comparison.pairs),
            *(_people(pair, pair.people) for pair in comparison.pairs if pair.people),
            _differences(comparison),
            _notes(comparison),
            _curves(comparison),
            "</div><div>",
            _metrics(comparison),
            "</div></div>",
            _sets(comparison),
            _versions(comparison),
            "</main>",
        ]
    )


def _header(comparison: Comparison) -> str:
    runs = comparison.runs
    others = ", ".join(run.version for run in runs[1:])
    judgement = comparison.pairs[0].verdict.judgement if len(comparison.pairs) == 1 else None
    badge = f'<span class="badge {_css(judgement)}">{_text(judgement)}</span>' if judgement else ""
    return (
        f'<header><p class="eyebrow">{_text(runs[0].job)} <span aria-hidden="true">·</span> '
        f"{_text(others)} against {_text(runs[0].version)} {badge}</p>"
        f'<h1 id="verdict">{_text(comparison.headline)}</h1></header>'
    )


def _verdict(pair: Pair, named: bool) -> str:
    verdict = pair.verdict
    badge = f'<span class="badge {_css(verdict.judgement)}">{_text(verdict.judgement)}</span>'
    heading = (
        f"<h2>{_text(pair.other)} against {_text(pair.first)} {badge}</h2><p>{_text(verdict.sentence)}</p>"
        if named
        else "<h2>Why</h2>"
    )
    details = "".join(f"<li>{_text(detail)}</li>" for detail in verdict.details)
    if not (named or details or verdict.experiments):
        return ""
    listing = f"<ul>{details}</ul>" if details else ""
    return f'<section class="card">{heading}{listing}{_experiments(verdict.experiments)}</section>'


def _people(pair: Pair, people: PeopleChange) -> str:
    """Everybody who is found more or less often; the verdict's details name the first of them only."""
    changed = [*people.better, *people.worse]
    if not changed:
        return ""
    rows = "".join(_person(one) for one in changed)
    at = "the nearest person" if people.fpir is None else f"named at FPIR {people.fpir:g}"
    return (
        f'<section class="card" id="people"><h2>People, {_text(at)}</h2><div class="scroll" tabindex="0"><table>'
        f'<thead><tr><td></td><th scope="col">{_text(pair.first)}</th><th scope="col">{_text(pair.other)}</th>'
        f'<th scope="col">of photographs</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="caption">{people.unchanged:,} more are found as often by both.</p></section>'
    )


def _person(one: PersonChange) -> str:
    cells = "".join(f"<td>{count:,}</td>" for count in (one.first, one.other, one.probes))
    return f'<tr><th scope="row">{_text(one.person)}</th>{cells}</tr>'


def _experiments(experiments: tuple[Experiment, ...]) -> str:
    if not experiments:
        return ""
    items = "".join(
        f"<li><code>{escape(item.command)}</code><span>shows {_text(item.shows)}</span></li>" for item in experiments
    )
    return f'<h3>To find out more</h3><ul class="commands">{items}</ul>'


def _notes(comparison: Comparison) -> str:
    items = "".join(f"<li>{_text(note)}</li>" for note in comparison.notes)
    return f'<section class="card quiet"><h2>To keep in mind</h2><ul>{items}</ul></section>' if items else ""


def _differences(comparison: Comparison) -> str:
    if not comparison.facts:
        return '<section class="card"><h2>What differs</h2><p>Nothing that is recorded.</p></section>'
    causes = _facts(comparison, comparison.influential) if comparison.influential else "<p>Nothing of influence.</p>"
    rest = _facts(comparison, comparison.uninfluential) if comparison.uninfluential else ""
    heading = "<h3>Differs, without influence on the result</h3>" if rest else ""
    return f'<section class="card"><h2>What differs</h2>{causes}{heading}{rest}</section>'


def _facts(comparison: Comparison, facts: Mapping[Fact, tuple[Any, ...]]) -> str:
    head = "".join(f'<th scope="col">{_text(run.version)}</th>' for run in comparison.runs)
    rows = []
    for fact, values in facts.items():
        kind = "" if fact.name == fact.aspect else f"<small>{_text(fact.aspect)}</small>"
        seed = ' class="seed"' if is_seed(fact) else ""
        cells = "".join(f"<td>{_value(value)}</td>" for value in values)
        rows.append(f'<tr{seed}><th scope="row">{_text(fact.name)}{kind}</th>{cells}</tr>')
    return (
        '<div class="scroll" tabindex="0"><table>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _value(value: Any) -> str:
    short = value_text(value)
    whole = "" if value is ABSENT else plain(str(value))[:_WHOLE_VALUE]
    title = f' title="{escape(whole)}"' if whole != short and len(whole) > len(short) else ""
    return f"<span{title}>{escape(short)}</span>"


def _metrics(comparison: Comparison) -> str:
    if not comparison.rows:
        return '<section class="card"><h2>Metrics</h2><p>No version has written any.</p></section>'
    first = _text(comparison.runs[0].version)
    groups = "".join(_metric(row, comparison) for row in comparison.rows)
    return (
        '<section class="card"><h2>Metrics</h2><div class="scroll" tabindex="0"><table class="metrics"><thead><tr>'
        f'<td></td><th scope="col">Final</th><th scope="col">− {first}</th><th scope="col">Best</th>'
        f'<th scope="col">− {first}</th></tr></thead>{groups}</table></div></section>'
    )


def _metric(row: MetricRow, comparison: Comparison) -> str:
    rows = "".join(_metric_line(row, run, cell) for run, cell in zip(comparison.runs, row.cells, strict=True))
    protocol = f' <small title="{_text(row.protocol)}">{_text(row.protocol)}</small>' if row.protocol else ""
    return (
        f'<tbody><tr class="group"><th scope="rowgroup" colspan="5">{_text(row.name)}{protocol}</th></tr>{rows}</tbody>'
    )


def _metric_line(row: MetricRow, run: Run, cell: Cell) -> str:
    word = remark(row, cell)
    told = f' <span class="word {_css(word)}" title="{_text(cell.not_compared)}">{_text(word)}</span>' if word else ""
    best = "" if cell.best is None else f"{number(cell.best.value)} <small>step {cell.best.step:,}</small>"
    final = "–" if cell.final is None else number(cell.final.value)
    return (
        f'<tr><th scope="row">{_text(run.version)}</th><td>{final}</td><td>{_signed(cell.final_difference)}</td>'
        f"<td>{best}</td><td>{_signed(cell.best_difference)}{told}</td></tr>"
    )


def _signed(difference: float | None) -> str:
    return "" if difference is None else signed(difference).replace("-", "−")


def _curves(comparison: Comparison) -> str:
    if not comparison.rows:
        return ""
    return (
        '<section class="card" id="curves"><h2>Learning curves</h2><div class="controls">'
        '<label>Metric <select id="metric"></select></label>'
        '<fieldset><legend>Over</legend><label><input type="radio" name="axis" value="step" checked> steps</label>'
        '<label><input type="radio" name="axis" value="minutes"> time</label></fieldset>'
        '<label>Smoothing <input type="range" id="smoothing" min="0" max="0.95" step="0.05" value="0"></label></div>'
        '<div id="curve" class="chart" role="img" aria-label="Learning curves; their ends are in the table"></div>'
        '<p class="caption" id="curve-note"></p>'
        '<p class="caption" id="no-chart" hidden>This browser cannot draw the curves; all tables are complete. '
        "Chrome 80, Firefox 113 and Safari 16.4, and later ones, can.</p>"
        '<noscript><p class="caption">Curves need JavaScript; all tables are complete without.</p></noscript></section>'
    )


def _sets(comparison: Comparison) -> str:
    if not any(run.scores for run in comparison.runs):
        return ""
    return (
        '<section class="card" id="sets"><h2>Verification pairs</h2><div class="controls" id="set-choice" hidden>'
        '<label>Set <select id="set"></select></label></div><div class="beside"><figure>'
        '<div id="histogram" class="chart" role="img" aria-label="Distances of pairs of one and of two people"></div>'
        "<figcaption>Squared distance of a pair. Solid: one person. Dotted: two people. The less they overlap, the "
        "better.</figcaption></figure>"
        '<figure><div id="roc" class="chart" role="img" aria-label="ROC curves"></div><figcaption>Accepted pairs of '
        "one person against accepted pairs of two people, for every threshold.</figcaption></figure></div></section>"
    )


def _versions(comparison: Comparison) -> str:
    cards = "".join(_version(run) for run in comparison.runs)
    return f'<section class="card"><h2>Versions</h2><div class="versions">{cards}</div></section>'


def _version(run: Run) -> str:
    facts = {
        "State": str(run.state),
        "Made from": run.parent,
        "Submitted": None if run.created is None else run.created.strftime("%Y-%m-%d %H:%M UTC"),
        "By": run.by,
        "Steps": None if run.history.last_step is None else f"{run.history.last_step:,}",
        "Epochs": None if run.history.epochs is None else str(run.history.epochs),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in facts.items() if value)
    description = f"<p>{_text(run.description)}</p>" if run.description else ""
    return f"<div><h3>{_text(run.version)}</h3>{description}<dl>{rows}</dl></div>"


def _text(value: object) -> str:
    return escape(plain(str(value)))


def _css(words: object) -> str:
    return str(words).replace(" ", "-")
