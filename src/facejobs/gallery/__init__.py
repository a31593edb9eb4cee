"""The base library of known people, and recognition against it."""
