# SPDX-License-Identifier: Apache-2.0
"""pack, deposit, audit, cite: giving it away, and believing it later."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import rich_click as click

from sidecrate.artifacts import Deposit
from sidecrate.errors import Finding, SidecrateError
from sidecrate.surfaces.cli.common import Progress, Session, emit, json_option, made, pass_session, say, table
from sidecrate.surfaces.cli.history import the_artifact

if TYPE_CHECKING:
    from rich.console import Console

    from sidecrate.publish.package import Package
    from sidecrate.publish.plan import Plan

FORMATS = ("text", "bibtex", "csl", "cff", "datacite")


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--only",
    "refs",
    multiple=True,
    metavar="THING",
    help="Pack this version and everything it depends on (default: the whole project). Repeat for several.",
)
@click.option("--form", type=click.Choice(["folder", "tar", "zip"]), help="Default: from the name of TARGET.")
@click.option("--sha512", is_flag=True, help="Add sha512 manifests; sha256 is always there.")
@click.option("--dry-run", is_flag=True, help="Print what would be packed, and why; write nothing.")
@json_option
@pass_session
def pack(
    session: Session,
    target: Path,
    refs: tuple[str, ...],
    form: Literal["folder", "tar", "zip"] | None,
    sha512: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Pack the project, or chosen versions with all they depend on, into a BagIt 1.0 bag.

    The bag's RO-Crate stands alone. The project is not changed; nothing that is known is hashed again.

    \b
    Example:
        sidecrate pack ../cell.zip
        sidecrate pack ../pores.zip --only measurements/pores@v1
    """
    with session.recording() as project, Progress("pack") as progress:
        from sidecrate import pipeline

        plan = pipeline.plan_package(project, [the_artifact(project, ref) for ref in refs] or None)
        if dry_run:
            _show_plan(plan, as_json)
            return
        package = pipeline.pack(plan, target, form=form or _form(target), sha512=sha512, progress=progress)
    _show_package(target, package, as_json)


def _show_package(target: Path, package: Package, as_json: bool) -> None:
    from rich.markup import escape

    data = {
        "package": str(target),
        "identifier": package.identifier,
        "digest": package.digest,
        "files": len(package.tree.sizes),
        "bytes": package.bytes,
    }
    size = f"{data['files']} files, {_size(package.bytes)}"
    line = f"[bold]{escape(str(target))}[/bold]  {size}  [dim]{package.digest[:19]}…[/dim]"
    emit(data, as_json, lambda out: out.print(line))


def _form(target: Path) -> Literal["folder", "tar", "zip"]:
    return "zip" if target.suffix == ".zip" else "tar" if target.suffix == ".tar" else "folder"


def _size(count: float) -> str:
    from sidecrate.publish.plan import human

    return human(count)


def _show_plan(plan: Plan, as_json: bool) -> None:
    data = {
        "files": len(plan.items),
        "bytes": plan.bytes,
        "versions": plan.reasons,
        "problems": [finding.as_dict() for finding in plan.problems],
    }

    def show(out: Console) -> None:
        out.print(table(["version", "why it is in"], sorted(plan.reasons.items())))
        out.print(f"{len(plan.items)} files, {_size(plan.bytes)}; nothing was written")
        _show_findings(out, plan.problems)

    emit(data, as_json, show)


@click.command()
@click.argument("package", type=click.Path(path_type=Path, exists=True))
@click.option("--to", required=True, metavar="SCHEME:LOCATION", help="For example ocfl:../archive.")
@click.option("--publish", is_flag=True, help="Make it public for good, where the repository keeps drafts first.")
@click.option("--dry-run", is_flag=True, help="Print every file and whether the repository holds it; send nothing.")
@click.option("--name", default="deposit", show_default=True, help="Name of the receipt.")
@json_option
@pass_session
def deposit(session: Session, package: Path, to: str, publish: bool, dry_run: bool, name: str, as_json: bool) -> None:
    """Deposit a package in a repository and keep the receipt.

    ocfl:PATH is an OCFL 1.1 storage root on a disk; it needs no server. The same package again changes nothing.

    \b
    Example:
        sidecrate pack ../cell.zip
        sidecrate deposit ../cell.zip --to ocfl:../archive --dry-run
    """
    if dry_run:
        _show_deposit(package, to, as_json)
        return
    with session.recording() as project, Progress("deposit") as progress:
        from sidecrate import pipeline

        result = pipeline.deposit(
            package, to, project.series(Deposit, name), by=project.operator, publish=publish, progress=progress
        )
    receipt = result.meta["receipt"]
    made(
        result,
        as_json,
        f"{receipt['object_id']} {receipt['version']} in {receipt['repository']}: "
        f"{receipt['files']} files, {_size(receipt['new_bytes'])} new of {_size(receipt['bytes'])}",
    )


def _show_deposit(package: Path, to: str, as_json: bool) -> None:
    from sidecrate.publish.deposit import plan
    from sidecrate.publish.package import open_package

    planned = plan(open_package(package), to)
    rows = [[upload.path, upload.bytes, "held already" if upload.is_held else "to send"] for upload in planned.uploads]
    data = {
        "to": to,
        "object_id": planned.object_id,
        "new_bytes": planned.new_bytes,
        "files": [dict(zip(("path", "bytes", "state"), row, strict=True)) for row in rows],
    }

    def show(out: Console) -> None:
        out.print(table(["file", "bytes", ""], rows))
        out.print(f"{planned.object_id}: {_size(planned.new_bytes)} to send; nothing was sent")

    emit(data, as_json, show)


@click.command()
@click.argument("target", type=click.Path(path_type=Path), required=False)
@json_option
@pass_session
def audit(session: Session, target: Path | None, as_json: bool) -> int:
    """Check a project, a package (folder, tar, zip) or an OCFL deposit.

    Fixity, RO-Crate and BagIt conformance, lineage, records and their chain, people and licence. Prints all
    findings with advice; ends with 1 when one of them is an error.

    \b
    Example:
        sidecrate audit
        sidecrate audit ../cell.zip
    """
    from sidecrate.publish.audit import audit as check

    with Progress("audit") as progress:
        findings = check(target or _root(session), progress=progress)
    errors = sum(finding.severity == "error" for finding in findings)
    data = {"errors": errors, "findings": [finding.as_dict() for finding in findings]}

    def show(out: Console) -> None:
        _show_findings(out, findings)
        out.print(f"{errors} errors, {len(findings) - errors} other findings")

    emit(data, as_json, show)
    return 1 if errors else 0


def _root(session: Session) -> Path:
    """Return the project's folder; what keeps it from being opened is for the audit to find."""
    from sidecrate.project import find_root

    with suppress(SidecrateError):
        session.project()
    return find_root(session.folder)


_COLOURS = {"error": "red", "warning": "yellow", "advice": "cyan"}


def _show_findings(out: Console, findings: Iterable[Finding]) -> None:
    from rich.markup import escape

    for finding in findings:
        colour = _COLOURS[finding.severity]
        out.print(
            f"[{colour}]{finding.severity}[/{colour}] {finding.code} [bold]{escape(finding.where)}[/bold]: "
            f"{escape(finding.message)} → {escape(finding.advice)}"
        )


@click.command()
@click.argument("thing")
@click.option("--format", "style", type=click.Choice(FORMATS), default="text", show_default=True)
@json_option
@pass_session
def cite(session: Session, thing: str, style: str, as_json: bool) -> None:
    """Cite one version of a label set, model, image or table, with credit to whoever labelled.

    \b
    Example:
        sidecrate cite labels/pores@v2
        sidecrate cite models/pores --format datacite
    """
    from sidecrate.publish import citation_formats
    from sidecrate.publish.cite import citation

    project = session.project()
    artifacts = project.artifacts()
    receipts = [a.meta["receipt"] for a in artifacts if isinstance(a, Deposit)]
    cited = citation(
        the_artifact(project, thing),
        project=project.config,
        records=project.records(),
        artifacts=artifacts,
        receipts=receipts,
    )
    text: str = getattr(citation_formats, style)(cited)
    data = {"ref": cited.ref, "format": style, "citation": text, "missing": list(cited.missing)}

    emit(data, as_json, lambda out: out.print(text.rstrip(), markup=False))
    if not as_json:
        for what in cited.missing:
            say(f"missing: {what}")
