"""SDR per stem of a network on songs whose stems are known."""

import numpy as np
import torch
from torch import Tensor, nn

from .losses import sdr
from .pool import PooledSong
from .song import SOURCES

OVERLAP = 0.1


@torch.no_grad()
def separate(model: nn.Module, mix: Tensor, frames: int) -> Tensor:
    """(sources, 2, samples) of a mixture (2, samples): overlapping segments, faded into each other,
    normalised as demucs.separate does."""
    reference = mix.mean(0)
    mean, deviation = reference.mean(), reference.std() + 1e-8
    mix = (mix - mean) / deviation
    total, length = torch.zeros(len(SOURCES), 2, mix.shape[1]), mix.shape[1]
    weights = torch.zeros(length)
    ramp = torch.arange(1, frames // 2 + 1)
    window = torch.cat([ramp, ramp.flip(0), torch.ones(frames % 2)]) / ramp[-1]
    for begin in range(0, max(1, length - int(frames * OVERLAP)), int(frames * (1 - OVERLAP))):
        part = mix[:, begin : begin + frames]
        padded = nn.functional.pad(part, (0, frames - part.shape[1]))
        estimate = model(padded[None])[0][..., : part.shape[1]]
        total[..., begin : begin + frames] += estimate * window[: part.shape[1]]
        weights[begin : begin + frames] += window[: part.shape[1]]
    return total / weights * deviation + mean


def scores(model: nn.Module, songs: list[PooledSong], frames: int) -> np.ndarray:
    """SDR in dB, (songs, sources)."""
    was_training = model.training
    model.eval()
    rows = []
    for song in songs:
        stems = torch.from_numpy(song.stems())
        rows.append(sdr(stems, separate(model, stems.sum(0), frames)).numpy())
    model.train(was_training)
    return np.stack(rows)


def mixture_scores(songs: list[PooledSong]) -> np.ndarray:
    """The SDR of the mixture itself as the estimate of every stem."""
    stems = [torch.from_numpy(song.stems()) for song in songs]
    return np.stack([sdr(x, x.sum(0).expand_as(x)).numpy() for x in stems])


def summary(rows: np.ndarray) -> dict[str, float]:
    """Means over songs, per source and of all."""
    means = {name: round(float(x), 2) for name, x in zip(SOURCES, rows.mean(0), strict=True)}
    return {**means, "mean": round(float(rows.mean()), 2)}
