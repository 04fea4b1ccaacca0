"""Random choices. Each part of a song has a generator of its own, so that a change to one part
leaves the others of that seed as they were."""

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")


def generator(seed: int, part: str) -> Rng:
    return np.random.default_rng([seed, zlib.crc32(part.encode())])


def pick(rng: Rng, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def between(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def whole(rng: Rng, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(rng.integers(low, high + 1))
