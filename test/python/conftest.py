import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
for folder in ("scripts/export", "scripts/parity", "scripts/train"):
    sys.path.insert(0, str(ROOT / folder))

# The networks here are tiny: a second thread would mostly wait for the first.
torch.set_num_threads(1)
torch.backends.mha.set_fastpath_enabled(False)


def pytest_configure(config: pytest.Config) -> None:
    # TorchScript is deprecated in favour of a format that libtorch cannot run on its own.
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit:DeprecationWarning")
    config.addinivalue_line("markers", "long: takes minutes or large downloads; run with -m long")
    if not config.option.markexpr:
        config.option.markexpr = "not long"


@pytest.fixture(scope="session")
def tiny_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demucs repository with a tiny bag of every kind."""
    import make_models

    repo = tmp_path_factory.mktemp("repo")
    for kind in make_models.KINDS:
        make_models.make_bag(repo, kind, "tiny")
    return repo
