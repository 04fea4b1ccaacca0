"""`oxboard models pull` against demucs' own load of the same files of full size. The other models are
left to scripts/parity/pulled.py, and their single networks to test_skeletons.py."""

from pathlib import Path

import make_published
import pulled
import pytest
import torch


@pytest.fixture(autouse=True)
def every_core():
    """Here the networks have their full size."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_each_specialist_of_a_bag_answers_for_its_source(tmp_path: Path):
    make_published.make_repository(tmp_path, "htdemucs_ft")
    assert pulled.compare("htdemucs_ft", tmp_path, tmp_path / "work").agreement >= 90
