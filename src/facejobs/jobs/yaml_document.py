"""A YAML file as plain values that remember on which line each key stands; duplicate keys are refused."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from facejobs.jobs.errors import SpecError

Path_ = tuple[str | int, ...]
Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 16
_MAX_NODES = 20_000
_PREFIX = "tag:yaml.org,2002:"
_PLAIN = frozenset(f"{_PREFIX}{kind}" for kind in ("null", "bool", "int", "float", "str", "map", "seq"))


@dataclass(frozen=True)
class YamlDocument:
    """The values of one file, and the line (from 1) of each key, by its path from the top."""

    source: str
    value: Value
    lines: dict[Path_, int]

    def line_of(self, path: Path_) -> int:
        """The line of a key, or of the nearest one above it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path_ = ()) -> str:
        """`file:line` of a key."""
        return f"{self.source}:{self.line_of(path)}"


def read_yaml(path: Path) -> YamlDocument:
    """Read a YAML file of plain values; SpecError names file and line of whatever is wrong."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file; job specs are the *.yaml files of jobs/") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > _MAX_BYTES:
        raise SpecError(f"{path}: larger than {_MAX_BYTES} bytes; a job spec is a page of YAML")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{path}:{line}: not UTF-8 text") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> YamlDocument:
    """Parse YAML text; `source` is its name in messages. Raises SpecError."""
    try:
        # SafeLoader, of which only the composing half is used: no object is ever constructed from a tag.
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SpecError(f"{source}:{line}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(f"{source}: not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise SpecError(f"{source}: nested too deeply") from None
    if node is None:
        raise SpecError(f"{source}: empty; a job spec needs at least name, command and outputs")
    reader = _Reader(source)
    return YamlDocument(source, reader.value(node, ()), reader.lines)


class _Reader:
    """Turns composed nodes into values, noting lines; bounded in depth and number, since aliases can multiply nodes."""

    def __init__(self, source: str) -> None:
        self.lines: dict[Path_, int] = {}
        self._source = source
        self._nodes = 0
        self._constructor = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, path: Path_) -> Value:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._nodes += 1
        if len(path) > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise self._error(node, "nested too deeply or too large for a job spec")
        if node.tag not in _PLAIN and node.tag != f"{_PREFIX}timestamp":
            raise self._error(node, f"{node.tag.removeprefix(_PREFIX)!r} is not a type of a job spec: put it in quotes")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> Value:
        values: dict[str, Value] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be a word")
            key = key_node.value
            line = key_node.start_mark.line + 1
            if key in values:
                raise self._error(key_node, f"{key!r} is given twice (first on line {self.lines[*path, key]})")
            self.lines[*path, key] = line
            values[key] = self.value(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.Node) -> Value:
        if node.tag == f"{_PREFIX}timestamp":
            return str(node.value)
        try:
            value: Value = self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, OverflowError):
            kind = node.tag.removeprefix(_PREFIX)
            raise self._error(node, f"{str(node.value)[:40]!r} is not a valid {kind}: put it in quotes") from None
        return value

    def _error(self, node: yaml.Node, problem: str) -> SpecError:
        return SpecError(f"{self._source}:{node.start_mark.line + 1}: {problem}")
