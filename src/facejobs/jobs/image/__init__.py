"""The training image: building, pushing and examining it, and the digest that pins it."""
