"""Styles as data: tempo, drum patterns and which parts they tend to have.

A pattern is a bar of sixteenths, 'x' for a hit.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Style:
    name: str
    tempo: tuple[float, float]
    kick: list[str]
    snare: list[str] = field(default_factory=lambda: ["....x.......x..."])
    hat: list[str] = field(default_factory=lambda: ["x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx"])
    snare_kinds: list[str] = field(default_factory=lambda: ["snare"])
    hat_kinds: list[str] = field(default_factory=lambda: ["closed", "closed", "closed", "ride"])
    bass: list[str] = field(default_factory=lambda: ["root", "eighths", "syncopated", "octaves"])
    other: list[str] = field(default_factory=lambda: ["chords", "pad", "arpeggio", "lead"])
    vocals: list[str] = field(default_factory=lambda: ["sung", "sung", "sung", "sung"])
    swing: float = 0.0
    electronic: float = 0.3


_ALL = [
    Style(
        name="rock",
        tempo=(95, 165),
        kick=["x.......x.x.....", "x.....x.x.......", "x.x.....x.....x.", "x.......x......."],
        hat_kinds=["closed", "closed", "ride", "open", "crash"],
        other=["power", "power", "chords", "lead", "riff"],
        electronic=0.1,
    ),
    Style(
        name="pop",
        tempo=(85, 132),
        kick=["x.......x.......", "x.......x...x...", "x..x....x..x...."],
        snare_kinds=["snare", "snare", "clap"],
        other=["chords", "chords", "pad", "arpeggio", "lead", "strum"],
    ),
    Style(
        name="funk",
        tempo=(88, 122),
        kick=["x..x..x...x..x..", "x.....x..x....x.", "x..x......x..x.."],
        hat=["xxxxxxxxxxxxxxxx", "x.xxx.x.x.xxx.x."],
        bass=["syncopated", "octaves", "slap", "riff"],
        other=["stabs", "chords", "riff", "brass"],
        electronic=0.1,
    ),
    Style(
        name="house",
        tempo=(116, 132),
        kick=["x...x...x...x..."],
        hat=["..x...x...x...x.", "x.xxx.xxx.xxx.xx", "..x...x...x..xx."],
        snare_kinds=["clap", "snare"],
        hat_kinds=["closed", "open"],
        bass=["eighths", "offbeat", "octaves", "syncopated"],
        other=["stabs", "pad", "arpeggio", "lead", "chords"],
        electronic=0.85,
    ),
    Style(
        name="disco",
        tempo=(108, 126),
        kick=["x...x...x...x..."],
        hat=["..x...x...x...x."],
        hat_kinds=["open"],
        bass=["octaves", "walk", "syncopated"],
        other=["strum", "strings", "stabs", "brass"],
    ),
    Style(
        name="half time",
        tempo=(120, 165),
        kick=["x.......x..x....", "x.....x........."],
        snare=["........x......."],
        other=["pad", "power", "arpeggio", "lead"],
    ),
    Style(
        name="shuffle",
        tempo=(80, 130),
        kick=["x.......x.......", "x..x....x..x...."],
        hat=["x..xx..xx..xx..x"],
        bass=["walk", "root", "riff"],
        other=["chords", "organ", "lead", "brass"],
        swing=0.14,
        electronic=0.05,
    ),
    Style(
        name="hip hop",
        tempo=(72, 102),
        kick=["x..x...x..x.....", "x.......x.x..x..", "x......x..x....."],
        hat=["x.x.x.x.x.x.x.x.", "x.x.xxx.x.x.x.xx"],
        snare_kinds=["snare", "clap"],
        bass=["long", "syncopated", "riff"],
        other=["chords", "pad", "arpeggio", "strings"],
        vocals=["rap", "rap", "rap", "sung"],
        swing=0.06,
        electronic=0.6,
    ),
    Style(
        name="trap",
        tempo=(126, 160),
        kick=["x.........x..x..", "x..x......x.....", "x......x..x....."],
        snare=["........x......."],
        hat=["x.x.x.x.x.x.x.x.", "xxxxx.x.xxx.xxxx"],
        snare_kinds=["clap", "snare"],
        hat_kinds=["closed"],
        bass=["808", "808", "long"],
        other=["arpeggio", "pad", "lead", "bells"],
        vocals=["rap", "sung", "rap"],
        electronic=0.95,
    ),
    Style(
        name="bossa",
        tempo=(96, 140),
        kick=["x...x.x...x...x.", "x..x..x...x..x.."],
        snare=["x..x..x...x..x.."],
        snare_kinds=["rim"],
        bass=["root", "syncopated"],
        other=["strum", "chords", "lead", "pad"],
        electronic=0.0,
    ),
    Style(
        name="drum and bass",
        tempo=(155, 176),
        kick=["x.........x.....", "x..x......x....."],
        snare=["....x..x.x..x..x", "....x.......x..."],
        bass=["long", "riff", "808"],
        other=["pad", "stabs", "arpeggio"],
        electronic=0.7,
    ),
    Style(
        name="metal",
        tempo=(110, 180),
        kick=["x.x.x.x.x.x.x.x.", "xxx.xxx.x.x.xxx.", "xxxxxxxxxxxxxxxx"],
        hat=["x...x...x...x...", "x.x.x.x.x.x.x.x."],
        hat_kinds=["crash", "open", "ride", "closed"],
        bass=["eighths", "riff", "root"],
        other=["power", "power", "riff", "lead"],
        electronic=0.0,
    ),
    Style(
        name="reggae",
        tempo=(68, 92),
        kick=["........x.......", "x...x...x...x..."],
        snare=["........x......."],
        snare_kinds=["rim", "snare"],
        bass=["riff", "syncopated"],
        other=["skank", "skank", "organ", "brass"],
        swing=0.05,
        electronic=0.05,
    ),
    Style(
        name="ballad",
        tempo=(60, 84),
        kick=["x.......x.......", "x.........x....."],
        hat=["x.x.x.x.x.x.x.x.", "x...x...x...x..."],
        snare_kinds=["snare", "rim"],
        bass=["long", "root"],
        other=["piano", "strings", "pad", "picking"],
        electronic=0.15,
    ),
    Style(
        name="country",
        tempo=(90, 140),
        kick=["x...x...x...x...", "x.......x......."],
        snare=["..x...x...x...x.", "....x.......x..."],
        bass=["alternate", "walk"],
        other=["strum", "picking", "lead"],
        electronic=0.0,
    ),
    Style(
        name="synthwave",
        tempo=(84, 118),
        kick=["x...x...x...x...", "x.......x......."],
        hat=["..x...x...x...x.", "xxxxxxxxxxxxxxxx"],
        bass=["eighths", "sixteenths", "octaves"],
        other=["arpeggio", "pad", "lead", "bells"],
        electronic=0.95,
    ),
    Style(
        name="latin",
        tempo=(90, 125),
        kick=["x..x..x.x..x..x.", "x...x...x...x..."],
        snare=["...x..x....x..x.", "..x..x...x..x..."],
        snare_kinds=["snare", "rim", "clap"],
        bass=["tumbao", "syncopated"],
        other=["montuno", "brass", "strum"],
        vocals=["sung", "rap"],
        electronic=0.3,
    ),
]
STYLES = {style.name: style for style in _ALL}
