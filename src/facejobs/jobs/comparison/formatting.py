"""Numbers and values of facts as people read them, the same in a terminal and in a report."""

from collections.abc import Sequence
from typing import Any

from facejobs.jobs.comparison.changes import ABSENT

_LONGEST = 60
_HASH_DIGITS = 12


def number(value: float) -> str:
    """Four decimals, or four digits where those would say little."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.4f}"
    return f"{value:.4g}"


def signed(value: float) -> str:
    """A difference with its sign, to four decimals where those say anything; plain zero has no sign."""
    if value == 0:
        return number(0.0)
    size = f"{abs(value):.4f}" if abs(value) >= 5e-5 and abs(value) < 1e4 else f"{abs(value):.2g}"
    return f"{'+' if value > 0 else '-'}{size}"


def value_text(value: Any) -> str:
    """The value of a fact on one line, cut where it is long."""
    if value is ABSENT:
        return "–"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return shortened(", ".join(f"{name}: {value_text(item)}" for name, item in value.items()))
    if isinstance(value, list | tuple):
        return shortened(",".join(value_text(item) for item in value))
    return shortened(plain(str(value)))


def plain(text: str) -> str:
    """Text on one line, without control characters: it may be a stranger's, and a terminal would obey them."""
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))


def shortened(text: str) -> str:
    """A hash as its first digits; other long text with its middle left out."""
    if len(text) >= 2 * _HASH_DIGITS and all(digit in "0123456789abcdef" for digit in text):
        return text[:_HASH_DIGITS]
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[: half - 1]}…{text[-half:]}"


def listed(words: Sequence[str]) -> str:
    """A, B and C."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
