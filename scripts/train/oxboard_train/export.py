"""From a checkpoint to the archive that the product ships, through the product's own exporter."""

import hashlib
import io
import json
import shutil
import tempfile
from pathlib import Path

import torch
import yaml
from oxboard_export.archive import write_archive
from oxboard_export.load import load_bag

from . import network

NAME = "oxboard-mini"
LICENSE = {
    "name": "MIT",
    "grant": "stated",
    "source": "models/LICENSES.md of oxboard-demucs",
    "checked": "2026-11-27",
}
NOTICE = (
    "compact, trained on synthetic music only: far from the quality of the published models; "
    '"oxboard models pull htdemucs" installs one of those'
)


def write_repository(weights: Path, repo: Path) -> None:
    """A bag of one network in demucs' local repository format."""
    # Rounded, they take half the room in the archive; what that costs in SDR is below 0.01 dB.
    rounded = {name: x.half().float() for name, x in network.weights_of(weights).items()}
    model = network.complete(rounded)
    args, kwargs = model._init_args_kwargs
    package = {"klass": type(model), "args": args, "kwargs": kwargs, "state": model.state_dict()}
    buffer = io.BytesIO()
    torch.save(package, buffer)
    state = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    signature = hashlib.sha256(state).hexdigest()[:8]
    checksum = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    (repo / f"{signature}-{checksum}.th").write_bytes(buffer.getvalue())
    (repo / f"{NAME}.yaml").write_text(yaml.safe_dump({"models": [signature]}))


def export(weights: Path, models_dir: Path, origin: str, log) -> dict:
    """Writes models_dir/oxboard-mini; the result is the exporter's own, with its error."""
    torch.backends.mha.set_fastpath_enabled(False)
    with tempfile.TemporaryDirectory() as folder:
        repo, out = Path(folder) / "repo", Path(folder) / "models"
        repo.mkdir()
        write_repository(weights, repo)
        result = write_archive(load_bag(NAME, repo), out, log)
        file = out / NAME / "model.json"
        description = json.loads(file.read_text())
        description |= {"origin": origin, "license": LICENSE, "notice": NOTICE}
        file.write_text(json.dumps(description, indent=2) + "\n")
        target = models_dir / NAME
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(out / NAME, target)
    return {**result, "archive": str(target)}
