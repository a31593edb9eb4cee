"""Durations and amounts of memory as people write them."""

import re

_DURATION = re.compile(r"(\d{1,9})\s*([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_AMOUNT = re.compile(r"(\d{1,9})\s*([KMGT])(i?)B?", re.ASCII)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


def parse_duration(text: str) -> int:
    """Seconds in "90m", "2h", "1d" or "3600"; ValueError saying what is expected."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("expected a duration such as 90m, 2h, 1d, or seconds such as 3600")
    return int(match[1]) * _SECONDS[match[2]]


def parse_memory(text: str) -> int:
    """Bytes in "16GiB" or "16Gi" (powers of 1024), "16GB" or "16G" (powers of 1000); ValueError otherwise."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("expected an amount of memory such as 16GiB or 500MB")
    base: int = 1024 if match[3] else 1000
    return int(match[1]) * int(base ** _POWERS[match[2]])
