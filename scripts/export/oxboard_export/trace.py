import warnings

import torch
from torch import Tensor, nn


class _Flat(nn.Module):
    """The network with every tensor an attribute of one module, under the name that it has in
    demucs' own state (dots doubled to underscores).

    Traced as it is, each of some 400 modules would become a class of its own in the archive:
    slower to load, and in a small network more bytes than the parameters.
    """

    def __init__(self, network: nn.Module, names: dict[nn.Parameter, str]):
        super().__init__()
        for name, parameter in network.named_parameters():
            self.register_parameter(_attribute(names.get(parameter, name)), parameter)
        for name, buffer in network.named_buffers():
            self.register_buffer(_attribute(name), buffer)
        # Past nn.Module's own registration: a child would be traced as a class again.
        object.__setattr__(self, "_run", network.__call__)

    def forward(self, mix: Tensor) -> Tensor:
        return self._run(mix)


def _attribute(name: str) -> str:
    return name.replace(".", "__")


def trace(
    network: nn.Module, names: dict[nn.Parameter, str], example: Tensor
) -> torch.jit.ScriptModule:
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of each Python branch on a shape; those that matter are scripted,
        # and the proof that follows would find one that was missed.
        warnings.simplefilter("ignore")
        return torch.jit.trace(_Flat(network, names), example, check_trace=False)
