"""What training minimises, and the SDR that it is judged by."""

import torch
from torch import Tensor

FFT_SIZES = (2048, 512)


def _magnitudes(x: Tensor, size: int) -> Tensor:
    flat = x.reshape(-1, x.shape[-1])
    window = torch.hann_window(size)
    spectrum = torch.stft(flat, size, size // 4, window=window, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-8).sqrt() / size**0.5


def loss(estimate: Tensor, target: Tensor, spectral: float) -> Tensor:
    """L1 in time, plus `spectral` times the L1 of magnitudes at several resolutions. Tensors are
    (batch, sources, channels, samples)."""
    value = (estimate - target).abs().mean()
    if spectral:
        for size in FFT_SIZES:
            difference = _magnitudes(estimate, size) - _magnitudes(target, size)
            value = value + spectral / len(FFT_SIZES) * difference.abs().mean()
    return value


def sdr(target: Tensor, estimate: Tensor) -> Tensor:
    """Signal to distortion ratio in dB over the last two dimensions, channels and samples."""
    signal = target.square().sum(dim=(-1, -2))
    error = (target - estimate).square().sum(dim=(-1, -2))
    return 10 * torch.log10((signal + 1e-9) / (error + 1e-9))
