"""The example song that the repository has: rendered from sounds that may be passed on freely, kept
as its four stems, whose sum is the song. So its true stems are known to the sample."""

import subprocess
from pathlib import Path

import numpy as np

from .assets import FLUID, KITS, SONIC_PI, Split, Voice
from .audio import SAMPLE_RATE
from .song import SOURCES, compose

# MIT, CC0 and CMU's permissive license: the song itself is CC0.
EXAMPLE = Split(
    name="example",
    seeds=range(1_000_000, 1_001_000),
    packages=["flite", "fluid-soundfont-gm", "hydrogen-drumkits", "sonic-pi-samples"],
    fonts=[FLUID],
    drum_fonts=[(FLUID, 128, program) for program in (0, 8, 16)],
    kits=[KITS + "Audiophob", SONIC_PI + "drums"],
    voices=[Voice("flite", "awb", english=True), Voice("flite", "rms", english=True)],
)
SECONDS = 24
FADE_SECONDS = 1.5
BITRATE = "72k"


def write(seed: int, folder: Path, cache: Path) -> dict:
    """One Opus file per stem, together under 1 MB; returns what the song is made of."""
    song = compose(seed, EXAMPLE, SECONDS, cache)
    stems = song.stems * (0.85 / np.abs(song.stems.sum(0)).max())
    fade = int(FADE_SECONDS * SAMPLE_RATE)
    stems[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None] ** 2
    folder.mkdir(parents=True, exist_ok=True)
    for name, x in zip(SOURCES, stems, strict=True):
        raw = ["-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "2", "-i", "pipe:0"]
        coded = ["-c:a", "libopus", "-b:a", BITRATE, "-bitexact", str(folder / f"{name}.opus")]
        command = ["ffmpeg", "-v", "error", "-y", *raw, *coded]
        subprocess.run(command, input=x.astype("<f4").tobytes(), check=True)
    return song.about
