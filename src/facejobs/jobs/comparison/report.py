"""A comparison as one HTML file that needs nothing else: no network, no other file."""

import base64
import gzip
import html
import json
import os
from functools import cache
from importlib.resources import files
from pathlib import Path

from facejobs import __version__
from facejobs.errors import ExitCode
from facejobs.jobs.comparison.comparison import Comparison
from facejobs.jobs.comparison.report_data import report_data
from facejobs.jobs.comparison.report_sections import body
from facejobs.jobs.errors import JobError

_GENERATOR = '<meta name="generator" content="facejobs compare">'
_SIGNATURE_BYTES = 1024


class ReportError(JobError):
    """A report cannot be written where it was asked for."""

    exit_code = ExitCode.OUTPUT_REFUSED


def check_replaceable(path: Path) -> None:
    """Raise ReportError unless `path` is free or holds an earlier report: a stranger's file is never replaced."""
    if not os.path.lexists(path):
        if path.parent.exists() and not path.parent.is_dir():
            raise ReportError(f"{path.parent} is a file, no report can be written into it")
        return
    if path.is_dir():
        raise ReportError(f"{path} is a folder; name a file for the report, such as {path / 'report.html'}")
    with path.open("rb") as file:
        if _GENERATOR.encode() not in file.read(_SIGNATURE_BYTES):
            raise ReportError(f"{path} is no report of facejobs and is left as it is; name another file")


def write_report(comparison: Comparison, path: Path) -> None:
    """Write the report atomically, making its folder; raises ReportError, and OSError on a full disk."""
    check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(render(comparison), encoding="utf-8")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def render(comparison: Comparison) -> str:
    """The whole document. Whatever comes from a version is escaped: a description cannot run a script."""
    title = html.escape(f"{comparison.runs[0].job}: {' · '.join(run.version for run in comparison.runs)}")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{_GENERATOR}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – facejobs</title>
<style>
{_asset("report.css")}
</style>
</head>
<body>
{body(comparison)}
<footer>Made by facejobs {html.escape(__version__)}. This file is complete: it loads nothing.</footer>
<script type="application/json" id="data">{_as_script_text(report_data(comparison))}</script>
<script type="application/octet-stream" id="plotly">{_compressed_plotly()}</script>
<script>
{_asset("report.js")}
</script>
</body>
</html>
"""


def _as_script_text(data: object) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return (files("facejobs.jobs.comparison") / name).read_text(encoding="utf-8").rstrip()


@cache
def _compressed_plotly() -> str:
    """plotly.js, compressed to less than half: browsers unpack it faster than they would read it whole."""
    source = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(source, mtime=0)).decode("ascii")
