"""Rendered songs on disk: per song its stems as 16-bit integers and a description.

The description comes last, so a song that has one is whole.
"""

import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .assets import SPLITS
from .song import Song, compose


@dataclass(frozen=True)
class PooledSong:
    """samples: (sources, frames, 2) int16, mapped from disk; scale: per source, to full scale."""

    samples: np.ndarray
    scale: np.ndarray
    about: dict

    def stems(self, begin: int = 0, end: int | None = None) -> np.ndarray:
        """(sources, 2, frames) float32."""
        part = self.samples[:, begin:end].astype(np.float32) * self.scale[:, None, None]
        return np.ascontiguousarray(part.transpose(0, 2, 1))

    def stem(self, source: int, begin: int, end: int) -> np.ndarray:
        """(2, frames) float32."""
        return self.samples[source, begin:end].T.astype(np.float32) * self.scale[source]


def write(folder: Path, song: Song) -> None:
    if not np.all(np.isfinite(song.stems)):
        raise ValueError(f"song {song.about['seed']} has samples that are not numbers")
    folder.mkdir(parents=True, exist_ok=True)
    scale = np.maximum(np.abs(song.stems).max(axis=(1, 2)), 1e-6) / 32767
    samples = np.round(song.stems / scale[:, None, None]).astype(np.int16)
    name = folder / str(song.about["seed"])
    partial = name.with_suffix(f".{os.getpid()}.partial.npy")
    np.save(partial, samples)
    partial.rename(name.with_suffix(".npy"))
    about = {**song.about, "scale": [float(s) for s in scale]}
    partial.write_text(json.dumps(about))
    partial.rename(name.with_suffix(".json"))


def read(file: Path) -> PooledSong:
    about = json.loads(file.read_text())
    samples = np.load(file.with_suffix(".npy"), mmap_mode="r")
    return PooledSong(samples, np.array(about["scale"], np.float32), about)


def songs(folder: Path, split: str) -> list[PooledSong]:
    """Every song of a pool, by seed. Raises ValueError where one belongs to another split."""
    found = sorted(folder.glob("*.json"), key=lambda file: int(file.stem))
    result = [read(file) for file in found]
    strangers = {song.about["split"] for song in result} - {split}
    if strangers:
        raise ValueError(f"{folder} has songs of {', '.join(strangers)}; only {split} may be used")
    return result


def _render_one(seed: int, split: str, seconds: float, folder: Path, cache: Path) -> dict:
    song = compose(seed, SPLITS[split], seconds, cache)
    write(folder, song)
    return song.about


def render(
    split: str, seeds: range, seconds: float, folder: Path, cache: Path, workers: int, log
) -> list[int]:
    """Renders what is not there yet, in processes of its own. Returns the seeds that failed."""
    todo = [seed for seed in seeds if not (folder / f"{seed}.json").exists()]
    failed = []
    with ProcessPoolExecutor(workers) as executor:
        jobs = {executor.submit(_render_one, s, split, seconds, folder, cache): s for s in todo}
        for count, job in enumerate(as_completed(jobs), start=1):
            error = job.exception()
            if error:
                failed.append(jobs[job])
                log(f"{count}/{len(todo)}: {jobs[job]} failed: {error!r}")
            else:
                about = job.result()
                log(f"{count}/{len(todo)}: {about['seed']} {about['style']} {about['vocals']}")
    return failed
