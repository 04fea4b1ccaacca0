"""What Python demucs makes of a mix: the reference of every comparison."""

import random
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

import torch
from demucs.apply import BagOfModels, apply_model
from demucs.repo import AnyModelRepo, BagOnlyRepo, LocalRepo
from torch import Tensor


def load(name: str, repo: Path) -> BagOfModels:
    models = LocalRepo(repo)
    model = AnyModelRepo(models, BagOnlyRepo(repo, models)).get_model(name)
    return model.eval()


def test_signal(frames: int, channels: int = 2, seed: int = 0, rate: int = 44100) -> Tensor:
    """A few sweeping partials, noise bursts and a silent gap: every band and level occurs."""
    generator = torch.Generator().manual_seed(seed)
    seconds = torch.arange(frames, dtype=torch.float64) / rate
    mix = torch.zeros(channels, frames, dtype=torch.float64)
    for channel in range(channels):
        for partial in range(6):
            low, high = 60.0 * 3**partial, 40.0 * 3**partial + 200
            start, end = torch.rand(2, generator=generator).double() * (high - low) + low
            sweep = start * seconds + (end - start) * seconds**2 / 20
            mix[channel] += torch.sin(2 * torch.pi * sweep) * 0.3 / (partial + 1)
        bursts = (torch.sin(2 * torch.pi * (3.1 + channel) * seconds) > 0.6).double()
        mix[channel] += bursts * 0.2 * torch.randn(frames, generator=generator).double()
    mix[:, frames // 3 : frames // 3 + frames // 20] = 0
    # The magnitude networks take their phase from the mix. Where a bin holds nothing but rounding
    # errors its phase is random, and two runs of Python itself agree to 13 dB only (a relative
    # change of 1e-7 in the samples): a noise floor keeps the comparison well-conditioned.
    mix += 0.01 * torch.randn(channels, frames, generator=generator).double()
    return (mix * 0.4 + 0.01).float()


@contextmanager
def _fixed_offsets(offsets: Iterable[int]):
    """Python draws a shift per member and repetition; a comparison has to use the same ones."""
    queue = iter(offsets)
    drawn, random.randint = random.randint, lambda _low, _high: next(queue)
    try:
        yield
    finally:
        random.randint = drawn


def separate(
    model: BagOfModels,
    mix: Tensor,
    overlap: float = 0.25,
    segment: float | None = None,
    offsets: list[list[int]] | None = None,
    transition_power: float = 1.0,
) -> dict[str, Tensor]:
    """(channels, samples) to one such tensor per source, normalised as demucs.api.Separator does.
    `offsets` holds, per member of the bag, the offset of each shift."""
    shifts = len(offsets[0]) if offsets else 0
    reference = mix.mean(0)
    mean, scale = reference.mean(), reference.std() + 1e-8
    with torch.no_grad(), _fixed_offsets(o for member in offsets or [] for o in member):
        estimates = apply_model(
            model,
            ((mix - mean) / scale)[None],
            shifts=shifts,
            overlap=overlap,
            segment=segment,
            transition_power=transition_power,
        )
    return dict(zip(model.sources, estimates[0] * scale + mean, strict=True))


def read_pcm(path: Path, channels: int = 2) -> Tensor:
    """Planar little-endian float32."""
    data = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.float32)
    return data.view(channels, -1)


def write_pcm(path: Path, pcm: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pcm.contiguous().numpy().astype("<f4").tobytes())
