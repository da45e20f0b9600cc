# SPDX-License-Identifier: Apache-2.0
"""An audit names everything that was done to a project or package, and nothing when nothing was."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from urllib.parse import unquote

import bagit
import numpy as np
import pytest
import zarr

from publish.conftest import MemoryTree, codes
from sidecrate.errors import Finding, InputError
from sidecrate.publish.audit import audit
from sidecrate.publish.audit.package import check_content
from sidecrate.publish.audit.subject import Subject
from sidecrate.publish.audit.vocabulary import BASE, expand
from sidecrate.publish.trees import FolderTree, read_file
from sidecrate.science.references import refer

CRATE = "ro-crate-metadata.json"


def found(target, *severities):
    """Return (code, where) of what an audit finds."""
    wanted = severities or ("error",)
    return {(finding.code, finding.where) for finding in audit(target) if finding.severity in wanted}


def rewrite(path, change):
    """Change what a JSON file says."""
    value = json.loads(path.read_bytes())
    change(value)
    path.chmod(0o644)
    path.write_text(json.dumps(value))


def entity(document, name):
    return next(item for item in document["@graph"] if item["@id"] == name)


def test_a_good_project_has_no_error_or_warning(made):
    assert found(made.root, "error", "warning") == set()


def test_nothing_to_audit_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="nothing there"):
        audit(tmp_path / "no")
    with pytest.raises(InputError, match="neither a project"):
        audit(tmp_path)


# ------------------------------------------------------------------------------------------------ fixity


def test_changed_missing_and_extra_bytes_of_a_version_are_three_findings(made):
    version = made.root / "predictions/pores/v1"
    chunk = "prediction.ome.zarr/0/c/0/0/0"
    (version / chunk).chmod(0o644)
    (version / chunk).write_bytes(b"other")
    (version / "prediction.ome.zarr/zarr.json").unlink()
    (version / "stray").write_bytes(b"")
    base = "predictions/pores/v1/"
    assert found(made.root) == {
        ("fixity.digest", base + chunk),
        ("fixity.missing", base + "prediction.ome.zarr/zarr.json"),
        ("fixity.extra", base + "stray"),
    }


@pytest.mark.parametrize("broken", [b"", b"nonsense\n", b"\xff\xfe"])
def test_a_broken_manifest_is_a_finding(made, broken):
    manifest = made.root / "models/pores/v1/manifest-sha256.txt"
    manifest.chmod(0o644)
    manifest.write_bytes(broken)
    assert {"lineage.digest"} <= codes(made.root)


def test_metadata_that_lies_is_found(made):
    images = made.root / "images/cell/v1/artifact.json"
    rewrite(images, lambda meta: meta.update(voxel_nm=[8, 0, 4]))
    rewrite(made.root / "models/pores/v1/artifact.json", lambda meta: meta.update(kind="Image"))
    (made.root / "labels/pores/v1/artifact.json").chmod(0o644)
    (made.root / "labels/pores/v1/artifact.json").write_bytes(b"{")
    expected = {"version.voxel_size", "version.kind", "version.meta", "json.broken", "fixity.digest"}
    assert expected <= codes(made.root)


def test_a_file_nobody_describes_is_a_warning(made):
    (made.root / "notes.docx").write_bytes(b"")
    assert ("unknown.file", "notes.docx") in found(made.root, "warning")


def test_data_that_lie_elsewhere_are_held_against_the_digests_of_their_parts(made, tmp_path):
    far = tmp_path / "far.zarr"
    zarr.save_array(far, np.arange(32, dtype=np.uint8).reshape(2, 4, 4))
    made.step(refer, far, made.root / "images/far", voxel_nm=(8.0, 4.0, 4.0))
    assert found(made.root, "error", "warning") == set()
    next(path for path in far.rglob("c/*/*/*") if path.is_file()).write_bytes(b"other")
    assert found(made.root) == {("reference.digest", "images/far/v1")}
    shutil.rmtree(far)
    assert found(made.root, "warning") == {("reference.unknown", "images/far/v1")}


def test_a_broken_configuration_is_found(made):
    (made.root / "sidecrate.toml").write_text("[project]\ntitle = 3\n")
    assert "config.schema" in codes(made.root)
    (made.root / "sidecrate.toml").write_text("[project\n")
    assert "config.broken" in codes(made.root)


# ----------------------------------------------------------------------------------- records and lineage


def test_a_record_that_was_altered_breaks_the_chain_at_the_next(made):
    second, third = sorted((made.root / "records").glob("*.json"))[1:3]
    rewrite(second, lambda record: record.update(parameters={"into": "elsewhere"}))
    assert ("chain.previous", f"records/{third.name}") in found(made.root)


def test_a_record_that_is_gone_breaks_number_and_chain(made):
    second, third = sorted((made.root / "records").glob("*.json"))[1:3]
    second.unlink()
    expected = {("chain.number", f"records/{third.name}"), ("chain.previous", f"records/{third.name}")}
    assert expected <= found(made.root)


def test_records_are_held_against_their_schema_and_their_name(made):
    first, second = sorted((made.root / "records").glob("*.json"))[:2]
    rewrite(first, lambda record: record.update(status="fine", extra=1))
    second.rename(second.with_name("000002-other.json"))
    where = [where for code, where in found(made.root) if code == "record.schema"]
    assert sorted(where) == [f"records/{first.name}#/", f"records/{first.name}#/status"]
    assert ("chain.name", "records/000002-other.json") in found(made.root)


@pytest.mark.parametrize("garbage", [b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_garbage_in_a_record_is_a_finding_never_an_exception(made, garbage):
    record = min((made.root / "records").glob("*.json"))
    record.chmod(0o644)
    record.write_bytes(garbage)
    assert {"json.broken", "record.schema"} & codes(made.root)


def test_a_version_without_a_record_is_an_orphan(made):
    shutil.copytree(made.root / "models/pores/v1", made.root / "models/pores/v2")
    assert ("lineage.orphan", "models/pores/v2") in found(made.root)


def test_a_version_that_records_name_and_that_is_gone_is_named(made):
    shutil.rmtree(made.root / "evaluations/pores/v1")
    assert ("lineage.absent", "evaluations/pores/v1") in found(made.root)


def test_a_gap_an_untraced_measurement_and_a_cycle_are_found(made):
    by_step = {path.stem.split("-", 1)[1]: path for path in (made.root / "records").glob("*.json")}
    label = json.loads((made.root / "records/000003-label.json").read_bytes())["outputs"][0]
    rewrite(by_step["add"], lambda record: record.update(inputs=[{**label, "role": "base"}]))
    assert "lineage.cycle" in codes(made.root)
    rewrite(by_step["add"], lambda record: record.update(inputs=[], outputs=[]))
    assert {"lineage.gap", "lineage.orphan"} <= codes(made.root)
    rewrite(by_step["measure"], lambda record: record.update(inputs=[]))
    assert ("lineage.untraced", "measurements/pores/v1") in found(made.root)


# ------------------------------------------------------------------------------------------------- crate


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda crate: crate.update({"@graph": {}}), "crate.graph"),
        (lambda crate: crate["@graph"].append({"@type": "Thing"}), "crate.entity"),
        (lambda crate: crate["@graph"].append(entity(crate, "./")), "crate.duplicate"),
        (lambda crate: entity(crate, "./").update(author={"@type": "Person", "name": "X"}), "crate.nested"),
        (lambda crate: crate["@graph"].remove(entity(crate, CRATE)), "crate.descriptor"),
        (lambda crate: entity(crate, CRATE).update(conformsTo={"@id": "https://example.org"}), "crate.descriptor"),
        (lambda crate: entity(crate, CRATE).update(about={"@id": "./elsewhere/"}), "crate.root"),
        (lambda crate: entity(crate, "./").pop("license"), "crate.root"),
        (lambda crate: entity(crate, "./").update(datePublished="yesterday"), "crate.date"),
        (lambda crate: entity(crate, "./").update(hasPart=[]), "crate.unreachable"),
        (lambda crate: crate["@graph"].append({"@id": "no.csv", "@type": "File"}), "crate.absent"),
        (lambda crate: crate["@graph"].append({"@id": "no/", "@type": "Dataset"}), "crate.absent"),
        (lambda crate: entity(crate, "./").update(madeUpTerm="x"), "crate.term"),
        (lambda crate: entity(crate, "./").update({"@type": ["Dataset", "MadeUpType"]}), "crate.term"),
        (lambda crate: crate.update({"@context": "https://example.org/context"}), "crate.jsonld"),
        (lambda crate: entity(crate, "models/pores/v1/weights.safetensors").update(sha256="0" * 64), "crate.sha256"),
        (lambda crate: entity(crate, "models/pores/v1/weights.safetensors").update(contentSize="1"), "crate.size"),
        (lambda crate: entity(crate, "./").pop("mentions"), "crate.action"),
    ],
)
def test_each_break_of_the_crate_is_found(made, change, code):
    rewrite(made.root / CRATE, change)
    assert code in codes(made.root, "error", "warning")


@pytest.mark.parametrize(
    "garbage",
    [
        "null",
        "[]",
        "{",
        '{"@graph": [1, null, "x"]}',
        '{"@context": 5, "@graph": [{"@id": 5, "@type": {}}]}',
        '{"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": [{"@id": "./", "@type": [5], "hasPart": 7}]}',
        '{"@context": {"@vocab": 3}, "@graph": [{"@id": "a", "@type": "b", "c": {"@id": {}}, "d": [[{}]]}]}',
    ],
)
def test_garbage_in_a_crate_is_a_finding_never_an_exception(made, garbage):
    (made.root / CRATE).write_text(garbage)
    assert any(code.startswith(("crate.", "json.")) for code in codes(made.root))


def spots(value, path=()):
    """Yield the path of everything inside a JSON value, itself left out."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from spots(item, (*path, key))


def damaged(value, chance):
    """Replace one spot of a JSON value by something that has no business there."""
    *way, last = chance.choice(list(spots(value)))
    inner = value
    for key in way:
        inner = inner[key]
    inner[last] = chance.choice([None, 5, True, "", "x y", [], {}, [[]], {"@id": 5}, {"@value": 1}, ["a", None]])
    return value


def test_damage_anywhere_in_the_metadata_never_raises(one_of_everything):
    whole = FolderTree(one_of_everything.root, hidden=False)
    files = {name: read_file(whole, name) for name in whole.sizes}
    names = [name for name in files if name.endswith(".json") and not name.startswith("records/")]
    for seed in range(25):
        chance = random.Random(seed)  # noqa: S311  (not for secrets)
        name = chance.choice([*names, *[CRATE] * len(names)])
        tree = MemoryTree({**files, name: json.dumps(damaged(json.loads(files[name]), chance)).encode()})
        assert all(isinstance(found, Finding) for found in check_content(Subject(tree, {}, whole=True))), seed


def test_a_crate_expands_without_a_network_and_nothing_is_lost(made):
    document = json.loads((made.root / CRATE).read_bytes())
    nodes = {unquote(node["@id"].removeprefix(BASE)) or "./": node for node in expand(document)}
    assert set(nodes) == {unquote(item["@id"]) for item in document["@graph"]}
    for item in document["@graph"]:
        assert len(nodes[unquote(item["@id"])]) == len(item), item["@id"]


def test_missing_licence_and_author_are_warnings_and_a_missing_orcid_is_advice(made):
    def forget(crate):
        root = entity(crate, "./")
        root["license"] = {"@id": "#no-license-stated"}
        root.pop("author")
        crate["@graph"] += [
            {"@id": "#no-license-stated", "@type": "CreativeWork", "name": "none"},
            {"@id": "#person-x", "@type": "Person", "name": "X"},
        ]

    rewrite(made.root / CRATE, forget)
    assert {"credit.license", "credit.author"} <= codes(made.root, "warning")
    assert "credit.orcid" in codes(made.root, "advice")


# ---------------------------------------------------------------------------------------------- packages


def test_each_harm_done_to_a_bag_is_found(made, outside):
    bag = made.pack(outside / "bag", "measurements/pores/v1").path
    table = bag / "data/measurements/pores/v1/objects.csv"
    table.write_bytes(table.read_bytes().replace(b"0.5", b"0.6"))
    (bag / "data/models/pores/v1/README.md").unlink()
    (bag / "data/extra.txt").write_bytes(b"")
    expected = {
        ("fixity.digest", "data/measurements/pores/v1/objects.csv"),
        ("bagit.missing", "data/models/pores/v1/README.md"),
        ("fixity.missing", "data/models/pores/v1/README.md"),
        ("bagit.unlisted", "data/extra.txt"),
    }
    assert expected <= found(bag)
    assert "bagit.python" in codes(bag, "warning")


def test_a_manifest_that_was_made_to_fit_is_caught_by_the_chain_of_records(made, outside):
    bag = made.pack(outside / "bag", "measurements/pores/v1").path
    record = bag / "data/records/000002-add.json"
    rewrite(record, lambda content: content.update(command="another"))
    forged = bagit.Bag(str(bag))
    forged.save(manifests=True)
    assert forged.is_valid()
    assert codes(bag) == {"chain.previous"}


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_one_changed_byte_in_an_archive_is_found(made, outside, form):
    path = made.pack(outside / f"cell.{form}", form=form).path
    data = bytearray(path.read_bytes())
    data[data.index(b"class,dice")] ^= 1
    path.write_bytes(data)
    wheres = {where for _, where in found(path)}
    assert "data/evaluations/pores/v1/scores.csv" in wheres


def test_a_cut_archive_is_a_finding(made, outside):
    for form in ("tar", "zip"):
        path = made.pack(outside / f"cell.{form}", form=form).path
        path.write_bytes(path.read_bytes()[:-20_000])
        # a tar cut between two files cannot be told from a shorter one; then its files are missing
        assert codes(path) & {"archive.unreadable", "bagit.oxum"}


def test_a_bag_that_lost_its_declaration_is_still_judged_as_a_bag(made, outside):
    bag: Path = made.pack(outside / "bag").path
    (bag / "bagit.txt").unlink()
    assert "bagit.declaration" in codes(bag)


def test_progress_counts_every_byte_once(made, outside):
    seen = []
    audit(made.pack(outside / "bag").path, progress=lambda done, total, _name: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
