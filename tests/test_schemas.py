# SPDX-License-Identifier: Apache-2.0
"""One verb, one name everywhere: step, schema, record."""

from __future__ import annotations

import inspect

import jsonschema
import pytest

from sidecrate import pipeline
from sidecrate.artifacts import KINDS
from sidecrate.errors import RecordError
from sidecrate.provenance import schemas
from sidecrate.provenance.records import check

STEPS = sorted(set(pipeline.__all__) - {"pack", "plan_package", "plan_deposit", "is_reserved"})


@pytest.mark.parametrize("name", schemas.names())
def test_each_schema_is_valid_2020_12(name: str) -> None:
    if name != "bagit-profile":
        jsonschema.Draft202012Validator.check_schema(schemas.load(name))


@pytest.mark.parametrize("step", STEPS)
def test_a_steps_schema_names_its_arguments_and_no_other(step: str) -> None:
    properties = schemas.load(step)["properties"]
    roles = properties["inputs"].get("items", {}).get("properties", {}).get("role", {}).get("enum", [])
    named = set(properties["parameters"]["properties"]) | set(roles)
    arguments = {
        name
        for name, parameter in inspect.signature(inspect.unwrap(getattr(pipeline, step))).parameters.items()
        if name != "progress" and "Person" not in str(parameter.annotation)
    }
    assert named == arguments


@pytest.mark.parametrize("step", STEPS)
def test_a_steps_schema_names_what_it_returns(step: str) -> None:
    returned = inspect.signature(inspect.unwrap(getattr(pipeline, step))).return_annotation
    assert schemas.load(step)["properties"]["outputs"]["items"]["properties"]["kind"]["const"] == returned
    assert returned in KINDS


def record(**changes: object) -> dict[str, object]:
    return {
        "schema": "urn:sidecrate:schema:record:1",
        "id": "urn:uuid:00000000-0000-4000-8000-000000000000",
        "number": 1,
        "step": "predict",
        "status": "completed",
        "started": "2026-01-01T00:00:00Z",
        "ended": "2026-01-01T00:00:01Z",
        "inputs": [],
        "outputs": [],
        "parameters": {"into": "predictions/pores", "device": "cpu"},
        "agents": [],
        "instrument": {"name": "sidecrate predict", "version": "0.1.0"},
        "environment": {"python": "3.11", "system": "Linux", "machine": "x86_64", "packages": {}},
        "cost": {"seconds": 1, "recording_seconds": 0},
        "previous": None,
        **changes,
    }


def test_a_completed_record_of_a_step_keeps_to_the_steps_schema() -> None:
    check(record())
    with pytest.raises(RecordError, match="blokc"):
        check(record(parameters={"into": "predictions/pores", "blokc": 3}))


def test_a_failed_record_may_hold_whatever_was_passed() -> None:
    error = {"type": "InputError", "message": "no such option"}
    check(record(status="failed", error=error, parameters={"blokc": 3}))


def test_somebody_elses_step_may_have_the_same_name() -> None:
    check(record(instrument={"name": "their predict"}, parameters={"blokc": 3}))
