# SPDX-License-Identifier: Apache-2.0
"""init and status: the beginning and the front door."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from sidecrate.errors import InputError
from sidecrate.surfaces.cli.common import Session, emit, json_option, parse_who, pass_session, say, table

if TYPE_CHECKING:
    from rich.console import Console

    from sidecrate.about import Funding, Member


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--title", required=True, help="Title of the data set.")
@click.option("--description", help="What it is and why it was made.")
@click.option("--license", "license_id", metavar="SPDX", help="Licence, for example CC-BY-4.0.")
@click.option("--keyword", "keywords", multiple=True, metavar="WORD", help="Repeat for several.")
@click.option(
    "--person",
    "people",
    multiple=True,
    metavar="'NAME <ORCID>; ROLE; AFFILIATION; ROR'",
    help="Somebody of the project; role is author (default), annotator, curator or contact. "
    "Parts after the name may be left out. Repeat for several.",
)
@click.option("--funding", "fundings", multiple=True, metavar="'FUNDER; AWARD; ROR'", help="Repeat for several.")
@json_option
@pass_session
def init(
    session: Session,
    folder: Path,
    title: str,
    description: str | None,
    license_id: str | None,
    keywords: tuple[str, ...],
    people: tuple[str, ...],
    fundings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a project folder that is a valid RO-Crate from its first moment.

    What is not said stays a visible gap with advice; nothing is invented. It can be added to sidecrate.toml later.

    \b
    Example:
        sidecrate init cell --title "Pores of a cell" --license CC-BY-4.0 \\
            --person "Josiah Carberry <0000-0002-1825-0097>; author; Brown University; 05gq02987"
    """
    from rich.markup import escape

    from sidecrate.about import About
    from sidecrate.project import init as begin

    about = About(
        title,
        description,
        license_id,
        keywords,
        tuple(_member(text) for text in people),
        tuple(_funding(text) for text in fundings),
    )
    made = begin(folder, about, session.person)
    gaps = [gap.as_dict() for gap in made.gaps()]

    def show(out: Console) -> None:
        out.print(f"[bold]{escape(str(folder))}[/bold] is a project and a valid RO-Crate")
        for gap in gaps:
            out.print(f"  gap: {gap['message']} → {gap['advice']}", markup=False)

    emit({"project": str(folder), "identifier": made.id, "gaps": gaps}, as_json, show)


def _parts(text: str, most: int) -> list[str | None]:
    parts: list[str | None] = [part.strip() or None for part in text.split(";")]
    if len(parts) > most or not parts[0]:
        raise InputError(f"{text!r}: at most {most} parts with ';' between them, the first is a name")
    return parts + [None] * (most - len(parts))


def _member(text: str) -> Member:
    from sidecrate.about import Member

    name, role, affiliation, ror = _parts(text, 4)
    person = parse_who(name or "")
    given, _, family = person.name.rpartition(" ")
    return Member(person.name, given or None, family, person.orcid, role or "author", affiliation, ror)


def _funding(text: str) -> Funding:
    from sidecrate.about import Funding

    funder, award, ror = _parts(text, 3)
    return Funding(funder or "", ror, award)


@click.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Show what exists, what is stale, what is missing, and the next sensible command.

    \b
    Example:
        sidecrate status
    """
    from rich.markup import escape

    from sidecrate.provenance.status import next_command, standings

    project = session.project()
    artifacts, records = project.artifacts(), project.records()
    things = standings(artifacts, records)
    gaps = [gap.as_dict() for gap in project.gaps()]
    unfinished = [r for r in records if r["status"] != "completed"]
    data = {
        "title": project.config["project"]["title"],
        "things": [dataclasses.asdict(thing) for thing in things],
        "records": len(records),
        "not_completed": [{"number": r["number"], "step": r["step"], "status": r["status"]} for r in unfinished],
        "gaps": gaps,
        "next": next_command(artifacts, records),
    }

    def show(out: Console) -> None:
        out.print(f"[bold]{escape(project.config['project']['title'])}[/bold]  {len(records)} records")
        rows = [
            [
                t.kind,
                t.ref,
                (t.made or "")[:16].replace("T", " "),
                ", ".join(t.by),
                "stale: " + t.stale[0] if t.stale else "up to date",
            ]
            for t in things
        ]
        out.print(table(["kind", "newest", "made (UTC)", "by", "state"], rows) if rows else "nothing yet")
        for gap in gaps:
            out.print(f"gap: {gap['message']} → {gap['advice']}", markup=False)
        out.print(f"next: [bold]{escape(str(data['next']))}[/bold]")

    emit(data, as_json, show)
    if unfinished and not as_json:
        say(f"{len(unfinished)} runs failed or were interrupted; `sidecrate log` shows them")
