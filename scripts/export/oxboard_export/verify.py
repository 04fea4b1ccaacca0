"""Proof that a written network computes what demucs' own network computes."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from . import graph, serialize
from .errors import ExportError

REQUIRED_DB = 90.0
# Identical outputs have no error to measure; JSON has no infinity.
EXACT_DB = 300.0


def agreement_db(reference: Tensor, candidate: Tensor) -> float:
    """Energy of the reference over energy of the difference."""
    reference, candidate = reference.double(), candidate.double()
    signal = reference.square().sum().item()
    error = (reference - candidate).square().sum().item()
    if not math.isfinite(signal) or not math.isfinite(error):
        return -math.inf
    if error == 0:
        return EXACT_DB
    return min(EXACT_DB, 10 * math.log10(signal / error)) if signal else -math.inf


def noise(batch: int, channels: int, length: int, seed: int) -> Tensor:
    """Noise under an envelope, louder item by item, with a silent stretch: unlike the example
    of the trace in level and in shape."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, channels, length, generator=generator)
    x *= torch.linspace(0.05, 1, length)
    x *= torch.arange(1, batch + 1)[:, None, None] * 0.2
    x[..., length // 3 : length // 2] = 0
    return x


def probe_cases(length: int, fixed: bool, max_steps_samples: int) -> list[tuple[int, int]]:
    """(batch, samples) pairs that reach each branch that depends on the length."""
    if fixed:
        return [(1, length), (3, length)]
    short = [1, 2, 3, 100, 1023, 1024, 1025, 2560, 2561, 5000]
    # About the number of steps at which the recurrent layers begin to cut frames.
    framed = [max_steps_samples - 1, max_steps_samples, max_steps_samples + 1]
    framed.append(max_steps_samples * 5 // 3 + 1)
    cases = [(1, n) for n in [*short, *framed] if n < length] + [(1, length)]
    longest_batched = min(length, framed[-1])
    return [*cases, (3, 777), (3, longest_batched)]


class Proof:
    """Collects the agreement of one network over several inputs."""

    def __init__(self, model: nn.Module, path: Path, log: Callable[[str], None]):
        self._model = model.eval()
        self._path = path
        self._log = log
        self._network = serialize.load(path)

    def check_graph(self) -> None:
        faults = graph.faults(self._network)
        if faults:
            found = ", ".join(sorted(set(faults)))
            raise ExportError(f"{self._path.name}: the graph holds {found}")
        excess = graph.excess_bytes(self._network, self._path)
        if excess > 4096:
            raise ExportError(f"{self._path.name}: {excess} bytes of tensors beyond the weights")

    def agreement(self, batch: int, length: int) -> float | None:
        """None where demucs itself gives no finite result at that length."""
        mix = noise(batch, self._model.audio_channels, length, seed=length + batch)
        with torch.no_grad():
            try:
                reference = self._model(mix)
            except (RuntimeError, ValueError, AssertionError):
                return None
            if not torch.isfinite(reference).all():
                return None
            try:
                candidate = self._network(mix)
            except RuntimeError as error:
                raise ExportError(
                    f"{self._path.name}: the exported network fails at batch {batch}, {length} "
                    f"samples: {str(error).strip().splitlines()[-1]}"
                ) from error
        if candidate.shape != reference.shape:
            raise ExportError(
                f"{self._path.name}: shape {tuple(candidate.shape)} where demucs gives "
                f"{tuple(reference.shape)}"
            )
        return agreement_db(reference, candidate)

    def run(self, cases: list[tuple[int, int]]) -> tuple[float, int]:
        """The worst agreement, and the shortest length from which every tried one works."""
        worst, shortest = EXACT_DB, None
        for batch, length in cases:
            level = self.agreement(batch, length)
            if level is None:
                shortest = None
                continue
            self._log(f"  batch {batch}, {length} samples: {level:.1f} dB")
            if level < REQUIRED_DB:
                raise ExportError(
                    f"{self._path.name}: {level:.1f} dB of agreement with demucs at batch {batch}, "
                    f"{length} samples, where {REQUIRED_DB:.0f} dB are required"
                )
            worst = min(worst, level)
            if batch == 1 and shortest is None:
                shortest = length
        if shortest is None:
            raise ExportError(f"{self._path.name}: no length tried gives a finite result")
        return worst, shortest
