"""Writes the archives test/fixtures/models/toy and slow: one convolution from the mixture to four
sources, with the segment and the fixed length of htdemucs.

They separate nothing. `toy` is for tests that need a network which costs next to no time over hours
of audio; a segment of `slow` takes days, for tests that stop it in the middle.
"""

import hashlib
import json
from pathlib import Path

import torch

SEGMENT = 343980


class Toy(torch.nn.Module):
    def __init__(self, repeats: int) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv1d(2, 8, 9, padding=4)
        self.repeats = repeats

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        scaled = mix
        for _ in range(self.repeats):
            scaled = scaled * 1.0
        return self.convolution(scaled).view(mix.shape[0], 4, 2, mix.shape[2])


def write_archive(folder: Path, repeats: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    file = folder / f"{folder.name}.pt"
    torch.jit.script(Toy(repeats).eval()).save(str(file))
    description = {
        "name": folder.name,
        "sources": ["drums", "bass", "other", "vocals"],
        "sampleRate": 44100,
        "channels": 2,
        "segment": SEGMENT,
        "minLength": SEGMENT,
        "members": [
            {
                "file": file.name,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "weights": [1, 1, 1, 1],
            }
        ],
        "torch": torch.__version__.split("+")[0],
        "origin": "scripts/parity/make_toy.py",
        "license": "MIT",
        "notice": "a single untrained convolution for tests; separates nothing",
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n")


def write_archives(models_dir: Path) -> None:
    write_archive(models_dir / "toy", repeats=0)
    write_archive(models_dir / "slow", repeats=2**31 - 1)
