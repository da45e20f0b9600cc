# SPDX-License-Identifier: Apache-2.0
"""The papers in a package: everything in it is named for a person, and nothing needs sidecrate."""

import re

from sidecrate.artifacts import KINDS
from sidecrate.publish.front import _READING, CITATION, README


def read(made, outside, name, *places):
    made.pack(outside / "bag", *places)
    return (outside / "bag/data" / name).read_text(encoding="utf-8")


def test_the_readme_names_every_version_that_is_there_and_no_other(made, outside):
    text = read(made, outside, README, "labels/pores/v2")
    assert set(re.findall(r"^- `(\w+/\w+/v\d+)/`: ", text, re.MULTILINE)) == {
        "images/cell/v1",
        "labels/pores/v1",
        "labels/pores/v2",
    }
    assert "weights.safetensors" not in text


def test_the_readme_says_who_may_do_what_and_how_to_check(made, outside):
    text = read(made, outside, README)
    assert text.startswith("# A made-up cell\n")
    for said in ("CC-BY-4.0", "https://orcid.org/0000-0002-1825-0097", "sha256sum -c", made.project.id):
        assert said in text
    assert "Labels painted by: Josiah Carberry" in text and "Second Annotator" in text


def test_every_kind_is_explained():
    assert _READING.keys() == KINDS.keys()


def test_the_citation_file_names_the_project_and_credits_the_annotators(made, outside):
    text = read(made, outside, CITATION)
    assert 'title: "A made-up cell"' in text
    assert made.project.id in text and "Second Annotator" in text


def test_both_are_in_the_crate_as_files(made, outside):
    made.pack(outside / "bag")
    graph = (outside / "bag/data/ro-crate-metadata.json").read_text()
    assert all(f'"@id": "{name}"' in graph for name in (README, CITATION))
    assert not (made.root / README).exists()  # the project is left alone
