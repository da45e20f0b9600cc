# SPDX-License-Identifier: Apache-2.0
"""A package: a bag somebody made, as a folder, a tar or a zip, opened without trust and without unpacking."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sidecrate.artifacts import KINDS, MANIFEST
from sidecrate.errors import InputError
from sidecrate.publish.archive import CheckedReader, sealed
from sidecrate.publish.bag import DECLARATION, PAYLOAD, Bag, manifest_bytes, read_bag
from sidecrate.publish.trees import UNREADABLE, Progress, SubTree, Tree, open_tree, read_file

_VERSION = re.compile(rf"{PAYLOAD}/((?:{'|'.join(noun.folder for noun in KINDS.values())})/[^/]+/v\d+)/{MANIFEST}")


@dataclass(frozen=True)
class Package:
    """A bag and the tree it lies in.

    Attributes
    ----------
    path : Path
        The folder or archive.
    tree : Tree
        The files of the bag; the one folder at the top of an archive is taken off.
    bag : Bag
        What its tag files say.
    """

    path: Path
    tree: Tree
    bag: Bag

    @cached_property
    def digests(self) -> dict[str, str]:
        """Return path → hex sha256 of every file, tag files included, as the bag itself states it.

        Tag manifests are listed by nothing; they are read and hashed here.
        """
        known = self.bag.manifests.get("sha256", {}) | self.bag.tag_manifests.get("sha256", {})
        for name in self.tree.sizes.keys() - known.keys():
            known[name] = hashlib.sha256(read_file(self.tree, name)).hexdigest()
        return known

    @property
    def digest(self) -> str:
        """Return ``sha256:<hex>`` of the payload manifest: what identifies the content, however it is packed."""
        manifest = manifest_bytes(self.bag.manifests["sha256"])
        return f"sha256:{hashlib.sha256(manifest).hexdigest()}"

    @property
    def identifier(self) -> str | None:
        """Return the External-Identifier of the bag."""
        return self.bag.value("External-Identifier")

    @property
    def object_id(self) -> str:
        """Return what stays the same from version to version: the identifier of the project, else of the bag."""
        return self.bag.value("Internal-Sender-Identifier") or self.identifier or self.digest

    def open(self, name: str) -> CheckedReader:
        """Return one file, hashed and searched on its way.

        Raises
        ------
        InputError
            The archive is damaged there.
        """
        try:
            return CheckedReader(self.tree.open(name), name)
        except UNREADABLE as error:
            raise InputError(f"{name}: cannot be read ({error}); run `sidecrate audit {self.path.name}`") from error

    @property
    def contents(self) -> dict[str, str]:
        """Return place → ``sha256:<hex>`` of each version of an artifact inside."""
        found = ((_VERSION.fullmatch(path), digest) for path, digest in self.digests.items())
        return {match[1]: f"sha256:{digest}" for match, digest in found if match}

    @property
    def bytes(self) -> int:
        """Return the size of all files together."""
        return sum(self.tree.sizes.values())


def bag_tree(tree: Tree) -> Tree:
    """Return the tree whose root is the bag: an archive holds it in one folder at the top."""
    tops = {name.split("/")[0] for name in tree.sizes}
    if DECLARATION not in tree.sizes and len(tops) == 1:
        return SubTree(tree, tops.pop())
    return tree


def open_package(path: Path) -> Package:
    """Return the package at a path; tag files are read, payload is not.

    Raises
    ------
    InputError
        It is not a whole bag with sha256 digests, or holds what could do harm.
    """
    return package_of(bag_tree(open_tree(path)), path)


def package_of(tree: Tree, path: Path) -> Package:
    """Return the package in a tree whose root is the bag; `path` is where it is, or will be.

    Raises
    ------
    InputError
        It is not a whole bag with sha256 digests, or holds what could do harm.
    """
    if DECLARATION not in tree.sizes:
        raise InputError(f"{path.name}: not a bag, there is no {DECLARATION}; make one: `sidecrate pack`")
    bag = read_bag(tree)
    problems = [finding for finding in (*tree.problems, *bag.problems) if finding.severity == "error"]
    if problems:
        first = problems[0]
        raise InputError(f"{path.name}: {first.where}: {first.message}; run `sidecrate audit {path.name}`")
    if "sha256" not in bag.manifests:
        raise InputError(f"{path.name}: the bag has no sha256 manifest; make the bag again with sha256")
    package = Package(path, tree, bag)
    if missing := sorted(package.digests.keys() - tree.sizes.keys()):
        raise InputError(f"{path.name}: {missing[0]} is missing; run `sidecrate audit {path.name}`")
    return package


def unpack(package: Package, target: Path, progress: Progress | None = None) -> Path:
    """Write a package as a folder, every byte checked on the way, and return the folder.

    Raises
    ------
    InputError
        The target exists, or a file does not have the digest the bag states.
    """
    done = 0
    with sealed(target, "folder", datetime.now(UTC)) as add:
        for name, size in sorted(package.tree.sizes.items()):
            with package.open(name) as reader:
                add(name, size, reader)
            reader.check(package.digests[name])
            done += size
            if progress is not None:
                progress(done, package.bytes, name)
    return target
