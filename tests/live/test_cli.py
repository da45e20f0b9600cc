# SPDX-License-Identifier: Apache-2.0
"""The way a person goes: reserve, look, deposit, publish, cite, audit."""

from __future__ import annotations

import json

import pytest

from sidecrate.publish import targets
from sidecrate.surfaces.cli import main

pytestmark = pytest.mark.live


@pytest.fixture
def run(made, server, tmp_path, monkeypatch, capsys):
    (tmp_path / "config.toml").write_text(f'[repositories.rig]\ntype = "inveniordm"\nurl = "{server.url}"\n')
    monkeypatch.setattr(targets, "config_path", lambda: tmp_path / "config.toml")

    def call(*arguments, code=0):
        with pytest.raises(SystemExit) as end:
            main(["-C", str(made.root), *map(str, arguments)])
        out, err = capsys.readouterr()
        assert int(end.value.code or 0) == code, err
        assert server.token not in out + err
        return out if code == 0 else err

    return call


def receipts(made):
    return [json.loads(path.read_text()) for path in sorted(made.root.glob("deposits/deposit/v*/receipt.json"))]


def test_from_reservation_to_citation(made, run, server, outside):
    assert "nothing was sent" in run("deposit", "--to", "rig", "--dry-run")
    run("reserve", "--to", "rig")
    (reserved,) = receipts(made)
    doi = reserved["doi"]
    for name in ("ro-crate-metadata.json", "ro-crate-preview.html"):
        assert f"https://doi.org/{doi}" in (made.root / name).read_text()
    assert doi in run("cite", "models/pores")
    planned = json.loads(run("deposit", "--to", "rig", "--dry-run", "--json"))
    assert planned["limits"]["files"] == 100
    assert planned["metadata"]["title"] == "A made-up cell"
    assert "cannot be undone" in run("deposit", "--to", "rig", "--publish", code=3)
    shown = run("deposit", "--to", "rig")
    assert "(draft)" in shown
    draft = receipts(made)[-1]
    assert (draft["doi"], draft["record"], draft["status"]) == (doi, reserved["record"], "draft")
    there = server.download(draft["record"], "/draft", outside / "draft")
    for name in ("ro-crate-metadata.json", "ro-crate-preview.html", "CITATION.cff", "datacite.json", "README.md"):
        assert doi in (there / name).read_text(), name
    run("deposit", "--to", "rig", "--publish", "--yes")
    published = receipts(made)[-1]
    assert (published["doi"], published["status"], published["new_bytes"]) == (doi, "published", draft["new_bytes"])
    assert published["parcels"] == draft["parcels"]  # what was looked at is what was published
    assert doi in run("cite", "labels/pores@v2")
    assert server.records_of(made.project.id) == [published["record"]]
    run("audit")
    run("deposit", "--to", "rig", "--publish", "--yes")
    assert receipts(made)[-1]["record"] == published["record"]  # nothing has changed since
    assert "0 errors" in run("audit", published["url"])
    assert "0 errors" in run("audit", f"doi:{doi}")
    for path in made.root.rglob("*"):
        assert not path.is_file() or server.token.encode() not in path.read_bytes()


def test_a_package_that_does_not_name_the_doi_is_told(made, run, outside, capsys):
    run("pack", outside / "cell.zip")
    with pytest.raises(SystemExit):
        main(["-C", str(made.root), "deposit", str(outside / "cell.zip"), "--to", "rig"])
    assert "the crate in cell.zip does not name 10." in capsys.readouterr().err
