"""What an archive's graph must not hold."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch


def _nodes(block) -> Iterator:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def faults(module: torch.jit.ScriptModule) -> list[str]:
    """Device constants, tensors that would stay behind on a move to another device, and
    operators that exist only for one device."""
    found = []
    for node in _nodes(module.inlined_graph):
        kind = node.kind()
        if kind == "aten::_native_multi_head_attention":
            found.append(kind)
        if kind != "prim::Constant" or not node.hasAttribute("value"):
            continue
        if node.output().type().kind() == "DeviceObjType":
            found.append(f"the device constant {node.s('value')}")
        # A single number may live on the CPU: every device accepts it as an operand.
        if node.kindOf("value") == "t" and node.t("value").dim() > 0:
            found.append(f"a constant tensor of shape {tuple(node.t('value').shape)}")
    return found


def excess_bytes(module: torch.jit.ScriptModule, path: Path) -> int:
    """Bytes of tensor data in the file beyond its parameters and buffers, each counted once."""
    tensors = [*module.parameters(), *module.buffers()]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    with zipfile.ZipFile(path) as archive:
        stored = sum(
            entry.file_size
            for entry in archive.infolist()
            if {"data", "constants"} & set(Path(entry.filename).parts[1:-1])
        )
    return stored - sum(storages.values())
