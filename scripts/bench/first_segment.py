"""Prints the time when a new process has loaded full-size htdemucs, and when it has separated one
segment.

    python first_segment.py REPO FRAMES
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))

import reference
import torch

repo, frames = sys.argv[1:]
mix = torch.rand(2, int(frames)) - 0.5
model = reference.load("htdemucs", Path(repo))
print(int(time.time() * 1000), flush=True)
reference.separate(model, mix)
print(int(time.time() * 1000), flush=True)
