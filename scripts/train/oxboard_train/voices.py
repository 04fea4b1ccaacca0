"""Phrases of speech, analysed by the WORLD vocoder into pitch, spectral envelope and noise share.

A phrase comes from a speech synthesiser or from recordings. Its analysis is kept on disk: it is the
same whenever it is made, and making it takes longer than singing with it.
"""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pyworld
from scipy.ndimage import gaussian_filter1d

from .assets import Voice
from .audio import decode, resample
from .draw import Rng, chance, generator, pick, whole

FRAME = 0.005
# Envelopes are kept at these frequencies, evenly spaced to the ear, whatever the phrase's rate was.
BANDS = 128
BAND_HZ = 700 * (10 ** (np.linspace(20, 3923, BANDS) / 2595) - 1)
PHRASES = 10

WORDS = """
love night fire baby away tonight heart dream fall rain sun summer moon river road home never
always again maybe shadow light burning running waiting calling falling together forever yesterday
morning lonely crazy higher over under hold me tell you want need feel know say go stay come back
down up all the way in my mind oh yeah hey na la da ooh stars shining bright city streets dancing
slowly silence whisper golden silver broken window open door ocean wave mountain we are the ones
who will not run away I can see your face take my hand leave it all behind show me what is real
time will tell some day somehow sky blue eyes cry goodbye beautiful danger stranger money honey
mirror sugar power tower flower zero fifty sixteen jazz vision treasure measure church judge thin
thick wish fish choose shoes peace please breathe electric thunder paradise diamond velvet garden
rhythm trouble simple question
""".split()
_ONSETS = "b d f g k l m n p r s t v z st tr sk pl".split()
SYLLABLES = [onset + vowel for onset in _ONSETS for vowel in "aeiou"]
SYLLABLES += [f"{a}{b}{c}" for a in "lmstrk" for b in "aeio" for c in "nsrlt"]


@dataclass(frozen=True)
class Phrase:
    """frames of 5 ms. envelope: log power at BAND_HZ; noise: share of noise at BAND_HZ, 0 to 1;
    pitch in Hz, 0 where unvoiced; syllables: (first, loudest, end) frames."""

    envelope: np.ndarray
    noise: np.ndarray
    pitch: np.ndarray
    syllables: np.ndarray

    @property
    def median_pitch(self) -> float:
        return float(np.median(self.pitch[self.pitch > 0]))


def _text(rng: Rng, english: bool) -> str:
    if english:
        return " ".join(pick(rng, WORDS) for _ in range(whole(rng, 7, 11)))
    words = ("".join(pick(rng, SYLLABLES) for _ in range(whole(rng, 1, 3))) for _ in range(8))
    return " ".join(words)


def _speak(voice: Voice, rng: Rng, out: Path) -> None:
    text = _text(rng, voice.english or (voice.engine == "espeak" and chance(rng, 0.3)))
    speed, pitch = whole(rng, 105, 165), whole(rng, 30, 70)
    commands = {
        "espeak": [
            "espeak-ng",
            "-v",
            voice.name,
            "-s",
            f"{speed}",
            "-p",
            f"{pitch}",
            "-w",
            f"{out}",
        ],
        "flite": ["flite", "-voice", voice.name, "-t", text, "-o", f"{out}"],
        "festival": ["text2wave", "-eval", f"(voice_{voice.name})", "-o", f"{out}"],
    }
    command = commands[voice.engine] + ([text] if voice.engine == "espeak" else [])
    subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=120)


def _recorded(voice: Voice, index: int) -> tuple[np.ndarray, int]:
    """Recordings in a shuffled order, joined until there are a few seconds of them."""
    kinds = ("*.ogg", "*.wav", "*.g722", "*.gsm")
    files = sorted(file for kind in kinds for file in Path(voice.name).rglob(kind))
    if not files:
        raise FileNotFoundError(f"no sounds in {voice.name}; run: python -m oxboard_train install")
    order = generator(0, voice.key).permutation(len(files))
    per_phrase = max(1, len(files) // PHRASES)
    parts, rate, length = [], 0, 0.0
    for k in range(per_phrase):
        x, file_rate = decode(files[order[(index * per_phrase + k) % len(files)]])
        rate = rate or file_rate
        parts.append(resample(x.mean(axis=1), file_rate, rate))
        length += len(x) / file_rate
        if length > 4:
            break
    return np.concatenate(parts), rate


def _samples(voice: Voice, index: int) -> tuple[np.ndarray, int]:
    if voice.engine == "recorded":
        return _recorded(voice, index)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speech.wav"
        _speak(voice, generator(index, voice.key), out)
        x, rate = decode(out)
    return x.mean(axis=1), rate


def analyse(x: np.ndarray, rate: int) -> Phrase | None:
    """None for a sound with too little voice in it to sing with."""
    edge = int(np.searchsorted(BAND_HZ, 0.9 * rate / 2))
    # At a telephone's rate WORLD has no band in which to tell noise from voice.
    wanted = max(rate, 16000)
    x, rate = resample(x[: 6 * rate], rate, wanted).astype(np.float64), wanted
    x /= np.abs(x).max() + 1e-9
    # dio is fast, and good enough after its refinement; its result is gapless per 5 ms.
    rough, time = pyworld.dio(x, rate, f0_floor=65, f0_ceil=500, frame_period=1000 * FRAME)
    pitch = pyworld.stonemask(x, rough, time, rate)
    if np.sum(pitch > 0) < 40:
        return None
    spectrum = pyworld.cheaptrick(x, pitch, time, rate)
    # Its own decision on what is voiced looks at high frequencies, which telephone speech lacks.
    noise = pyworld.d4c(x, pitch, time, rate, threshold=0)
    hz = np.linspace(0, rate / 2, spectrum.shape[1])
    envelope = np.stack([np.interp(BAND_HZ, hz, row) for row in np.log(spectrum + 1e-14)])
    share = np.stack([np.interp(BAND_HZ, hz, row) for row in noise])
    # Above the recording's band both go on: the envelope falls, more in vowels, the rest is noise.
    if edge < BANDS:
        octaves = np.log2(BAND_HZ[edge:] / BAND_HZ[edge - 1])
        level = envelope[:, edge - 12 : edge - 2].mean(axis=1, keepdims=True)
        slope = np.where(pitch > 0, 4.4, 1.8)[:, None]
        envelope[:, edge:] = level - slope * octaves
        share[:, edge:] = np.maximum(share[:, edge - 2 : edge - 1], 0.6)
    syllables = _syllables(envelope, pitch)
    if len(syllables) < 3:
        return None
    return Phrase(
        envelope.astype(np.float16), share.astype(np.float16), pitch.astype(np.float32), syllables
    )


def _syllables(envelope: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Peaks of voiced energy in the range of the vowels; they part where it is lowest."""
    band = (BAND_HZ > 250) & (BAND_HZ < 3000)
    energy = np.sqrt(np.exp(envelope[:, band]).sum(axis=1)) * (0.15 + (pitch > 0))
    energy = gaussian_filter1d(energy, 5)
    peaks: list[int] = []
    for i in range(1, len(energy) - 1):
        is_peak = energy[i - 1] <= energy[i] > energy[i + 1] and energy[i] > 0.12 * energy.max()
        if not is_peak:
            continue
        if peaks and i - peaks[-1] < 20:
            if energy[i] > energy[peaks[-1]]:
                peaks[-1] = i
        else:
            peaks.append(i)
    if not peaks:
        return np.zeros((0, 3), np.int32)
    inner = [a + int(np.argmin(energy[a:b])) for a, b in pairwise(peaks)]
    bounds = [max(0, peaks[0] - 30), *inner, min(len(energy) - 1, peaks[-1] + 35)]
    return np.array([(bounds[i], peak, bounds[i + 1]) for i, peak in enumerate(peaks)], np.int32)


@lru_cache(maxsize=256)
def phrase(voice: Voice, index: int, cache: Path) -> Phrase | None:
    file = cache / f"{voice.key}-{index}.npz"
    if not file.exists():
        made = analyse(*_samples(voice, index))
        cache.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, **(made.__dict__ if made else {}))
        partial.rename(file)
    with np.load(file) as stored:
        return Phrase(**stored) if stored.files else None


def phrases(voice: Voice, rng: Rng, cache: Path, count: int = 4) -> list[Phrase]:
    """A few phrases of one speaker."""
    order = [int(i) for i in rng.permutation(PHRASES)]
    found = (phrase(voice, index, cache) for index in order)
    some = list(islice((p for p in found if p), count))
    if not some:
        raise ValueError(f"nothing to sing with in the voice {voice.key}")
    return some
