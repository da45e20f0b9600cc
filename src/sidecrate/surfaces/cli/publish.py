# SPDX-License-Identifier: Apache-2.0
"""pack, audit, cite: giving it away, and believing it later."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import rich_click as click

from sidecrate.errors import Finding, SidecrateError
from sidecrate.surfaces.cli.common import Progress, Session, emit, json_option, pass_session, say, table
from sidecrate.surfaces.cli.history import the_artifact

if TYPE_CHECKING:
    from rich.console import Console

    from sidecrate.publish.package import Package
    from sidecrate.publish.plan import Plan
    from sidecrate.publish.repositories.base import Receipt

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
    extent = f"{data['files']} files, {size(package.bytes)}"
    line = f"[bold]{escape(str(target))}[/bold]  {extent}  [dim]{package.digest[:19]}…[/dim]"
    emit(data, as_json, lambda out: out.print(line))


def _form(target: Path) -> Literal["folder", "tar", "zip"]:
    return "zip" if target.suffix == ".zip" else "tar" if target.suffix == ".tar" else "folder"


def size(count: float) -> str:
    """Return a number of bytes as people read it."""
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
        out.print(f"{len(plan.items)} files, {size(plan.bytes)}; nothing was written")
        show_findings(out, plan.problems)

    emit(data, as_json, show)


@click.command()
@click.argument("target", required=False)
@json_option
@pass_session
def audit(session: Session, target: str | None, as_json: bool) -> int:
    """Check a project, a package (folder, tar, zip), an OCFL deposit, or a deposit on a server.

    A deposit on a server is named by its receipt (deposits/deposit/v1), its DOI or its address; names, sizes, digests
    and metadata there are compared with what was sent. Public records need no token.

    Fixity, RO-Crate and BagIt conformance, lineage, records and their chain, people and licence. Prints all
    findings with advice; ends with 1 when one of them is an error.

    \b
    Example:
        sidecrate audit
        sidecrate audit ../cell.zip
        sidecrate audit doi:10.5281/zenodo.1234567
    """
    from sidecrate.publish.audit import audit as check

    with Progress("audit") as progress:
        found = Path(target) if target and Path(target).exists() else target or _root(session)
        findings = check(found, receipts=_receipts(session), progress=progress)
    errors = sum(finding.severity == "error" for finding in findings)
    data = {"errors": errors, "findings": [finding.as_dict() for finding in findings]}

    def show(out: Console) -> None:
        show_findings(out, findings)
        out.print(f"{errors} errors, {len(findings) - errors} other findings")

    emit(data, as_json, show)
    return 1 if errors else 0


def _receipts(session: Session) -> list[Receipt]:
    """Return the receipts of the project at hand; an audit needs no project."""
    from sidecrate.provenance.identity import receipts
    from sidecrate.publish.repositories.base import Receipt

    with suppress(SidecrateError, OSError):
        return [Receipt.from_dict(receipt) for receipt in receipts(session.project().artifacts())]
    return []


def _root(session: Session) -> Path:
    """Return the project's folder; what keeps it from being opened is for the audit to find."""
    from sidecrate.project import find_root

    with suppress(SidecrateError):
        session.project()
    return find_root(session.folder)


_COLOURS = {"error": "red", "warning": "yellow", "advice": "cyan"}


def show_findings(out: Console, findings: Iterable[Finding]) -> None:
    """Print findings, one a line."""
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
    from sidecrate.provenance.identity import receipts
    from sidecrate.publish import citation_formats
    from sidecrate.publish.cite import citation

    project = session.project()
    artifacts = project.artifacts()
    cited = citation(
        the_artifact(project, thing),
        project=project.config,
        records=project.records(),
        artifacts=artifacts,
        receipts=receipts(artifacts),
    )
    text: str = getattr(citation_formats, style)(cited)
    data = {"ref": cited.ref, "format": style, "citation": text, "missing": list(cited.missing)}

    emit(data, as_json, lambda out: out.print(text.rstrip(), markup=False))
    if not as_json:
        for what in cited.missing:
            say(f"missing: {what}")
