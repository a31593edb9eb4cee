"""Faces of nobody, drawn procedurally, so that demos and tests need no photograph of anyone.

A head is a star-shaped surface (`surface`) seen through a turned camera; skin, features and hair are painted on it
and lit. Identity i (`identity`) and image j of it (`view`) depend on (seed, i, j) only.
"""
