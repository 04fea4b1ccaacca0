"""A picture of what a model makes of a real song: spectrograms of the song and its stems, one below
the other, and figures that tell a silent stem and a copy of the mixture."""

import subprocess
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .audio import SAMPLE_RATE
from .heldout import read_wav, separate
from .song import SOURCES

WIDTH, HEIGHT, GAP = 1200, 170, 6
LOWEST_HZ, HIGHEST_HZ = 40, 16000
RANGE_DB = 70
WINDOW = 4096
# From silence to full scale, as (red, green, blue).
COLOURS = [(0, 0, 10), (60, 15, 110), (180, 50, 120), (250, 140, 60), (255, 250, 200)]


def spectrogram(x: Tensor, top: float) -> np.ndarray:
    """(HEIGHT, WIDTH) from 0 to 1, in dB below `top`; low frequencies at the bottom."""
    hop = max(1, x.shape[-1] // WIDTH)
    z = torch.stft(
        x.mean(0), WINDOW, hop, window=torch.hann_window(WINDOW), return_complex=True
    ).abs()
    hz = np.geomspace(HIGHEST_HZ, LOWEST_HZ, HEIGHT)
    rows = z[np.clip((hz * WINDOW / SAMPLE_RATE).round().astype(int), 0, WINDOW // 2), :WIDTH]
    level = 20 * np.log10(rows.numpy() / top + 1e-9)
    return np.clip(1 + level / RANGE_DB, 0, 1)


def paint(panels: list[np.ndarray], file: Path) -> None:
    gap = np.ones((GAP, panels[0].shape[1]))
    stacked = np.concatenate([part for panel in panels for part in (panel, gap)][:-1])
    scale = np.linspace(0, 1, len(COLOURS))
    table = np.array(COLOURS)
    pixels = np.stack([np.interp(stacked, scale, table[:, i]) for i in range(3)], axis=-1)
    height, width = stacked.shape
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "pipe:0"]
    small = [
        "-filter_complex",
        "split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse=dither=none",
    ]
    command = ["ffmpeg", "-v", "error", "-y", *raw, *small, "-frames:v", "1", str(file)]
    subprocess.run(command, input=pixels.astype(np.uint8).tobytes(), check=True)


def draw(
    command: list[str], song: Path, model: str, start: float, seconds: float, work: Path, file: Path
) -> dict[str, dict[str, float]]:
    """Writes the picture; per stem, its level against the song's in dB, and its correlation with
    the song."""
    work.mkdir(parents=True, exist_ok=True)
    excerpt = work / "excerpt.wav"
    cut = ["ffmpeg", "-v", "error", "-y", "-ss", str(start), "-t", str(seconds), "-i", str(song)]
    subprocess.run([*cut, "-ac", "2", "-ar", str(SAMPLE_RATE), str(excerpt)], check=True)
    mix = read_wav(excerpt)
    stems = separate(command, [excerpt], model, work / "separated")[0]
    window = torch.hann_window(WINDOW)
    top = torch.stft(mix.mean(0), WINDOW, window=window, return_complex=True).abs().max().item()
    paint([spectrogram(x, top) for x in (mix, *stems)], file)
    level = 10 * torch.log10(stems.square().mean((1, 2)) / mix.square().mean() + 1e-12)
    alike = [torch.corrcoef(torch.stack([x.flatten(), mix.flatten()]))[0, 1] for x in stems]
    return {
        name: {"levelDb": round(float(a), 1), "correlation": round(float(b), 2)}
        for name, a, b in zip(SOURCES, level, alike, strict=True)
    }
