"""`{inputs.NAME}` and `{outputs.NAME}` in a command: where its paths go, if not at its end."""

import re
from collections.abc import Iterable, Mapping

_PLACEHOLDER = re.compile(r"\{(inputs|outputs)\.([^{}]*)\}")


def check_placeholders(words: Iterable[str], inputs: Iterable[str], outputs: Iterable[str]) -> None:
    """ValueError if a placeholder names what is not there, or if there are some but not for every path."""
    known = [f"inputs.{name}" for name in inputs] + [f"outputs.{name}" for name in outputs]
    used = [f"{match[1]}.{match[2]}" for word in words for match in _PLACEHOLDER.finditer(word)]
    for name in used:
        if name not in known:
            raise ValueError(f"command: {{{name}}} is not in the spec; there are {', '.join(known)}")
    missing = [name for name in known if name not in used]
    if used and missing:
        raise ValueError(
            f"command: holds a placeholder but none for {missing[0]}; write {{{missing[0]}}} where that path belongs"
        )


def fill_command(words: Iterable[str], inputs: Mapping[str, str], outputs: Mapping[str, str]) -> list[str]:
    """The words with placeholders filled in; without any, the paths of inputs, then outputs, are appended."""
    words = list(words)
    if not any(_PLACEHOLDER.search(word) for word in words):
        return [*words, *inputs.values(), *outputs.values()]
    paths = {"inputs": inputs, "outputs": outputs}
    # Filled in after the words were split, so that a path with spaces stays one argument.
    return [_PLACEHOLDER.sub(lambda match: paths[match[1]][match[2]], word) for word in words]
