import io
import warnings
import zipfile
from pathlib import Path

import torch


def save(module: torch.jit.ScriptModule, path: Path) -> None:
    """Writes the module, its code compressed and without the debug records and the traced inputs:
    those hold paths of the machine that exported, and outweigh the weights of a small network."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(module, buffer)
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
        return torch.jit.load(str(path), map_location="cpu")
