# SPDX-License-Identifier: Apache-2.0
"""BagIt (RFC 8493): a strict reader and judge of bags, and the few lines a writer needs.

The reader is our own because no library is right on the RFC: bagit-python takes space before the colon, a file that
one of two manifests leaves out, Payload-Oxum twice, and refuses names with ``%``. Bags that declare a version before
1.0 are judged by the drafts they were made for: those let manifests share the payload between them and have no
percent-encoding.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sidecrate.digests import decode_path, encode_path, is_inside
from sidecrate.errors import Finding, InputError, Severity
from sidecrate.publish.trees import Digests, Progress, Tree, digests, read_file

DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
FETCH = "fetch.txt"
PAYLOAD = "data"
_HEX_LENGTH = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_MANIFEST = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt")
_ONCE = ("Payload-Oxum", "Bagging-Date", "Bag-Size", "Bag-Group-Identifier", "Bag-Count")
_REBAG = "make the bag again, or ask the sender for a whole one"


# ----------------------------------------------------------------------------------------------- writing


def declaration_bytes() -> bytes:
    """Return ``bagit.txt`` of a BagIt 1.0 bag (RFC 8493 §2.1.1)."""
    return b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def manifest_bytes(entries: Mapping[str, str]) -> bytes:
    """Return a payload or tag manifest: ``digest  path`` lines sorted by path (RFC 8493 §2.1.3)."""
    return "".join(f"{entries[path]}  {encode_path(path)}\n" for path in sorted(entries)).encode()


def info_bytes(info: Iterable[tuple[str, str]]) -> bytes:
    """Return ``bag-info.txt``: one line a label, line breaks inside a value made spaces (RFC 8493 §2.2.2)."""
    return "".join(f"{label}: {' '.join(value.split())}\n" for label, value in info if value.split()).encode()


# ----------------------------------------------------------------------------------------------- reading


@dataclass
class Bag:
    """What the tag files of a bag say.

    Attributes
    ----------
    version : str
        ``1.0``; empty when the declaration is unreadable.
    info : list of (str, str)
        Labels and values of ``bag-info.txt`` in order; labels may repeat.
    manifests, tag_manifests : dict of str to dict of str to str
        Algorithm → path → hex digest, lower case.
    fetch : dict of str to str
        Path → URL of payload that is still to be fetched.
    problems : list of Finding
        What is wrong with the tag files themselves.
    """

    version: str = ""
    encoding: str = "utf-8"
    info: list[tuple[str, str]] = field(default_factory=list)
    manifests: dict[str, dict[str, str]] = field(default_factory=dict)
    tag_manifests: dict[str, dict[str, str]] = field(default_factory=dict)
    fetch: dict[str, str] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Return whether the bag is judged by the RFC rather than by the drafts before it."""
        return self.version in ("", "1.0")

    def value(self, label: str) -> str | None:
        """Return the first value of a label of ``bag-info.txt``; case does not count."""
        return next((value for key, value in self.info if key.lower() == label.lower()), None)

    def note(self, code: str, where: str, message: str, severity: Severity = "error") -> None:
        """Keep a finding about a tag file."""
        self.problems.append(Finding(severity, code, where, message, _REBAG))


def read_bag(tree: Tree) -> Bag:
    """Return what the tag files of a bag say; what is wrong with them is in its `problems`."""
    bag = Bag()
    _read_declaration(tree, bag)
    for name in sorted(tree.sizes):
        if match := _MANIFEST.fullmatch(name):
            manifests = bag.tag_manifests if match[1] else bag.manifests
            manifests[match[2]] = _read_manifest(tree, bag, name, match[2], payload=not match[1])
    if not bag.manifests:
        bag.note("bagit.manifest", ".", "there is no payload manifest")
    _read_info(tree, bag)
    _read_fetch(tree, bag)
    return bag


def _text(tree: Tree, bag: Bag, name: str, encoding: str) -> str:
    try:
        return read_file(tree, name).decode(encoding)
    except (InputError, UnicodeError) as error:
        bag.note("bagit.tagfile", name, f"cannot be read as {encoding} ({error})")
        return ""


def _lines(text: str) -> list[str]:
    """Return the lines of a tag file; LF, CR and CRLF all end one (RFC 8493 §2.1)."""
    return [line for line in re.split(r"\r\n|\n|\r", text) if line]


def _read_declaration(tree: Tree, bag: Bag) -> None:
    if DECLARATION not in tree.sizes:
        return bag.note("bagit.declaration", DECLARATION, "the bag declaration is missing")
    text = _text(tree, bag, DECLARATION, "utf-8")
    lines = _lines(text)
    version = re.fullmatch(r"BagIt-Version: (\d+\.\d+)( *)", lines[0]) if lines else None
    encoding = re.fullmatch(r"Tag-File-Character-Encoding: (\S+)( *)", lines[1]) if len(lines) == 2 else None
    if version is None or encoding is None or (version[1] == "1.0" and (version[2] or encoding[2])):
        return bag.note("bagit.declaration", DECLARATION, "not exactly the two lines of RFC 8493 section 2.1.1")
    bag.version = version[1]
    try:
        "".encode(encoding[1])  # rot13 and the like are known, and are no encodings of text
        bag.encoding = codecs.lookup(encoding[1]).name
    except (LookupError, UnicodeError):
        bag.note("bagit.declaration", DECLARATION, f"nobody knows the encoding {encoding[1]}")
    return None


def _read_manifest(tree: Tree, bag: Bag, name: str, algorithm: str, *, payload: bool) -> dict[str, str]:
    if algorithm not in _HEX_LENGTH:
        bag.note("bagit.algorithm", name, f"the digest algorithm {algorithm} is not known")
        return {}
    entries: dict[str, str] = {}
    pattern = re.compile(rf"([0-9a-fA-F]{{{_HEX_LENGTH[algorithm]}}})[ \t]+(.+)")
    for number, line in enumerate(_lines(_text(tree, bag, name, bag.encoding)), 1):
        match = pattern.fullmatch(line)
        path = _path(tree, bag, match[2], f"{name}:{number}") if match else None
        if match is None or path is None:
            bag.note("bagit.manifest", f"{name}:{number}", "not a line of digest and path inside the bag")
        elif payload != path.startswith(f"{PAYLOAD}/"):
            bag.note("bagit.manifest", f"{name}:{number}", f"{path} does not belong in this kind of manifest")
        else:
            _enter(bag, entries, path, match[1].lower(), f"{name}:{number}")
    return entries


def _enter(bag: Bag, entries: dict[str, str], path: str, digest: str, where: str) -> None:
    if path in entries:
        severity: Severity = "error" if bag.is_final or entries[path] != digest else "warning"
        bag.note("bagit.duplicate", where, f"{path} is listed twice", severity)
    entries.setdefault(path, digest)


def _path(tree: Tree, bag: Bag, written: str, where: str) -> str | None:
    """Return the path a manifest line means, None when it leaves the bag."""
    path = decode_path(written) if bag.is_final else written
    if bag.is_final and re.search(r"%(?!0A|0D|25)", written, re.IGNORECASE):
        bag.note("bagit.encoding", where, "a % in a path must be written %25 (RFC 8493 section 2.1.3)")
    if not bag.is_final and re.match(r"\*|\./", path):
        bag.note("bagit.manifest", where, "the path begins with * or ./, as md5sum writes it", "warning")
        path = re.sub(r"^\*?(\./)*", "", path)
    if path.startswith(("./", "~")) or not is_inside(path):
        return None
    return _as_stored(tree, path)


def _as_stored(tree: Tree, path: str) -> str:
    """Return the name as the tree has it, when it differs in Unicode normal form only (RFC 8493 §6.1.1)."""
    forms = (path, unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path))
    return next((form for form in forms if form in tree.sizes), path)


def _read_info(tree: Tree, bag: Bag) -> None:
    if INFO not in tree.sizes:
        return
    for line in _lines(_text(tree, bag, INFO, bag.encoding)):
        label, colon, value = line.partition(":")
        if line[0] in " \t" and bag.info:
            last, text = bag.info[-1]
            bag.info[-1] = (last, f"{text} {line.strip()}")
        elif not colon or not label.strip() or (bag.is_final and (label != label.strip() or value[:1] not in " \t")):
            bag.note("bagit.info", INFO, f"not a line of label and value: {line[:60]!r}")
        else:
            bag.info.append((label.strip(), value.strip()))


def _read_fetch(tree: Tree, bag: Bag) -> None:
    if FETCH not in tree.sizes:
        return
    for number, line in enumerate(_lines(_text(tree, bag, FETCH, bag.encoding)), 1):
        match = re.fullmatch(r"(\S+)[ \t]+(\d+|-)[ \t]+(.+)", line)
        path = _path(tree, bag, match[3], f"{FETCH}:{number}") if match else None
        if match is None or path is None or not path.startswith(f"{PAYLOAD}/"):
            bag.note("bagit.fetch", f"{FETCH}:{number}", "not a line of URL, length and path of a payload file")
        else:
            bag.fetch[path] = match[1]


# ------------------------------------------------------------------------------------------------ judging


def check_bag(tree: Tree, bag: Bag, progress: Progress | None = None) -> tuple[list[Finding], Digests]:
    """Return everything wrong with a bag, and the digests that were computed on the way.

    Completeness, Payload-Oxum and every digest of every manifest are checked (RFC 8493 §3).
    """
    found = [*tree.problems, *bag.problems, *_completeness(tree, bag), *_info(tree, bag)]
    listed: dict[str, set[str]] = {}
    for manifests in (bag.manifests, bag.tag_manifests):
        for algorithm, entries in manifests.items():
            for path in entries.keys() & tree.sizes.keys():
                listed.setdefault(path, set()).add(algorithm)
    computed, unreadable = digests(tree, listed, progress)
    return [*found, *unreadable, *_mismatches(bag, computed)], computed


def _completeness(tree: Tree, bag: Bag) -> Iterator[Finding]:
    payload = {name for name in tree.sizes if name.startswith(f"{PAYLOAD}/")}
    union = set().union(*bag.manifests.values())
    for algorithm, entries in sorted(bag.manifests.items()):
        where = f"manifest-{algorithm}.txt"
        demanded = (payload | union if bag.is_final else payload - union) | bag.fetch.keys()
        for path in sorted(demanded - entries.keys()):
            yield Finding("error", "bagit.unlisted", path, f"the file is not in {where}", _REBAG)
    for path in sorted(union - payload):
        state = "is still to be fetched" if path in bag.fetch else "is missing"
        yield Finding("error", "bagit.missing", path, f"a file of the payload manifest {state}", _REBAG)
    for algorithm, entries in sorted(bag.tag_manifests.items()):
        yield from _tag_completeness(tree, f"tagmanifest-{algorithm}.txt", entries, bag.manifests)


def _tag_completeness(
    tree: Tree, where: str, entries: Mapping[str, str], manifests: Iterable[str]
) -> Iterator[Finding]:
    for path in sorted(entries.keys() - tree.sizes.keys()):
        yield Finding("error", "bagit.missing", path, f"a file of {where} is missing", _REBAG)
    for path in sorted({f"manifest-{algorithm}.txt" for algorithm in manifests} - entries.keys()):
        yield Finding("error", "bagit.unlisted", path, f"the payload manifest is not in {where}", _REBAG)
    for path in sorted(path for path in entries if path.startswith("tagmanifest-")):
        yield Finding("error", "bagit.manifest", where, f"it lists the tag manifest {path}", _REBAG)


def _info(tree: Tree, bag: Bag) -> Iterator[Finding]:
    counted = Counter(label.lower() for label, _ in bag.info)
    for label in _ONCE if bag.is_final else ():
        if counted[label.lower()] > 1:
            yield Finding("error", "bagit.info", INFO, f"{label} is there {counted[label.lower()]} times", _REBAG)
    sizes = [size for name, size in tree.sizes.items() if name.startswith(f"{PAYLOAD}/")]
    oxum = f"{sum(sizes)}.{len(sizes)}"
    claimed = bag.value("Payload-Oxum")
    if claimed is not None and claimed != oxum:
        yield Finding("error", "bagit.oxum", INFO, f"Payload-Oxum says {claimed}, the payload is {oxum}", _REBAG)


def _mismatches(bag: Bag, computed: Digests) -> Iterator[Finding]:
    for prefix, manifests in (("", bag.manifests), ("tag", bag.tag_manifests)):
        for algorithm, entries in sorted(manifests.items()):
            for path in sorted(entries.keys() & computed.keys()):
                if computed[path][algorithm] != entries[path]:
                    where = f"{prefix}manifest-{algorithm}.txt"
                    yield Finding("error", "fixity.digest", path, f"the bytes are not those of {where}", _REBAG)
