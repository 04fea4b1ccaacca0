"""Drum kits as samples, by class of drum and velocity layer; and synthesised drums."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .assets import SONIC_PI
from .audio import SAMPLE_RATE, Audio, sample
from .draw import Rng, between
from .effects import filtered

# Searched in this order: the first that fits names the class.
CLASSES = [
    ("open", r"open|hho|ohh|op\b|swish|hat.?ring|hat.?free|cymbal_open"),
    ("pedal", r"pedal"),
    ("closed", r"hat|hh|hihat|cymbal_closed"),
    ("kick", r"kick|bass ?drum|bd_|\bbd|drum_bass|thump"),
    ("snare", r"snare|sn_|_sn|slap"),
    ("rim", r"stick|rim|click|clav|snap"),
    ("clap", r"clap"),
    ("high tom", r"tom.?(hi|1)|hi tom|high tom|bongohi|na_|tabla_n"),
    ("mid tom", r"tom.?(mid|2)|middle tom|mid tom|djembe|tabla_t"),
    ("low tom", r"tom|floor|bongolo|conga|tabla"),
    ("ride", r"ride|bell"),
    ("crash", r"crash|cymb|splash|china"),
    ("percussion", r"cowbell|shaker|tamb|agogo|maraca|perc|wood|triangle|block"),
]
NAMES = [name for name, _ in CLASSES]

# What stands in for a class that a kit does not have.
SUBSTITUTES = {
    "rim": "snare",
    "clap": "snare",
    "pedal": "closed",
    "open": "closed",
    "ride": "closed",
    "crash": "open",
    "percussion": "rim",
    "high tom": "mid tom",
    "mid tom": "low tom",
    "low tom": "mid tom",
}

# General MIDI's percussion keys.
MIDI_KEYS = {
    "kick": [36, 35],
    "snare": [38, 40],
    "rim": [37],
    "clap": [39],
    "closed": [42],
    "pedal": [44],
    "open": [46],
    "high tom": [50, 48],
    "mid tom": [47, 45],
    "low tom": [43, 41],
    "crash": [49, 57],
    "ride": [51, 53, 59],
    "percussion": [54, 56, 70, 69, 75, 82],
}


def classify(name: str) -> str | None:
    name = name.lower()
    if "roll" in name:
        return None
    return next((kind for kind, pattern in CLASSES if re.search(pattern, name)), None)


@dataclass(frozen=True)
class Layer:
    low: float
    high: float
    path: str
    gain: float


# Instruments of each class, each with its velocity layers.
Kit = dict[str, list[list[Layer]]]


@lru_cache(maxsize=64)
def load_kit(path: str) -> Kit:
    kit: Kit = {}
    layered = _hydrogen(Path(path)) if (Path(path) / "drumkit.xml").exists() else _files(path)
    for name, layers in layered:
        kind = classify(name)
        if kind and layers:
            kit.setdefault(kind, []).append(layers)
    if not kit:
        raise FileNotFoundError(f"no drums in {path}; run: python -m oxboard_train install")
    return kit


def _files(path: str) -> list[tuple[str, list[Layer]]]:
    if path.startswith(SONIC_PI):
        patterns = ["bd_*", "sn_*", "drum_*", "elec_*snare*", "elec_*kick*", "elec_cymbal*"]
        if path.endswith("percussion"):
            patterns = ["perc_*", "tabla_*", "elec_wood*", "elec_tick*", "elec_triangle*"]
        files = [f for pattern in patterns for f in sorted(Path(SONIC_PI).glob(pattern))]
    else:
        files = sorted(Path(path).glob("*.ogg"))
    return [(file.stem, [Layer(0, 1, str(file), 1)]) for file in files]


def _hydrogen(folder: Path) -> list[tuple[str, list[Layer]]]:
    text = (folder / "drumkit.xml").read_text(errors="replace")
    # Namespaces differ between releases of the format and say nothing.
    root = ET.fromstring(re.sub(r'\sxmlns="[^"]+"', "", text))
    result = []
    for instrument in root.iter("instrument"):
        layers = []
        for element in [*instrument.iter("layer"), instrument]:
            file = folder / (element.findtext("filename") or "")
            if not file.is_file():
                continue
            low, high, gain = (
                float(element.findtext(tag) or default)
                for tag, default in (("min", 0), ("max", 1), ("gain", 1))
            )
            layers.append(Layer(low, high, str(file), min(gain, 1.5)))
        result.append((instrument.findtext("name") or "", layers))
    return result


def layer_sample(layers: list[Layer], velocity: float) -> Audio:
    fitting = [layer for layer in layers if layer.low <= velocity <= layer.high] or layers
    layer = fitting[int(velocity * 997) % len(fitting)]
    return sample(layer.path) * np.float32(layer.gain)


class SynthesisedKit:
    """Drum machine sounds from sines and filtered noise, with parameters drawn once per song."""

    def __init__(self, rng: Rng):
        self._rng = rng
        self._pitch = between(rng, 42, 64)
        self._sweep = between(rng, 80, 320)
        self._decay = between(rng, 0.08, 0.5)
        self._snare = between(rng, 150, 250)
        self._snare_decay = between(rng, 0.05, 0.2)
        self._hat = between(rng, 5500, 9500)
        self._hat_decay = between(rng, 25, 100)
        self._tom = between(rng, 0.75, 1.3)
        self._made: dict[str, Audio] = {}

    def sample(self, kind: str) -> Audio:
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def _make(self, kind: str) -> Audio:
        time = np.arange(int(0.9 * SAMPLE_RATE)) / SAMPLE_RATE
        noise = self._rng.standard_normal((len(time), 1))
        high = filtered(noise, "high", self._hat, 4)[:, 0]
        if kind == "kick":
            phase = self._pitch * time + self._sweep * (1 - np.exp(-time * 40)) / 40
            x = np.sin(2 * np.pi * phase) * np.exp(-time / self._decay)
            x = x + 0.15 * high * np.exp(-time * 300)
        elif kind == "snare":
            body = np.sin(2 * np.pi * self._snare * time) * np.exp(-time * 18)
            rattle = filtered(noise, "band", [800, 9000])[:, 0] * np.exp(-time / self._snare_decay)
            x = 0.6 * body + 0.6 * rattle
        elif kind == "clap":
            bursts = sum(
                np.exp(-np.maximum(time - 0.011 * i, 0) * 250) * (time >= 0.011 * i)
                for i in range(4)
            )
            x = filtered(noise, "band", [800, 4000])[:, 0] * (np.exp(-time * 12) * 0.4 + bursts)
        elif kind.endswith("tom"):
            pitch = {"high tom": 220, "mid tom": 150, "low tom": 95}[kind] * self._tom
            phase = pitch * time + 12 * (1 - np.exp(-time * 20)) / 3
            x = np.sin(2 * np.pi * phase) * np.exp(-time * 6)
        elif kind in ("rim", "percussion"):
            x = filtered(noise, "band", [1500, 5000])[:, 0] * np.exp(-time * 45)
        else:
            decay = {"open": 7, "crash": 3, "ride": 4}.get(kind, self._hat_decay)
            x = high * np.exp(-time * decay)
        return np.repeat(0.5 * x[:, None], 2, axis=1).astype(np.float32)
