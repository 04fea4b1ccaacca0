"""The vocals: a lead that sings or raps, sometimes doubled, with harmonies, backing or a choir."""

from pathlib import Path

import numpy as np

from .assets import Split
from .audio import Audio, gain, rms
from .draw import Rng, between, chance, pick, whole
from .effects import (
    colour,
    compress,
    distort,
    echo,
    equalise,
    filtered,
    modulated_delay,
    pan,
    reverberate,
)
from .singing import Manner, SungNote, draw_manner, hum, sing, speak
from .theory import Plan, near
from .voices import FRAME, Phrase, phrases

DENSITIES = [
    [0.5, 0.5, 0.5, 1],
    [0.5, 1, 1, 1.5, 2],
    [1, 2, 2, 3],
    [0.25, 0.25, 0.5, 0.5],
    [0.5, 0.5, 1, 1],
    [0.25, 0.5, 0.75, 1, 3],
]


def melody(rng: Rng, plan: Plan, low: int) -> list[SungNote]:
    """Phrases of a few beats with rests between; chord tones on the beat."""
    notes = plan.scale_notes(low, low + 17)
    densities, total = pick(rng, DENSITIES), plan.bars * plan.beats
    index, at = whole(rng, 3, 8), pick(rng, [0, 0, 0.5, plan.beats])
    result: list[SungNote] = []
    while at < total - 0.5:
        end = at + pick(rng, [1.6, 1.8, 2, 3.6]) * plan.beats
        while at < min(end, total):
            duration = pick(rng, densities)
            chord = plan.chords[min(int(at // plan.beats), plan.bars - 1)]
            step = pick(rng, [-3, -2, -1, -1, 0, 0, 1, 1, 2, 3])
            index = int(np.clip(index + step, 0, len(notes) - 1))
            if at % 1 == 0 and chance(rng, 0.6):
                names = {pitch % 12 for pitch in chord}
                tones = [i for i, pitch in enumerate(notes) if pitch % 12 in names]
                index = min(tones, key=lambda i: abs(notes[i] - notes[index]))
            if at + duration >= end:
                duration = min(4, duration + pick(rng, [0, 0.5, 1]))
            length = duration * plan.beat * 0.97
            result.append(SungNote(at * plan.beat, length, notes[index]))
            at += duration
        at = np.ceil(at) + pick(rng, [0, 0, 1, plan.beats / 2, plan.beats, plan.beats * 2])
    return [note for note in result if note.start < plan.seconds - 0.2]


def _harmony(plan: Plan, notes: list[SungNote], steps: int) -> list[SungNote]:
    scale = plan.scale_notes(24, 100)
    result = []
    for note in notes:
        index = min(range(len(scale)), key=lambda i: abs(scale[i] - note.pitch)) + steps
        result.append(SungNote(note.start, note.duration, scale[index]))
    return result


def _loosely(rng: Rng, notes: list[SungNote]) -> list[SungNote]:
    """The same notes as another take would have them."""
    return [
        SungNote(n.start + between(rng, -0.01, 0.025), n.duration, n.pitch + rng.normal(0, 0.08))
        for n in notes
    ]


def _similar(rng: Rng, manner: Manner) -> Manner:
    changed = {"formant": manner.formant * between(rng, 0.95, 1.05), "breath": between(rng, 0, 0.2)}
    return Manner(**{**manner.__dict__, **changed})


def _stereo(x: np.ndarray, level: float, position: float) -> Audio:
    return pan(np.repeat((x * level)[:, None], 2, axis=1), position)


def _backing(rng: Rng, plan: Plan, phrase: Phrase) -> Audio:
    """Held chords of three or four voices."""
    low = pick(rng, [52, 55, 60])
    out = np.zeros((plan.frames, 2), np.float32)
    every = pick(rng, [1, 1, 2])
    manner = draw_manner(rng)
    for k in range(whole(rng, 2, 4)):
        notes = [
            SungNote(
                bar * plan.beats * plan.beat,
                plan.beats * plan.beat * 0.95,
                near(chord[k % len(chord)], low, low + 11),
            )
            for bar, chord in enumerate(plan.chords)
            if bar % every == 0
        ]
        voice = hum(rng, phrase, _loosely(rng, notes), plan.frames, _similar(rng, manner))
        out += _stereo(voice / (rms(voice) + 1e-6), 1.0, between(rng, -0.8, 0.8))
    return out


def _sung(rng: Rng, plan: Plan, singer: list[Phrase]) -> Audio:
    # About where the voice speaks, and up to an octave above.
    spoken = 69 + 12 * np.log2(singer[0].median_pitch / 440)
    low = int(np.clip(round(spoken) + pick(rng, [-4, -2, 0, 2, 4, 7]), 40, 64))
    notes, manner = melody(rng, plan, low), draw_manner(rng)
    if not notes:
        return np.zeros((plan.frames, 2), np.float32)
    lead = sing(rng, singer, notes, plan.frames, manner)
    unit = 1 / (rms(lead) + 1e-6)
    out = _stereo(lead, unit, 0)
    if chance(rng, 0.25):
        for side in (-1, 1):
            take = sing(rng, singer, _loosely(rng, notes), plan.frames, _similar(rng, manner))
            out += _stereo(take, unit * gain(between(rng, -10, -3)), side * between(rng, 0.2, 0.9))
    if chance(rng, 0.25):
        for steps in pick(rng, [[2], [-3], [2, 4], [2, -3], [7]]):
            upper = _loosely(rng, _harmony(plan, notes, steps))
            take = sing(rng, singer, upper, plan.frames, _similar(rng, manner))
            out += _stereo(take, unit * gain(between(rng, -12, -3)), between(rng, -0.8, 0.8))
    return out


def _rap(rng: Rng, plan: Plan, singer: list[Phrase]) -> Audio:
    spoken, bar = [], pick(rng, [0, 0, 1])
    while bar < plan.bars:
        phrase = pick(rng, singer)
        beat = bar * plan.beats + pick(rng, [0, 0, 0.5, 1])
        spoken.append((beat * plan.beat, phrase))
        length = len(phrase.pitch) * FRAME / plan.beat / plan.beats
        bar += max(1, round(length)) + pick(rng, [0, 0, 1])
    out = speak(rng, spoken, plan.frames, draw_manner(rng), between(rng, -4, 4))
    return _stereo(out, 1 / (rms(out) + 1e-6), 0)


def render_vocals(rng: Rng, split: Split, plan: Plan, cache: Path) -> tuple[Audio, list[str]]:
    """The stem, and which voices it is made of."""
    voice = pick(rng, split.voices)
    singer = phrases(voice, rng, cache)
    manner = pick(rng, plan.style.vocals)
    used = [voice.key, manner]
    out = _rap(rng, plan, singer) if manner == "rap" else _sung(rng, plan, singer)
    if chance(rng, 0.12):
        other = pick(rng, split.voices)
        out += 0.7 * _sung(rng, plan, phrases(other, rng, cache))
        used.append(other.key)
    if chance(rng, 0.18):
        out += gain(between(rng, -12, -4)) * _backing(rng, plan, singer[0])
        used.append("backing")
    out = filtered(out, "high", between(rng, 70, 150))
    out = compress(equalise(out, rng, 5), between(rng, 2, 8))
    if chance(rng, 0.08):
        out = distort(out, between(rng, 2, 8))
    if chance(rng, 0.05):
        out = filtered(out, "band", [between(rng, 300, 600), between(rng, 2500, 4500)])
    if chance(rng, 0.1):
        out = modulated_delay(out, rng, between(rng, 10, 25), between(rng, 1, 3), 0.5, 0.6)
    if chance(rng, 0.3):
        out = echo(out, plan.beat * pick(rng, [0.5, 0.75, 1]), 0.4, between(rng, 0.08, 0.35))
    if chance(rng, 0.85):
        out = reverberate(out, rng, between(rng, 0.03, 0.45))
    return colour(out, rng), used
