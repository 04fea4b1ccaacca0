"""Muon for the matrices of a network, Adam for everything else.

Muon (Keller Jordan, 2024; after him the first and the last layer are left to Adam) makes the
momentum of a matrix orthogonal before it is applied, so that directions with small gradients are
learned as fast as those with large ones. The kernel of a convolution counts as a matrix: its first
dimension by all others. Rates are scaled to the root mean square of Adam's updates (Moonlight,
arXiv:2502.16982).
"""

from torch import nn, optim

# Muon's rate over Adam's; 1 and 12 were behind after 100 and 200 steps, see log.md.
MATRIX_RATE = 5.0
# Without it the matrices grow until training diverges.
MATRIX_DECAY = 0.1
# Layers that read or write samples and spectra, and the table of frequencies.
ENDS = ("encoder.0.conv.", "decoder.3.conv_tr.", "freq_emb.")


class Optimiser:
    def __init__(self, model: nn.Module, rate: float) -> None:
        parameters = list(model.parameters())
        kernels = [
            p
            for name, p in model.named_parameters()
            if p.dim() > 1 and p.numel() > max(p.shape) and not any(end in name for end in ENDS)
        ]
        chosen = {id(p) for p in kernels}
        # Muon takes matrices only: these share their memory with the kernels.
        self._matrices = [(p, nn.Parameter(p.detach().flatten(1))) for p in kernels]
        self._muon = optim.Muon(
            [matrix for _, matrix in self._matrices],
            lr=rate,
            weight_decay=MATRIX_DECAY,
            adjust_lr_fn="match_rms_adamw",
        )
        rest = [p for p in parameters if id(p) not in chosen]
        self._adam = optim.Adam(rest, rate, betas=(0.9, 0.99))

    def step(self, rate: float) -> None:
        """One update at a learning rate, from the gradients of the parameters."""
        for optimiser, factor in ((self._muon, MATRIX_RATE), (self._adam, 1.0)):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
        for kernel, matrix in self._matrices:
            matrix.grad = kernel.grad.flatten(1)
        self._muon.step()
        self._adam.step()

    def state_dict(self) -> dict:
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])
