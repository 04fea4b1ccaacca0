"""Stand-ins for demucs' layers that a trace cannot follow. They own the same parameters."""

import torch
from demucs.demucs import BLSTM, LocalState
from demucs.hdemucs import HEncLayer, MultiWrap
from torch import Tensor, nn
from torch.nn import functional as F

from . import lengths


class Recurrent(nn.Module):
    """`demucs.demucs.BLSTM` at any number of steps."""

    def __init__(self, layer: BLSTM):
        super().__init__()
        self.lstm = layer.lstm
        self.linear = layer.linear
        self.width = layer.max_steps
        self.skip = layer.skip

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.width is None else lengths.split_frames(x, self.width)
        y = y.permute(2, 0, 1)
        # An LSTM left to make its own state would make it on the device of the trace.
        state = lengths.lstm_state(y, 2 * self.lstm.num_layers, self.lstm.hidden_size)
        y = self.linear(self.lstm(y, (state, state))[0]).permute(1, 2, 0)
        if self.width is not None:
            y = lengths.join_frames(y, x, self.width)
        return y + x if self.skip else y


class LocalAttention(nn.Module):
    """`demucs.demucs.LocalState` at any number of steps."""

    def __init__(self, layer: LocalState):
        super().__init__()
        self.heads = layer.heads
        self.decays = layer.ndecay
        self.content = layer.content
        self.query = layer.query
        self.key = layer.key
        self.proj = layer.proj
        if self.decays:
            self.query_decay = layer.query_decay

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], self.heads, x.shape[1] // self.heads, x.shape[2])

    def forward(self, x: Tensor) -> Tensor:
        keys = self._heads(self.key(x))
        per_head = self.key.out_channels // self.heads
        scores = torch.einsum("bhct,bhcs->bhts", keys, self._heads(self.query(x)))
        scores = scores / per_head**0.5
        if self.decays:
            strength = torch.sigmoid(self._heads(self.query_decay(x))) / 2
            rates = lengths.weights_from_one(x, self.decays).view(-1, 1, 1)
            penalty = -rates * lengths.distances(x) / self.decays**0.5
            scores = scores + torch.einsum("fts,bhfs->bhts", penalty, strength)
        weights = torch.softmax(lengths.mask_diagonal(scores, -100.0), dim=2)
        result = torch.einsum("bhts,bhct->bhcs", weights, self._heads(self.content(x)))
        return x + self.proj(result.reshape(x.shape))


class PadToStride(nn.Module):
    """A time-domain encoder layer, padded before its own check for it: that check is evaluated
    once, while tracing, and then always finds nothing to pad."""

    def __init__(self, layer: HEncLayer):
        super().__init__()
        self.layer = layer
        self.empty = layer.empty

    def forward(self, x: Tensor, inject: Tensor | None = None) -> Tensor:
        if x.dim() == 4:
            x = x.flatten(1, 2)
        return self.layer(lengths.pad_to_multiple(x, self.layer.stride), inject)


class Attention(nn.Module):
    """`nn.MultiheadAttention` as demucs calls it: batch first, no masks, no weights returned.

    The original's transposes to (steps, batch, features) and back cost copies and hide the
    attention from whoever optimises the graph.
    """

    def __init__(self, layer: nn.MultiheadAttention):
        super().__init__()
        self.heads = layer.num_heads
        self.in_proj_weight = layer.in_proj_weight
        self.in_proj_bias = layer.in_proj_bias
        self.out_proj = layer.out_proj

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **_ignored):
        if query is key:
            q, k, v = F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            width = query.shape[-1]
            q_rows, kv_rows = self.in_proj_weight.split([width, 2 * width])
            q_bias, kv_bias = self.in_proj_bias.split([width, 2 * width])
            q = F.linear(query, q_rows, q_bias)
            k, v = F.linear(key, kv_rows, kv_bias).chunk(2, -1)
        y = F.scaled_dot_product_attention(self._heads(q), self._heads(k), self._heads(v))
        return self.out_proj(y.transpose(1, 2).flatten(2)), None


class Bands(nn.Module):
    """`demucs.hdemucs.MultiWrap`: one replica of a layer per frequency band. Its bounds come from
    rounding sizes, which a tracer's sizes do not support; the number of bins never varies."""

    def __init__(self, layer: MultiWrap):
        super().__init__()
        self.layers = layer.layers
        self.ratios = [*layer.split_ratios, 1]
        self.encodes = layer.conv

    def forward(self, x: Tensor, skip: Tensor | None = None, _length=None):
        return self._encode(x) if self.encodes else (self._decode(x, skip), None)

    def _encode(self, x: Tensor) -> Tensor:
        bins = int(x.shape[2])
        start, outs = 0, []
        for ratio, layer in zip(self.ratios, self.layers, strict=True):
            pad = layer.kernel_size // 4
            before, after = pad if start == 0 else 0, pad if ratio == 1 else 0
            limit = bins
            if ratio != 1:
                width = int(round(bins * ratio)) - start + before
                frames = round((width - layer.kernel_size) / layer.stride + 1)
                limit = start + (frames - 1) * layer.stride + layer.kernel_size - before
            band = F.pad(x[:, :, start:limit], (0, 0, before, after))
            outs.append(layer(band))
            start = limit - layer.kernel_size + layer.stride
        return torch.cat(outs, dim=2)

    def _decode(self, x: Tensor, skip: Tensor) -> Tensor:
        bins = int(x.shape[2])
        start, outs = 0, []
        for ratio, layer in zip(self.ratios, self.layers, strict=True):
            limit = int(round(bins * ratio))
            stride, last = layer.stride, layer.last
            # The activation has to follow the joining of the bands.
            layer.last = True
            band, _ = layer(x[:, :, start:limit], skip[:, :, start:limit], None)
            layer.last = last
            if outs:
                shared = band[:, :, :stride] - layer.conv_tr.bias.view(1, -1, 1, 1)
                outs[-1] = torch.cat(
                    [outs[-1][:, :, :-stride], outs[-1][:, :, -stride:] + shared], dim=2
                )
                band = band[:, :, stride:]
            if ratio == 1:
                band = band[:, :, : -stride // 2]
            if start == 0:
                band = band[:, :, stride // 2 :]
            outs.append(band)
            start = limit
        joined = torch.cat(outs, dim=2)
        return joined if last else F.gelu(joined)


def replace_layers(module: nn.Module) -> None:
    """Swaps, in place and at any depth, the layers that have a stand-in of the same interface."""
    stand_ins = {
        BLSTM: Recurrent,
        LocalState: LocalAttention,
        MultiWrap: Bands,
        nn.MultiheadAttention: Attention,
    }
    for name, child in module.named_children():
        stand_in = stand_ins.get(type(child))
        if stand_in is not None:
            child = stand_in(child)
            setattr(module, name, child)
        replace_layers(child)
