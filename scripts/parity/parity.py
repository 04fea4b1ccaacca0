"""Compares oxboard with Python demucs on bags of random weights and writes docs/parity.md.

npm run parity                  full-size networks and small ones of every kind
npm run parity -- --small       the small ones only; the table is printed, not written
npm run parity -- --record      fixtures for `npm test` from tiny networks, nothing else
npm run parity -- --only NAME   one bag, by its name in the plan

What was measured with the same engine and archive is not measured again.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cases
import make_models
import make_toy
import oxboard
import record
import reference
import torch
from cases import Case, Outcome
from demucs import __version__ as demucs_version
from demucs.apply import BagOfModels
from oxboard_export.verify import EXACT_DB, REQUIRED_DB

CACHE = oxboard.ROOT / ".parity"
TABLE = oxboard.ROOT / "docs" / "parity.md"
OVERLAPS = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Entry:
    """A bag to compare. A full-size HDemucs takes most of a minute per segment, so shifts and
    another segment length are left to its small kin."""

    kind: str
    size: str

    @property
    def name(self) -> str:
        return self.kind if self.size == "full" else f"{self.size}_{self.kind}"

    @property
    def threads(self) -> int | None:
        """Two threads on work this small mostly wait for each other."""
        return None if self.size == "full" else 1

    def cases(self, segment: int) -> list[Case]:
        standard = cases.standard_cases(segment, OVERLAPS)
        if self.size == "full" and self.kind != "htdemucs":
            return standard
        return [*standard, cases.shifts_case(segment), cases.segment_case(segment)]


FULL = [Entry(k, "full") for k in ("htdemucs", "hdemucs_mmi", "hdemucs_magnitude", "hdemucs_old")]
SMALL = [Entry(kind, "small") for kind in make_models.KINDS]


def say(line: str) -> None:
    print(line, flush=True)


def prepare(entry: Entry, cache: Path) -> tuple[BagOfModels, Path]:
    """Builds the repository and exports it with the command, both kept for the next run."""
    repo, models_dir = cache / f"repo-{entry.size}", cache / "models"
    if not (repo / f"{entry.name}.yaml").exists():
        make_models.make_bag(repo, entry.kind, entry.size, entry.name)
        # A repository made anew has new weights, and the archive of the old ones must go.
        shutil.rmtree(models_dir / entry.name, ignore_errors=True)
    if not (models_dir / entry.name).exists():
        oxboard.export(entry.name, repo, models_dir, entry.threads)
    return reference.load(entry.name, repo), models_dir


def run(entry: Entry, cache: Path = CACHE) -> Iterator[Outcome]:
    model, models_dir = prepare(entry, cache)
    member = model.models[0]
    segment = int(member.samplerate * member.segment)
    work = cache / "work"
    torch.set_num_threads(entry.threads or os.cpu_count() or 1)
    measured = Measured(cache, entry.name, models_dir / entry.name)
    wanted = entry.cases(segment)
    missing = [case for case in wanted if measured.get(case) is None]
    for outcome in cases.compare(entry.name, model, models_dir, work, missing, entry.threads):
        case = outcome.case
        measured.put(case, outcome.worst)
        say(f"{entry.name:24} {case.label:30} overlap {case.overlap:<5} {outcome.worst:6.1f} dB")
    shutil.rmtree(work, ignore_errors=True)
    yield from (Outcome(entry.name, case, measured.get(case)) for case in wanted)


class Measured:
    """What was measured of one bag with this very engine and archive. The full-size networks take
    most of an hour, so a run that was ended goes on where it was."""

    def __init__(self, cache: Path, name: str, archive: Path) -> None:
        parts = [oxboard.ADDON, archive / "model.json"]
        state = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]
        self.file = cache / "measured" / f"{name}-{state}.json"
        self.levels = json.loads(self.file.read_text()) if self.file.exists() else {}

    @staticmethod
    def _key(case: Case) -> str:
        return json.dumps([case.label, case.frames, case.overlap, case.options], sort_keys=True)

    def get(self, case: Case) -> float | None:
        return self.levels.get(self._key(case))

    def put(self, case: Case, worst: float) -> None:
        self.levels[self._key(case)] = worst
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.levels, indent=1))


def record_fixtures() -> None:
    """Everything in test/fixtures is made again, the archives with the command."""
    folder = oxboard.ROOT / "test" / "fixtures"
    repo = CACHE / "repo-tiny"
    shutil.rmtree(repo, ignore_errors=True)
    shutil.rmtree(folder / "models", ignore_errors=True)
    for name in dict.fromkeys(model for _, model, _, _ in record.CASES):
        make_models.make_bag(repo, name, "tiny")
        oxboard.export(name, repo, folder / "models", threads=1)
    make_toy.write_archives(folder / "models")
    record.record(folder, repo)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    say(f"{folder}: {size / 1e6:.2f} MB")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _level(decibels: float) -> str:
    return "exact" if decibels >= EXACT_DB else f"{decibels:.1f}"


def table(outcomes: list[Outcome]) -> str:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    lines = [
        "# Parity with Python demucs",
        "",
        "Written by `npm run parity`, all with one build of the engine. The networks have random",
        "weights with large layer scales, so that every branch matters; each is built by demucs'",
        "own classes, exported with `oxboard models export` and run by `oxboard separate --shifts 0",
        "--clip-mode none --format wav --bit-depth 32f`. The reference is",
        "`demucs.apply.apply_model` on the same PCM. The figure is the energy of the reference over",
        "the energy of the difference, in dB, for the worst stem;",
        f"{REQUIRED_DB:.0f} dB are required. With shifts, Python is made to use our offsets.",
        "",
        f"- Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()}",
        f"- torch {torch.__version__}, demucs {demucs_version}, Node.js {node}, "
        f"Python {platform.python_version()}",
        f"- Date: {time.strftime('%Y-%m-%d', time.gmtime())}",
        "",
        "| model | length | samples | overlap | worst stem, dB |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for outcome in outcomes:
        case = outcome.case
        lines.append(
            f"| {outcome.model} | {case.label} | {case.frames} | {case.overlap} "
            f"| {_level(outcome.worst)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="npm run parity --")
    parser.add_argument("--small", action="store_true", help="the small networks only")
    parser.add_argument("--record", action="store_true", help="record test/fixtures and stop")
    parser.add_argument("--only", metavar="NAME", help="one bag of the plan")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    if options.record:
        record_fixtures()
        return 0
    entries = SMALL if options.small else [*FULL, *SMALL]
    if options.only:
        entries = [entry for entry in [*FULL, *SMALL] if entry.name == options.only]
        if not entries:
            names = ", ".join(entry.name for entry in [*FULL, *SMALL])
            parser.error(f"--only takes one of: {names}")
    outcomes = [outcome for entry in entries for outcome in run(entry)]
    low = [outcome for outcome in outcomes if outcome.worst < REQUIRED_DB]
    if not options.small and not options.only:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(table(outcomes))
        say(f"{TABLE} written")
    good = len(outcomes) - len(low)
    say(f"{good} of {len(outcomes)} comparisons at {REQUIRED_DB:.0f} dB or more")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
