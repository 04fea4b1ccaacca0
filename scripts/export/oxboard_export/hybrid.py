"""The forward pass of HDemucs and HTDemucs, restated for tracing."""

import copy

import torch
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import Tensor, nn

from . import lengths
from .layers import PadToStride, replace_layers
from .transformer import Transformer


class Hybrid(nn.Module):
    """Computes what the wrapped network computes in evaluation mode: HDemucs at any length,
    HTDemucs at its training length."""

    def __init__(self, model: HDemucs | HTDemucs):
        super().__init__()
        self.sources = len(model.sources)
        self.cac = model.cac
        self.wiener_iters = model.wiener_iters
        self.hop = model.hop_length
        self.old_padding = getattr(model, "hybrid_old", False)
        self.register_buffer("window", torch.hann_window(model.nfft))
        self.freq_emb = model.freq_emb
        if self.freq_emb is not None:
            self.freq_emb_scale = model.freq_emb_scale
        self.encoder = model.encoder
        self.tencoder = model.tencoder
        self.decoder = model.decoder
        self.tdecoder = model.tdecoder
        self.bottleneck: nn.Module | None = None

    def forward(self, mix: Tensor) -> Tensor:
        z = lengths.spectrogram(mix, self.window, self.hop, not self.old_padding)
        magnitude = self._to_channels(z)
        batch, _, bins, frames = magnitude.shape
        mean = magnitude.mean(dim=(1, 2, 3), keepdim=True)
        std = magnitude.std(dim=(1, 2, 3), keepdim=True)
        mean_t = mix.mean(dim=(1, 2), keepdim=True)
        std_t = mix.std(dim=(1, 2), keepdim=True)

        x, xt = self._network((magnitude - mean) / (1e-5 + std), (mix - mean_t) / (1e-5 + std_t))

        x = x.view(batch, self.sources, -1, bins, frames)
        x = x * std[:, None] + mean[:, None]
        x = lengths.waveform(
            self._from_channels(x, z, magnitude), mix, self.window, self.hop, not self.old_padding
        )
        xt = xt.view(batch, self.sources, -1, mix.shape[-1])
        return xt * std_t[:, None] + mean_t[:, None] + x

    def _to_channels(self, z: Tensor) -> Tensor:
        if not self.cac:
            return z.abs()
        return torch.view_as_real(z).permute(0, 1, 4, 2, 3).flatten(1, 2)

    def _from_channels(self, x: Tensor, z: Tensor, magnitude: Tensor) -> Tensor:
        """The estimated spectrograms, complex. Wiener filtering with no iterations is the
        estimated magnitude with the phase of the mixture, phase zero where that is silent."""
        if self.cac:
            x = x.unflatten(2, (-1, 2)).permute(0, 1, 2, 4, 5, 3)
            return torch.view_as_complex(x.contiguous())
        if self.wiener_iters < 0:
            phase = torch.view_as_real(z) / (1e-8 + magnitude)[..., None]
        else:
            silent = magnitude == 0
            phase = torch.view_as_real(z + silent) / (magnitude + silent)[..., None]
        return torch.view_as_complex(phase[:, None] * x[..., None])

    def _network(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        skips, skips_t, widths, widths_t = [], [], [], []
        for index, encode in enumerate(self.encoder):
            widths.append(x.shape[-1])
            inject = None
            if index < len(self.tencoder):
                widths_t.append(xt.shape[-1])
                xt = self.tencoder[index](xt)
                if self.tencoder[index].empty:
                    inject = xt
                else:
                    skips_t.append(xt)
            x = encode(x, inject)
            if index == 0 and self.freq_emb is not None:
                x = x + self.freq_emb_scale * self.freq_emb.weight.t()[None, :, :, None]
            skips.append(x)

        x, xt = self._middle(x, xt)

        first_time_decoder = len(self.decoder) - len(self.tdecoder)
        for index, decode in enumerate(self.decoder):
            x, before_transpose = decode(x, skips.pop(), widths.pop())
            if index >= first_time_decoder:
                decode_t = self.tdecoder[index - first_time_decoder]
                if decode_t.empty:
                    xt, _ = decode_t(before_transpose[:, :, 0], None, widths_t.pop())
                else:
                    xt, _ = decode_t(xt, skips_t.pop(), widths_t.pop())
        return x, xt

    def _middle(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        if self.bottleneck is None:
            # HDemucs hands the signal on through the skip connections alone.
            x = lengths.zeros_like(x)
            return x, x
        return self.bottleneck(x, xt)


class Bottleneck(nn.Module):
    """What lies between HTDemucs' encoders and decoders."""

    def __init__(self, model: HTDemucs, shape: torch.Size, steps: int):
        super().__init__()
        self.resample = bool(model.bottom_channels)
        if self.resample:
            self.up = model.channel_upsampler
            self.up_t = model.channel_upsampler_t
            self.down = model.channel_downsampler
            self.down_t = model.channel_downsampler_t
        self.transformer = Transformer(model.crosstransformer, shape, steps)

    def forward(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        if not self.resample:
            return self.transformer(x, xt)
        freqs, frames = x.shape[2:]
        x = self.up(x.flatten(2)).unflatten(2, (freqs, frames))
        x, xt = self.transformer(x, self.up_t(xt))
        return self.down(x.flatten(2)).unflatten(2, (freqs, frames)), self.down_t(xt)


def _transformer_input(model: HTDemucs, length: int) -> tuple[torch.Size, int]:
    shapes = []
    hook = model.crosstransformer.register_forward_pre_hook(
        lambda _module, inputs: shapes.extend(tensor.shape for tensor in inputs)
    )
    try:
        with torch.no_grad():
            model(torch.zeros(1, model.audio_channels, length))
    finally:
        hook.remove()
    return shapes[0], shapes[1][-1]


class _Identity(nn.Module):
    def forward(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        return x, xt


def make_traceable(
    model: HDemucs | HTDemucs, length: int
) -> tuple[Hybrid, dict[nn.Parameter, str]]:
    """A network of the same weights that can be traced, and the name that each of its parameters
    has in the model's state. `model` itself stays as it is."""
    own = copy.deepcopy(model).eval()
    names = {parameter: name for name, parameter in own.named_parameters()}
    hybrid = Hybrid(own)
    if isinstance(own, HTDemucs):
        if own.crosstransformer is None:
            hybrid.bottleneck = _Identity()
        else:
            hybrid.bottleneck = Bottleneck(own, *_transformer_input(own, length))
    else:
        hybrid.tencoder = nn.ModuleList(PadToStride(layer) for layer in own.tencoder)
        hybrid.encoder = nn.ModuleList(
            layer if getattr(layer, "freq", True) else PadToStride(layer) for layer in own.encoder
        )
    replace_layers(hybrid)
    return hybrid.eval(), names
