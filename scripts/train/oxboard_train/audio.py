"""Reading sound files. Audio is float32, shape (frames, 2), at 44100 Hz throughout."""

import subprocess
from functools import lru_cache
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

SAMPLE_RATE = 44100
Audio = np.ndarray


def resample(x: np.ndarray, source: int, target: int) -> np.ndarray:
    if source == target:
        return x
    common = gcd(source, target)
    return resample_poly(x, target // common, source // common, axis=0).astype(np.float32)


def decode(path: Path) -> tuple[np.ndarray, int]:
    """Samples (frames, channels) and sample rate; what libsndfile cannot read goes to ffmpeg."""
    if path.suffix not in (".g722", ".gsm"):
        return soundfile.read(path, always_2d=True, dtype="float32")
    rate = 16000 if path.suffix == ".g722" else 8000
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "f32le", "-ac", "1"]
    raw = subprocess.run([*command, "-ar", str(rate), "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.float32)[:, None].copy(), rate


@lru_cache(maxsize=600)
def sample(path: str, seconds: float = 4.0) -> Audio:
    """The beginning of a file, in stereo at 44100 Hz."""
    x, rate = decode(Path(path))
    x = x[: int(seconds * rate), :2]
    if x.shape[1] == 1:
        x = np.repeat(x, 2, axis=1)
    x = resample(x, rate, SAMPLE_RATE)
    x.flags.writeable = False
    return x


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def gain(decibels: float) -> float:
    return 10 ** (decibels / 20)
