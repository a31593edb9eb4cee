"""Deep-learning frameworks, one room each."""
