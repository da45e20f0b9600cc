# SPDX-License-Identifier: Apache-2.0
"""A project folder: made, found, described, and never half-made."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecrate.about import About, Funding, Member, to_toml
from sidecrate.artifacts import Evaluation, Image, LabelSet, Model, Person
from sidecrate.errors import InputError, ProjectError
from sidecrate.project import Project, init
from sidecrate.provenance import crate

TITLE = About(title="T")


@pytest.fixture
def copy(one_of_everything: Project, tmp_path: Path) -> Project:
    """Return a project of one's own to change."""
    shutil.copytree(one_of_everything.root, tmp_path / "copy")
    return Project(tmp_path / "copy")


# ------------------------------------------------------------------------------------------------ making


def test_a_new_project_holds_what_was_said_and_a_record_of_it(tmp_path: Path) -> None:
    about = About("T", "D", "CC0-1.0", ("k",), (Member("N", role="curator"),), (Funding("F", award="1"),))
    project = init(tmp_path / "new", about)
    said = project.config["project"]
    assert (said["title"], said["description"], said["license"], said["keywords"]) == ("T", "D", "CC0-1.0", ["k"])
    assert project.config["people"] == [{"name": "N", "role": "curator"}]
    assert project.config["funding"] == [{"funder": "F", "award": "1"}]
    assert [record["step"] for record in project.records()] == ["init"]
    assert project.id.startswith("urn:uuid:")
    assert (project.root / crate.PREVIEW).is_file()


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (About(title=""), "'title' is a required"),
        (About(title="T", license="CC-BY-5.0"), "CC-BY-5.0.*SPDX"),
        (About(title="T", people=(Member("N", orcid="0000-0002-1825-0098"),)), "check digit"),
        (About(title="T", people=(Member("N", orcid="1825"),)), "/people/0/orcid"),
        (About(title="T", people=(Member("N", ror="https://ror.org/05gq02987"),)), "/people/0/ror"),
        (About(title="T", people=(Member("N", role="king"),)), "/people/0/role"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(tmp_path: Path, about: About, message: str) -> None:
    with pytest.raises(InputError, match=message):
        init(tmp_path / "new", about)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / crate.METADATA).write_text("{}")  # somebody else's crate
    with pytest.raises(ProjectError, match="not empty"):
        init(tmp_path, TITLE)
    assert (tmp_path / crate.METADATA).read_text() == "{}"


def test_a_project_is_made_once(tmp_path: Path) -> None:
    init(tmp_path / "new", TITLE)
    with pytest.raises(ProjectError, match="a project already"):
        init(tmp_path / "new", TITLE)


def test_an_init_that_was_killed_is_taken_up_again(tmp_path: Path) -> None:
    made = init(tmp_path / "new", TITLE).root
    (made / crate.CONFIG).unlink()  # the last thing init writes
    shutil.rmtree(made / "records")
    (made / f".{crate.METADATA}.abc").write_text("half")
    project = init(made, About(title="Again"))
    assert project.config["project"]["title"] == "Again"


# ----------------------------------------------------------------------------------------------- finding


def test_a_project_is_found_from_any_folder_inside(copy: Project) -> None:
    assert Project.find(copy.root / "labels" / "pores" / "v1").root == copy.root


def test_where_there_is_none_the_way_to_make_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="sidecrate init"):
        Project.find(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project\n", "not readable"),
        ("\xff", "not readable"),
        ("a = " + "[" * 5000, "not readable"),
        ("[project]\ntitle = 'T'\n", "'identifier' is a required property"),
        ("colour = 'red'\n", "'project' is a required property"),
    ],
)
def test_a_broken_description_is_said_with_its_place(copy: Project, text: str, message: str) -> None:
    (copy.root / crate.CONFIG).write_bytes(text.encode("latin-1"))
    with pytest.raises(ProjectError, match=rf"sidecrate\.toml: .*{message}"):
        Project.find(copy.root)


def test_a_new_description_reaches_the_crate_with_the_next_command(copy: Project) -> None:
    config = copy.root / crate.CONFIG
    config.write_text(config.read_text().replace("A made-up cell", "Another title"))
    Project.find(copy.root)
    assert "Another title" in (copy.root / crate.METADATA).read_text()
    assert "Another title" in (copy.root / crate.PREVIEW).read_text()


@pytest.mark.parametrize("lost", [crate.METADATA, crate.PREVIEW])
def test_a_lost_crate_comes_back(copy: Project, lost: str) -> None:
    before = (copy.root / crate.METADATA).read_bytes()
    (copy.root / lost).unlink()
    Project.find(copy.root)
    assert (copy.root / lost).is_file()
    assert (copy.root / crate.METADATA).read_bytes() == before


def test_finding_a_project_that_is_up_to_date_writes_nothing(copy: Project) -> None:
    Project.find(copy.root)
    before = {path: path.stat().st_mtime_ns for path in copy.root.rglob("*") if path.is_file()}
    Project.find(copy.root)
    assert {path: path.stat().st_mtime_ns for path in copy.root.rglob("*") if path.is_file()} == before


# ----------------------------------------------------------------------------------------------- naming


def test_a_version_has_a_short_name_and_without_number_it_is_the_newest(one_of_everything: Project) -> None:
    assert one_of_everything.get("pores", LabelSet).version == 2
    assert one_of_everything.get("pores@v1", LabelSet).version == 1
    assert one_of_everything.get("labels/pores/v1/", LabelSet).version == 1
    assert {type(a) for a in one_of_everything.lookup("pores")} > {LabelSet, Model}


@pytest.mark.parametrize("ref", ["pores@v9", "nothing", "models/pores@v1", "../../etc/passwd", "Pores", "pores@v0"])
def test_what_is_not_there_is_answered_with_what_is(one_of_everything: Project, ref: str) -> None:
    with pytest.raises(InputError, match=r"there is: pores@v1, pores@v2"):
        one_of_everything.get(ref, LabelSet)


def test_the_newest_of_a_kind_is_the_last_recorded(one_of_everything: Project, tmp_path: Path) -> None:
    assert one_of_everything.newest(LabelSet) == one_of_everything.get("pores@v2", LabelSet)
    assert init(tmp_path / "new", TITLE).newest(Evaluation) is None
    assert one_of_everything.series(Image, "cell") == one_of_everything.root / "images" / "cell"


# ------------------------------------------------------------------------------------------- description


def test_the_first_person_is_the_operator_unless_another_is(copy: Project) -> None:
    assert copy.operator == Person("Josiah Carberry", "0000-0002-1825-0097")
    assert Project(copy.root, Person("Else")).operator == Person("Else")


def test_each_gap_is_told_and_goes_when_it_is_filled(one_of_everything: Project, tmp_path: Path) -> None:
    codes = {finding.code for finding in init(tmp_path / "new", TITLE).gaps()}
    assert codes == {"about.license", "about.description", "about.keywords", "about.people", "about.funding"}
    half = About(title="T", people=(Member("N"), Member("M", affiliation="A")), funding=(Funding("F"),))
    told = {finding.message for finding in init(tmp_path / "half", half).gaps()}
    assert {
        "N has no affiliation",
        "M has no ROR id of the affiliation",
        "F has no ROR id",
        "N has no ORCID iD",
    } <= told
    assert one_of_everything.gaps() == []


text = st.text(min_size=1)
entry = st.fixed_dictionaries({"name": text}, optional={"given": text, "affiliation": text})


@given(
    st.fixed_dictionaries({"title": text}, optional={"description": text, "keywords": st.lists(text, max_size=3)}),
    st.lists(entry, max_size=3),
)
def test_a_description_is_read_back_as_it_was_said(project: dict[str, Any], people: list[dict[str, str]]) -> None:
    config = {"project": project} | ({"people": people} if people else {})
    assert tomllib.loads(to_toml(config)) == config
