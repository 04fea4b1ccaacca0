"""Scales, chords and the plan of a song."""

from dataclasses import dataclass

from .draw import Rng, between, chance, pick, whole
from .styles import STYLES, Style

SCALES = {
    "major": [0, 2, 4, 5, 7, 9, 11],
    "minor": [0, 2, 3, 5, 7, 8, 10],
    "dorian": [0, 2, 3, 5, 7, 9, 10],
    "mixolydian": [0, 2, 4, 5, 7, 9, 10],
    "harmonic minor": [0, 2, 3, 5, 7, 8, 11],
    "phrygian": [0, 1, 3, 5, 7, 8, 10],
}
# Degrees of the scale, from 0.
MAJOR_PROGRESSIONS = [
    [0, 4, 5, 3],
    [0, 5, 3, 4],
    [5, 3, 0, 4],
    [0, 3, 4, 3],
    [1, 4, 0, 0],
    [0, 2, 3, 4],
    [0, 3, 0, 4],
    [0, 0, 3, 4],
    [3, 4, 2, 5],
    [0, 6, 3, 0],
]
MINOR_PROGRESSIONS = [
    [0, 5, 2, 6],
    [0, 3, 4, 0],
    [0, 6, 5, 6],
    [0, 5, 3, 4],
    [0, 2, 6, 3],
    [5, 6, 0, 0],
    [0, 0, 5, 6],
    [0, 3, 6, 2],
    [0, 1, 0, 6],
]


@dataclass(frozen=True)
class Plan:
    """What all parts of a song share. chords: one per bar, MIDI numbers from the root up."""

    style: Style
    frames: int
    seconds: float
    tempo: float
    beats: int
    key: int
    scale: list[int]
    chords: list[list[int]]
    swing: float

    @property
    def beat(self) -> float:
        """Seconds per beat."""
        return 60 / self.tempo

    @property
    def bars(self) -> int:
        return len(self.chords)

    def scale_notes(self, low: int, high: int) -> list[int]:
        return [m for m in range(low, high + 1) if (m - self.key) % 12 in self.scale]


def make_plan(rng: Rng, frames: int, sample_rate: int) -> Plan:
    style = STYLES[pick(rng, list(STYLES))]
    seconds = frames / sample_rate
    tempo = between(rng, *style.tempo)
    beats = 3 if chance(rng, 0.07) else 4
    bars = int(seconds / (60 / tempo * beats)) + 1
    name = pick(rng, ["major", "major", "minor", "minor", "dorian", "mixolydian", "harmonic minor"])
    name = "phrygian" if chance(rng, 0.05) else name
    progressions = MAJOR_PROGRESSIONS if name in ("major", "mixolydian") else MINOR_PROGRESSIONS
    verse, chorus = pick(rng, progressions), pick(rng, progressions)
    key, scale, size = whole(rng, 0, 11), SCALES[name], pick(rng, [3, 3, 3, 4])
    half = pick(rng, [4, 8, 100])
    degrees = [(verse if bar // half % 2 == 0 else chorus)[bar % 4] for bar in range(bars)]
    swing = pick(rng, [0.0, 0.0, 0.0, 0.04, 0.08]) if style.swing == 0 else style.swing
    return Plan(
        style=style,
        frames=frames,
        seconds=seconds,
        tempo=tempo,
        beats=beats,
        key=key,
        scale=scale,
        chords=[chord(48 + key, scale, degree, size) for degree in degrees],
        swing=swing,
    )


def chord(root: int, scale: list[int], degree: int, size: int) -> list[int]:
    steps = [degree + 2 * i for i in range(size)]
    return [root + scale[step % 7] + 12 * (step // 7) for step in steps]


def near(pitch: int, low: int, high: int) -> int:
    """The same note name between low and high, which are at least an octave apart."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch
