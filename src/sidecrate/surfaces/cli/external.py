# SPDX-License-Identifier: Apache-2.0
"""run: somebody else's command as a recorded step."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from sidecrate.errors import InputError
from sidecrate.surfaces.cli.common import Session, pass_session, say

if TYPE_CHECKING:
    from sidecrate.artifacts import Artifact
    from sidecrate.project import Project


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--input", "inputs", multiple=True, metavar="[ROLE=]THING", help="File or artifact it reads.")
@click.option("--output", "outputs", multiple=True, metavar="[ROLE=]PATH", help="File or folder it makes.")
@click.option("--step", default="run", show_default=True, help="Name of the step in the records.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_session
def run(
    session: Session, inputs: tuple[str, ...], outputs: tuple[str, ...], step: str, command: tuple[str, ...]
) -> int:
    """Run a command and record it: what it read, what it made, how it ended.

    An artifact given as input is passed to the command where it says {ROLE}. What it makes is copied into the
    project as a version, so that later steps, packages and audits know it. Ends with the command's exit code.

    \b
    Example:
        sidecrate run --input image=cell@v1 --output seg.tif -- python segment.py {image} seg.tif
    """
    from sidecrate.provenance import recorder, swhid

    program = shutil.which(command[0])
    if program is None:
        raise InputError(f"{command[0]}: no such command; check the spelling and PATH")
    with session.recording() as project:
        read = {role: _thing(project, thing) for role, thing in map(_split, inputs)}
        paths = {role: str(getattr(thing, "path", thing)) for role, thing in read.items()}
        paths |= dict(map(_split, outputs))
        words = [_fill(word, paths) for word in command]

        def tell(new: recorder.Run) -> None:
            for role, thing in read.items():
                new.input(thing, role)
            new.parameter("command", list(command))

        instrument = {"name": Path(program).name, "swhid": swhid.of_file(Path(program))}
        with recorder.run(step, instrument=instrument, before=tell) as under_way:
            code = subprocess.run(words, check=False).returncode  # noqa: S603  (running it is what was asked)
            if code == 0:
                for role, path in map(_split, outputs):
                    under_way.output(Path(path), role)
            else:
                under_way.fail(InputError(f"{Path(program).name} ended with exit code {code}"))
    code = 128 - code if code < 0 else code  # ended by a signal: what a shell makes of it
    if code:
        say(f"{command[0]} ended with exit code {code}; the run is recorded as failed")
    return code


def _split(text: str) -> tuple[str, str]:
    role, sign, thing = text.partition("=")
    return (role, thing) if sign and role.isidentifier() else (Path(text).name, text)


def _thing(project: Project, thing: str) -> Artifact | Path:
    if Path(thing).is_file():
        return Path(thing)
    found = project.lookup(thing)
    if len(found) != 1:
        why = "no file and no artifact of that name" if not found else "several kinds of that name, write labels/NAME"
        raise InputError(f"--input {thing!r}: {why}")
    return found[0]


def _fill(word: str, paths: dict[str, str]) -> str:
    for role, path in paths.items():
        word = word.replace(f"{{{role}}}", path)
    return word
