# SPDX-License-Identifier: Apache-2.0
"""Other people's scripts are in the graph with four added lines."""

from __future__ import annotations

from pathlib import Path

from examples.outside.__main__ import main
from sidecrate import Project

SOURCE = Path(__file__).parents[2] / "examples" / "outside" / "__main__.py"


def test_the_chain_behind_the_count_leads_to_the_image(tmp_path: Path) -> None:
    main(tmp_path)
    threshold, count = Project.find(tmp_path / "project").records()[1:]
    assert [use["name"] for use in threshold["inputs"]] == ["image.npy"]
    assert threshold["parameters"] == {"level": 100, "target": "mask.npy"}
    assert count["inputs"][0]["digest"] == threshold["outputs"][0]["digest"]


def test_four_lines_were_added() -> None:
    assert SOURCE.read_text(encoding="utf-8").count("# added") == 4
