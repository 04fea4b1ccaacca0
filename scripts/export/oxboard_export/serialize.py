import io
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path

import torch


def save(module: torch.jit.ScriptModule, path: Path, *, halve: bool = False) -> None:
    """Writes the module, its code compressed and without the debug records and the traced inputs:
    those hold paths of the machine that exported, and outweigh the weights of a small network.

    With `halve`, weights that lose nothing by it, as the published ones, are written in half
    precision; whoever loads the file restores them."""
    buffer = io.BytesIO()
    halved = [weight for weight in module.parameters() if halve and _is_half(weight)]
    for weight in halved:
        weight.data = weight.data.half()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(module, buffer)
    finally:
        _restore(halved)
    with zipfile.ZipFile(buffer) as full, zipfile.ZipFile(path, "w") as lean:
        for entry in full.infolist():
            root, _, name = entry.filename.partition("/")
            if name.endswith(".debug_pkl") or name.startswith("traced_inputs"):
                continue
            # No time stamp, and the file's own name as the root that libtorch expects.
            record = zipfile.ZipInfo(f"{path.stem}/{name}")
            is_tensor = name.startswith(("data/", "constants/"))
            record.compress_type = zipfile.ZIP_STORED if is_tensor else zipfile.ZIP_DEFLATED
            lean.writestr(record, full.read(entry))


def load(path: Path) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(str(path), map_location="cpu")
    _restore(module.parameters())
    return module


def _is_half(weight: torch.Tensor) -> bool:
    return weight.dtype == torch.float32 and torch.equal(weight, weight.half().float())


def _restore(weights: Iterable[torch.Tensor]) -> None:
    for weight in weights:
        if weight.dtype == torch.float16:
            weight.data = weight.data.float()
