# SPDX-License-Identifier: Apache-2.0
"""log, show, why: asking the records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import rich_click as click

from sidecrate.errors import InputError
from sidecrate.surfaces.cli.common import Session, emit, json_option, pass_session, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

    from sidecrate.artifacts import Artifact
    from sidecrate.project import Project


@click.command()
@click.option("--step", metavar="STEP", help="Only runs of this step.")
@click.option("-n", "count", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@json_option
@pass_session
def log(session: Session, step: str | None, count: int | None, as_json: bool) -> None:
    """List the records, oldest first.

    \b
    Example:
        sidecrate log --step train
    """
    records = [record for record in session.project().records() if step in (None, record["step"])]
    records = records[-count:] if count else records
    rows = [
        [
            r["number"],
            r["step"],
            r["status"],
            r["ended"][:19].replace("T", " "),
            _names(r["agents"]),
            _refs(r["inputs"]),
            _refs(r["outputs"]),
            f"{r['cost']['seconds']:.1f} s",
        ]
        for r in records
    ]
    head = ["#", "step", "status", "ended (UTC)", "who", "from", "made", "took"]
    emit(records, as_json, lambda out: out.print(table(head, rows)))


def _names(agents: list[dict[str, Any]]) -> str:
    return ", ".join(agent["name"] for agent in agents)


def _refs(uses: list[dict[str, Any]]) -> str:
    return ", ".join(use.get("ref") or use["name"] for use in uses)


@click.command()
@click.argument("thing")
@json_option
@pass_session
def show(session: Session, thing: str, as_json: bool) -> None:
    """Show one record (by number) or artifact (by name) in full.

    \b
    Example:
        sidecrate show 7
        sidecrate show labels/pores@v2
    """
    project = session.project()
    data = _record(project, int(thing)) if thing.isdecimal() else describe(the_artifact(project, thing))
    emit(data, as_json, lambda out: out.print_json(json.dumps(data)))


def _record(project: Project, number: int) -> dict[str, Any]:
    for record in project.records():
        if record["number"] == number:
            return record
    raise InputError(f"no record {number}; `sidecrate log` lists them")


def describe(artifact: Artifact) -> dict[str, Any]:
    """Return an artifact's reference, place and metadata as one object."""
    return artifact.link() | {"place": artifact.place, "meta": artifact.meta}


def the_artifact(project: Project, thing: str) -> Artifact:
    """Return the one artifact that a name means.

    Raises
    ------
    InputError
        None, or several kinds; the message lists them.
    """
    found = project.lookup(thing)
    if not found:
        there = ", ".join(sorted(f"{a.folder}/{a.ref}" for a in project.artifacts())) or "nothing yet"
        raise InputError(f"{thing!r}: nothing of that name in this project (there is: {there})")
    if len(found) > 1:
        choices = ", ".join(f"{artifact.folder}/{artifact.ref}" for artifact in found)
        raise InputError(f"{thing!r} may mean several things; say which: {choices}")
    return found[0]


@click.command()
@click.argument("thing")
@json_option
@pass_session
def why(session: Session, thing: str, as_json: bool) -> None:
    """Show the chain behind a prediction, model, table or label set as a tree.

    \b
    Example:
        sidecrate why measurements/pores
    """
    from sidecrate.provenance.lineage import Lineage
    from sidecrate.provenance.status import tree

    project = session.project()
    data = tree(Lineage(project.records()), the_artifact(project, thing).link())
    emit(data, as_json, lambda out: _draw(out, data))


def _draw(out: Console, node: dict[str, Any]) -> None:
    from rich.tree import Tree

    root = Tree(_label(node))
    _grow(root, node)
    out.print(root)


def _grow(branch: Tree, node: dict[str, Any]) -> None:
    for parent in node.get("from", []):
        _grow(branch.add(_label(parent)), parent)


def _label(node: dict[str, Any]) -> str:
    from rich.markup import escape

    role = f"[dim]{escape(node['role'])}:[/dim] " if "role" in node else ""
    text = f"{role}[bold]{escape(node['ref'])}[/bold] {node['kind']} [dim]{node['digest'][:19]}…[/dim]"
    if "step" not in node:
        return text
    who = ", ".join(node["by"]) or "nobody named"
    return f"{text}  ← {node['step']} (record {node['record']}) by {escape(who)}"
