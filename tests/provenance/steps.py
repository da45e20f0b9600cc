# SPDX-License-Identifier: Apache-2.0
"""Steps that do next to nothing, for tests of what is recorded of them."""

from __future__ import annotations

from pathlib import Path

from sidecrate.about import About
from sidecrate.artifacts import Files
from sidecrate.project import Project, init
from sidecrate.provenance.recorder import observe
from sidecrate.store import draft


def note(text: str, into: Path, earlier: Files | None = None) -> Files:
    """Return a version that holds a line of text."""
    with draft(Files, into) as made:
        made.write("note.txt", f"{text}\n".encode())
        return made.finish({"description": "a note", "after": earlier.link() if earlier else None})


write_note = observe(note, name="note", version="1")


def work(into: Path) -> Files:
    """Stand for what a worker does: a step of its own, whose value is all that is asked of it."""
    return write_note("from a worker", into)


def write_notes(project: Project, count: int, name: str = "notes") -> list[Files]:
    """Return notes written one after the other, each recorded."""
    with project.recording():
        return [write_note(f"{name} {number}", project.series(Files, name)) for number in range(count)]


def keep_busy(root: Path, name: str, count: int) -> None:
    """Make a project when there is none, and write notes in it."""
    made = (root / "sidecrate.toml").is_file()
    write_notes(Project.find(root) if made else init(root, About(title="Busy")), count, name)
