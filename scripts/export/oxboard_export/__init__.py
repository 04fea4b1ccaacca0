"""Exports Demucs models to TorchScript archives that libtorch runs without Python."""
