"""The model archive: a folder with `model.json` and one network per distinct bag member."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from demucs import __version__ as demucs_version
from demucs.pretrained import REMOTE_ROOT

from . import serialize
from .errors import ExportError
from .hybrid import make_traceable
from .load import Bag, Member, fixed_length
from .trace import trace
from .verify import EXACT_DB, Proof, noise, probe_cases

# BLSTM cuts frames above 200 steps; in the first layer that has one, a step is a hop.
FRAMED_STEPS = 200


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_released(member: Member) -> bool:
    released = (REMOTE_ROOT / "files.txt").read_text().split()
    return member.file.name in released


def _origin(bag: Bag) -> str:
    files = ", ".join(dict.fromkeys(member.file.name for member in bag.members))
    return f"{files}, exported with demucs {demucs_version}"


def _license(bag: Bag) -> dict | None:
    """As in src/models/license.ts; None where nothing is known of the weights."""
    if not all(_is_released(member) for member in bag.members):
        return None
    return {
        "name": "none stated",
        "grant": "none",
        "source": "Demucs' repository (github.com/facebookresearch/demucs) is MIT for its code alone",
        "checked": "2026-11-27",
    }


def _export_member(
    member: Member, segment: int, folder: Path, log: Callable[[str], None]
) -> tuple[Path, float, int]:
    model, fixed = member.model, fixed_length(member.model)
    path = folder / f"{member.signature}.pt"
    log(f"{member.signature}: tracing a {type(model).__name__}")
    network, names = make_traceable(model, segment)
    # Where every length works, a short one traces the same graph in less time and memory.
    length = segment if fixed else min(segment, 4 * FRAMED_STEPS * model.hop_length)
    example = noise(1, model.audio_channels, length, seed=0)
    serialize.save(trace(network, names, example), path, halve=True)
    del network, names
    log(f"{member.signature}: comparing with demucs")
    proof = Proof(model, path, log)
    proof.check_graph()
    worst, shortest = proof.run(probe_cases(segment, fixed, FRAMED_STEPS * model.hop_length))
    return path, worst, shortest


def write_archive(bag: Bag, models_dir: Path, log: Callable[[str], None]) -> dict:
    """Exports every member and puts the finished folder in place; a failure leaves nothing."""
    target = models_dir / bag.name
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{bag.name}-", dir=models_dir))
    except OSError as error:
        raise _unwritable(models_dir, error) from error
    try:
        exported: dict[str, tuple[Path, float, int]] = {}
        for member in bag.members:
            if member.signature not in exported:
                exported[member.signature] = _export_member(member, bag.segment, work, log)
        shortest = {length for _, _, length in exported.values()}
        if bag.segment in shortest and len(shortest) > 1:
            raise ExportError(
                f"{bag.name} mixes networks of fixed and of any length, which one archive cannot say"
            )
        license = _license(bag)
        description = {
            "name": bag.name,
            "sources": bag.sources,
            "sampleRate": bag.sample_rate,
            "channels": bag.channels,
            "segment": bag.segment,
            "minLength": max(shortest),
            "members": [
                {
                    "file": exported[member.signature][0].name,
                    "sha256": _sha256(exported[member.signature][0]),
                    "weights": member.weights,
                }
                for member in bag.members
            ],
            "torch": torch.__version__.split("+")[0],
            "origin": _origin(bag),
            **({"license": license} if license else {}),
        }
        (work / "model.json").write_text(json.dumps(description, indent=2) + "\n")
        os.chmod(work, 0o755)
        _replace(work, target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    worst = min(level for _, level, _ in exported.values())
    return {
        "archive": str(target),
        "members": [member.signature for member in bag.members],
        "segment": description["segment"],
        "minLength": description["minLength"],
        "maxErrorDb": -round(min(worst, EXACT_DB), 1),
    }


def _replace(work: Path, target: Path) -> None:
    """A folder cannot be renamed onto one that has files, so an older archive steps aside."""
    if not target.exists():
        work.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    target.rename(aside / target.name)
    try:
        work.rename(target)
    except OSError:
        (aside / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unwritable(path: Path, error: OSError) -> ExportError:
    return ExportError(f"{path} cannot be written: {error.strerror or error}")
