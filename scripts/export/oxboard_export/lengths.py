"""Operations whose result depends on the length of the input or on its device.

Tracing evaluates Python arithmetic on shapes, branches and devices once and bakes the
outcome in. These are scripted, so that a traced network decides them again at each call.
They take tensors and not lengths: an integer handed from a traced function to a scripted
one is baked in as well. They never return an argument itself: the tracer would take every
later use of that argument for a use of the result.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.jit.script
def pad_reflect(x: Tensor, left: int, right: int) -> Tensor:
    """`demucs.hdemucs.pad1d` in reflect mode.

    A signal shorter than its padding cannot be reflected; it is first extended by zeros.
    """
    widest = max(left, right)
    length = x.size(-1)
    if length <= widest:
        extra = widest - length + 1
        extra_right = min(right, extra)
        extra_left = extra - extra_right
        x = F.pad(x, [extra_left, extra_right])
        left -= extra_left
        right -= extra_right
    return F.pad(x, [left, right], mode="reflect")


@torch.jit.script
def pad_to_multiple(x: Tensor, stride: int) -> Tensor:
    rest = x.size(-1) % stride
    return F.pad(x, [0, stride - rest]) if rest != 0 else x.view_as(x)


@torch.jit.script
def spectrogram(mix: Tensor, window: Tensor, hop: int, reflect: bool) -> Tensor:
    """(batch, channels, samples) to (batch, channels, bins, ceil(samples / hop)), complex."""
    length = mix.size(-1)
    frames = (length + hop - 1) // hop
    left = hop // 2 * 3
    right = left + frames * hop - length
    x = pad_reflect(mix, left, right) if reflect else F.pad(mix, [left, right])
    z = torch.stft(
        x.reshape(-1, x.size(-1)),
        window.size(0),
        hop,
        window.size(0),
        window,
        center=True,
        pad_mode="reflect",
        normalized=True,
        return_complex=True,
    )
    z = z.view(mix.size(0), mix.size(1), z.size(1), z.size(2))
    return z[:, :, :-1, 2 : 2 + frames]


@torch.jit.script
def waveform(z: Tensor, mix: Tensor, window: Tensor, hop: int, centred: bool) -> Tensor:
    """Inverse of `spectrogram`: (batch, sources, channels, bins, frames) to as many samples
    as `mix` has. `centred` is False for networks trained with the padding bug of `hybrid_old`.
    """
    length = mix.size(-1)
    start = hop // 2 * 3 if centred else 0
    total = (length + hop - 1) // hop * hop + 2 * start
    z = F.pad(z, [2, 2, 0, 1])
    x = torch.istft(
        z.view(-1, z.size(3), z.size(4)),
        window.size(0),
        hop,
        window.size(0),
        window,
        center=True,
        normalized=True,
        length=total,
    )
    x = x.view(z.size(0), z.size(1), z.size(2), x.size(-1))
    return x[:, :, :, start : start + length]


@torch.jit.script
def zeros_like(x: Tensor) -> Tensor:
    return torch.zeros_like(x)


@torch.jit.script
def distances(x: Tensor) -> Tensor:
    """|i - j| for every pair of the time steps of `x`."""
    steps = torch.arange(x.size(-1), device=x.device, dtype=x.dtype)
    return (steps[:, None] - steps[None, :]).abs()


@torch.jit.script
def weights_from_one(x: Tensor, count: int) -> Tensor:
    return torch.arange(1, count + 1, device=x.device, dtype=x.dtype)


@torch.jit.script
def sinusoids(x: Tensor, periods: Tensor) -> Tensor:
    """`demucs.transformer.create_sin_embedding` for the steps of `x`, (batch, steps, channels)."""
    steps = torch.arange(x.size(1), device=x.device, dtype=periods.dtype)
    phase = steps[:, None] / periods
    return torch.cat([phase.cos(), phase.sin()], -1)


@torch.jit.script
def mask_diagonal(scores: Tensor, value: float) -> Tensor:
    own = torch.eye(scores.size(-1), device=scores.device, dtype=torch.bool)
    return scores.masked_fill(own, value)


@torch.jit.script
def lstm_state(x: Tensor, layers: int, hidden: int) -> Tensor:
    """Zero state for an input of (steps, batch, features)."""
    return torch.zeros([layers, x.size(1), hidden], dtype=x.dtype, device=x.device)


@torch.jit.script
def split_frames(x: Tensor, width: int) -> Tensor:
    """(batch, channels, steps) to (batch * frames, channels, width), half overlapping.

    At `width` steps or fewer the input stays one frame of its own length.
    """
    length = x.size(-1)
    if length <= width:
        return x.view_as(x)
    stride = width // 2
    frames = (length + stride - 1) // stride
    x = F.pad(x, [0, (frames - 1) * stride + width - length])
    return x.unfold(-1, width, stride).permute(0, 2, 1, 3).reshape(-1, x.size(1), width)


@torch.jit.script
def join_frames(y: Tensor, x: Tensor, width: int) -> Tensor:
    """Inverse of `split_frames` for the `x` that was split: the middle half of each frame is
    kept, and the outer quarter too at both ends of the signal."""
    length = x.size(-1)
    if length <= width:
        return y.view_as(y)
    stride = width // 2
    limit = stride // 2
    y = y.view(x.size(0), -1, y.size(1), width).permute(0, 2, 1, 3)
    middle = y[:, :, :, limit : limit + stride].reshape(y.size(0), y.size(1), -1)
    joined = torch.cat([y[:, :, 0, :limit], middle, y[:, :, -1, limit + stride :]], -1)
    return joined[:, :, :length]
