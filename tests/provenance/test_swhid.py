# SPDX-License-Identifier: Apache-2.0
"""Identifiers of software are those that git computes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sidecrate.provenance import swhid


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "core.autocrlf=false", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_file_and_a_folder_have_the_ids_git_gives_them(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "empty").mkdir(parents=True)
    (tree / "a.py").write_text("sorted before the folder a, for git\n")
    (tree / "a" / "naïve name.py").write_bytes(b"\0\xff")
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "link").symlink_to("a.py")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    expected = git(tree, "write-tree")
    assert swhid.of_file(tree / "a.py") == f"swh:1:cnt:{git(tree, 'hash-object', 'a.py')}"
    (tree / ".git").rename(tmp_path / "git")
    assert swhid.of_folder(tree) == f"swh:1:dir:{expected}"


def test_what_python_compiles_does_not_count_and_a_changed_line_does(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("x = 1\n")
    before = swhid.of_folder(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "module.pyc").write_bytes(b"compiled")
    assert swhid.of_folder(tmp_path) == before
    (tmp_path / "module.py").write_text("x = 2\n")
    assert swhid.of_folder(tmp_path) != before
