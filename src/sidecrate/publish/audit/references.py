# SPDX-License-Identifier: Apache-2.0
"""Images that lie elsewhere: whether the bytes there are still those that were read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sidecrate.artifacts import PARTS, Artifact, Image
from sidecrate.digests import read_manifest
from sidecrate.errors import Finding, InputError, RecordError
from sidecrate.provenance.records import artifacts_below
from sidecrate.publish.trees import FolderTree, Progress, digests
from sidecrate.store import location

_ADVICE = "bring the data back as they were, or `sidecrate add --reference` the new state as a new version"


def check_references(root: Path, progress: Progress | None = None) -> Iterator[Finding]:
    """Yield what is wrong with data that images of a project refer to on this machine; nothing is fetched."""
    try:
        images = [artifact for artifact in artifacts_below(root) if isinstance(artifact, Image)]
        referred = [image for image in images if "uri" not in image.meta.get("reference", {"uri": None})]
    except (InputError, RecordError):
        return  # a broken version is a finding of its own
    for image in referred:
        yield from _parts(image, progress)


def _parts(image: Artifact, progress: Progress | None) -> Iterator[Finding]:
    try:
        known, tree = read_manifest(image.path / PARTS), FolderTree(location(image))
    except (InputError, RecordError) as error:
        yield Finding("warning", "reference.unknown", image.place, str(error), _ADVICE)
        return
    here = known.keys() & tree.sizes.keys()
    for name in sorted(known.keys() - here):
        yield Finding("error", "reference.missing", image.place, f"{name} is not where the image was", _ADVICE)
    found, unreadable = digests(tree, dict.fromkeys(here, ("sha256",)), progress)
    yield from unreadable
    for name in sorted(found):
        if found[name]["sha256"] != known[name]:
            yield Finding("error", "reference.digest", image.place, f"{name} has changed since it was read", _ADVICE)
