"""Makes the full-size model of a benchmark, in the cache of the parity script.

python prepare.py MODEL
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))

import parity

if __name__ == "__main__":
    parity.CACHE.mkdir(exist_ok=True)
    (parity.CACHE / ".gitignore").write_text("*\n")
    parity.prepare(parity.Entry(sys.argv[1], "full"), parity.CACHE)
