# SPDX-License-Identifier: Apache-2.0
"""The crate as one HTML page that tells its story: what it is, what was found, who did what, how to check it.

One file, no script, nothing loaded from elsewhere, so that it can be read for as long as there are browsers. It is
derived like the crate itself: records and artifacts in, a page out. The markup is in ``templates/``.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidecrate.artifacts import KINDS, MANIFEST, Artifact
from sidecrate.digests import read_manifest
from sidecrate.provenance import checks, readable, results
from sidecrate.provenance.checks import Extent
from sidecrate.provenance.crate import record_path
from sidecrate.provenance.credit import labelling_credit
from sidecrate.provenance.environment import package_version
from sidecrate.provenance.gaps import gaps
from sidecrate.provenance.lineage import Lineage
from sidecrate.provenance.lineage_picture import NEWEST, NODE_HEIGHT, NODE_WIDTH, SOURCES, lay_out
from sidecrate.provenance.pictures import Album
from sidecrate.provenance.records import Record

if TYPE_CHECKING:
    from jinja2 import Environment

RECENT_RUNS = 40


@dataclass(frozen=True)
class _Version:
    """A row of the table of contents."""

    artifact: Artifact
    fact: str
    extent: Extent
    record: Record | None


def render(
    document: Mapping[str, Any],
    project: Mapping[str, Any],
    records: Sequence[Record],
    artifacts: Sequence[Artifact],
    *,
    root: Path,
    citation: str | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    document : mapping
        The crate (``ro-crate-metadata.json``), which RO-Crate 1.1 wants inside the page as well.
    project : mapping
        The parsed ``sidecrate.toml``.
    records : sequence of Record
        Oldest first.
    artifacts : sequence of Artifact
        The versions that are in the crate.
    root : Path
        Folder of the crate: record files are read there to check their chain. It is not named in the page.
    citation : str, optional
        How to cite the whole; built from the description when not given.
    """
    lineage = Lineage(records)
    names = {artifact.digest: list(read_manifest(artifact.path / MANIFEST)) for artifact in artifacts}
    extents = {a.place: checks.measure_extent(a, names[a.digest]) for a in artifacts}
    here = {artifact.digest: artifact for artifact in artifacts}
    facts = {artifact.digest: results.fact(artifact) for artifact in artifacts}
    versions = [_Version(a, facts[a.digest], extents[a.place], lineage.producer(a.digest)) for a in artifacts]
    template = _environment().get_template("preview.html.j2")
    return template.render(
        document=document,
        about=project["project"],
        people=project.get("people", []),
        funding=project.get("funding", []),
        citation=citation or cite(project, records, doi_of(document)),
        doi=doi_of(document),
        credit=labelling_credit(artifacts),
        picture=lay_out(lineage, facts, here),
        kinds=list(_by_kind(versions, document)),
        versions=len(versions),
        records=list(reversed(records)),
        tally=Counter(record["status"] for record in records),
        total_bytes=sum(extent.bytes for extent in extents.values()),
        checks=list(checks.check_all(records, lineage, artifacts, extents, root)),
        gaps=list(gaps(project)),
        head=checks.chain_head(records, root),
        example=max(versions, key=lambda v: v.record["number"] if v.record else 0, default=None),
        lineage=lineage,
        **_found(artifacts, lineage, here, names),
    )


def _by_kind(versions: Sequence[_Version], document: Mapping[str, Any]) -> Iterator[tuple[str, list[_Version]]]:
    """Yield the versions of each kind there is, under the title the crate gives to their folder."""
    titles = {entity["@id"]: entity.get("name", "") for entity in document["@graph"]}
    for noun in KINDS.values():
        members = [version for version in versions if version.artifact.kind == noun.kind]
        if members:
            yield titles.get(f"{noun.folder}/") or noun.kind, members


def _found(
    artifacts: Sequence[Artifact],
    lineage: Lineage,
    here: Mapping[str, Artifact],
    names: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Return the results and their pictures, the most important first, as the space for pictures is limited."""
    album = Album()
    newest = {kind: results.newest_of_each(artifacts, kind) for kind in KINDS}
    evaluations = sorted((a for a in artifacts if a.kind == "Evaluation"), key=lambda a: _made(lineage, a))
    shown = evaluations[-results.MOST_ROUNDS :]
    pictures = {
        artifact.digest: album.of(artifact, names[artifact.digest])
        for kind in ("Measurements", "Evaluation", "Suggestion", "Model")
        for artifact in newest[kind]
    }
    return {
        "measured": [results.measured(artifact) for artifact in newest["Measurements"]],
        "rounds": list(results.rounds(shown, lineage, here)),
        "evaluations": len(evaluations),
        "newest": newest,
        "pictures": pictures,
    }


def _made(lineage: Lineage, artifact: Artifact) -> int:
    record = lineage.producer(artifact.digest)
    return int(record["number"]) if record else 0


def doi_of(document: Mapping[str, Any]) -> str | None:
    """Return the DOI a crate gives its root, as an address, None when it has none yet."""
    root = next(entity for entity in document["@graph"] if entity["@id"] == "./")
    named = root.get("identifier")
    known = named if isinstance(named, list) else [named]
    return next((str(one) for one in known if str(one).startswith("https://doi.org/")), None)


def cite(project: Mapping[str, Any], records: Sequence[Record], doi: str | None = None) -> str:
    """Return a citation in plain text from what is known; what nobody said is left out."""
    about = project["project"]
    names = [person["name"] for person in project.get("people", []) if person.get("role", "author") != "annotator"]
    year = (records[-1]["ended"] if records else about["created"])[:4]
    title, where = f"{about['title']} [Data set]", doi or about["identifier"]
    return f"{', '.join(names)} ({year}). {title}. {where}" if names else f"{title} ({year}). {where}"


@cache
def _environment() -> Environment:
    """Return the templates, everything put into them escaped; loaded on first use, as jinja2 is slow to import."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("sidecrate.provenance"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("sidecrate.provenance").joinpath("templates/preview.css").read_text(encoding="utf-8")
    environment.globals |= {
        "style": style,
        "style_hash": base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        "software": f"sidecrate {package_version('sidecrate') or ''}".strip(),
        "record_path": record_path,
        "box": (NODE_WIDTH, NODE_HEIGHT),
        "drawn": (NEWEST, SOURCES),
        "recent": RECENT_RUNS,
    }
    filters = (readable.number, readable.share, readable.size, readable.duration, readable.moment, readable.extent)
    environment.filters |= {function.__name__: function for function in filters}
    return environment
