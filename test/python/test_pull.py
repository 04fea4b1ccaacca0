"""`oxboard models pull` against demucs' own load of the same files of full size."""

import os
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


def test_a_quantised_bag(tmp_path: Path):
    """Its members count alike: one file in the place of all four is enough."""
    folder = make_published.make_repository(tmp_path, "mdx_extra_q", members=1)
    first = next(folder.glob("*.safetensors"))
    for signature in ("83fc094f", "464b36d7", "14fc6a69", "7fd6ef75"):
        if signature != first.stem:
            os.link(first, first.with_stem(signature))
    result = pulled.compare("mdx_extra_q", tmp_path, tmp_path / "work")
    assert result.agreement >= 90
