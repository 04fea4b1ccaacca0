"""The command against demucs.apply.apply_model, on networks small enough for every test run."""

from pathlib import Path

import cases
import parity
import pytest
from cases import Case


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parity")


def assert_parity(entry: parity.Entry, cache: Path, expected: int):
    outcomes = list(parity.run(entry, cache))
    assert len(outcomes) == expected
    low = [f"{o.case}: {o.worst}" for o in outcomes if o.worst < 90]
    assert not low, "\n".join(low)


class Reduced(parity.Entry):
    """Only the cases that reach the most at once."""

    def cases(self, segment: int) -> list[Case]:
        return cases.standard_cases(segment, (0.25,), ("1 segment + 1 sample", "2.3 segments"))


# mdx_extra holds every kind of hybrid network.
@pytest.mark.parametrize("kind", ["htdemucs", "mdx_extra"])
def test_every_window(kind: str, cache: Path):
    assert_parity(parity.Entry(kind, "tiny"), cache, expected=17)


# These differ from the two above by their weights, sources and how their networks are joined.
@pytest.mark.parametrize("kind", ["htdemucs_ft", "htdemucs_6s", "hdemucs_mmi", "mdx_extra_q"])
def test_every_bag(kind: str, cache: Path):
    assert_parity(Reduced(kind, "tiny"), cache, expected=2)


@pytest.mark.parametrize("kind", ["htdemucs", "mdx_extra"])
def test_full_depth(kind: str, cache: Path):
    assert_parity(Reduced(kind, "small"), cache, expected=2)
