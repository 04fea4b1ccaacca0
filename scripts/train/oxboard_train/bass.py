"""The bass: a line in one of a dozen manners, on a sound font or our own synthesiser."""

import numpy as np

from .assets import Split
from .audio import Audio
from .draw import Rng, between, chance, pick, whole
from .effects import (
    amplifier,
    colour,
    compress,
    distort,
    equalise,
    filtered,
    narrow,
    reverberate,
    widen,
)
from .soundfonts import Note, render_notes
from .synthesiser import draw_patch, sub_patch, synthesise
from .theory import Plan, near

# General MIDI: acoustic, fingered, picked, fretless, slap and synthesiser basses; also low piano,
# tuba, cello and double bass.
PROGRAMS = [32, 32, 33, 33, 33, 33, 34, 34, 34, 35, 36, 37, 38, 39, 38, 39, 43, 58, 87]

# (beat, duration in beats) of manners that play the same rhythm in each bar.
RHYTHMS = {
    "syncopated": [(0, 0.75), (0.75, 0.75), (1.5, 0.5), (2.5, 0.5), (3, 0.5), (3.5, 0.5)],
    "offbeat": [(0.5, 0.4), (1.5, 0.4), (2.5, 0.4), (3.5, 0.4)],
    "808": [(0, 1.5), (1.75, 0.7), (2.5, 1.4)],
    "tumbao": [(1.5, 1.4), (3, 1)],
    "slap": [(0, 0.4), (0.75, 0.2), (1, 0.3), (1.75, 0.2), (2.5, 0.4), (3.25, 0.3), (3.75, 0.2)],
    "kick": [(0, 0.6), (1.5, 0.6), (2, 0.6), (3.5, 0.4)],
}


def bass_part(rng: Rng, plan: Plan, manner: str) -> list[Note]:
    low = pick(rng, [26, 28, 28, 31, 33])
    legato = between(rng, 0.6, 0.98)
    riff = [
        (i / 2, pick(rng, [0, 0, 0, 7, 12, 10])) for i in range(8) if i == 0 or chance(rng, 0.55)
    ]
    notes: list[Note] = []
    for bar, chord in enumerate(plan.chords):
        root = near(chord[0], low, low + 11)
        fifth = root + 7
        following = near(plan.chords[(bar + 1) % plan.bars][0], low, low + 11)

        def add(beat: float, duration: float, pitch: int, bar: int = bar) -> None:
            if beat < plan.beats:
                start = (bar * plan.beats + beat) * plan.beat
                length = duration * plan.beat * legato
                notes.append(Note(start, length, pitch, whole(rng, 80, 120)))

        if manner == "root":
            for i in range(plan.beats):
                add(i, 1, root if i < plan.beats - 1 or chance(rng, 0.6) else fifth)
        elif manner in ("eighths", "sixteenths"):
            size = 0.5 if manner == "eighths" else 0.25
            for i in range(int(plan.beats / size)):
                add(i * size, size, root if chance(rng, 0.88) else pick(rng, [fifth, root + 12]))
        elif manner == "octaves":
            for i in range(plan.beats * 2):
                add(i / 2, 0.45, root + 12 * (i % 2))
        elif manner == "walk":
            third, upper = near(chord[1], root, root + 11), near(chord[2], root, root + 11)
            steps = [root, third, upper, following + pick(rng, [-1, 1, 2])]
            for i in range(plan.beats):
                add(i, 1, steps[i % 4])
        elif manner == "alternate":
            for i in range(0, plan.beats, 2):
                add(i, 0.9, root if i % 4 == 0 else near(fifth, low, low + 11))
        elif manner == "riff":
            for beat, interval in riff:
                add(beat, 0.5, root + interval)
        elif manner in RHYTHMS:
            for beat, duration in RHYTHMS[manner]:
                if chance(rng, 0.9):
                    add(beat, duration, pick(rng, [root, root, root, fifth, root + 12]))
        else:
            add(0, plan.beats, root)
    return notes


def render_bass(rng: Rng, split: Split, plan: Plan) -> Audio:
    manner = pick(rng, [*plan.style.bass, *plan.style.bass, "long", "kick", "riff", "eighths"])
    notes = bass_part(rng, plan, manner)
    if split.synthesised and chance(rng, 0.2 + 0.5 * plan.style.electronic):
        patch = sub_patch(rng) if manner == "808" else draw_patch(rng, "bass")
        out = synthesise(rng, patch, notes, plan.frames)
    else:
        font = pick(rng, split.fonts)
        out = render_notes(font, notes, plan.frames, 0, pick(rng, PROGRAMS))
        if not np.any(np.abs(out) > 1e-4):
            out = render_notes(font, notes, plan.frames, 0, 33)
    out = narrow(out, 0 if chance(rng, 0.85) else 0.5)
    if chance(rng, 0.2):
        out = distort(out, between(rng, 1, 6))
    elif chance(rng, 0.06):
        out = amplifier(out, rng)
    if chance(rng, 0.2):
        out = filtered(out, "low", between(rng, 500, 3000))
    out = compress(equalise(out, rng, 5), between(rng, 1.5, 5))
    if chance(rng, 0.12):
        out = widen(out, rng)
    if chance(rng, 0.15):
        out = reverberate(out, rng, between(rng, 0.03, 0.15), 0.4)
    return colour(out, rng)
