# SPDX-License-Identifier: Apache-2.0
"""The lineage as a picture: where each thing and each line goes; the template draws them.

Columns are kinds, left to right from image to result; rows go down in time. A run is a dot in front of what it
made: lines from its inputs end in the dot, an arrow with the name of the step leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sidecrate.artifacts import Artifact
from sidecrate.provenance.lineage import Lineage, Use
from sidecrate.provenance.records import Record

NEWEST, SOURCES = 24, 16

COLUMNS = (
    ("Images, files", ("Image", "Files", "File")),
    ("Labels", ("LabelSet",)),
    ("Models", ("Model",)),
    ("Predictions", ("Prediction",)),
    ("Results", ("Evaluation", "Measurements", "Suggestion", "Deposit")),
)
NODE_WIDTH, NODE_HEIGHT = 156, 44
PITCH_X, PITCH_Y = 246, 76
LEFT, TOP = 98, 52  # room for the arrow into the first column and lines that bend back to it; for the headings
_DOT = 64  # distance from a run's dot to what it made
_LONGEST = 19  # characters of a name that fit


@dataclass(frozen=True)
class Node:
    """A thing in the picture: its place, and the words in it."""

    digest: str
    kind: str
    name: str
    full_name: str
    fact: str
    here: bool
    column: int
    row: int

    @property
    def x(self) -> int:
        """Return the left edge."""
        return LEFT + self.column * PITCH_X

    @property
    def y(self) -> int:
        """Return the top edge."""
        return TOP + self.row * PITCH_Y

    @property
    def middle(self) -> int:
        """Return the height at which lines meet it."""
        return self.y + NODE_HEIGHT // 2

    @property
    def right(self) -> int:
        """Return the right edge."""
        return self.x + NODE_WIDTH

    @property
    def dot(self) -> int:
        """Return where the run that made it sits, on its middle."""
        return self.x - _DOT


@dataclass(frozen=True)
class Arrow:
    """A run in the picture: from its dot to what it made, and the lines from its inputs to the dot.

    `main` runs led to the newest result.
    """

    target: Node
    step: str
    main: bool
    lines: list[str]
    undrawn: int


@dataclass(frozen=True)
class Picture:
    """What to draw, and how many things there are in all."""

    nodes: list[Node]
    arrows: list[Arrow]
    total: int
    columns: list[tuple[int, str]] = field(
        default_factory=lambda: [(LEFT + n * PITCH_X, title) for n, (title, _) in enumerate(COLUMNS)]
    )

    @property
    def width(self) -> int:
        """Return the width of the drawing."""
        return LEFT + (len(COLUMNS) - 1) * PITCH_X + NODE_WIDTH + 12

    @property
    def height(self) -> int:
        """Return the height of the drawing."""
        return max((node.y for node in self.nodes), default=0) + NODE_HEIGHT + 24


def lay_out(lineage: Lineage, facts: Mapping[str, str], here: Mapping[str, Artifact]) -> Picture:
    """Return the picture of the newest things and of what they were made from.

    Parameters
    ----------
    lineage : Lineage
    facts : mapping of str to str
        Digest → what to say below the name.
    here : mapping of str to Artifact
        Digest → version; other things are drawn as not contained.
    """
    nodes: dict[str, Node] = {}
    free = [0] * len(COLUMNS)
    for digest in _drawn(lineage, here):
        use, column = _use(digest, lineage, here), _column(_use(digest, lineage, here)["kind"])
        parents = [nodes[p["digest"]] for p in lineage.parents(digest) if p["digest"] in nodes]
        row = max([free[column], *(p.row + (p.column >= column) for p in parents)])
        free[column] = row + 1
        name = str(use.get("ref") or use.get("name") or digest)
        fact = facts.get(digest, "") if digest in here else "not in this package"
        nodes[digest] = Node(digest, use["kind"], _short(name), name, fact, digest in here, column, row)
    main = _main(lineage, list(nodes.values()))
    made = [(node, record) for node in nodes.values() if (record := lineage.producer(node.digest))]
    arrows = [_arrow(node, record, nodes, node.digest in main) for node, record in made]
    return Picture(list(nodes.values()), arrows, len(lineage.things.keys() | here.keys()))


def _drawn(lineage: Lineage, here: Mapping[str, Artifact]) -> list[str]:
    """Return the digests to draw, oldest first: the newest things made, and some of what they were made from."""
    made = [use["digest"] for record in lineage.records for use in record["outputs"]]
    unrecorded = [digest for digest in here if lineage.producer(digest) is None]
    newest = list(dict.fromkeys(unrecorded + made))[-NEWEST:]
    parents = dict.fromkeys(parent["digest"] for digest in reversed(newest) for parent in lineage.parents(digest))
    sources = [digest for digest in parents if digest not in newest][:SOURCES]
    return sorted([*sources, *newest], key=lambda digest: _age(lineage.producer(digest)))


def _main(lineage: Lineage, nodes: list[Node]) -> set[str]:
    """Return the digests of the newest result and of all that led to it."""
    results = [node.digest for node in nodes if node.kind in ("Evaluation", "Measurements")]
    return {results[-1], *lineage.ancestors(results[-1])} if results else set()


def _age(record: Record | None) -> int:
    return int(record["number"]) if record else 0


def _use(digest: str, lineage: Lineage, here: Mapping[str, Artifact]) -> Use:
    return lineage.things.get(digest) or {"kind": here[digest].kind, "ref": here[digest].ref}


def _column(kind: str) -> int:
    return next((n for n, (_, kinds) in enumerate(COLUMNS) if kind in kinds), 0)


def _short(name: str) -> str:
    """Return a name that fits its box, its end (the version) kept."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 7]}…{name[-6:]}"


def _arrow(target: Node, record: Record, nodes: Mapping[str, Node], main: bool) -> Arrow:
    inputs = [use["digest"] for use in record["inputs"]]
    sources = [nodes[digest] for digest in inputs if digest in nodes and digest != target.digest]
    lines = [" ".join(_line(source, target)) for source in sources]
    return Arrow(target, record["step"], main, lines, len(inputs) - len(sources))


def _line(source: Node, target: Node) -> Iterator[str]:
    """Yield the parts of the SVG path from a thing to the dot of the run that read it."""
    dot, middle = target.dot, target.middle
    if target.column == source.column + 1:
        bend = (dot - source.right) // 2
        yield f"M{source.right} {source.middle}"
        yield f"C{source.right + bend} {source.middle} {dot - bend} {middle} {dot} {middle}"
        return
    channel = target.y - (PITCH_Y - NODE_HEIGHT) // 2  # between the rows, so that no line crosses a box
    lane = dot - 20
    if target.column > source.column:
        start = source.right + 22
        yield f"M{source.right} {source.middle} C{source.right + 18} {source.middle} {start - 18} {channel}"
        yield f"{start} {channel} H{lane - 8} C{lane + 4} {channel} {lane + 4} {middle} {dot} {middle}"
        return
    below = source.y + NODE_HEIGHT + (PITCH_Y - NODE_HEIGHT) // 2
    centre = source.x + NODE_WIDTH // 2
    yield f"M{centre} {source.y + NODE_HEIGHT} Q{centre} {below} {centre - 16} {below} H{lane + 8}"
    yield f"Q{lane} {below} {lane} {below + 8} V{middle - 8} Q{lane} {middle} {lane + 8} {middle} H{dot}"
