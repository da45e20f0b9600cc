# SPDX-License-Identifier: Apache-2.0
"""reserve, deposit: into a repository, looked at before it is done and confirmed before it is for good."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from sidecrate.artifacts import Deposit
from sidecrate.errors import Finding, InputError
from sidecrate.surfaces.cli.common import Progress, Session, console, emit, json_option, made, pass_session, say, table
from sidecrate.surfaces.cli.publish import show_findings, size

if TYPE_CHECKING:
    from rich.console import Console

    from sidecrate.project import Project
    from sidecrate.publish.repositories.base import DepositPlan, Limits

TO = click.option(
    "--to",
    required=True,
    metavar="NAME",
    help="A [repositories.NAME] table of sidecrate.toml or of your own configuration, or SCHEME:LOCATION.",
)
NAME = click.option("--name", default="deposit", show_default=True, help="Name of the receipt.")


@click.command()
@TO
@NAME
@json_option
@pass_session
def reserve(session: Session, to: str, name: str, as_json: bool) -> None:
    """Reserve a DOI for the next version, so that the package can name it.

    Makes a draft in the repository; nothing is public. From then on the crate, its page and every citation name the
    DOI. The next deposit fills that draft.

    \b
    Example:
        sidecrate reserve --to sandbox
    """
    with session.recording() as project:
        from sidecrate import pipeline

        result = pipeline.reserve(to, project.series(Deposit, name))
    receipt = result.meta["receipt"]
    known = f"DOI {receipt['doi']}" if receipt.get("doi") else "this server gives no DOI before publication"
    made(result, as_json, f"{known}; draft: {receipt.get('url', receipt['object_id'])}")


@click.command()
@click.argument("package", type=click.Path(path_type=Path, exists=True), required=False)
@TO
@click.option("--publish", is_flag=True, help="Make it public for good; without it the deposit stays a draft.")
@click.option("--yes", is_flag=True, help="Do not ask before publishing.")
@click.option("--dry-run", is_flag=True, help="Print files, limits and metadata as they will be there; send nothing.")
@NAME
@json_option
@pass_session
def deposit(
    session: Session,
    package: Path | None,
    to: str,
    publish: bool,
    yes: bool,
    dry_run: bool,
    name: str,
    as_json: bool,
) -> None:
    """Deposit a package, or the whole project as it is, and keep the receipt.

    Only bytes the repository does not hold are sent. What was cut off goes on where it stopped: give the same command
    again. The token comes from a variable named after the host, SIDECRATE_TOKEN_ZENODO_ORG for zenodo.org, from the
    keyring, or is asked for.

    \b
    Example:
        sidecrate deposit --to sandbox --dry-run
        sidecrate deposit --to sandbox
        sidecrate deposit ../cell.zip --to ocfl:../archive
    """
    if dry_run:
        _show_plan(session.project(), package, to, as_json)
        return
    if publish and not yes:
        _confirm(to)
    with session.recording() as project, Progress("deposit", unit="bytes") as progress:
        from sidecrate import pipeline

        series = project.series(Deposit, name)
        if package is None and not pipeline.is_reserved(project, to):
            pipeline.reserve(to, series)
        result = pipeline.deposit(package, to, series, by=project.operator, publish=publish, progress=progress)
    _show_receipt(result, package, as_json)


def _confirm(to: str) -> None:
    if not sys.stdin.isatty():
        raise InputError("publishing cannot be undone: add --yes to confirm it in a script")
    click.confirm(f"Publish in {to}? It cannot be undone", abort=True, err=True)


def _show_receipt(result: Deposit, package: Path | None, as_json: bool) -> None:
    receipt = result.meta["receipt"]
    findings = [Finding(**finding) for finding in result.meta.get("findings", [])]
    if package is not None and receipt.get("doi"):
        _warn_of_doi(package, receipt["doi"])
    status = f" ({receipt['status']})" if receipt.get("status") else ""
    lines = [
        f"{receipt['object_id']} {receipt['version']} in {receipt['repository']}{status}: "
        f"{receipt['files']} files, {size(receipt['new_bytes'])} new of {size(receipt['bytes'])}"
    ]
    lines += [f"DOI {receipt['doi']}: {receipt['url']}"] if receipt.get("doi") else []
    made(result, as_json, *lines)
    if not as_json:
        show_findings(console(), findings)


def _warn_of_doi(package: Path, doi: str) -> None:
    from sidecrate.provenance.crate import METADATA
    from sidecrate.publish.package import open_package
    from sidecrate.publish.trees import read_file

    tree = open_package(package).tree
    path = f"data/{METADATA}"
    if path in tree.sizes and doi.encode() not in read_file(tree, path):
        say(f"warning: the crate in {package.name} does not name {doi}; `sidecrate reserve`, then pack, then deposit")


def _show_plan(project: Project, package: Path | None, to: str, as_json: bool) -> None:
    from sidecrate import pipeline

    planned = pipeline.plan_deposit(project, package, to)
    rows = [[upload.path, upload.bytes, "held already" if upload.is_held else "to send"] for upload in planned.uploads]
    limits = {key: value for key, value in vars(planned.limits).items() if value is not None}
    data = {
        "to": to,
        "object_id": planned.object_id,
        "version": planned.version,
        "new_bytes": planned.new_bytes,
        "files": [dict(zip(("path", "bytes", "state"), row, strict=True)) for row in rows],
        "contents": dict(planned.contents),
        "limits": limits,
        "metadata": dict(planned.metadata),
        "findings": [finding.as_dict() for finding in planned.findings],
    }

    def show(out: Console) -> None:
        out.print(table(["file", "bytes", ""], rows))
        if planned.metadata:
            out.print(table(["metadata", "as it will appear"], list(_told(planned))))
        if known := list(_limits(planned.limits)):
            out.print(f"limits ({planned.limits.source}): {', '.join(known)}", markup=False)
        show_findings(out, planned.findings)
        what = f"{planned.object_id or 'a new record'} {planned.version}"
        out.print(f"{what}: {size(planned.new_bytes)} to send; nothing was sent", markup=False)

    emit(data, as_json, show)


def _limits(limits: Limits) -> Iterator[str]:
    if limits.files is not None:
        yield f"{limits.files} files"
    if limits.file_bytes is not None:
        yield f"{size(limits.file_bytes)} a file"
    if limits.bytes is not None:
        yield f"{size(limits.bytes)} in all"


def _told(planned: DepositPlan) -> list[list[Any]]:
    return [
        [key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]
        for key, value in planned.metadata.items()
    ]
