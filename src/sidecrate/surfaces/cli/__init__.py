# SPDX-License-Identifier: Apache-2.0
"""The command line, a thin shell over the library: one verb, one library function."""

from __future__ import annotations

import importlib
import io
import os
import re
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import rich_click as click

from sidecrate.errors import InputError, SidecrateError
from sidecrate.surfaces.cli.common import ReaderGone, Session, say

# verb → module that defines it; loaded when it is needed, none of them imports a science library at the top
COMMANDS = {
    "init": "about",
    "status": "about",
    "add": "images",
    "label": "labels",
    "train": "steps",
    "predict": "steps",
    "evaluate": "steps",
    "suggest": "steps",
    "measure": "steps",
    "pack": "publish",
    "reserve": "deposits",
    "deposit": "deposits",
    "audit": "publish",
    "cite": "publish",
    "log": "history",
    "show": "history",
    "why": "history",
    "run": "external",
}


class _Verbs(click.RichGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        loaded = importlib.import_module(f"sidecrate.surfaces.cli.{COMMANDS[cmd_name]}")
        return getattr(loaded, cmd_name)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sidecrate")
@click.option(
    "-C",
    "--project",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    metavar="FOLDER",
    help="Project folder, or a folder inside it (default: here).",
)
@click.option(
    "--who",
    metavar="'NAME <ORCID>'",
    envvar="SIDECRATE_WHO",
    help="Who is at work (default: $SIDECRATE_WHO, else the first person of the project).",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, project: Path, who: str | None, debug: bool) -> None:
    """Label, train, predict and measure volume EM; provenance, packages and citations come out on the side.

    \b
    Example:
        sidecrate init cell --title "Pores of a cell" --license CC-BY-4.0
        sidecrate -C cell add stack.tif --voxel-nm 8 8 8
        sidecrate -C cell status
    """
    context.obj = Session(project, who, debug)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 found wanting, 2 usage, 3 input or project, 4 refused, 5 network."""
    warnings.simplefilter("ignore")
    _ready_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments  # after it comes another's command
    debug = "--debug" in own
    try:
        _check_start(arguments)
        code = cli.main(arguments, prog_name="sidecrate", standalone_mode=False)
        sys.stdout.flush()  # here, where a full disk or a reader that went away is still told
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say("stopped; what was complete is kept, run the same command to go on")
        sys.exit(130)
    except SidecrateError as error:
        _say_error(_one_line(error), debug)
        sys.exit(error.exit_code)
    except ReaderGone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        advice = "check the path, its permissions and the free space, then repeat the command"
        _say_error(f"{_one_line(error)}; {advice}", debug)
        sys.exit(3)
    except Exception as error:
        reason = f"unexpected {type(error).__name__}: {_one_line(error)}"
        _say_error(f"{reason}; nothing was lost, `sidecrate --debug …` shows where", debug)
        sys.exit(3)


def _say_error(message: str, debug: bool) -> None:
    """Print an error, and where it was when asked; a secret that a library has put into its words stays unsaid."""
    from sidecrate.provenance.environment import without_secrets

    if debug:
        say(without_secrets(traceback.format_exc()))
    say(f"error: {without_secrets(message)}")


def _ready_streams() -> None:
    """Make sure that output can be written: standard streams that were closed lead nowhere, every character fits."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # else the next file that is opened would take the place of the stream
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))
        stream = getattr(sys, name)
        if number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_start(arguments: list[str]) -> None:
    """Check that there is a folder to work in, and that everything typed can be kept in a record.

    Raises
    ------
    InputError
        The folder was deleted, or something is not UTF-8, such as the name of an old file.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError("the folder this was started in is gone; change to another one and repeat") from None
    for argument in arguments:
        if re.search("[\ud800-\udfff]", argument):
            raise InputError(f"{argument!r}: not UTF-8; rename the file, or write the text in UTF-8")


def _one_line(error: Exception) -> str:
    """Return the message of an error on one line; a file name or a library's own words may hold several."""
    return " ".join(str(error).split("\n"))
