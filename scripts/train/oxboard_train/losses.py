"""What training minimises, and the SDR that it is judged by."""

import torch
from torch import Tensor

FFT_SIZES = (2048, 512)
# Mean square of an error below which being more exact no longer counts: 20 dB below the mixture,
# whose mean square is one.
FAINT = 0.01


def _magnitudes(x: Tensor, size: int) -> Tensor:
    flat = x.reshape(-1, x.shape[-1])
    window = torch.hann_window(size)
    spectrum = torch.stft(flat, size, size // 4, window=window, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-8).sqrt() / size**0.5


def l1(estimate: Tensor, target: Tensor) -> Tensor:
    """Demucs' own: the mean of absolute differences. Tensors are (batch, sources, channels,
    samples), of mixtures with unit variance."""
    return (estimate - target).abs().mean()


def negative_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """The mean SDR of stems, negated, so that a faint stem counts as much as a loud one: SDR in dB
    x -ln(10)/100, a scale that makes gradients as large as those of l1."""
    error = (estimate - target).square().mean(dim=(-1, -2)) + FAINT
    signal = target.square().mean(dim=(-1, -2)) + FAINT
    return (error / signal).log().mean() / 10


def spectral(estimate: Tensor, target: Tensor) -> Tensor:
    """L1 of magnitudes at several resolutions."""
    values = [
        (_magnitudes(estimate, size) - _magnitudes(target, size)).abs().mean() for size in FFT_SIZES
    ]
    return sum(values) / len(values)


LOSSES = {"l1": l1, "sdr": negative_sdr}


def sdr(target: Tensor, estimate: Tensor) -> Tensor:
    """Signal to distortion ratio in dB over the last two dimensions, channels and samples."""
    signal = target.square().sum(dim=(-1, -2))
    error = (target - estimate).square().sum(dim=(-1, -2))
    return 10 * torch.log10((signal + 1e-9) / (error + 1e-9))
