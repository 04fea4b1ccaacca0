"""Sings and raps with analysed speech: syllables stretched to notes, pitch drawn anew."""

from dataclasses import dataclass

import numpy as np
import pyworld
from scipy.ndimage import gaussian_filter1d

from .audio import SAMPLE_RATE
from .draw import Rng, between
from .voices import BAND_HZ, BANDS, FRAME, Phrase

SILENCE = -28.0
FFT_SIZE = pyworld.get_cheaptrick_fft_size(SAMPLE_RATE)
BINS = np.linspace(0, SAMPLE_RATE / 2, FFT_SIZE // 2 + 1)
# Attacks before the vowel come ahead of the beat, as singers place them: at most this many frames.
LEAD_IN = 16
# Frames without sound that part what is sung into stretches of their own.
MAX_GAP = 20


@dataclass(frozen=True)
class SungNote:
    """start and duration in seconds; pitch in MIDI numbers, fractions included."""

    start: float
    duration: float
    pitch: float


@dataclass(frozen=True)
class Manner:
    """How one singer sings. formant: factor on the vocal tract's resonances; breath: from 0 to 1;
    vibrato in semitones; glide and times in seconds; tilt in log power per octave."""

    formant: float
    breath: float
    vibrato: float
    vibrato_rate: float
    glide: float
    tilt: float
    jitter: float


def draw_manner(rng: Rng) -> Manner:
    return Manner(
        formant=between(rng, 0.86, 1.16),
        breath=between(rng, 0, 0.5) ** 2,
        vibrato=between(rng, 0.05, 0.7),
        vibrato_rate=between(rng, 4.6, 6.8),
        glide=between(rng, 0.015, 0.09),
        tilt=between(rng, -0.6, 0.35),
        jitter=between(rng, 0.03, 0.2),
    )


class _Track:
    """Frames of the song being sung: log envelope and noise by band, pitch in MIDI numbers."""

    def __init__(self, frames: int):
        self.count = int(frames / SAMPLE_RATE / FRAME) + 2
        self.envelope = np.full((self.count, BANDS), SILENCE, np.float32)
        self.noise = np.ones((self.count, BANDS), np.float32)
        self.pitch = np.zeros(self.count, np.float32)
        self.voiced = np.zeros(self.count, bool)

    def place(self, phrase: Phrase, at: int, source: np.ndarray, pitch: np.ndarray) -> None:
        """Puts frames of a phrase, taken at fractional positions, from frame `at` on."""
        skipped = max(0, -at)
        source, pitch, at = source[skipped:], pitch[skipped:], max(0, at)
        source, pitch = source[: self.count - at], pitch[: self.count - at]
        if not len(source):
            return
        last = len(phrase.pitch) - 1
        before = np.clip(source.astype(int), 0, last)
        after = np.minimum(before + 1, last)
        part = (source - before)[:, None].astype(np.float32)
        envelope = phrase.envelope[before] * (1 - part) + phrase.envelope[after] * part
        fade = np.minimum(1, np.minimum(np.arange(len(source)), np.arange(len(source))[::-1]) / 3)
        envelope = envelope + np.log(fade + 1e-4)[:, None] * 2
        here = slice(at, at + len(source))
        louder = envelope.sum(axis=1) > self.envelope[here].sum(axis=1)
        rows = np.arange(at, at + len(source))[louder]
        self.envelope[rows] = envelope[louder]
        self.noise[rows] = phrase.noise[before][louder]
        self.pitch[rows] = pitch[louder]
        self.voiced[rows] = (phrase.pitch[before] > 0)[louder]

    def render(self, frames: int, manner: Manner) -> np.ndarray:
        out = np.zeros(frames, np.float32)
        for begin, end in self._spans():
            x = self._synthesise(slice(begin, end), manner)
            at = int(begin * FRAME * SAMPLE_RATE)
            length = max(0, min(len(x), frames - at))
            out[at : at + length] += x[:length]
        return out

    def _spans(self) -> list[tuple[int, int]]:
        """Stretches with something to be heard: WORLD takes as long for silence as for sound."""
        filled = np.flatnonzero(self.pitch)
        if not len(filled):
            return []
        ends = np.flatnonzero(np.diff(filled) > MAX_GAP)
        first, last = filled[[0, *(ends + 1)]], filled[[*ends, len(filled) - 1]]
        return [(max(0, int(a) - 2), int(b) + 3) for a, b in zip(first, last, strict=True)]

    def _synthesise(self, span: slice, manner: Manner) -> np.ndarray:
        given = self.pitch[span]
        sung = np.flatnonzero(given)
        pitch = np.interp(np.arange(len(given)), sung, given[sung])
        hz = np.where(self.voiced[span], 440 * 2 ** ((pitch - 69) / 12), 0.0)
        where = np.interp(BINS / manner.formant, BAND_HZ, np.arange(BANDS))
        before = np.minimum(where.astype(int), BANDS - 2)
        part = (where - before).astype(np.float32)

        def widen(bands: np.ndarray) -> np.ndarray:
            return bands[:, before] * (1 - part) + bands[:, before + 1] * part

        envelope = widen(self.envelope[span])
        envelope += (manner.tilt * np.log2(np.maximum(BINS, 200) / 1000)).astype(np.float32)
        # Frames at the edges of vowels are unvoiced and yet have their low formants: as noise,
        # those would rumble.
        envelope[hz == 0] -= (5 * np.clip((900 - BINS) / 600, 0, 1)).astype(np.float32)
        airy = 1 / (1 + np.exp(-(BINS - 3500) / 900))
        noise = widen(self.noise[span]) + (manner.breath * (0.05 + airy)).astype(np.float32)
        # Between voiced pulses there is no sound below the fundamental, so there must be no noise.
        noise[0.8 * hz[:, None] > BINS] = 0
        envelope, noise = np.exp(np.clip(envelope, -32, 12)), np.clip(noise, 0.001, 0.999)
        exact = [np.ascontiguousarray(x, np.float64) for x in (hz, envelope, noise)]
        return pyworld.synthesize(*exact, SAMPLE_RATE, 1000 * FRAME)


def _contour(rng: Rng, manner: Manner, note: SungNote, last: float, length: int) -> np.ndarray:
    time = np.arange(length) * FRAME
    pitch = note.pitch + (last - note.pitch) * np.exp(-time / manner.glide)
    depth = manner.vibrato * np.clip((time - 0.2) / 0.4, 0, 1)
    pitch += depth * np.sin(2 * np.pi * manner.vibrato_rate * time + between(rng, 0, 6.28))
    return pitch + manner.jitter * 2.5 * gaussian_filter1d(rng.standard_normal(length), 6)


def sing(
    rng: Rng, phrases: list[Phrase], notes: list[SungNote], frames: int, manner: Manner
) -> np.ndarray:
    """One voice, mono. Each note takes the next syllable; long notes dwell on its vowel."""
    track = _Track(frames)
    syllables = [(p, *map(int, row)) for p in phrases for row in p.syllables]
    offset = int(rng.integers(len(syllables)))
    last = notes[0].pitch - between(rng, 0, 3) if notes else 0.0
    for index, note in enumerate(notes):
        phrase, first, peak, end = syllables[(offset + index) % len(syllables)]
        length = max(8, int(note.duration / FRAME))
        natural = end - first
        if length > natural:
            half = max(1, min(5, peak - first, end - 1 - peak))
            dwell = np.linspace(peak - half, peak + half, length - natural + 2 * half)
            source = np.concatenate(
                [np.arange(first, peak - half), dwell, np.arange(peak + half, end)]
            )
        else:
            source = np.linspace(first, end - 1, length)
        at = int(note.start / FRAME) - min(peak - first, LEAD_IN) // 2
        track.place(phrase, at, source, _contour(rng, manner, note, last, len(source)))
        last = note.pitch
    return track.render(frames, manner)


def hum(rng: Rng, phrase: Phrase, notes: list[SungNote], frames: int, manner: Manner) -> np.ndarray:
    """Held vowels, as backing singers have them: one syllable's vowel for all notes."""
    track = _Track(frames)
    _, peak, _ = phrase.syllables[int(rng.integers(len(phrase.syllables)))]
    for note in notes:
        length = max(8, int(note.duration / FRAME))
        wander = 2 * np.sin(np.arange(length) * between(rng, 0.01, 0.06))
        contour = _contour(rng, manner, note, note.pitch - between(rng, 0, 1), length)
        track.place(phrase, int(note.start / FRAME), peak + wander, contour)
    return track.render(frames, manner)


def speak(
    rng: Rng,
    spoken: list[tuple[float, Phrase]],
    frames: int,
    manner: Manner,
    shift: float,
) -> np.ndarray:
    """Each phrase from its start in seconds on, at about its own pace, `shift` semitones from its
    own pitch, its melody flattened or exaggerated."""
    track = _Track(frames)
    liveliness = between(rng, 0.5, 1.4)
    for start, phrase in spoken:
        centre = 69 + 12 * np.log2(phrase.median_pitch / 440)
        voiced = np.flatnonzero(phrase.pitch)
        hz = np.interp(np.arange(len(phrase.pitch)), voiced, phrase.pitch[voiced])
        melody = 69 + 12 * np.log2(hz / 440)
        source = np.arange(0, len(phrase.pitch) - 1, between(rng, 0.9, 1.35))
        pitch = centre + shift + liveliness * (melody[source.astype(int)] - centre)
        track.place(phrase, int(start / FRAME), source, pitch)
    return track.render(frames, manner)
