"""A version as lines of names and values."""

from facejobs.cli.counts import count_of
from facejobs.cli.tables import byte_count, duration, local_time
from facejobs.jobs.environment_facts import EnvironmentFacts
from facejobs.jobs.fingerprint import DataFingerprint
from facejobs.jobs.metric_summary import MetricSummary
from facejobs.jobs.spec import JobSpec, parameter_text
from facejobs.jobs.status import Status
from facejobs.jobs.version_record import VersionRecord
from facejobs.jobs.versions import VersionFolder

Facts = list[tuple[str, str]]


def version_facts(folder: VersionFolder, status: Status, metrics: dict[str, MetricSummary]) -> list[tuple[str, Facts]]:
    """Everything about a version, as headings with what belongs below each."""
    record = folder.record
    spec = record.spec
    version: Facts = [
        ("description", spec.description),
        ("parent", record.parent or ""),
        ("submitted", f"{local_time(record.created)} by {record.by}, backend {record.backend.name}"),
        ("folder", folder.url),
        ("command", spec.command),
    ]
    return [
        ("version", [item for item in version if item[1]]),
        ("parameters", [(name, parameter_text(value)) for name, value in spec.parameters.items()]),
        ("inputs", [(name, _input(url, record.data.get(name))) for name, url in spec.inputs.items()]),
        ("spec", _spec(spec, record.image_digest)),
        ("code", _code(record)),
        ("submitted from", _machine(record.environment)),
        ("history", _history(status)),
        ("metrics", [(name, _metric(metric)) for name, metric in metrics.items()]),
    ]


def _input(url: str, data: DataFingerprint | None) -> str:
    if data is None:
        return url
    faces = [
        count_of(number, noun)
        for number, noun in ((data.images, "image"), (data.identities, "identity"))
        if number is not None
    ]
    return ", ".join([url, count_of(data.files, "file"), byte_count(data.size), *faces, f"sha256 {data.sha256[:12]}"])


def _spec(spec: JobSpec, digest: str | None) -> Facts:
    resources = spec.resources.model_dump(exclude_defaults=True)
    facts: Facts = [(f"resources.{name}", str(value)) for name, value in resources.items()]
    if spec.image:
        facts.append(("image", f"{spec.image}{f' ({digest})' if digest and digest not in spec.image else ''}"))
    if spec.retries:
        facts.append(("retries", str(spec.retries)))
    if spec.time_limit:
        facts.append(("time limit", duration(spec.time_limit)))
    if spec.output_url:
        facts.append(("output", spec.output_url))
    facts += [(f"${name}", value) for name, value in spec.environment.items()]
    if spec.secrets:
        facts.append(("secrets", ", ".join(spec.secrets)))
    return facts


def _code(record: VersionRecord) -> Facts:
    code = record.code
    if code.sha256 is None:
        return []
    facts: Facts = [("commit", f"{code.commit or 'none yet'} of {code.repository}")]
    if code.dirty:
        kept = f"{byte_count(code.diff_bytes)} in code.diff" + (", cut short" if code.diff_truncated else "")
        facts.append(("not committed", f"{kept}; {count_of(len(code.untracked), 'new file')}"))
    facts.append(("sha256", code.sha256))
    return facts


def _machine(environment: EnvironmentFacts) -> Facts:
    memory = f", {byte_count(environment.memory)}" if environment.memory else ""
    facts: Facts = [
        ("host", f"{environment.host}, {environment.platform}"),
        ("cpu", f"{environment.cpus} x {environment.cpu}{memory}"),
    ]
    facts += [("gpu", f"{gpu.name}, {gpu.memory} MiB, driver {gpu.driver}") for gpu in environment.gpus]
    packages = ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    facts.append(("software", f"Python {environment.python}, {packages}"))
    return facts


def _history(status: Status) -> Facts:
    facts = []
    for item in status.transitions:
        attempt = f" (attempt {item.attempt})" if item.attempt > 1 else ""
        code = f", exit code {item.exit_code}" if item.exit_code is not None else ""
        reason = f": {item.reason}" if item.reason else ""
        facts.append((local_time(item.time), f"{item.state}{attempt}{code}{reason}"))
    return facts


def _metric(metric: MetricSummary) -> str:
    best = "" if metric.best is None else f", best {metric.best:.6g} at step {metric.best_step}"
    return f"{metric.last:.6g} at step {metric.last_step}{best}"
