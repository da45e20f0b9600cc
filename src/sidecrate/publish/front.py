# SPDX-License-Identifier: Apache-2.0
"""README.md and CITATION.cff of a package: for somebody who has it, a text editor and nothing else.

Derived like the crate and its preview, so the same content gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sidecrate.artifacts import MANIFEST, Artifact
from sidecrate.provenance.crate import CONFIG, METADATA, PREVIEW, describe
from sidecrate.provenance.records import FOLDER, Record
from sidecrate.publish import citation_formats
from sidecrate.publish.cite import Citation, Name
from sidecrate.publish.cite_whole import whole

README, CITATION = "README.md", "CITATION.cff"
PAPERS = {README: "Read me first", CITATION: "How to cite it, for programs"}
"""Path → name in the crate."""

_OME_ZARR = "OME-Zarr 0.5 (Zarr 3), axes z, y, x, voxel size in nm in its metadata; any program of that format opens it"
# kind: how a stranger reads one
_READING = {
    "Image": f"`image.ome.zarr`: {_OME_ZARR}. Where there is none, `artifact.json` says what it refers to.",
    "LabelSet": "`labels.ome.zarr`: the shape of its image; 0 is unlabelled, 1 background, 2 and up the classes that "
    "`artifact.json` names, with every labelling session: who, when, how long, which boxes.",
    "Model": "`weights.safetensors` (tensors only, no code), `model.json` (the net, its classes and scaling of grey "
    "values) and a model card in `README.md`.",
    "Prediction": "`prediction.ome.zarr`: axes c, z, y, x; uint8 probability of each class, 255 is certain; "
    "`artifact.json` names the classes in the order of c.",
    "Evaluation": "`scores.csv`, `objects.csv`; `evaluation.json` has units, definitions and the rules of matching.",
    "Measurements": "`objects.csv`, `hosts.csv`; `measurements.json` has unit and definition of every column.",
    "Suggestion": "`suggestion.csv`; `suggestion.json` defines its columns.",
    "Files": "files of other programs, as those wrote them.",
    "Deposit": "`receipt.json`: what a repository took in.",
}


def papers(
    project: Mapping[str, Any], records: Sequence[Record], artifacts: Sequence[Artifact], doi: str | None = None
) -> dict[str, bytes]:
    """Return path → bytes of the papers in the root of a package.

    Parameters
    ----------
    project : mapping
        The parsed ``sidecrate.toml``.
    records : sequence of Record
    artifacts : sequence of Artifact
        The versions in the package.
    doi : str, optional
        Under which the package is, or will be, published.
    """
    cited = replace(whole(project, records, artifacts, receipt={"doi": doi}), version="")
    text = "\n".join(_readme(cited, records, artifacts)) + "\n"
    return {README: text.encode(), CITATION: citation_formats.cff(cited).encode()}


def _readme(cited: Citation, records: Sequence[Record], artifacts: Sequence[Artifact]) -> Iterator[str]:
    yield from (f"# {cited.title}", "", cited.description or "Nobody has described this yet.", "")
    yield from _facts(cited)
    yield from ("", "## Where to begin", "")
    yield f"- `{PREVIEW}`: the whole story as one page for a web browser: results, lineage, who did what."
    yield f"- `{METADATA}`: the same for programs (RO-Crate 1.1, Process Run Crate 0.5)."
    yield f"- `{CITATION}`: how to cite it. `{CONFIG}`: what its authors said of it."
    yield f"- `{FOLDER}/`: {len(records)} runs, one JSON file each, chained by the sha256 of the one before."
    yield from ("", "## What is in it", "")
    yield from (f"- `{artifact.place}/`: {describe(artifact)}" for artifact in artifacts)
    yield from ("", "## How to read it", "")
    kinds = {artifact.kind: artifact.folder for artifact in artifacts}
    yield from (f"- `{folder}/`: {_READING[kind]}" for kind, folder in kinds.items())
    yield from ("", "Tables are CSV, UTF-8; units stand in the column names (nm, um2, um3).", "")
    yield from _checking()


def _facts(cited: Citation) -> Iterator[str]:
    people = [_person(name) for name in cited.authors] or ["nobody named"]
    yield f"- By: {', '.join(people)}"
    if cited.annotators:
        yield f"- Labels painted by: {', '.join(map(_person, cited.annotators))}"
    yield f"- Licence: {cited.license or 'none stated; ask before you reuse it'}"
    yield f"- DOI: https://doi.org/{cited.doi}" if cited.doi else f"- Identifier: {cited.digest}"
    yield f"- Last run: {cited.date}"


def _person(name: Name) -> str:
    return f"{name.name} (https://orcid.org/{name.orcid})" if name.orcid else name.name


def _checking() -> Iterator[str]:
    yield from ("## How to check it", "", "In the folder of a version, with nothing but the tools of the system:", "")
    yield from (f"    sha256sum -c {MANIFEST}", "")
    yield "The sha256 of that manifest is the identity of the version, as records and crate name it. If this folder is"
    yield "`data/` of a bag (BagIt, RFC 8493), all of it at once, in the folder above:"
    yield from ("", "    sha256sum -c manifest-sha256.txt")
