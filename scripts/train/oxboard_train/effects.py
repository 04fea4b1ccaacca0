"""Effects on stereo audio of shape (frames, 2). Each returns new float32 audio of that shape."""

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from .audio import SAMPLE_RATE, Audio, gain, rms
from .draw import Rng, between, chance, pick, whole


def filtered(x: Audio, kind: str, frequency: float | list[float], order: int = 2) -> Audio:
    sections = butter(order, frequency, kind, fs=SAMPLE_RATE, output="sos")
    return sosfilt(sections, x, axis=0).astype(np.float32)


def peak(x: Audio, frequency: float, decibels: float, q: float) -> Audio:
    """One parametric band, after the Audio EQ Cookbook."""
    a = 10 ** (decibels / 40)
    omega = 2 * np.pi * frequency / SAMPLE_RATE
    alpha, cosine = np.sin(omega) / 2 / q, np.cos(omega)
    section = [1 + alpha * a, -2 * cosine, 1 - alpha * a, 1 + alpha / a, -2 * cosine, 1 - alpha / a]
    return sosfilt([np.array(section) / section[3]], x, axis=0).astype(np.float32)


def equalise(x: Audio, rng: Rng, decibels: float = 4.0) -> Audio:
    for _ in range(whole(rng, 1, 3)):
        frequency = 60 * 2 ** between(rng, 0, 7.5)
        x = peak(x, frequency, between(rng, -decibels, decibels), between(rng, 0.4, 1.6))
    return x


def compress(x: Audio, ratio: float, above: float = 2.0) -> Audio:
    """Turns down what is more than `above` dB over the mean level, with a smooth detector."""
    power = sosfilt(butter(1, 12, "low", fs=SAMPLE_RATE, output="sos"), np.mean(x**2, axis=1))
    level = 10 * np.log10(np.maximum(power, 1e-10))
    threshold = 20 * np.log10(rms(x) + 1e-6) + above
    reduction = np.maximum(0, level - threshold) * (1 - 1 / ratio)
    return (x * (10 ** (-reduction / 20))[:, None]).astype(np.float32)


def reverberate(x: Audio, rng: Rng, wet: float, seconds: float | None = None) -> Audio:
    """A room of noise that decays, with few early reflections, darker in its tail."""
    seconds = seconds or between(rng, 0.2, 2.4)
    frames = int(seconds * SAMPLE_RATE)
    time = np.arange(frames) / SAMPLE_RATE
    tail = rng.standard_normal((frames, 2)) * np.exp(-6.9 * time / seconds)[:, None]
    tail[: int(between(rng, 0.002, 0.04) * SAMPLE_RATE)] = 0
    tail = filtered(tail, "low", between(rng, 2500, 9000), 1)
    tail = filtered(tail, "high", between(rng, 80, 400), 1)
    tail /= np.sqrt(np.sum(tail**2, axis=0).mean()) + 1e-9
    for _ in range(whole(rng, 0, 6)):
        tail[int(between(rng, 0.004, 0.05) * SAMPLE_RATE)] += rng.uniform(-0.3, 0.3, 2)
    return (x + wet * fftconvolve(x, tail, axes=0)[: len(x)]).astype(np.float32)


def echo(x: Audio, seconds: float, feedback: float, wet: float) -> Audio:
    """Ping-pong delay."""
    step, out, level = int(seconds * SAMPLE_RATE), x.copy(), wet
    for k in range(1, 5):
        if step * k >= len(x) or step == 0:
            break
        source = x[: -step * k]
        out[step * k :] += level * (source[:, ::-1] if k % 2 else source)
        level *= feedback
    return out


def modulated_delay(
    x: Audio, rng: Rng, milliseconds: float, depth: float, wet: float, rate: float
) -> Audio:
    """Chorus, flanger or a doubling, by how long and how deep the delay is."""
    time = np.arange(len(x))
    out = x.copy()
    for channel in (0, 1):
        sweep = np.sin(2 * np.pi * rate * time / SAMPLE_RATE + between(rng, 0, 6.28))
        delay = SAMPLE_RATE * (milliseconds + depth * sweep) / 1000
        out[:, channel] += wet * np.interp(time - delay, time, x[:, channel])
    return out.astype(np.float32)


def widen(x: Audio, rng: Rng) -> Audio:
    if chance(rng, 0.7):
        return modulated_delay(
            x, rng, between(rng, 8, 20), between(rng, 1, 4), 0.7, between(rng, 0.2, 1.2)
        )
    return modulated_delay(
        x, rng, between(rng, 1, 4), between(rng, 0.5, 1), 0.6, between(rng, 0.1, 0.6)
    )


def distort(x: Audio, drive: float) -> Audio:
    """Soft clipping; drive is how many times over the clipping point the loudest sample is."""
    top = np.abs(x).max() + 1e-6
    return (np.tanh(x / top * drive) * top / np.tanh(drive)).astype(np.float32)


def amplifier(x: Audio, rng: Rng) -> Audio:
    """A guitar amplifier: drive between two filters, and the steep roll-off of a loudspeaker."""
    x = filtered(x, "high", between(rng, 80, 250), 1)
    x = distort(x, between(rng, 3, 40))
    x = peak(x, between(rng, 400, 900), between(rng, -8, 2), 0.7)
    x = peak(x, between(rng, 1800, 3500), between(rng, 0, 7), 0.8)
    return filtered(x, "low", between(rng, 3800, 7000), 4)


def tremolo(x: Audio, rng: Rng) -> Audio:
    time = np.arange(len(x)) / SAMPLE_RATE
    depth, rate = between(rng, 0.1, 0.5), between(rng, 3, 8)
    swing = 2 * np.pi * rate * time
    offset = np.pi if chance(rng, 0.4) else 0
    shape = np.stack([np.sin(swing), np.sin(swing + offset)], axis=1)
    return (x * (1 - depth * (0.5 + 0.5 * shape))).astype(np.float32)


def sweep_filter(x: Audio, rng: Rng) -> Audio:
    """A slow filter sweep, as a blend of a dark and the bright sound."""
    dark = filtered(x, "low", between(rng, 300, 1200))
    time = np.arange(len(x)) / SAMPLE_RATE
    blend = 0.5 + 0.5 * np.sin(2 * np.pi * between(rng, 0.03, 0.5) * time + between(rng, 0, 6.28))
    return (dark + (x - dark) * blend[:, None]).astype(np.float32)


def pan(x: Audio, position: float) -> Audio:
    """Position from -1, left, to 1, right; the near channel keeps its level."""
    return x * np.array([min(1, 1 - position), min(1, 1 + position)], np.float32)


def narrow(x: Audio, width: float) -> Audio:
    """Width 0 is mono, 1 leaves it as it is."""
    middle = x.mean(axis=1, keepdims=True)
    return (middle + width * (x - middle)).astype(np.float32)


def colour(x: Audio, rng: Rng) -> Audio:
    """What a part of a mix may go through: at most a few of these, most often none."""
    if chance(rng, 0.08):
        x = sweep_filter(x, rng)
    if chance(rng, 0.08):
        x = tremolo(x, rng)
    if chance(rng, 0.06):
        x = filtered(x, "low", between(rng, 1500, 6000))
    if chance(rng, 0.06):
        x = filtered(x, "high", between(rng, 150, 500))
    if chance(rng, 0.1):
        x = distort(x, between(rng, 1, 4))
    return x * gain(pick(rng, [-1.0, 0.0, 1.0]))
