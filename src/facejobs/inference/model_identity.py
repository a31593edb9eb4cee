"""Which model it was: the name people read, and a digest that a copy in another folder shares."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelIdentity:
    """`sha256` covers the model's graphs and the fields of model.json that change its answers, in hexadecimal.

    Two models are one where `sha256` is equal; `name` is only for messages.
    """

    name: str
    sha256: str
