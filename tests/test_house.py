"""Rules of the repository that no other tool checks."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from facejobs.errors import ExitCode

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "src" / "facejobs"
OPTIONAL = ("kubernetes", "modelarts")
PINNED = [
    REPOSITORY / "requirements.txt",
    REPOSITORY / "requirements" / "cpu.txt",
    REPOSITORY / "requirements" / "dev.txt",
]
TOP_LEVEL = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "README.md",
    "benchmarks", "docs", "jobs", "pyproject.toml", "requirements", "requirements.txt", "run_train.sh", "src", "tests",
}  # fmt: skip
ROOMS = {"storage", "data", "evaluation", "training", "engines", "inference", "gallery", "jobs", "cli"}
# In parts, so that this file names none either.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"), ("docker", "io"))
)
PIN = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==([^\s\\]+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def tracked_files() -> list[Path]:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git clone")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [Path(name) for name in listing.stdout.split("\0") if name]


def pins(path: Path) -> dict[str, str]:
    return {match[1]: match[2] for match in PIN.finditer(path.read_text())}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    listed = sum((project["optional-dependencies"][extra] for extra in extras), project["dependencies"])
    return {canonical(re.split(r"[<>=!~ \[;]", requirement)[0]) for requirement in listed}


def imported_by(path: Path) -> set[str]:
    """Top-level names that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_top_level_is_the_design() -> None:
    assert {path.parts[0] for path in tracked_files()} == TOP_LEVEL


def test_rooms_are_the_design() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == ROOMS


def test_no_file_names_a_package_registry() -> None:
    found = []
    for path in tracked_files():
        text = (REPOSITORY / path).read_bytes().decode("utf-8", errors="replace")
        found += [f"{path}: {host}" for host in REGISTRIES if host in text]
    assert not found


def test_only_the_mxnet_room_imports_mxnet() -> None:
    users = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if imported_by(path) & {"mxnet", "gluoncv"}}
    assert all(path.is_relative_to("engines/mxnet") for path in users)


def test_pyproject_declares_what_the_package_imports() -> None:
    ours = (
        {name for path in PACKAGE.rglob("*.py") for name in imported_by(path)} - sys.stdlib_module_names - {"facejobs"}
    )
    distributions = packages_distributions()
    assert {canonical(distributions[name][0]) for name in ours} <= declared("cpu", *OPTIONAL)


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_every_requirement_is_pinned_with_hashes(path: Path) -> None:
    rest = re.sub(r"^ *#.*\n", "", PIN.sub("", path.read_text()), flags=re.MULTILINE)
    assert rest.strip() == ""
    assert len(pins(path)) > 5


def test_pinned_lists_agree() -> None:
    gpu, cpu, dev = (pins(path) for path in PINNED)
    assert {name: version for name, version in gpu.items() if name in cpu} == {
        name: version for name, version in cpu.items() if name != "mxnet"
    }
    assert {name for name in gpu if name not in cpu and not name.startswith("nvidia-")} == {"mxnet-cu112"}
    assert gpu["mxnet-cu112"] == cpu["mxnet"]
    assert {name: version for name, version in dev.items() if cpu.get(name, version) != version} == {}


def test_pinned_lists_hold_what_is_declared_and_one_opencv() -> None:
    cpu = pins(PINNED[1])
    assert declared("cpu") <= cpu.keys()
    assert declared(*OPTIONAL) <= cpu.keys() | pins(PINNED[2]).keys()
    assert [name for name in cpu if name.startswith("opencv")] == ["opencv-python-headless"]


def test_every_exit_code_is_documented() -> None:
    page = (REPOSITORY / "docs" / "reference" / "exit-codes.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| `([A-Z_]+)` \|", page, flags=re.MULTILINE))
    assert {int(number): name for number, name in rows.items()} == {code.value: code.name for code in ExitCode}


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for page in [path for path in tracked_files() if path.suffix == ".md"]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", (REPOSITORY / page).read_text()):
            if "://" not in target and not (REPOSITORY / page.parent / target).exists():
                broken.append(f"{page}: {target}")
    assert not broken
