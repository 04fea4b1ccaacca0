"""Builds model repositories in demucs' own local format from seeded random weights.

    python make_models.py REPO KIND...     kinds: see KINDS

Untrained weights separate nothing, but they exercise every operation. Layer scales, which demucs
initialises near zero, are drawn large, so that an error in any branch reaches the output.
"""

import argparse
import hashlib
import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import diffq
import torch
import yaml
from demucs.demucs import LocalState
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.states import get_state
from demucs.transformer import LayerScale
from torch import nn

SOURCES = ["drums", "bass", "other", "vocals"]
SIX_SOURCES = [*SOURCES, "guitar", "piano"]

# Arguments of the released networks.
FULL_HT = {
    "channels": 48,
    "bottom_channels": 512,
    "dconv_mode": 3,
    "t_layers": 5,
    "segment": Fraction(39, 5),
}
FULL_H = {"channels": 48, "segment": 44}

# The same structure with few channels: 44.1 kHz, windows of 4096, every depth.
SMALL_HT = {
    "channels": 8,
    "growth": 1,
    "dconv_mode": 3,
    "dconv_comp": 2,
    "bottom_channels": 16,
    "t_layers": 5,
    "t_heads": 2,
    "segment": Fraction(9, 5),
}
SMALL_H = {"channels": 8, "growth": 1, "dconv_comp": 2, "segment": 40}
SMALL_H_SEGMENT = 5.2

# Smaller windows too, so that a segment is a few thousand samples: for recorded fixtures.
TINY_HT = {
    **SMALL_HT,
    "nfft": 256,
    "depth": 2,
    "t_layers": 3,
    "dconv_depth": 1,
    "segment": Fraction(2001, 44100),
}
TINY_H = {
    **SMALL_H,
    "nfft": 64,
    "depth": 3,
    "norm_starts": 1,
    "dconv_lstm": 1,
    "dconv_attn": 1,
    "dconv_depth": 1,
}
TINY_H_SEGMENT = 3307 / 44100

HTDEMUCS = (HTDemucs, {})
SIX_STEM = (HTDemucs, {"sources": SIX_SOURCES, "bottom_channels": 0})
CAC = (HDemucs, {"cac": True})
MAGNITUDE = (HDemucs, {"cac": False})
HYBRID_OLD = (HDemucs, {"cac": False, "hybrid_old": True})


@dataclass(frozen=True)
class Kind:
    members: list[tuple[type, dict]]
    one_hot: bool = False
    quantised: bool = False


KINDS = {
    "htdemucs": Kind([HTDEMUCS]),
    "htdemucs_ft": Kind([HTDEMUCS] * 4, one_hot=True),
    "htdemucs_6s": Kind([SIX_STEM]),
    "hdemucs_mmi": Kind([CAC]),
    "mdx_extra": Kind([CAC, HYBRID_OLD, MAGNITUDE, CAC]),
    "mdx_extra_q": Kind([CAC, MAGNITUDE], quantised=True),
    "hdemucs_magnitude": Kind([MAGNITUDE]),
    "hdemucs_old": Kind([HYBRID_OLD]),
}
SIZES = {
    "full": (FULL_HT, FULL_H, 44),
    "small": (SMALL_HT, SMALL_H, SMALL_H_SEGMENT),
    "tiny": (TINY_HT, TINY_H, TINY_H_SEGMENT),
}


def strengthen(model: nn.Module) -> None:
    """Draws what demucs initialises so that it hardly shows: layer scales, the decay of the local
    attention, and queries and keys too weak to prefer one step over another."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LayerScale):
                sign = torch.randint(0, 2, module.scale.shape) * 2 - 1
                module.scale.copy_(sign * (0.2 + 0.6 * torch.rand_like(module.scale)))
            elif isinstance(module, LocalState):
                module.query_decay.weight.mul_(30)
                module.query_decay.bias.uniform_(-3, 0)
            elif isinstance(module, nn.MultiheadAttention):
                width = module.embed_dim
                module.in_proj_weight[: 2 * width].mul_(2)
                module.in_proj_bias.normal_(std=0.1)


def build(klass: type, size: str, arguments: dict, seed: int) -> nn.Module:
    ht, h, _ = SIZES[size]
    torch.manual_seed(seed)
    defaults = ht if klass is HTDemucs else h
    sources = arguments.get("sources", SOURCES)
    options = {k: v for k, v in {**defaults, **arguments}.items() if k != "sources"}
    model = klass(sources, **options)
    strengthen(model)
    return model.eval()


def save_model(model: nn.Module, repo: Path, signature: str, quantised: bool = False) -> Path:
    """As demucs.states.serialize_model and save_with_checksum do, which need omegaconf."""
    args, kwargs = model._init_args_kwargs
    quantizer = None
    if quantised:
        quantizer = diffq.DiffQuantizer(model, min_size=0.001, group_size=4)
    package = {
        "klass": type(model),
        "args": args,
        "kwargs": kwargs,
        "state": get_state(model, quantizer, half=True),
        "training_args": {},
    }
    buffer = io.BytesIO()
    torch.save(package, buffer)
    checksum = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    for old in repo.glob(f"{signature}-*.th"):
        old.unlink()
    path = repo / f"{signature}-{checksum}.th"
    path.write_bytes(buffer.getvalue())
    return path


def make_bag(repo: Path, kind_name: str, size: str, name: str | None = None) -> str:
    """Writes the bag's yaml and its members; the name of the bag, by default that of the kind."""
    name = name or kind_name
    kind = KINDS[kind_name]
    repo.mkdir(parents=True, exist_ok=True)
    signatures = []
    for index, (klass, arguments) in enumerate(kind.members):
        identity = hashlib.sha256(f"{size} {name} {index}".encode())
        signature = identity.hexdigest()[:8]
        model = build(klass, size, arguments, seed=int(identity.hexdigest()[8:16], 16))
        save_model(model, repo, signature, kind.quantised)
        signatures.append(signature)
    bag: dict = {"models": signatures}
    if kind.one_hot:
        count = len(signatures)
        bag["weights"] = [[float(i == k) for k in range(count)] for i in range(count)]
    if kind.members[0][0] is HDemucs:
        bag["segment"] = SIZES[size][2]
    (repo / f"{name}.yaml").write_text(yaml.safe_dump(bag))
    return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repo", type=Path)
    parser.add_argument("kinds", nargs="+", choices=list(KINDS))
    parser.add_argument("--size", choices=list(SIZES), default="small")
    options = parser.parse_args()
    for kind in options.kinds:
        print(make_bag(options.repo, kind, options.size))


if __name__ == "__main__":
    main()
