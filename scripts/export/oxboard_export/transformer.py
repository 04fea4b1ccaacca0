import torch
from demucs.transformer import CrossTransformerEncoder, create_2d_sin_embedding
from torch import Tensor, nn

from . import lengths


class Transformer(nn.Module):
    """`demucs.transformer.CrossTransformerEncoder` at one length, its positional embeddings
    held as buffers so that they move with the network to another device."""

    def __init__(self, encoder: CrossTransformerEncoder, shape: torch.Size, steps: int):
        super().__init__()
        _, channels, freqs, frames = shape
        self.norm_in = encoder.norm_in
        self.norm_in_t = encoder.norm_in_t
        self.layers = encoder.layers
        self.layers_t = encoder.layers_t
        self.classic_parity = encoder.classic_parity
        self.weight = encoder.weight_pos_embed
        # One half of the channels depends on the frame alone and the other on the frequency:
        # storing the two halves instead of the plane keeps the archive small.
        plane = create_2d_sin_embedding(channels, freqs, frames, "cpu", encoder.max_period)[0]
        half = channels // 2
        self.register_buffer("by_frame", plane[:half, 0].t().unsqueeze(1).clone())
        self.register_buffer("by_freq", plane[half:, :, 0].t().unsqueeze(0).clone())
        self.periodic = encoder.emb == "sin"
        if self.periodic:
            # The table itself would be nearly all of a skeleton.
            exponents = torch.arange(half) / (half - 1)
            self.register_buffer("periods", encoder.max_period**exponents)
        else:
            with torch.no_grad():
                embedding = encoder._get_pos_embedding(steps, 1, channels, "cpu")
            self.register_buffer("by_step", embedding[:, 0].clone())
        self.freqs = freqs
        self.frames = frames

    def forward(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        plane = torch.cat(
            [
                self.by_frame.expand(-1, self.freqs, -1),
                self.by_freq.expand(self.frames, -1, -1),
            ],
            -1,
        ).flatten(0, 1)
        x = self.norm_in(x.permute(0, 3, 2, 1).flatten(1, 2)) + self.weight * plane
        xt = self.norm_in_t(xt.transpose(1, 2))
        by_step = lengths.sinusoids(xt, self.periods) if self.periodic else self.by_step
        xt = xt + self.weight * by_step
        for index, (layer, layer_t) in enumerate(zip(self.layers, self.layers_t, strict=True)):
            if index % 2 == self.classic_parity:
                x, xt = layer(x), layer_t(xt)
            else:
                x, xt = layer(x, xt), layer_t(xt, x)
        x = x.unflatten(1, (self.frames, self.freqs)).permute(0, 3, 2, 1)
        return x, xt.transpose(1, 2)
