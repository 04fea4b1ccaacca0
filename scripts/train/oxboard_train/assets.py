"""Every sound that songs are made of, by split. Nothing is in two splits; a test holds that."""

from dataclasses import dataclass, field
from pathlib import Path

SF2 = "/usr/share/sounds/sf2/"
KITS = "/usr/share/hydrogen/data/drumkits/"
LMMS = "/usr/share/lmms/samples/"
SONIC_PI = "/usr/share/sonic-pi/samples/"
ASTERISK = "/usr/share/asterisk/sounds/"
KLETTRES = "/usr/share/klettres/"
POTATO = "/usr/share/ktuberling/sounds/"
HEDGEWARS = "/usr/share/games/hedgewars/Data/Sounds/voices/"

FLUID = SF2 + "FluidR3_GM.sf2"
MUSESCORE = SF2 + "MuseScore_General_Full.sf2"
CSOUND = SF2 + "sf_GMbank.sf2"
OPL3 = SF2 + "OPL-3_FM_128M.sf2"
TIM = SF2 + "TimGM6mb.sf2"
RED_ZEPPELIN = SF2 + "Red_Zeppelin_4_LV2.sf2"
BLACK_PEARL = SF2 + "Black_Pearl_4_LV2.sf2"


@dataclass(frozen=True)
class Voice:
    """A speaker: a voice of a speech synthesiser, or a folder of recordings.

    engine: espeak, flite, festival or recorded; name: the synthesiser's own name of the voice, or
    the folder. english: whether it is given English words; others get invented syllables too.
    """

    engine: str
    name: str
    english: bool = False

    @property
    def key(self) -> str:
        return f"{self.engine}-{self.name.strip('/').replace('/', '_')}"


def _espeak(*names: str) -> list[Voice]:
    return [Voice("espeak", name, name.startswith("en")) for name in names]


def _flite(*names: str) -> list[Voice]:
    return [Voice("flite", name, True) for name in names]


def _festival(*names: str) -> list[Voice]:
    return [Voice("festival", name, name in ("ked_diphone", "kal_diphone")) for name in names]


def _recorded(*folders: str) -> list[Voice]:
    return [Voice("recorded", folder) for folder in folders]


def _klettres(*languages: str) -> list[Voice]:
    return _recorded(*[f"{KLETTRES}{language}" for language in languages])


def _potato(*languages: str) -> list[Voice]:
    return _recorded(*[f"{POTATO}{language}" for language in languages])


def _hedgewars(*packs: str) -> list[Voice]:
    return _recorded(*[f"{HEDGEWARS}{pack}" for pack in packs])


@dataclass(frozen=True)
class Split:
    """What songs of one split may use. A name listed twice is drawn twice as often.

    seeds: they also decide chords, melodies and rhythms, so splits share none; drum_fonts: (sound
    font, bank, program); synthesised: whether instruments and drums may come from our own
    synthesisers.
    """

    name: str
    seeds: range
    packages: list[str]
    fonts: list[str]
    drum_fonts: list[tuple[str, int, int]]
    kits: list[str]
    voices: list[Voice]
    percussion_kits: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    synthesised: bool = True

    def sources(self) -> set[str]:
        """Every asset by name, for comparing splits."""
        fonts = {*self.fonts, *(font for font, _, _ in self.drum_fonts)}
        kits = {*self.kits, *self.percussion_kits}
        return fonts | kits | {*self.loops} | {voice.key for voice in self.voices}


def _kit(name: str) -> str:
    return KITS + name


TRAINING = Split(
    name="training",
    seeds=range(1, 500_000),
    packages=[
        "asterisk-core-sounds-en-g722",
        "asterisk-core-sounds-fr-g722",
        "asterisk-core-sounds-it-g722",
        "asterisk-core-sounds-ru-g722",
        "asterisk-prompt-es-co",
        "avldrums.lv2-soundfont",
        "espeak-ng",
        "festival",
        "festvox-ca-ona-hts",
        "festvox-czech-krb",
        "festvox-czech-machac",
        "festvox-italp16k",
        "festvox-kallpc16k",
        "festvox-kdlpc16k",
        "festvox-suopuhe-lj",
        "flite",
        "fluid-soundfont-gm",
        "hedgewars-data",
        "hydrogen-data",
        "hydrogen-drumkits",
        "klettres-data",
        "ktuberling-data",
        "libfluidsynth3",
        "lmms-common",
        "musescore-general-soundfont-lossless",
        "opl3-soundfont",
        "sonic-pi-samples",
    ],
    fonts=[FLUID, FLUID, FLUID, MUSESCORE, MUSESCORE, OPL3],
    drum_fonts=[
        *[(FLUID, 128, program) for program in (0, 8, 16, 24, 25, 32, 40)],
        *[(MUSESCORE, 128, program) for program in (0, 8, 16, 24, 25, 32, 40)],
        (OPL3, 128, 0),
        *[(RED_ZEPPELIN, 0, 0)] * 3,
    ],
    kits=[
        _kit("Audiophob"),
        _kit("ColomboAcousticDrumkit"),
        _kit("ElectricEmpireKit"),
        _kit("ForzeeStereo"),
        _kit("GMRockKit"),
        _kit("HardElectro1"),
        _kit("Millo-Drums_v.1"),
        _kit("Millo_MultiLayered3"),
        _kit("TR808EmulationKit"),
        *[LMMS + "drums"] * 3,
        *[SONIC_PI + "drums"] * 2,
    ],
    percussion_kits=[_kit("Gimme A Hand 1.0"), _kit("circAfrique v4"), SONIC_PI + "percussion"],
    loops=[
        *[f"{LMMS}beats/{name}01.ogg" for name in ("909beat", "break", "electro_beat")],
        *[f"{LMMS}beats/{name}01.ogg" for name in ("house_loop", "jungle")],
        *[f"{LMMS}beats/{name}02.ogg" for name in ("break", "electro_beat")],
        *[f"{SONIC_PI}loop_{name}.flac" for name in ("amen", "amen_full", "breakbeat", "mika")],
    ],
    voices=[
        *_espeak("en-us+m1", "en-us+m3", "en-us+f1", "en-us+f2", "en-us+m8", "en-gb+m5"),
        *_espeak("en-gb+f4", "it+f1", "es+m4", "fr+f2", "pt+f4", "sv+f3", "ro+m1", "pl+m2"),
        *_flite("kal16", "awb", "rms", "awb", "rms"),
        *_festival("lp_diphone", "czech_krb", "czech_machac", "suo_fi_lj_diphone"),
        *_festival("ked_diphone", "kal_diphone", "upc_ca_ona_hts"),
        *_espeak("en-us+Andy", "en-us+Annie"),
        *_recorded(ASTERISK + "en_US_f_Allison", ASTERISK + "fr_CA_f_June") * 3,
        *_recorded(ASTERISK + "it_IT_m_Carlo", ASTERISK + "ru_RU_f_IvrvoiceRU") * 3,
        *_recorded(ASTERISK + "es") * 2,
        *_klettres("ar", "cs", "uk", "en", "en_GB", "es", "fr", "he", "hu", "lt", "ml", "nb"),
        *_klettres("nds", "pt_BR", "ru", "tn"),
        *_potato("ca", "da", "de", "el", "fr", "sr", "lt", "ru", "sl", "uk", "wa"),
        *_hedgewars("British", "Classic", "Default", "Default_es", "Default_pl", "Default_uk"),
        *_hedgewars("HillBilly", "Mobster", "Pirate", "Russian", "Singer", "Surfer"),
    ],
)

VALIDATION = Split(
    name="validation",
    seeds=range(500_000, 900_000),
    packages=[
        "asterisk-prompt-fr-armelle",
        "csound-soundfont",
        "espeak-ng",
        "festival",
        "festvox-czech-ph",
        "festvox-itapc16k",
        "hydrogen-drumkits",
        "klettres-data",
        "ktuberling-data",
        "libfluidsynth3",
    ],
    fonts=[CSOUND],
    drum_fonts=[(CSOUND, 128, 0)],
    kits=[_kit("BJA_Pacific"), _kit("Millo_MultiLayered2")],
    voices=[
        *_espeak("de+m6", "en-us+m7"),
        *_festival("pc_diphone", "czech_ph"),
        *_recorded(ASTERISK + "fr"),
        *_klettres("it", "de"),
        *_potato("en"),
    ],
)

# Reserved: the final figures are measured on these, and nothing else may be.
EVALUATION = Split(
    name="evaluation",
    seeds=range(900_000, 1_000_000),
    packages=[
        "espeak-ng",
        "festival",
        "festvox-czech-dita",
        "festvox-suopuhe-mv",
        "flite",
        "hydrogen-drumkits",
        "libfluidsynth3",
        "timgm6mb-soundfont",
    ],
    fonts=[TIM],
    drum_fonts=[(TIM, 128, 0)],
    kits=[_kit("The Black Pearl 1.0"), _kit("rumpf_kit_z01_h2"), _kit("VariBreaks")],
    voices=[
        *_flite("slt"),
        *_festival("czech_dita", "hy_fi_mv_diphone"),
        *_espeak("en-us+f5", "en-gb+m7"),
    ],
    synthesised=False,
)

# The Black Pearl kit once more, as a sound font: used by no split.
UNUSED = [BLACK_PEARL]

SPLITS = {split.name: split for split in (TRAINING, VALIDATION, EVALUATION)}


def missing(split: Split) -> list[str]:
    """Files and folders of a split that are not on this machine."""
    paths = [*split.fonts, *(font for font, _, _ in split.drum_fonts), *split.loops]
    paths += [kit for kit in split.kits if kit.startswith(KITS)]
    paths += [voice.name for voice in split.voices if voice.engine == "recorded"]
    return sorted({path for path in paths if not Path(path).exists()})
