"""Renders notes with a sound font through FluidSynth."""

import ctypes
from dataclasses import dataclass

import fluidsynth
import numpy as np

from .audio import SAMPLE_RATE, Audio

# FluidSynth renders whole blocks; a remainder would carry over into the next rendering.
BLOCK = 64

_write_float = fluidsynth.cfunc(
    "fluid_synth_write_float",
    ctypes.c_int,
    ("synth", ctypes.c_void_p, 1),
    ("frames", ctypes.c_int, 1),
    ("left", ctypes.c_void_p, 1),
    ("left_offset", ctypes.c_int, 1),
    ("left_step", ctypes.c_int, 1),
    ("right", ctypes.c_void_p, 1),
    ("right_offset", ctypes.c_int, 1),
    ("right_step", ctypes.c_int, 1),
)


@dataclass(frozen=True)
class Note:
    """start and duration in seconds, pitch in MIDI numbers, velocity from 1 to 127."""

    start: float
    duration: float
    pitch: int
    velocity: int


def render_notes(path: str, notes: list[Note], frames: int, bank: int, program: int) -> Audio:
    """Silence where the font has no such program."""
    # A synthesiser that has rendered before gives slightly other samples, so each has its own;
    # samples are loaded on demand, which makes that cheap.
    synth = fluidsynth.Synth(gain=0.5, samplerate=SAMPLE_RATE)
    try:
        return _render(synth, path, notes, frames, bank, program)
    finally:
        synth.delete()


def _render(
    synth: fluidsynth.Synth, path: str, notes: list[Note], frames: int, bank: int, program: int
) -> Audio:
    synth.setting("synth.reverb.active", 0)
    synth.setting("synth.chorus.active", 0)
    synth.setting("synth.dynamic-sample-loading", 1)
    font = synth.sfload(path)
    if font < 0:
        raise FileNotFoundError(f"{path} cannot be loaded; run: python -m oxboard_train install")
    out = np.zeros((2, -(-frames // BLOCK) * BLOCK), np.float32)
    if synth.program_select(0, font, bank, program) == fluidsynth.FLUID_FAILED:
        return out[:, :frames].T
    events = [(int(note.start * SAMPLE_RATE), 1, note) for note in notes]
    events += [(int((n.start + n.duration) * SAMPLE_RATE), 0, n) for n in notes]
    done = 0
    for when, on, note in sorted(events, key=lambda event: (*event[:2], event[2].pitch)):
        until = min(when // BLOCK * BLOCK, out.shape[1])
        _write(synth, out, done, until)
        done = max(done, until)
        if on:
            synth.noteon(0, note.pitch, note.velocity)
        else:
            synth.noteoff(0, note.pitch)
    _write(synth, out, done, out.shape[1])
    return np.ascontiguousarray(out[:, :frames].T)


def _write(synth: fluidsynth.Synth, out: np.ndarray, begin: int, end: int) -> None:
    if end > begin:
        left, right = (channel.ctypes.data for channel in out)
        _write_float(synth.synth, end - begin, left, begin, 1, right, begin, 1)
