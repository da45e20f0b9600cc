# SPDX-License-Identifier: Apache-2.0
"""The schemas are found wherever sidecrate is installed, and refuse what is wrong."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sidecrate
from sidecrate.errors import RecordError
from sidecrate.project import Project
from sidecrate.provenance import schemas

PACKAGE = Path(sidecrate.__file__).parent


@pytest.mark.parametrize("name", schemas.names())
def test_each_schema_has_an_id_of_its_own(name: str) -> None:
    assert schemas.load(name)["$id"].startswith(f"urn:sidecrate:schema:{name}:")


def test_an_installed_package_finds_its_schemas_inside_itself(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "sidecrate", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(schemas.folder(), tmp_path / "sidecrate" / "schemas")
    code = "from sidecrate.provenance import schemas; print(schemas.folder()); schemas.check('record', {}, 'it')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(tmp_path / "sidecrate" / "schemas")
    assert "RecordError: it: 'schema' is a required property" in done.stderr


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("status",), "done", "'done' is not one of"),
        (("id",), "42", "does not match"),
        (("started",), "yesterday", "does not match"),
        (("number",), 0, "less than the minimum"),
        (("outputs", 0, "digest"), "md5:0", "does not match"),
        (("outputs", 0, "place"), "../v1", "does not match"),
        (("agents", 0, "orcid"), "1234", "does not match"),
        (("outputs", 0, "name"), "both ref and name", "valid under each of"),
        (("remark",), "extra", "Additional properties are not allowed"),
        (("error",), {"type": "E", "message": "of a completed run"}, "should not be valid under"),
    ],
)
def test_a_record_with_one_thing_wrong_is_refused_at_that_place(
    one_of_everything: Project, where: tuple[Any, ...], value: object, message: str
) -> None:
    record = copy.deepcopy(one_of_everything.records()[1])
    assert schemas.problems("record", record) == []
    inside: Any = record
    for key in where[:-1]:
        inside = inside[key]
    inside[where[-1]] = value
    inside.update({"bytes": 1} if where[-1] == "name" else {})
    with pytest.raises(RecordError, match=message):
        schemas.check("record", record, "record")


def test_a_failed_record_needs_its_error(one_of_everything: Project) -> None:
    record = next(record for record in one_of_everything.records() if record["status"] == "failed")
    assert schemas.problems("record", record) == []
    del record["error"]
    assert schemas.problems("record", record) == [("/", "'error' is a required property")]
