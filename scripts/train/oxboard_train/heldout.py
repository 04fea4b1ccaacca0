"""The final figures: the shipped archive, through `oxboard separate`, on songs of reserved assets.

Nothing is chosen by them: training and validation know neither these assets nor these seeds.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from . import pool
from .assets import EVALUATION
from .audio import SAMPLE_RATE
from .evaluate import mixture_scores, summary
from .losses import sdr
from .song import SOURCES

SONGS = 14
SECONDS = 20
WINDOW = 4096


def render(folder: Path, cache: Path, workers: int, log: Callable[[str], None]) -> None:
    first = EVALUATION.seeds.start
    failed = pool.render(
        EVALUATION.name, range(first, first + SONGS), SECONDS, folder, cache, workers, log
    )
    if failed:
        raise SystemExit(f"not rendered: the songs {failed}")


def separate(command: list[str], mixes: list[Path], model: str, out: Path) -> list[Tensor]:
    """(sources, 2, frames) of each mixture, exactly as the engine gave them."""
    flags = ["--model", model, "--out", str(out), "--clip-mode", "none"]
    flags += ["--format", "wav", "--bit-depth", "32f", "--json"]
    done = subprocess.run(
        [*command, "separate", *map(str, mixes), *flags], check=True, stdout=subprocess.PIPE
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    by_input = {Path(result["input"]).stem: result for result in results}
    return [
        torch.stack(
            [read_wav(by_input[mix.stem]["output"]["stems"][name]["path"]) for name in SOURCES]
        )
        for mix in mixes
    ]


def read_wav(path: str | Path) -> Tensor:
    """(2, frames)."""
    x, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(x.T.copy())


def oracle(stems: Tensor) -> Tensor:
    """The stems from their mixture through the masks of their own power: about the best that
    masking can do."""
    window = torch.hann_window(WINDOW)
    frames = stems.shape[-1]

    def spectrum(x: Tensor) -> Tensor:
        flat = x.reshape(-1, frames)
        return torch.stft(flat, WINDOW, WINDOW // 4, window=window, return_complex=True)

    z = spectrum(stems)
    power = z.abs().square().reshape(len(SOURCES), 2, *z.shape[1:])
    masks = power / (power.sum(0) + 1e-10)
    masked = (masks * spectrum(stems.sum(0))).reshape(-1, *z.shape[1:])
    out = torch.istft(masked, WINDOW, WINDOW // 4, window=window, length=frames)
    return out.reshape(stems.shape)


def measure(folder: Path, work: Path, command: list[str], model: str) -> dict[str, np.ndarray]:
    """SDR in dB, (songs, sources), of the mixture, the model and the oracle."""
    songs = pool.songs(folder, EVALUATION.name)
    work.mkdir(parents=True, exist_ok=True)
    stems, mixes = [torch.from_numpy(song.stems()) for song in songs], []
    for song, x in zip(songs, stems, strict=True):
        mixes.append(work / f"{song.about['seed']}.wav")
        soundfile.write(mixes[-1], x.sum(0).T.numpy(), SAMPLE_RATE, subtype="FLOAT")
    estimates = separate(command, mixes, model, work / "separated")
    return {
        "mixture": mixture_scores(songs),
        "model": np.stack([sdr(x, y).numpy() for x, y in zip(stems, estimates, strict=True)]),
        "oracle": np.stack([sdr(x, oracle(x)).numpy() for x in stems]),
    }


def table(rows: dict[str, np.ndarray], model: str) -> str:
    names = {"mixture": "mixture as the estimate", "model": model, "oracle": "oracle power mask"}
    lines = [f"| SDR, dB | {' | '.join(SOURCES)} | mean |", "| --- |" + " ---: |" * 5]
    for key, label in names.items():
        means = summary(rows[key])
        values = " | ".join(f"{means[name]:.2f}" for name in [*SOURCES, "mean"])
        lines.append(f"| {label} | {values} |")
    return "\n".join(lines)
