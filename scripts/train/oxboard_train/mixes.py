"""Training examples: stems of the pool, mixed anew.

As Demucs augments: stems of different songs together, gain, swapped channels, flipped sign, and
changed speed and pitch.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import pool
from .draw import Rng, between, chance, pick
from .song import SOURCES

SPEEDS = [1.0, 1.0, 0.84, 0.89, 0.94, 1.06, 1.12, 1.19]
WHOLE_SONGS = 0.75
SECOND_STEM = 0.12
SILENT_STEM = 0.05


@dataclass
class Mixer:
    """Draws examples from a pool. The pool may grow meanwhile: rescan() takes that in."""

    folder: Path
    split: str
    frames: int

    def __post_init__(self) -> None:
        self.rescan()

    def rescan(self) -> int:
        self._songs = pool.songs(self.folder, self.split)
        if not self._songs:
            raise ValueError(f"{self.folder} has no songs; run: python -m oxboard_train render")
        return len(self._songs)

    def batch(self, rng: Rng, size: int) -> np.ndarray:
        """(size, sources, 2, frames) float32: the stems; their sum is the mixture."""
        return np.stack([self._example(rng) for _ in range(size)])

    def _example(self, rng: Rng) -> np.ndarray:
        if chance(rng, WHOLE_SONGS):
            song = pick(rng, self._songs)
            begin = int(rng.integers(song.samples.shape[1] - self.frames + 1))
            stems = song.stems(begin, begin + self.frames)
        else:
            stems = np.stack([self._loose(rng, source) for source in range(len(SOURCES))])
        for x in stems:
            if chance(rng, 0.5):
                x[:] = x[::-1].copy()
            x *= 10 ** (rng.normal(0, 2.5) / 20) * (1 if chance(rng, 0.5) else -1)
        return stems

    def _loose(self, rng: Rng, source: int) -> np.ndarray:
        if chance(rng, SILENT_STEM):
            return np.zeros((2, self.frames), np.float32)
        x = self._excerpt(rng, source)
        if SOURCES[source] in ("other", "vocals") and chance(rng, SECOND_STEM):
            x = x + self._excerpt(rng, source) * 10 ** (between(rng, -8, 0) / 20)
        return x

    def _excerpt(self, rng: Rng, source: int) -> np.ndarray:
        """(2, frames) of some song's stem, at another speed; a few tries to find sound in it."""
        speed = pick(rng, SPEEDS)
        length = int(self.frames * speed) + 2
        for _ in range(4):
            song = pick(rng, self._songs)
            begin = int(rng.integers(song.samples.shape[1] - length + 1))
            x = song.stem(source, begin, begin + length)
            if np.mean(x**2) > 1e-6:
                break
        if speed == 1:
            return x[:, : self.frames]
        at = np.arange(self.frames) * speed
        before = at.astype(np.int64)
        part = (at - before).astype(np.float32)
        return x[:, before] * (1 - part) + x[:, before + 1] * part
