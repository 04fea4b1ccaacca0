"""The embedded network: demucs' own HTDemucs class, small, and its weights outside of training."""

import zipfile
from fractions import Fraction
from pathlib import Path

import torch
from demucs.htdemucs import HTDemucs
from oxboard_export import serialize
from torch import Tensor, nn

from .audio import SAMPLE_RATE
from .song import SOURCES

# The spectrogram branch estimates magnitudes and takes the mixture's phase: its last layer then
# makes 4 sources x 2 channels x stride values from the width of the outermost layer, half of what
# complex spectrograms need, and width there is what small networks lack. The time branch can be
# narrow. See README.md.
CONFIG = {
    "channels": 48,
    "channels_time": 24,
    "growth": 1.6,
    "depth": 4,
    "nfft": 4096,
    "cac": False,
    "wiener_iters": -1,
    "end_iters": -1,
    # Without norms in the inner layers their gates grow until they close for good.
    "norm_starts": 2,
    "norm_groups": 1,
    "t_layers": 0,
    "dconv_mode": 1,
    "dconv_comp": 4,
    "dconv_depth": 4,
}
# The outermost layers hold most of the frames, so their DConv branches cost most of the time: they
# stay out of training, and are the identity (LayerScale 0) in the network that is exported.
LAYERS_WITHOUT_DCONV = 2
SEGMENT = Fraction(39, 5)


def build(segment: Fraction | None = None) -> HTDemucs:
    return HTDemucs(SOURCES, segment=segment or SEGMENT, samplerate=SAMPLE_RATE, **CONFIG)


def trimmed(model: HTDemucs) -> HTDemucs:
    """The same network without the branches that are left out of training."""
    for layer in range(LAYERS_WITHOUT_DCONV):
        for encoder in (model.encoder, model.tencoder):
            encoder[layer].dconv = None
    return model


def complete(weights: dict[str, Tensor]) -> HTDemucs:
    """The stock network that computes what the trimmed one computes with these weights."""
    model = build()
    for layer in range(LAYERS_WITHOUT_DCONV):
        for encoder in (model.encoder, model.tencoder):
            for parameter in encoder[layer].dconv.parameters():
                nn.init.zeros_(parameter)
    unknown = set(weights) - set(model.state_dict())
    if unknown:
        raise ValueError(f"these weights are of another network: {', '.join(sorted(unknown)[:3])}")
    model.load_state_dict({**model.state_dict(), **weights})
    return model.eval()


def weights_of(file: Path) -> dict[str, Tensor]:
    """Of a checkpoint, an exported archive's network, or a plain file of weights; those that the
    trimmed network has."""
    wanted = trimmed(build()).state_dict()
    with zipfile.ZipFile(file) as records:
        is_archive = any(name.endswith("/constants.pkl") for name in records.namelist())
    if is_archive:
        parameters = serialize.load(file).state_dict()
        stored = {name.replace("__", "."): value for name, value in parameters.items()}
    else:
        content = torch.load(file, map_location="cpu", weights_only=True)
        stored = content.get("ema") or content.get("state") or content
    lacking = set(wanted) - set(stored)
    if lacking:
        raise ValueError(f"{file} lacks {len(lacking)} weights, {sorted(lacking)[0]} among them")
    return {name: stored[name].float().reshape(wanted[name].shape) for name in wanted}
