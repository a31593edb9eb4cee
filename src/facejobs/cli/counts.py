"""Numbers with their nouns."""


def count_of(number: int, noun: str) -> str:
    """Return such as `1 image`, `2 images`, `4,274 identities`, `3 people`."""
    if number != 1:
        noun = {"identity": "identities", "person": "people"}.get(noun, f"{noun}s")
    return f"{number:,} {noun}"
