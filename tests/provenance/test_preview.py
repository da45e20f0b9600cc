# SPDX-License-Identifier: Apache-2.0
"""The page promises: one file, nothing loaded, nothing run, everything named, whoever wrote the words in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sidecrate.about import About, Funding, Member
from sidecrate.artifacts import (
    MANIFEST,
    Evaluation,
    Image,
    LabelSet,
    Measurements,
    Model,
    Person,
    Prediction,
    Suggestion,
)
from sidecrate.digests import canonical_json, manifest_bytes, read_manifest
from sidecrate.project import Project, init
from sidecrate.provenance import crate, preview
from sidecrate.provenance.lineage import Lineage
from sidecrate.provenance.lineage_picture import lay_out
from sidecrate.provenance.recorder import observe
from sidecrate.provenance.records import Record, use_of
from sidecrate.store import draft, open_version

from .html_page import Page, assert_sound

HOSTILE = "</title></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\u2028{{ 7*7 }}"


made_up = partial(observe, name="made up for a test")  # not a step of ours, so no schema of a step


def page_of(project: Project, **options: Any) -> str:
    records, artifacts = project.records(), project.artifacts()
    document = crate.build(project.config, records, artifacts)
    return preview.render(document, project.config, records, artifacts, root=project.root, **options)


def test_the_page_is_one_sound_file_that_names_everything(one_of_everything: Project) -> None:
    page = Page(page_of(one_of_everything))
    assert_sound(page)
    anchors = {a["id"] for _, a in page.tags if "id" in a}
    for artifact in one_of_everything.artifacts():
        assert artifact.place in page.text and artifact.digest.split(":")[1] in page.text
        assert f"v-{artifact.place.replace('/', '-')}" in anchors
    for record in one_of_everything.records():
        assert any(a["href"] == crate.record_path(record) for a in page.all("a"))
    for member in one_of_everything.config["people"]:
        assert member["name"] in page.text
        assert any(a["href"] == f"https://orcid.org/{member['orcid']}" for a in page.all("a"))


def test_failed_and_interrupted_runs_are_visible(one_of_everything: Project) -> None:
    page = Page(page_of(one_of_everything))
    assert "loss is not finite at rate 9.0" in page.text
    assert "interrupted" in page.text and "2 runs of" in page.text


def test_the_page_holds_the_crate_as_json_ld(one_of_everything: Project) -> None:
    records, artifacts = one_of_everything.records(), one_of_everything.artifacts()
    document = crate.build(one_of_everything.config, records, artifacts)
    assert json.loads("".join(Page(page_of(one_of_everything)).scripts)) == document


def test_the_policy_forbids_scripts_and_allows_only_this_style(one_of_everything: Project) -> None:
    html = page_of(one_of_everything)
    style = html.split("<style>")[1].split("</style>")[0]
    (policy,) = [a["content"] for a in Page(html).all("meta") if "http-equiv" in a]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy and "script-src 'none'" in policy and f"style-src 'sha256-{digest}'" in policy
    assert "url(" not in style and "@import" not in style


def luminance(colour: str) -> float:
    """Return the relative luminance of #rgb or #rrggbb (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_words_have_enough_contrast_in_light_dark_and_print(one_of_everything: Project) -> None:
    """WCAG 2.2 AA, 1.4.3: 4.5 to 1."""
    schemes = re.findall(r":root\{(.*?)\}", page_of(one_of_everything), flags=re.DOTALL)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+):(#\w+)", scheme))
        for words in ("ink", "soft", "link", "good", "bad"):
            for ground in ("paper", "raised", "badbg"):
                light, dark = sorted((luminance(colours[words]), luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (words, ground)


def test_no_path_of_this_machine_is_in_the_page(one_of_everything: Project) -> None:
    assert str(one_of_everything.root) not in page_of(one_of_everything)
    assert str(one_of_everything.root.parent) not in page_of(one_of_everything)


def test_a_new_project_shows_its_gaps(tmp_path: Path) -> None:
    page = Page(page_of(init(tmp_path / "new", About("Only a title"))))
    assert_sound(page)
    assert "none stated: ask before you reuse this" in page.text
    assert "Nothing has been made yet" in page.text
    for gap in ("no licence", "no description", "no keywords", "nobody is named", "no funding"):
        assert gap in page.text


def test_the_citation_given_is_the_one_shown(one_of_everything: Project) -> None:
    shown = Page(page_of(one_of_everything, citation="Cited <i>so</i> & not otherwise")).text
    assert "Cited <i>so</i> & not otherwise" in shown
    year = one_of_everything.records()[-1]["ended"][:4]
    own = Page(page_of(one_of_everything)).text
    assert f"Josiah Carberry ({year}). A made-up cell [Data set]." in own


def test_words_of_people_are_never_markup(tmp_path: Path) -> None:
    about = About(
        HOSTILE,
        HOSTILE,
        "CC0-1.0",
        (HOSTILE,),
        (Member(HOSTILE, affiliation=HOSTILE), Member("B", orcid="0000-0002-1825-0097")),
        (Funding(HOSTILE, award=HOSTILE),),
    )
    project = init(tmp_path / "hostile", about)
    session = {"who": {"name": HOSTILE}, "minutes": 3, "boxes": [], "voxels": {HOSTILE: 5}}

    def label(into: Path, note: str) -> LabelSet:
        with draft(LabelSet, into) as made:
            return made.finish({"classes": {"1": "background", "2": HOSTILE}, "sessions": [session]})

    def measure(labels: LabelSet, into: Path) -> Measurements:
        with draft(Measurements, into) as made:
            made.write("plots/x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(3)</script></svg>")
            made.write_json("measurements.json", {"hosts": [{"host": HOSTILE}], "notes": [HOSTILE], "columns": {}})
            warning = {"message": HOSTILE}
            return made.finish({"object_class": HOSTILE, "settings": {HOSTILE: HOSTILE}, "warnings": [warning]})

    def fail(why: str) -> None:
        raise ValueError(why)

    with project.recording(HOSTILE):
        labels = made_up(label)(project.series(LabelSet, "l"), HOSTILE)
        made_up(measure)(labels, project.series(Measurements, "m"))
        with pytest.raises(ValueError, match="script"):
            made_up(fail)(HOSTILE)
    page = Page(page_of(project, citation=HOSTILE))
    assert_sound(page)
    assert page.text.count("alert(1)") > 8, "the words are shown, as words"
    assert "49" not in page.all("title")[0] and "{{ 7*7 }}" in page.text
    assert json.loads("".join(page.scripts))["@graph"][1]["name"] == HOSTILE


def test_missing_and_broken_files_are_said_not_raised(tmp_path: Path) -> None:
    project = init(tmp_path / "p", About("t"))

    def measure(into: Path) -> Measurements:
        with draft(Measurements, into) as made:
            made.write("measurements.json", b"{ broken")
            made.write("plots/count.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
            return made.finish({"object_class": "pore"})

    with project.recording():
        made = made_up(measure)(project.series(Measurements, "m"))
    (made.path / "plots/count.svg").unlink()
    page = Page(page_of(project))
    assert_sound(page)
    assert "measurements.json is not here or cannot be read" in page.text
    assert "1 missing" in page.text and "Files of 1 versions are missing: measurements/m/v1 (1)" in page.text
    assert "cannot be traced back to an image" in page.text


def test_a_changed_record_breaks_the_chain_on_the_page(tmp_path: Path) -> None:
    project = init(tmp_path / "p", About("t"))
    with project.recording():
        made_up(lambda: None, step="nothing")()
    assert "The record chain is whole" in page_of(project)
    first = project.ledger.paths()[0]
    first.chmod(0o644)
    first.write_bytes(first.read_bytes().replace(b'"t"', b'"u"'))
    assert "The record chain is broken at record 2" in page_of(project)


def test_pictures_stay_within_the_limit_and_say_what_was_left_out(tmp_path: Path) -> None:
    project = init(tmp_path / "p", About("t"))

    def measure(into: Path) -> Measurements:
        with draft(Measurements, into) as made:
            for name in "abcdefgh":
                made.write(f"plots/{name}.png", bytes(390_000))
            made.write("plots/huge.png", bytes(900_000))
            return made.finish({})

    with project.recording():
        made_up(measure)(project.series(Measurements, "m"))
    html = page_of(project)
    page = Page(html)
    shown = len(page.all("img"))
    assert len(html) < 3_000_000 and 0 < shown < 9
    left_out = {a["href"] for a in page.all("a") if a["href"].endswith(".png")}
    assert len(left_out) == 9 - shown and "measurements/m/v1/plots/huge.png" in left_out


def test_labelling_credit_counts_each_session_once(one_of_everything: Project) -> None:
    """Version 2 remembers the session of version 1 as well."""
    text = Page(page_of(one_of_everything)).text
    credit = text.split("Labelling credit")[-1].split("Who did what")[0]
    assert "Josiah Carberry 0000-0002-1825-0097 pores 1 5 min" in credit
    assert "Second Annotator 0009-0000-0000-0009 pores 1 5 min" in credit


def test_what_the_steps_write_is_what_the_page_reads(tmp_path: Path) -> None:
    """A real label, evaluate, suggest and measure: scores, host table, reasons, plots and overlays are on the page."""
    from sidecrate.science import arrays
    from sidecrate.science.evaluate import evaluate
    from sidecrate.science.label import label
    from sidecrate.science.masks import Mask
    from sidecrate.science.measure import measure
    from sidecrate.science.suggest import suggest

    project = init(tmp_path / "p", About("t"))
    classes = np.ones((12, 16, 16), np.uint8)
    classes[2:10, 2:14, 2:14] = 3
    classes[4:8, 4:8, 4:8] = classes[4:8, 10:13, 10:13] = 2

    def save(noun: Any, into: Path, voxels: Any, **meta: Any) -> Any:
        with draft(noun, into) as made:
            channels, shape = meta.get("classes", ()), voxels.shape[-3:]
            options = {"shape": shape, "dtype": np.uint8, "voxel_nm": (16.0,) * 3, "channels": channels}
            arrays.create(made, noun.array, **options)[0][...] = voxels
            return made.finish({"shape": list(shape), "voxel_nm": [16.0] * 3, **meta})

    def add(into: Path) -> Image:
        return save(Image, into, classes * 60)

    def train(image: Image, labels: LabelSet, into: Path) -> Model:
        with draft(Model, into) as made:
            return made.finish({"classes": ["background", "pore", "nucleus"]})

    def predict(image: Image, model: Model, into: Path) -> Prediction:
        out = np.stack([(classes == n) * np.uint8(200) for n in (1, 2, 3)])
        return save(Prediction, into, out, classes=["background", "pore", "nucleus"])

    with project.recording():
        image = made_up(add)(project.series(Image, "cell"))
        by, names = Person("Josiah Carberry"), {2: "pore", 3: "nucleus"}
        masks = [Mask.slice(classes[z], "z", z) for z in (5, 9)]
        common = {"by": by, "tool": "paper", "classes": names}
        painted = observe(label)(image, masks, project.series(LabelSet, "pores"), minutes=30, **common)
        truth = observe(label)(image, [Mask.box(classes, (0, 0, 0))], project.series(LabelSet, "truth"), **common)
        model = made_up(train)(image, painted, project.series(Model, "net"))
        prediction = made_up(predict)(image, model, project.series(Prediction, "net"))
        observe(evaluate)(prediction, truth, project.series(Evaluation, "net"), exclude=[painted], image=image)
        observe(suggest)(prediction, painted, project.series(Suggestion, "net"))
        measured = observe(measure)(prediction, project.series(Measurements, "m"), objects="pore", hosts="nucleus")
    page = Page(page_of(project))
    assert_sound(page)
    assert "labels/pores/v1 2 slices or boxes by Josiah Carberry pore 1.000" in page.text
    assert "where pores@v1 is unlabelled" in page.text
    assert "2 objects in all, 2 of them not cut by the border" in page.text and "density µm⁻²" in page.text
    assert "30 min" in page.text and "traced back to its image" in page.text
    for artifact in (measured, project.get("net", Suggestion)):
        pictures = [n for n in read_manifest(artifact.path / MANIFEST) if n.endswith((".svg", ".png"))]
        assert pictures
        for name in pictures:
            assert any(f"{artifact.place}/{name}" in a["alt"] for a in page.all("img"))
    assert re.search(r"Slice [zyx] \d+: \w+", page.text)


# --------------------------------------------------------------------------------------- many runs


def many(root: Path, count: int) -> tuple[list[Record], list[Any]]:
    """Return the records of `count` trainings, each going on from the last, and their models."""
    records, models = [], []
    for number in range(1, count + 1):
        path = root / f"models/net/v{number}"
        path.mkdir(parents=True)
        data = canonical_json({"kind": "Model", "n": number})
        (path / "artifact.json").write_bytes(data)
        (path / "manifest-sha256.txt").write_bytes(manifest_bytes({"artifact.json": hashlib.sha256(data).hexdigest()}))
        models.append(open_version(path))
        uses = [use_of(model, "start") for model in models[-2:]]
        records.append(
            {
                "id": f"urn:uuid:{number:036x}",
                "number": number,
                "step": "train",
                "status": "completed",
                "started": "2026-01-01T00:00:00Z",
                "ended": "2026-01-01T00:00:01Z",
                "inputs": uses[:-1],
                "outputs": uses[-1:],
                "parameters": {},
                "agents": [],
                "instrument": {"name": "sidecrate train"},
                "cost": {"seconds": 1.0, "recording_seconds": 0.0},
                "previous": None,
            }
        )
    return records, models


def work(root: Path, count: int) -> tuple[int, str]:
    """Return how many Python functions are called to write the page of `count` runs, and the page."""
    config = {"project": {"title": "t", "identifier": "urn:uuid:0", "created": "2026-01-01"}}
    records, models = many(root, count)
    document = crate.build(config, records, models)
    calls = 0

    def count_call(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count_call)
    try:
        html = preview.render(document, config, records, models, root=root)
    finally:
        sys.setprofile(None)
    return calls, html


def test_no_line_of_the_lineage_leaves_the_drawing(one_of_everything: Project) -> None:
    here = {artifact.digest: artifact for artifact in one_of_everything.artifacts()}
    picture = lay_out(Lineage(one_of_everything.records()), {}, here)
    lines = [line for arrow in picture.arrows for line in arrow.lines]
    assert lines and not re.search(r"-\d", " ".join(lines))


def test_the_work_grows_in_proportion_to_the_runs(tmp_path: Path) -> None:
    work(tmp_path / "warm", 5)
    once, _ = work(tmp_path / "a", 300)
    twice, html = work(tmp_path / "b", 600)
    assert twice < 2.2 * once
    page = Page(html)
    assert_sound(page)
    assert "Drawn are the newest" in page.text and "of 600 things" in page.text
    assert len([a for a in page.all("g") if a.get("class", "").startswith("node")]) <= 40
    assert sum(a["href"].startswith("records/") for a in page.all("a")) >= 600, "every run is there, older ones folded"
