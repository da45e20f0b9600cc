# SPDX-License-Identifier: Apache-2.0
"""Somebody's own scripts, recorded: ``python -m examples.outside FOLDER``.

The four lines that were added for sidecrate are marked.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import sidecrate  # added


@sidecrate.recorded  # added
def threshold(source: Path, target: Path, level: int) -> Path:
    """Write where an image is darker than a level."""
    np.save(target, np.load(source) < level)
    return target


def main(folder: Path) -> None:
    """Threshold an image, count what was found, and print the chain behind the count."""
    folder.mkdir(parents=True, exist_ok=True)
    image, mask, count = folder / "image.npy", folder / "mask.npy", folder / "count.txt"
    np.save(image, np.random.default_rng(0).integers(0, 255, (8, 16, 16), dtype=np.uint8))
    sidecrate.init(folder / "project", sidecrate.About("Somebody's own scripts"))
    with sidecrate.open_project(folder / "project") as project:  # added
        threshold(image, mask, level=100)
        with sidecrate.run("count") as run:  # added; what it reads and makes is said inside
            run.input(mask, "mask")
            count.write_text(f"{np.load(mask).sum()} voxels\n")
            run.output(count)
    for record in project.records():
        made = [use["ref"] for use in record["outputs"]]
        print(record["number"], record["step"], [use.get("ref") or use["name"] for use in record["inputs"]], "→", made)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
