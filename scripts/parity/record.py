"""Records fixtures: tiny archives of every kind and what Python demucs makes of a short signal.

`npm run parity -- --record` runs it, once the archives are in test/fixtures/models/.

test/fixtures/index.json:
    { "torch": "2.13.0", "demucs": "4.1.0",
      "cases": [{
        "name": "htdemucs-2.3-segments",
        "model": "htdemucs",             archive in models/
        "input": "input.f32",            planar float32, little endian: channel 0, then channel 1
        "frames": 4602,                  the case uses this many samples of each channel
        "inputFrames": 6000,             samples per channel in the input file
        "sampleRate": 44100, "channels": 2,
        "options": {
          "overlap": 0.25,
          "segment": 0.03,               seconds; only where the user overrides the model's
          "transitionPower": 2,          only where it is not 1
          "shiftOffsets": [[1, 22050]]   per bag member, the offset of each shift; absent: no shifts
        },
        "stems": { "drums": "htdemucs-2.3-segments.drums.f32", ... }   planar, `frames` long
      }] }
The stems are apply_model's output for the normalised mix, scaled back: what
`--shifts 0 --clip-mode none` must give.
"""

import json
from pathlib import Path

import reference
import torch
from demucs import __version__ as demucs_version
from make_models import TINY_H_SEGMENT, TINY_HT

HT = int(TINY_HT["segment"] * 44100)
H = int(TINY_H_SEGMENT * 44100)
INPUT_FRAMES = 8000

# name, model, frames, options
CASES = [
    ("htdemucs-short", "htdemucs", 700, {"overlap": 0.25}),
    ("htdemucs-2.3-segments", "htdemucs", HT * 23 // 10, {"overlap": 0.25}),
    # Chunks begin at 0, 1000, 2000 and 3000: the last lies inside the one before.
    ("htdemucs-tail-in-overlap", "htdemucs", 2900 + 101, {"overlap": 0.5}),
    ("htdemucs-segment", "htdemucs", 2500, {"overlap": 0.1, "segment": 1501 / 44100}),
    ("htdemucs-shifts", "htdemucs", 900, {"overlap": 0.25, "shiftOffsets": [[22050, 137]]}),
    ("htdemucs_ft-one-segment", "htdemucs_ft", HT, {"overlap": 0.25}),
    ("htdemucs_6s-power", "htdemucs_6s", HT + 1, {"overlap": 0.25, "transitionPower": 2}),
    ("hdemucs_mmi-one-sample-tail", "hdemucs_mmi", H + 1, {"overlap": 0.25}),
    ("mdx_extra-short", "mdx_extra", 1000, {"overlap": 0.25}),
    ("mdx_extra-2.3-segments", "mdx_extra", H * 23 // 10, {"overlap": 0.1}),
    ("mdx_extra_q-segment", "mdx_extra_q", 3000, {"overlap": 0.25, "segment": 2000 / 44100}),
]


def record(folder: Path, repo: Path) -> None:
    for old in folder.glob("*.f32"):
        old.unlink()
    mix = reference.test_signal(INPUT_FRAMES)
    reference.write_pcm(folder / "input.f32", mix)
    cases = []
    for name, model_name, frames, settings in CASES:
        model = reference.load(model_name, repo)
        stems = reference.separate(
            model,
            mix[:, :frames],
            overlap=settings["overlap"],
            segment=settings.get("segment"),
            offsets=settings.get("shiftOffsets"),
            transition_power=settings.get("transitionPower", 1),
        )
        files = {}
        for stem, pcm in stems.items():
            files[stem] = f"{name}.{stem}.f32"
            reference.write_pcm(folder / files[stem], pcm)
        cases.append(
            {
                "name": name,
                "model": model_name,
                "input": "input.f32",
                "frames": frames,
                "inputFrames": INPUT_FRAMES,
                "sampleRate": 44100,
                "channels": 2,
                "options": settings,
                "stems": files,
            }
        )
    index = {"torch": torch.__version__.split("+")[0], "demucs": demucs_version, "cases": cases}
    (folder / "index.json").write_text(json.dumps(index, indent=2) + "\n")
