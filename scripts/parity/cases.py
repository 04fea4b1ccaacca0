"""Which lengths and options are compared, and the comparison itself."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import oxboard
import reference
from demucs.apply import BagOfModels
from oxboard_export.verify import agreement_db


@dataclass(frozen=True)
class Case:
    label: str
    frames: int
    overlap: float = 0.25
    # Options of both sides beyond the overlap: segment (seconds), shifts, seed.
    options: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    model: str
    case: Case
    worst: float  # agreement of the worst stem, in dB


def lengths(segment: int, overlap: float, rate: int = 44100) -> dict[str, int]:
    stride = int((1 - overlap) * segment)
    return {
        "1 s": rate,
        "1 segment": segment,
        "1 segment + 1 sample": segment + 1,
        "2.3 segments": segment * 23 // 10,
        # The third chunk begins and ends where the second still reaches.
        "last chunk inside the overlap": 2 * stride + max(1, (segment - stride) // 2),
    }


def standard_cases(
    segment: int, overlaps: tuple[float, ...], only: tuple[str, ...] = ()
) -> list[Case]:
    return [
        Case(label, frames, overlap)
        for overlap in overlaps
        for label, frames in lengths(segment, overlap).items()
        if not only or label in only
    ]


def shifts_case(segment: int) -> Case:
    return Case("shifts 2", segment // 2, 0.25, {"shifts": 2, "seed": 7})


def segment_case(segment: int, rate: int = 44100) -> Case:
    seconds = round(segment * 0.6 / rate, 3)
    return Case(f"--segment {seconds}", segment * 3 // 2, 0.25, {"segment": seconds})


def _groups(cases: list[Case]) -> Iterator[list[Case]]:
    """Cases that one run of the command can take together: it loads the model only once."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        key = json.dumps([case.overlap, case.options], sort_keys=True)
        groups.setdefault(key, []).append(case)
    yield from groups.values()


def compare(
    name: str,
    model: BagOfModels,
    models_dir: Path,
    work: Path,
    cases: list[Case],
    threads: int | None = None,
) -> Iterator[Outcome]:
    """Runs both sides; the engine reports its shift offsets and Python is made to use them."""
    for group in _groups(cases):
        inputs = []
        for index, case in enumerate(group):
            path = work / f"in-{index}.wav"
            mix = reference.test_signal(case.frames, seed=case.frames)
            oxboard.write_wav(path, mix)
            inputs.append(path)
        options = {"shifts": 0, "overlap": group[0].overlap, **group[0].options}
        results = oxboard.separate(inputs, name, models_dir, work / "out", options, threads)
        for case, path, result in zip(group, inputs, results, strict=True):
            offsets = result["manifest"]["shiftOffsets"] if case.options.get("shifts") else None
            expected = reference.separate(
                model,
                oxboard.read_wav(path),
                overlap=case.overlap,
                segment=case.options.get("segment"),
                offsets=offsets,
            )
            stems = {
                stem: _agreement(pcm, Path(result["output"]["stems"][stem]["path"]))
                for stem, pcm in expected.items()
            }
            yield Outcome(name, case, min(stems.values()))


def _agreement(expected, path: Path) -> float:
    actual = oxboard.read_wav(path)
    if actual.shape != expected.shape:
        raise RuntimeError(f"{path} has shape {tuple(actual.shape)}, not {tuple(expected.shape)}")
    path.unlink()
    return agreement_db(expected, actual)
