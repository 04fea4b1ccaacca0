"""The drums: a pattern in the song's style, on a kit, a sound font, a synthesiser or as a loop."""

from dataclasses import dataclass

import numpy as np

from .assets import Split
from .audio import SAMPLE_RATE, Audio, sample
from .draw import Rng, between, chance, pick, whole
from .effects import colour, compress, equalise, narrow, reverberate
from .kits import MIDI_KEYS, NAMES, SUBSTITUTES, SynthesisedKit, layer_sample, load_kit
from .soundfonts import Note, render_notes
from .theory import Plan

LEVELS = {"closed": 0.6, "open": 0.6, "pedal": 0.5, "ride": 0.6, "crash": 0.7, "percussion": 0.6}
FILL = ["snare", "snare", "high tom", "mid tom", "low tom", "low tom", "kick"]


@dataclass(frozen=True)
class Hit:
    """beat: from the start of the song; velocity from 0 to 1."""

    beat: float
    kind: str
    velocity: float


def drum_part(rng: Rng, plan: Plan) -> list[Hit]:
    style = plan.style
    kick, snare, hat = pick(rng, style.kick), pick(rng, style.snare), pick(rng, style.hat)
    snare_kind = pick(rng, style.snare_kinds)
    hat_kind = "none" if chance(rng, 0.08) else pick(rng, style.hat_kinds)
    ghosts, drop_kick = between(rng, 0, 0.12), chance(rng, 0.04)
    extra = pick(rng, ["none", "none", "percussion", "percussion", "clap"])
    extra_pattern = rng.random(16) < between(rng, 0.15, 0.5)
    rolls = style.tempo[0] > 120 and chance(rng, 0.5)
    hits: list[Hit] = []
    for bar in range(plan.bars):
        fill_from = pick(rng, [8, 12, 12, 14]) if bar % 4 == 3 and chance(rng, 0.6) else 99
        start = bar * plan.beats
        if bar % 4 == 0 and chance(rng, 0.5):
            hits.append(Hit(start, "crash", 0.9))
        for i in range(plan.beats * 4):
            at, step = start + i / 4 + (plan.swing if i % 2 else 0), i % 16

            def hit(kind: str, low: float, high: float, at: float = at) -> None:
                hits.append(Hit(at, kind, between(rng, low, high)))

            if i >= fill_from:
                if chance(rng, 0.85):
                    hit(pick(rng, FILL), 0.6, 1)
                continue
            if kick[step] == "x" and not drop_kick:
                hit("kick", 0.8, 1)
            if snare[step] == "x":
                hit(snare_kind, 0.8, 1)
            elif snare_kind == "snare" and chance(rng, ghosts):
                hit("snare", 0.2, 0.4)
            if hat[step] == "x" and hat_kind != "none":
                kind = "open" if hat_kind == "closed" and chance(rng, 0.05) else hat_kind
                loud = 0.75 if step % 4 == 0 else 0.5
                hit(kind, loud, loud + 0.2)
                if rolls and kind == "closed" and chance(rng, 0.08):
                    for third in (1, 2):
                        hit(kind, 0.4, 0.6, at + third / 12)
            if extra != "none" and extra_pattern[step]:
                hit(extra, 0.4, 0.7)
    return hits


def render_drums(rng: Rng, split: Split, plan: Plan) -> Audio:
    if split.loops and chance(rng, 0.1):
        out = _loop(rng, pick(rng, split.loops), plan)
    else:
        out = _play(rng, split, plan, drum_part(rng, plan))
        if split.percussion_kits and chance(rng, 0.2):
            hits = _percussion(rng, plan)
            out = out + between(rng, 0.2, 0.6) * _sampled(
                rng, pick(rng, split.percussion_kits), plan, hits
            )
    out = equalise(out, rng, 5)
    if chance(rng, 0.5):
        out = reverberate(out, rng, between(rng, 0.03, 0.3), between(rng, 0.15, 1.0))
    if chance(rng, 0.5):
        out = compress(out, between(rng, 1.5, 5))
    if chance(rng, 0.15):
        out = narrow(out, between(rng, 0, 0.6))
    return colour(out, rng)


def _play(rng: Rng, split: Split, plan: Plan, hits: list[Hit]) -> Audio:
    if split.synthesised and chance(rng, 0.35 * plan.style.electronic):
        return _synthesised(rng, plan, hits)
    if chance(rng, 0.33):
        font, bank, program = pick(rng, split.drum_fonts)
        keys = {kind: pick(rng, options) for kind, options in MIDI_KEYS.items()}
        humanise = between(rng, 0, 0.008)
        notes = [
            Note(
                max(0, hit.beat * plan.beat + rng.normal(0, humanise)),
                0.2,
                keys[hit.kind],
                int(np.clip(hit.velocity * 127, 1, 127)),
            )
            for hit in hits
        ]
        return render_notes(font, notes, plan.frames, bank, program)
    return _sampled(rng, pick(rng, split.kits), plan, hits)


def _percussion(rng: Rng, plan: Plan) -> list[Hit]:
    kinds = ["high tom", "low tom", "percussion", "rim", "clap", "snare"]
    lanes = [(pick(rng, kinds), rng.random(16) < between(rng, 0.1, 0.4)) for _ in range(3)]
    return [
        Hit(bar * plan.beats + i / 4 + (plan.swing if i % 2 else 0), kind, between(rng, 0.4, 1))
        for bar in range(plan.bars)
        for i in range(plan.beats * 4)
        for kind, pattern in lanes
        if pattern[i % 16]
    ]


def _positions(rng: Rng) -> dict[str, np.ndarray]:
    """Gain of each channel by class: where each drum stands and how loud it is."""
    spread = between(rng, 0, 0.6)
    result = {}
    for kind in NAMES:
        at = 0.0 if kind in ("kick", "snare") else between(rng, -spread, spread)
        level = between(rng, 0.55, 1.25) * LEVELS.get(kind, 1)
        result[kind] = level * np.array([min(1, 1 - at), min(1, 1 + at)], np.float32)
    return result


def _mix(plan: Plan, rng: Rng, hits: list[Hit], find) -> Audio:
    out = np.zeros((plan.frames + 5 * SAMPLE_RATE, 2), np.float32)
    positions, humanise = _positions(rng), between(rng, 0, 0.008)
    for hit in sorted(hits, key=lambda hit: hit.beat):
        at = int(max(0, hit.beat * plan.beat + rng.normal(0, humanise)) * SAMPLE_RATE)
        x = find(hit)
        if x is None or at >= plan.frames:
            continue
        length = min(len(x), len(out) - at)
        out[at : at + length] += x[:length] * (hit.velocity**1.5 * positions[hit.kind])
    return out[: plan.frames]


def _sampled(rng: Rng, path: str, plan: Plan, hits: list[Hit]) -> Audio:
    kit = load_kit(path)
    chosen = {kind: pick(rng, instruments) for kind, instruments in sorted(kit.items())}
    tuning = pick(rng, [1.0, 1.0, between(rng, 0.85, 1.18)])

    def find(hit: Hit) -> Audio | None:
        kind = hit.kind
        while kind not in chosen and kind in SUBSTITUTES:
            substitute = SUBSTITUTES[kind]
            if substitute not in chosen and SUBSTITUTES.get(substitute) == kind:
                return None
            kind = substitute
        if kind not in chosen:
            return None
        return _tuned(layer_sample(chosen[kind], hit.velocity), tuning)

    return _mix(plan, rng, hits, find)


def _synthesised(rng: Rng, plan: Plan, hits: list[Hit]) -> Audio:
    kit = SynthesisedKit(rng)
    return _mix(plan, rng, hits, lambda hit: kit.sample(hit.kind))


def _tuned(x: Audio, ratio: float) -> Audio:
    if ratio == 1:
        return x
    at = np.arange(0, len(x) - 1, ratio)
    before = at.astype(np.int64)
    part = (at - before).astype(np.float32)[:, None]
    return x[before] * (1 - part) + x[before + 1] * part


def _loop(rng: Rng, path: str, plan: Plan) -> Audio:
    """A drum loop cut into eight slices, a pair of which change places in some rounds."""
    x = _tuned(sample(path, 8.0), between(rng, 0.82, 1.22))
    size = max(1, len(x) // 8)
    slices, rounds, length = [x[k * size : (k + 1) * size] for k in range(8)], [], 0
    while length < plan.frames:
        order = list(range(8))
        if chance(rng, 0.5):
            a, b = whole(rng, 0, 7), whole(rng, 0, 7)
            order[a], order[b] = order[b], order[a]
        rounds += [slices[k] for k in order]
        length += size * 8
    return np.concatenate(rounds)[: plan.frames].astype(np.float32)
