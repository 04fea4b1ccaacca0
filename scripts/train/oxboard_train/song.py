"""A song: four stems that fit together, from one seed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .assets import Split
from .audio import SAMPLE_RATE, Audio
from .bass import render_bass
from .draw import Rng, between, chance, generator, pick
from .drums import render_drums
from .other import render_other
from .theory import Plan, make_plan
from .vocals import render_vocals

SOURCES = ["drums", "bass", "other", "vocals"]
# Levels in dB around which stems lie, measured where they play.
LEVELS = {"drums": -19.0, "bass": -20.0, "other": -19.0, "vocals": -19.0}


@dataclass(frozen=True)
class Song:
    """stems: (sources, frames, 2) float32; about: what it was made of."""

    stems: np.ndarray
    about: dict


def compose(seed: int, split: Split, seconds: float, cache: Path) -> Song:
    """The song of this seed: the same whenever and wherever it is composed with equal assets."""
    if seed not in split.seeds:
        raise ValueError(f"{seed} is not a seed of the {split.name} split: {split.seeds}")
    frames = int(seconds * SAMPLE_RATE)
    plan = make_plan(generator(seed, "plan"), frames, SAMPLE_RATE)
    other, kinds = render_other(generator(seed, "other"), split, plan)
    vocals, voices = render_vocals(generator(seed, "vocals"), split, plan, cache)
    parts = {
        "drums": render_drums(generator(seed, "drums"), split, plan),
        "bass": render_bass(generator(seed, "bass"), split, plan),
        "other": other,
        "vocals": vocals,
    }
    rng = generator(seed, "mix")
    stems = [_arranged(rng, plan, _levelled(rng, parts[name], LEVELS[name])) for name in SOURCES]
    about = {
        "seed": seed,
        "split": split.name,
        "style": plan.style.name,
        "tempo": round(plan.tempo, 1),
        "other": kinds,
        "vocals": voices,
    }
    return Song(np.stack(stems), about)


def _levelled(rng: Rng, x: Audio, level: float) -> Audio:
    """At `level` dB, give or take, where it plays: the mean of the tenths that are not faint."""
    x = x - x.mean(axis=0)
    size = SAMPLE_RATE // 10
    tenths = np.sqrt(np.mean(x[: len(x) // size * size].reshape(-1, size * 2) ** 2, axis=1))
    playing = tenths[tenths > 0.1 * tenths.max()]
    mean = np.sqrt(np.mean(playing**2)) if len(playing) else 1.0
    return x * (10 ** ((level + rng.normal(0, 2.5)) / 20) / max(mean, 1e-6))


def _arranged(rng: Rng, plan: Plan, x: Audio) -> Audio:
    """Silent for some bars in one stem of four, with short fades."""
    if not chance(rng, 0.25):
        return x.astype(np.float32)
    bar = plan.beats * plan.beat * SAMPLE_RATE
    begin = int(rng.integers(plan.bars)) * bar
    end = begin + pick(rng, [1, 2, 2, 4]) * bar
    at = np.arange(len(x))
    fade = between(rng, 0.01, 0.2) * SAMPLE_RATE
    open_ = np.clip((begin - at) / fade, 0, 1) + np.clip((at - end) / fade, 0, 1)
    return (x * open_[:, None]).astype(np.float32)
