"""Our own instruments: subtractive, frequency modulation, additive and plucked strings."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from .audio import SAMPLE_RATE, Audio
from .draw import Rng, between, chance, pick, whole
from .effects import filtered
from .soundfonts import Note


@dataclass(frozen=True)
class Patch:
    """A sound. times in seconds, cutoff in Hz; harmonics: amplitudes of an additive sound."""

    kind: str
    wave: str
    detune: float
    voices: int
    cutoff: float
    sweep: float
    attack: float
    decay: float
    sustain: float
    release: float
    ratio: float
    index: float
    harmonics: np.ndarray
    inharmonic: float
    damping: float
    sub: float
    glide: float = 0.0


def draw_patch(rng: Rng, role: str) -> Patch:
    """role: bass, pad, lead, pluck or keys."""
    bass, pad = role == "bass", role == "pad"
    kinds = {
        "bass": ["subtractive", "subtractive", "subtractive", "fm", "additive", "plucked"],
        "pad": ["subtractive", "subtractive", "additive", "fm"],
        "lead": ["subtractive", "subtractive", "fm", "additive"],
        "pluck": ["plucked", "plucked", "fm", "additive", "subtractive"],
        "keys": ["fm", "additive", "subtractive", "plucked"],
    }[role]
    rolloff = between(rng, 0.6, 2.2)
    count = whole(rng, 4, 24)
    harmonics = rng.random(count) * np.arange(1, count + 1) ** -rolloff
    if chance(rng, 0.3):
        harmonics[1::2] *= 0.1
    harmonics[0] = max(harmonics[0], 0.5)
    return Patch(
        kind=pick(rng, kinds),
        wave=pick(rng, ["saw", "saw", "square", "pulse", "triangle", *["sine"] * (2 * bass)]),
        detune=0.0 if bass and chance(rng, 0.6) else between(rng, 0.001, 0.012),
        voices=pick(rng, [1, 2] if bass else [1, 2, 3, 5]),
        cutoff=pick(rng, [250, 400, 700, 1200, 2500] if bass else [900, 1800, 3500, 7000, 14000]),
        sweep=between(rng, 0, 4),
        attack=between(rng, 0.08, 0.6) if pad else between(rng, 0.002, 0.03),
        decay=between(rng, 0.08, 0.9),
        sustain=between(rng, 0.6, 1) if pad else between(rng, 0, 0.9),
        release=between(rng, 0.2, 0.8) if pad else between(rng, 0.03, 0.25),
        ratio=pick(rng, [0.5, 1, 1, 2, 3, 3.5, 4, 7, 1.41]),
        index=between(rng, 0.4, 3 if bass else 6),
        harmonics=harmonics,
        inharmonic=between(rng, 0, 0.02) if chance(rng, 0.2) else 0.0,
        damping=between(rng, 0.985, 0.999),
        sub=between(rng, 0, 0.8) if bass and chance(rng, 0.4) else 0.0,
    )


def sub_patch(rng: Rng) -> Patch:
    """The long sine of an 808: a drop in pitch, a long decay."""
    patch = draw_patch(rng, "bass")
    values = {**patch.__dict__, "kind": "subtractive", "wave": "sine", "voices": 1, "detune": 0.0}
    values |= {"attack": 0.003, "decay": between(rng, 0.5, 2), "sustain": between(rng, 0, 0.4)}
    return Patch(**{**values, "release": 0.08, "cutoff": 4000, "glide": between(rng, 1, 8)})


def synthesise(rng: Rng, patch: Patch, notes: list[Note], frames: int) -> Audio:
    out = np.zeros((frames + SAMPLE_RATE, 2), np.float32)
    for note in notes:
        at = int(note.start * SAMPLE_RATE)
        length = min(int((note.duration + 2 * patch.release) * SAMPLE_RATE), len(out) - at)
        if length < 64:
            continue
        envelope = _envelope(patch, note.duration, length)
        frequency = 440 * 2 ** ((note.pitch - 69) / 12)
        x = _tone(rng, patch, frequency, length, envelope)
        out[at : at + length] += x * (envelope * (note.velocity / 127) ** 1.3 * 0.2)[:, None]
    return out[:frames]


def _envelope(patch: Patch, duration: float, length: int) -> np.ndarray:
    time = np.arange(length) / SAMPLE_RATE
    body = patch.sustain + (1 - patch.sustain) * np.exp(-time / patch.decay)
    envelope = np.minimum(time / patch.attack, 1) * body
    off = min(length - 1, int(duration * SAMPLE_RATE))
    envelope[off:] = envelope[off] * np.exp(-3 * (time[off:] - time[off]) / patch.release)
    return envelope.astype(np.float32)


def _tone(
    rng: Rng, patch: Patch, frequency: float, length: int, envelope: np.ndarray
) -> np.ndarray:
    time = np.arange(length) / SAMPLE_RATE
    if patch.kind == "fm":
        index = patch.index * np.exp(-time / patch.decay)
        modulator = np.sin(2 * np.pi * frequency * patch.ratio * time)
        x = np.sin(2 * np.pi * frequency * time + index * modulator)[:, None].repeat(2, axis=1)
    elif patch.kind == "additive":
        x = _additive(patch, frequency, time)
    elif patch.kind == "plucked":
        x = _plucked(rng, patch, frequency, length)
    else:
        x = _subtractive(rng, patch, frequency, time)
    if patch.sub:
        x = x + patch.sub * np.sin(np.pi * frequency * time)[:, None]
    return x.astype(np.float32)


def _additive(patch: Patch, frequency: float, time: np.ndarray) -> np.ndarray:
    x = np.zeros(len(time))
    for k, amplitude in enumerate(patch.harmonics, start=1):
        partial = frequency * k * (1 + patch.inharmonic * k * k / 10)
        if partial > 18000:
            break
        x += amplitude * np.sin(2 * np.pi * partial * time) * np.exp(-time * (k - 1) * 0.5)
    return (x / patch.harmonics.sum() * 2)[:, None].repeat(2, axis=1)


def _plucked(rng: Rng, patch: Patch, frequency: float, length: int) -> np.ndarray:
    """Karplus and Strong's string: a burst of noise through a damped comb filter."""
    period = max(4, round(SAMPLE_RATE / frequency - 0.5))
    burst = np.zeros(length)
    burst[:period] = rng.uniform(-1, 1, period)[: min(period, length)]
    burst = filtered(burst[:, None], "low", min(16000, patch.cutoff * 2), 1)[:, 0]
    loop = np.zeros(period + 2)
    loop[0], loop[period], loop[period + 1] = 1, -0.5 * patch.damping, -0.5 * patch.damping
    return lfilter([1.0], loop, burst)[:, None].repeat(2, axis=1)


def _subtractive(rng: Rng, patch: Patch, frequency: float, time: np.ndarray) -> np.ndarray:
    x = np.zeros((len(time), 2))
    drop = patch.glide * np.exp(-time * 30)
    for voice in range(patch.voices):
        spread = 0.0 if patch.voices == 1 else 2 * voice / (patch.voices - 1) - 1
        pitch = frequency * (1 + patch.detune * spread)
        phase = between(rng, 0, 1) + np.cumsum(pitch * 2 ** (drop / 12)) / SAMPLE_RATE
        wave = _wave(patch.wave, phase, pitch / SAMPLE_RATE)
        x += wave[:, None] * np.array([1 - 0.5 * spread, 1 + 0.5 * spread])
    x /= np.sqrt(patch.voices)
    dark = filtered(x, "low", min(patch.cutoff, 18000))
    if patch.sweep < 0.5:
        return dark
    bright = filtered(x, "low", min(patch.cutoff * 2**patch.sweep, 18000))
    blend = np.exp(-time / patch.decay)[:, None]
    return dark + (bright - dark) * blend


def _wave(kind: str, phase: np.ndarray, step: float) -> np.ndarray:
    """A wave whose jumps are rounded (polyBLEP), so that it does not alias."""
    x = phase % 1
    if kind == "sine":
        return np.sin(2 * np.pi * x)
    if kind == "triangle":
        return 2 * np.abs(2 * x - 1) - 1
    if kind == "saw":
        return 2 * x - 1 - _round(x, step)
    width = 0.5 if kind == "square" else 0.25
    jump_down = (x + 1 - width) % 1
    return np.where(x < width, 1.0, -1.0) + _round(x, step) - _round(jump_down, step)


def _round(x: np.ndarray, step: float) -> np.ndarray:
    out = np.zeros_like(x)
    after, before = x < step, x > 1 - step
    a, b = x[after] / step, (x[before] - 1) / step
    out[after] = 2 * a - a * a - 1
    out[before] = b * b + 2 * b + 1
    return out
