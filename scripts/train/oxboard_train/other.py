"""What is neither drums, bass nor vocals: one to four parts with instruments of their own."""

from collections.abc import Callable

import numpy as np

from .assets import Split
from .audio import Audio, gain
from .draw import Rng, between, chance, pick, whole
from .effects import amplifier, colour, compress, echo, equalise, pan, reverberate, widen
from .soundfonts import Note, render_notes
from .synthesiser import draw_patch, synthesise
from .theory import Plan, near

# General MIDI programs by role.
KEYS = [0, 0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 16, 17, 18, 19, 21, 22]
PIANO = [0, 0, 1, 2, 3, 4, 5]
GUITAR = [24, 25, 25, 26, 27, 27, 28, 29]
DISTORTED = [29, 30, 30, 29, 31]
PADS = [48, 49, 50, 51, 44, 88, 89, 90, 91, 92, 93, 94, 95, 61, 62, 63, 19, 20, 99]
STRINGS = [48, 49, 48, 40, 41, 42, 44, 45]
BRASS = [61, 61, 56, 57, 62, 63, 65, 66]
LEADS = [56, 57, 60, 64, 65, 66, 67, 68, 69, 71, 72, 73, 74, 75, 40, 41, 42, 22, 26, 27, 29, 30]
LEADS += [80, 81, 82, 83, 84, 86, 87, 11, 104, 109, 110]
PLUCKS = [6, 7, 8, 10, 11, 12, 13, 24, 25, 26, 27, 45, 46, 104, 105, 106, 107, 108, 114, 4, 5, 0]
PLUCKS += [80, 81, 84, 98]
BELLS = [8, 9, 10, 11, 12, 14, 98, 112]
ORGAN = [16, 16, 17, 18, 19, 20]

Rhythm = list[tuple[float, float]]
CHORD_RHYTHMS: list[Rhythm] = [
    [(0, 1), (1, 1), (2, 1), (3, 1)],
    [(0, 2), (2, 2)],
    [(i / 2, 0.5) for i in range(8)],
    [(0, 1.5), (1.5, 1.5), (3, 1)],
    [(0, 0.75), (0.75, 0.75), (1.5, 0.5), (2, 1), (3, 0.5), (3.5, 0.5)],
    [(0, 4)],
    [(0, 1), (1.5, 1.5), (3.5, 0.5)],
]
STRUMS: list[Rhythm] = [
    [(0, 1), (1, 0.5), (1.5, 0.5), (2.5, 0.5), (3, 0.5), (3.5, 0.5)],
    [(i / 2, 0.5) for i in range(8)],
    [(i / 4, 0.25) for i in range(16)],
    [(0, 1), (1, 1), (2, 1), (3, 1)],
]
STABS: list[Rhythm] = [
    [(0.5, 0.3), (1.5, 0.3), (2.5, 0.3), (3.5, 0.3)],
    [(0, 0.25), (0.75, 0.25), (1.5, 0.25), (2.75, 0.25)],
    [(1.5, 0.4), (3, 0.3), (3.5, 0.3)],
    [(0, 0.3), (2.5, 0.4)],
]
MONTUNO: Rhythm = [(0, 0.5), (0.5, 0.5), (1.5, 0.5), (2.5, 0.5), (3.5, 0.5)]


class Player:
    """Collects notes given in bars and beats, at velocities around one level."""

    def __init__(self, rng: Rng, plan: Plan):
        self.notes: list[Note] = []
        self._rng = rng
        self._plan = plan
        self._level = whole(rng, 65, 110)
        self._humanise = between(rng, 0, 0.01)

    def add(self, bar: int, beat: float, duration: float, pitch: int, late: float = 0) -> None:
        if beat >= self._plan.beats or not 0 <= pitch < 128:
            return
        start = (bar * self._plan.beats + beat) * self._plan.beat
        start += late + self._rng.normal(0, self._humanise)
        velocity = int(np.clip(self._rng.normal(self._level, 8), 25, 127))
        self.notes.append(Note(max(0, start), duration * self._plan.beat, pitch, velocity))


def _block_chords(rng: Rng, plan: Plan, play: Player, rhythms: list[Rhythm], strum: float) -> None:
    low, rhythm = pick(rng, [46, 50, 53, 57, 60]), pick(rng, rhythms)
    legato, wide = between(rng, 0.6, 1), strum > 0.007 or chance(rng, 0.3)
    for bar, chord in enumerate(plan.chords):
        voicing = sorted(near(pitch, low, low + 12) for pitch in chord)
        if wide:
            voicing = sorted({*voicing, voicing[0] - 12, voicing[0] + 12})
        for beat, duration in rhythm:
            if chance(rng, 0.95):
                order = voicing if chance(rng, 0.6) else voicing[::-1]
                for i, pitch in enumerate(order):
                    play.add(bar, beat, duration * legato, pitch, i * strum)


def _chords(rng: Rng, plan: Plan, play: Player) -> None:
    _block_chords(rng, plan, play, CHORD_RHYTHMS, between(rng, 0, 0.006))


def _strum(rng: Rng, plan: Plan, play: Player) -> None:
    _block_chords(rng, plan, play, STRUMS, between(rng, 0.008, 0.025))


def _stabs(rng: Rng, plan: Plan, play: Player) -> None:
    _block_chords(rng, plan, play, STABS, 0)


def _skank(rng: Rng, plan: Plan, play: Player) -> None:
    _block_chords(rng, plan, play, [STABS[0]], between(rng, 0, 0.012))


def _montuno(rng: Rng, plan: Plan, play: Player) -> None:
    _block_chords(rng, plan, play, [MONTUNO], 0)


def _pad(rng: Rng, plan: Plan, play: Player) -> None:
    low = pick(rng, [48, 52, 55, 60, 64])
    for bar, chord in enumerate(plan.chords):
        for pitch in chord:
            play.add(bar, 0, plan.beats * 0.99, near(pitch, low, low + 12))


def _power(rng: Rng, plan: Plan, play: Player) -> None:
    low = pick(rng, [38, 40, 43])
    muted = [chance(rng, 0.3) for _ in range(16)]
    step = pick(rng, [0.5, 0.5, 0.25, 1.0])
    pattern = [i == 0 or chance(rng, 0.75) for i in range(16)]
    for bar, chord in enumerate(plan.chords):
        root = near(chord[0], low, low + 11)
        for i in range(int(plan.beats / step)):
            if pattern[i % 16]:
                length = step * (0.35 if muted[i % 16] else 0.97)
                for pitch in (root, root + 7, root + 12):
                    play.add(bar, i * step, length, pitch)


def _arpeggio(rng: Rng, plan: Plan, play: Player) -> None:
    low, per_beat = pick(rng, [48, 55, 60, 64]), pick(rng, [2, 4, 4, 3])
    up_down = [0, 1, 2, 3, 2, 1]
    order = up_down if chance(rng, 0.5) else [int(i) for i in rng.permutation(6)]
    length = pick(rng, [0.5, 0.9, 1.5]) / per_beat
    for bar, chord in enumerate(plan.chords):
        size = len(chord)
        tones = [near(chord[i % size], low, low + 11) + 12 * (i // size) for i in range(6)]
        for i in range(plan.beats * per_beat):
            play.add(bar, i / per_beat, length, tones[order[i % 6]])


def _picking(rng: Rng, plan: Plan, play: Player) -> None:
    low, order = (
        pick(rng, [45, 48, 52]),
        pick(rng, [[0, 2, 3, 2, 4, 2, 3, 2], [0, 3, 2, 4, 1, 3, 2, 4]]),
    )
    for bar, chord in enumerate(plan.chords):
        tones = sorted(near(pitch, low, low + 12) for pitch in chord)
        tones = [tones[0], *tones, *(pitch + 12 for pitch in tones)]
        for i in range(plan.beats * 2):
            play.add(bar, i / 2, between(rng, 0.5, 1.5), tones[order[i % 8]])


def _riff(rng: Rng, plan: Plan, play: Player) -> None:
    low = pick(rng, [45, 52, 57, 62])
    notes = plan.scale_notes(low, low + 14)
    shape = [(i / 4, whole(rng, -3, 3)) for i in range(16) if chance(rng, 0.4)]
    for bar, chord in enumerate(plan.chords):
        centre = min(range(len(notes)), key=lambda i: (abs((notes[i] - chord[0]) % 12), i))
        for beat, step in shape:
            pitch = notes[int(np.clip(centre + step, 0, len(notes) - 1))]
            play.add(bar, beat, between(rng, 0.2, 0.5), pitch)


def _lead(rng: Rng, plan: Plan, play: Player) -> None:
    low = pick(rng, [55, 60, 64, 69])
    notes = plan.scale_notes(low, low + 19)
    at, index = pick(rng, [0.0, 2.0, 4.0]), len(notes) // 2
    durations = pick(rng, [[0.5, 0.5, 1], [0.5, 1, 1.5, 2], [0.25, 0.25, 0.5], [1, 2]])
    while at < plan.bars * plan.beats:
        end = at + pick(rng, [2, 3.5, 4, 7])
        while at < min(end, plan.bars * plan.beats):
            duration = pick(rng, durations)
            index = int(np.clip(index + whole(rng, -3, 3), 0, len(notes) - 1))
            bar = int(at // plan.beats)
            play.add(bar, at - bar * plan.beats, duration * 0.95, notes[index])
            at += duration
        at = np.ceil(at) + pick(rng, [0, 1, 2, 4])


Compose = Callable[[Rng, Plan, Player], None]
# Each kind of part: who writes it, which programs play it, which patches of our synthesiser.
PARTS: dict[str, tuple[Compose, list[int], str]] = {
    "chords": (_chords, KEYS + GUITAR, "keys"),
    "piano": (_chords, PIANO, "keys"),
    "strum": (_strum, GUITAR, "pluck"),
    "stabs": (_stabs, KEYS + BRASS + [55, 81], "keys"),
    "skank": (_skank, [26, 27, 28, 16, 0], "keys"),
    "montuno": (_montuno, PIANO, "keys"),
    "brass": (_stabs, BRASS, "lead"),
    "pad": (_pad, PADS, "pad"),
    "strings": (_pad, STRINGS, "pad"),
    "organ": (_chords, ORGAN, "keys"),
    "power": (_power, DISTORTED, "lead"),
    "arpeggio": (_arpeggio, PLUCKS, "pluck"),
    "bells": (_arpeggio, BELLS, "pluck"),
    "picking": (_picking, [24, 25, 26, 27, 46, 105], "pluck"),
    "riff": (_riff, GUITAR + DISTORTED + KEYS + LEADS, "lead"),
    "lead": (_lead, LEADS, "lead"),
}


def _render_part(rng: Rng, split: Split, plan: Plan, kind: str) -> Audio:
    compose, programs, role = PARTS[kind]
    play = Player(rng, plan)
    compose(rng, plan, play)
    if split.synthesised and chance(rng, 0.1 + 0.55 * plan.style.electronic):
        out = synthesise(rng, draw_patch(rng, role), play.notes, plan.frames)
    else:
        font = pick(rng, split.fonts)
        out = render_notes(font, play.notes, plan.frames, 0, pick(rng, programs))
        if not np.any(np.abs(out) > 1e-4):
            out = render_notes(font, play.notes, plan.frames, 0, programs[0])
    if (kind == "power" and chance(rng, 0.6)) or chance(rng, 0.05):
        out = amplifier(out, rng)
    out = equalise(out, rng, 6)
    if chance(rng, 0.3):
        out = widen(out, rng)
    if chance(rng, 0.2):
        out = echo(out, plan.beat * pick(rng, [0.5, 0.75, 1]), between(rng, 0.2, 0.6), 0.3)
    if chance(rng, 0.4):
        out = reverberate(out, rng, between(rng, 0.05, 0.5))
    if chance(rng, 0.3):
        out = compress(out, between(rng, 1.5, 5))
    out = colour(out, rng)
    position = between(rng, -0.8, 0.8) if chance(rng, 0.7) else 0
    level = np.sqrt(np.mean(out**2)) + 1e-6
    return pan(out / level, position)


def render_other(rng: Rng, split: Split, plan: Plan) -> tuple[Audio, list[str]]:
    """The stem and the kinds of its parts."""
    count = pick(rng, [1, 2, 2, 2, 3, 3, 4])
    kinds = [
        pick(rng, plan.style.other) if chance(rng, 0.75) else pick(rng, list(PARTS))
        for _ in range(count)
    ]
    out = np.zeros((plan.frames, 2), np.float32)
    for kind in kinds:
        out += _render_part(rng, split, plan, kind) * gain(between(rng, -9, 0))
    if chance(rng, 0.3):
        out = reverberate(out, rng, between(rng, 0.03, 0.25))
    return out, kinds
