# SPDX-License-Identifier: Apache-2.0
"""What a run ran on: enough to know it again, and not a word about whose machine it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sidecrate.provenance import environment
from sidecrate.publish.leaks import Leaks

ROOT = Path("/srv/some one/cell (1)")
part = st.text(st.characters(categories=("L", "N"), include_characters="_-."), min_size=1, max_size=12).filter(
    lambda name: name.strip(".") != ""
)


def test_only_libraries_in_use_are_named() -> None:
    described = environment.describe()
    assert described["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "sidecrate" in described["packages"] or environment.package_version("sidecrate") is None
    with mock.patch.dict(sys.modules):
        sys.modules.pop("torch", None)
        assert "torch" not in environment.describe()["packages"]


@given(before=st.sampled_from(["", "open ", "'", '"', "(", "path="]), parts=st.lists(part, min_size=1, max_size=5))
@example(before="", parts=["a", ".hidden"])
def test_a_path_in_the_project_becomes_relative(before: str, parts: list[str]) -> None:
    inside = "/".join(parts)
    assert environment.scrub(f"{before}{ROOT}/{inside}", ROOT) == f"{before}{inside}"


@given(
    before=st.sampled_from(["", "open ", "'", "(", "path=", "file://"]), parts=st.lists(part, min_size=3, max_size=5)
)
def test_of_any_other_path_only_the_last_part_is_told(before: str, parts: list[str]) -> None:
    scrubbed = environment.scrub(f"{before}/{'/'.join(parts)} here", ROOT)
    assert scrubbed == f"{before}…/{parts[-1]} here"


@pytest.mark.parametrize(
    "text", ["files/notes/v1", "1/2 and 3/4", "https://example.org/a/b?c=/d", "z,y,x / nm", "./a/b"]
)
def test_what_is_no_path_of_this_machine_stays(text: str) -> None:
    assert environment.scrub(text, ROOT) == text


def test_the_folder_one_works_in_goes_whole_even_with_a_blank_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my data").mkdir()
    monkeypatch.chdir(tmp_path / "my data")
    assert environment.scrub(f"read {Path.cwd()}/cell.tif", ROOT) == "read …/cell.tif"


def test_a_user_without_name_and_home_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)  # nobody has it
    assert environment.scrub("read /data/cell.tif", ROOT) == "read …/cell.tif"
    assert list(Leaks(ROOT, {}).scan("a.txt", b"nothing")) == []


@given(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=6, max_size=30), st.text(), st.text())
def test_the_value_of_a_secret_variable_is_never_told(value: str, before: str, after: str) -> None:
    assume(value not in "[removed]")
    with mock.patch.dict(os.environ, {"MY_API_TOKEN": value}):
        assert value not in environment.scrub(f"{before}{value}{after}", ROOT)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("deposit --token abc123 --to x", "deposit --token [removed] --to x"),
        ("deposit --api-token=abc123", "deposit --api-token=[removed]"),
        ("password: 'abc123' refused", "password: '[removed]' refused"),
        ('{"api_key": "abc123"}', '{"api_key": "[removed]"}'),
        ("GET /api?access_token=abc123&page=1", "GET /api?access_token=[removed]&page=1"),
        ("Authorization: Bearer abc123", "Authorization: Bearer [removed]"),
        ("https://me:abc123@example.org/x", "https://[removed]@example.org/x"),
        ("the token was refused", "the token was refused"),
        ("my-token=abc123 x--token=abc123", "my-token=[removed] x--token=[removed]"),
        ("config=token=abc123", "config=token=[removed]"),
    ],
)
def test_a_secret_is_known_by_what_stands_before_it(text: str, told: str) -> None:
    assert environment.scrub(text, ROOT) == told


@pytest.mark.parametrize("piece", ["x", "x-", "--x", "/x", "://x"])
def test_a_long_word_takes_no_longer_than_as_many_letters_of_prose(piece: str) -> None:
    text = piece * 100_000
    assert environment.scrub(text, ROOT)


def test_a_secret_is_known_by_its_key_and_numbers_are_none() -> None:
    given_values = {"api_key": "abc123", "max_tokens": 7, "rate": 0.1}
    assert environment.withheld(given_values) == {"api_key": "[removed]", "max_tokens": 7, "rate": 0.1}
