# SPDX-License-Identifier: Apache-2.0
"""Measures: exact counts, known areas and distances, the same for every block size, honest at the border."""

import csv
import io
import json
from functools import cache

import numpy as np
import pytest
from volumes import save_image, save_labels, save_prediction

from sidecrate.errors import InputError
from sidecrate.science import plots
from sidecrate.science.blocks import blocked
from sidecrate.science.census import nearest_neighbours, take_census
from sidecrate.science.hosts import HostMasks, fill_holes, find_hosts, nearest_host
from sidecrate.science.measure import measure
from sidecrate.science.objects import keep_objects, label_components
from sidecrate.science.plausibility import structure_of, warnings
from sidecrate.testing.synthetic import NUCLEUS, PORE, cell


@cache
def synthetic():
    return cell(3, shape=(72, 88, 148))


def census_of(classes, block, voxel_nm):
    volume = blocked(classes, (block,) * 3)
    ids, objects = label_components(volume.map(lambda b: b == PORE))
    host = HostMasks(volume.map(lambda b: b == NUCLEUS), volume.map(lambda b: b > 1))
    return take_census(keep_objects(ids, objects.ids), objects, host, voxel_nm, search_nm=200, host_min_fraction=0.01)


def ball(shape, centre, radius):
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2


def read_csv(version, name):
    return list(csv.DictReader(io.StringIO((version.path / name).read_text())))


def read_json(version, name):
    return json.loads((version.path / name).read_text())


def test_the_truth_of_a_synthetic_cell_is_measured_back():
    one = synthetic()
    census = census_of(one.classes, 64, one.voxel_nm)
    measured = sorted(census.hosts.rows, key=lambda row: row["x_nm"])
    assert len(measured) == len(one.truth) == 2
    for row, truth in zip(measured, one.truth, strict=True):
        assert row["objects"] == row["objects_inside"] == truth.pore_count
        assert row["surface_um2"] == pytest.approx(truth.area_um2, rel=0.01)
        assert row["density_per_um2"] == pytest.approx(truth.pores_per_um2, rel=0.01)
        assert row["median_diameter_nm"] == pytest.approx(truth.median_pore_diameter_nm, rel=1e-6)
        assert row["nearest_median_nm"] >= 90
        assert row["clark_evans"] > 1
    assert census.estimator.startswith("Lindblad")


@pytest.mark.parametrize("block", [23, 200])
def test_a_census_is_bit_identical_for_every_block_size(block):
    classes = synthetic().classes[10:40, 10:60]
    reference, other = (census_of(classes, size, (20, 8, 8)) for size in (64, block))
    assert len(reference.objects.rows) > 20
    assert other.objects == reference.objects
    assert other.hosts == reference.hosts
    np.testing.assert_array_equal(other.configurations, reference.configurations)


def test_holes_are_filled_by_the_whole_cavity_and_bays_stay_open():
    mask = np.zeros((9, 9, 20), bool)
    mask[1:8, 1:8, 1:19] = True
    mask[4, 4, 3:17] = False  # a cavity through several blocks
    mask[2, 2, :5] = False  # a bay that reaches the rim
    filled = fill_holes(blocked(mask, (4, 4, 6)))
    whole = np.zeros(mask.shape, bool)
    for box in filled.boxes():
        whole[box] = filled.read(box)
    assert whole[4, 4, 3:17].all()
    assert not whole[2, 2, :5].any()
    assert whole.sum() == mask.sum() + 14


def test_small_bodies_and_bodies_without_host_voxels_are_no_hosts():
    host, objects = np.zeros((2, 12, 30, 12), bool)
    host[2:10, 2:10, 2:10] = True
    host[5, 15, 5] = True  # 1 of 512
    objects[2:10, 20:28, 2:10] = True
    ids, hosts, left_out = find_hosts(HostMasks(blocked(host), blocked(host | objects)), min_fraction=0.01)
    assert hosts.voxels.tolist() == [512]
    assert (left_out.bodies, left_out.largest_fraction) == (1, 1 / 512)  # what holds no host voxel is none at all
    assert set(np.unique(ids.read(next(ids.boxes())))) == {0, 1}


def test_objects_go_to_the_nearest_host_and_orphans_are_listed():
    ids = np.zeros((5, 5, 40), np.int64)
    ids[:, :, :5], ids[:, :, 30:] = 1, 2
    points = np.array([[2, 2, 3], [2, 2, 10], [2, 2, 17], [2, 2, 27.5]], float)
    for block in (3, 64):
        host, distance = nearest_host(points, blocked(ids, (block,) * 3), (20.0, 10.0, 10.0), search_nm=65)
        assert host.tolist() == [1, 1, 0, 2]
        np.testing.assert_allclose(distance, [0, 60, np.inf, 25])


def test_of_two_hosts_equally_near_the_smaller_id_wins_for_every_block_size():
    ids = np.zeros((1, 1, 11), np.int64)
    ids[..., 0], ids[..., 10] = 7, 3
    for block in (2, 5, 11):
        host, _ = nearest_host(np.array([[0, 0, 5.0]]), blocked(ids, (1, 1, block)), (1, 1, 1), 100)
        assert host.tolist() == [3]


def test_nearest_neighbours_are_those_of_the_same_host():
    points = np.array([[0, 0, 0], [0, 0, 30], [0, 0, 10], [0, 0, 35], [5, 5, 5]], float)
    nearest = nearest_neighbours(points, np.array([1, 1, 2, 2, -1]))
    np.testing.assert_array_equal(nearest, [30, 30, 25, 25, np.nan])


def test_measure_writes_tables_with_units_and_raw_counts(tmp_path):
    classes = np.ones((40, 40, 60), np.uint8)
    classes[ball(classes.shape, (20, 20, 20), 14)] = 3
    classes[ball(classes.shape, (20, 20, 34), 3)] = 2  # on the nucleus
    classes[ball(classes.shape, (20, 34, 20), 3)] = 2
    classes[18:22, 18:22, 57:60] = 2  # far away and cut by the border
    classes[0, 0, 0] = 2  # too small
    labels = save_labels(tmp_path, classes, ["pore", "nucleus"])
    made = measure(labels, tmp_path / "measurements" / "m", objects="pore", hosts="nucleus", search_nm=100)

    objects, (host,) = read_csv(made, "objects.csv"), read_csv(made, "hosts.csv")
    assert [row["host"] for row in objects].count("") == 1
    assert [row["touches_border"] for row in objects] == ["false", "false", "true"]
    assert (host["objects"], host["objects_inside"]) == ("2", "2")
    assert float(objects[0]["diameter_nm"]) == pytest.approx(2 * 3 * 8, rel=0.03)

    summary = read_json(made, "measurements.json")
    assert summary["totals"] == {
        "hosts": 1,
        "bodies_left_out": 0,
        "objects": 3,
        "objects_inside": 2,
        "orphans": 1,
    }
    assert sum(summary["hosts"][0]["configurations"]) > 0
    assert sum(summary["hosts"][0]["size_histogram"]) == 2
    assert {"objects_sd", "surface_um2"} <= {column["name"] for column in summary["columns"]["hosts"]}
    assert summary["source"] == made.meta["source"] == labels.link()
    assert summary["warnings"][0]["code"] == "plausibility.objects"
    assert (made.path / "plots" / "density.svg").read_text().count("<svg") == 1


def test_crumbs_of_the_host_class_are_no_hosts_and_said_so(tmp_path):
    classes = np.ones((30, 40, 60), np.uint8)
    classes[ball(classes.shape, (15, 20, 18), 12)] = 3
    classes[ball(classes.shape, (15, 20, 46), 5)] = 3  # 0.07 of the large one: a smaller nucleus
    classes[ball(classes.shape, (26, 5, 50), 3)] = 3  # 0.02: a crumb
    classes[28:, 5:8, 50:53] = 2  # on it
    labels = save_labels(tmp_path, classes, ["pore", "nucleus"])
    made = measure(labels, tmp_path / "m", objects="pore", hosts="nucleus", search_nm=40)
    totals, (warning, *_) = made.meta["totals"], made.meta["warnings"]
    assert (totals["hosts"], totals["bodies_left_out"], totals["orphans"]) == (2, 1, 1)
    assert (warning["code"], warning["value"]) == ("hosts.left_out", 1)
    every = measure(labels, tmp_path / "m", objects="pore", hosts="nucleus", search_nm=40, host_min_fraction=0)
    assert every.meta["totals"]["hosts"] == 3 and every.meta["totals"]["bodies_left_out"] == 0
    assert not [found for found in every.meta["warnings"] if found["code"] == "hosts.left_out"]


def test_specks_of_the_host_class_are_counted_without_alarm(tmp_path):
    classes = np.ones((30, 40, 40), np.uint8)
    classes[ball(classes.shape, (15, 20, 20), 12)] = 3
    classes[1, 1, 1] = 3
    made = measure(save_labels(tmp_path, classes, ["pore", "nucleus"]), tmp_path / "m", objects="pore", hosts="nucleus")
    assert made.meta["totals"]["bodies_left_out"] == 1
    assert not [found for found in made.meta["warnings"] if found["code"] == "hosts.left_out"]


def test_the_same_prediction_gives_the_same_bytes(tmp_path):
    classes = synthetic().classes[30:50]
    probabilities = np.stack([np.where(classes == k, 250, 3) for k in (PORE, NUCLEUS)]).astype(np.uint8)
    prediction = save_prediction(tmp_path, probabilities, ["pore", "nucleus"])
    first, second = (
        measure(prediction, tmp_path / "measurements" / "m", objects="pore", hosts="nucleus") for _ in range(2)
    )
    assert (first.version, second.version) == (1, 2)
    assert first.digest == second.digest


def test_a_host_has_no_dimple_where_neither_class_is_sure(tmp_path):
    nucleus = ball((30, 30, 30), (15, 15, 15), 10)
    unsure = ball((30, 30, 30), (15, 15, 24), 3) & nucleus
    share = np.where(unsure, 120, 250)
    channels = np.stack([np.where(unsure, 120, 0), np.where(nucleus, share, 0)]).astype(np.uint8)
    made = measure(
        save_prediction(tmp_path, channels, ["pore", "nucleus"]), tmp_path / "m", objects="pore", hosts="nucleus"
    )
    (host,) = read_csv(made, "hosts.csv")
    assert int(host["voxels"]) == nucleus.sum()


def test_surface_at_the_cut_of_a_host_is_not_envelope(tmp_path):
    classes = np.ones((30, 50, 50), np.uint8)
    classes[ball(classes.shape, (0, 24, 24), 20)] = 3
    labels = save_labels(tmp_path, classes, ["pore", "nucleus"])
    made = measure(labels, tmp_path / "m", objects="pore", hosts="nucleus")
    (host,) = read_json(made, "measurements.json")["hosts"]
    assert host["touches_border"] is True
    assert host["surface_um2"] == pytest.approx(2 * np.pi * 20**2 * 64e-6, rel=0.02)
    assert host["objects"] == 0 and host["median_diameter_nm"] is None


def test_flat_objects_get_a_disc_diameter_when_their_height_is_known(tmp_path):
    classes = np.ones((20, 30, 30), np.uint8)
    classes[8:13][:, ball((30, 30), (15, 15), 8)] = 2
    labels = save_labels(tmp_path, classes, ["pore"])
    (row,) = read_csv(measure(labels, tmp_path / "m", objects="pore", height_nm=40), "objects.csv")
    assert float(row["disc_diameter_nm"]) == pytest.approx(2 * 8 * 8, rel=0.03)


def test_an_image_of_instance_ids_is_measured_as_a_plain_reference_does(tmp_path):
    ids = np.random.default_rng(1).integers(0, 40, (20, 20, 20)).astype(np.uint16) * 1000
    image = save_image(tmp_path, ids, (30, 8, 8))
    made = measure(image, tmp_path / "m", objects="neuron", min_voxels=1)
    expected = dict(zip(*np.unique(ids[ids > 0], return_counts=True), strict=True))
    rows = read_csv(made, "objects.csv")
    assert {int(row["object"]): int(row["voxels"]) for row in rows} == expected
    assert float(rows[0]["volume_um3"]) == pytest.approx(expected[1000] * 30 * 8 * 8 / 1e9)
    (volume,) = read_csv(made, "hosts.csv")
    assert (volume["host"], volume["surface_um2"]) == ("0", "")
    assert float(volume["density_per_um3"]) == pytest.approx(len(expected) / (8000 * 30 * 64 / 1e9))
    assert read_json(made, "measurements.json")["surface_estimator"].startswith("Crofton")


def test_an_empty_prediction_is_measured_as_nothing(tmp_path):
    prediction = save_prediction(tmp_path, np.zeros((2, 10, 10, 10), np.uint8), ["pore", "nucleus"])
    made = measure(prediction, tmp_path / "m", objects="pore", hosts="nucleus")
    assert read_json(made, "measurements.json")["totals"] == {
        "hosts": 0,
        "bodies_left_out": 0,
        "objects": 0,
        "objects_inside": 0,
        "orphans": 0,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objects": "mitochondrion"}, "no class 'mitochondrion'; it has: pore"),
        ({"objects": "pore", "hosts": "nucleus"}, "no class 'nucleus'"),
        ({"objects": "pore", "threshold": 0}, "threshold 0"),
        ({"objects": "pore", "connectivity": 8}, "give 6, 18 or 26"),
        ({"objects": "pore", "min_voxels": 0}, "min_voxels"),
        ({"objects": "pore", "height_nm": -1}, "height_nm"),
        ({"objects": "pore", "host_min_fraction": 5}, "host_min_fraction"),
        ({"objects": "pore", "search_nm": float("nan")}, "search_nm"),
        ({"objects": "pore", "search_nm": float("inf")}, "search_nm"),
        ({"objects": "pore", "hosts": "pore"}, "its own host"),
    ],
)
def test_unusable_options_are_refused_and_leave_nothing(tmp_path, options, message):
    labels = save_labels(tmp_path, np.ones((4, 4, 4)), ["pore"])
    with pytest.raises(InputError, match=message):
        measure(labels, tmp_path / "m", **options)
    assert not (tmp_path / "m" / "v1").exists()


def test_a_host_that_fills_the_volume_has_no_density_per_area(tmp_path):
    classes = np.full((6, 6, 6), NUCLEUS)
    classes[2:4, 2:4, 2:4] = PORE
    labels = save_labels(tmp_path, classes, ["pore", "nucleus"])
    made = measure(labels, tmp_path / "m", objects="pore", hosts="nucleus", min_voxels=1)
    (host,) = read_csv(made, "hosts.csv")
    assert (host["objects"], host["surface_um2"], host["density_per_um2"]) == ("1", "0.0", "")


def test_instance_images_must_hold_integers_and_no_hosts(tmp_path):
    image = save_image(tmp_path, np.zeros((4, 4, 4), np.float32))
    with pytest.raises(InputError, match="must be integers"):
        measure(image, tmp_path / "m", objects="cell")
    with pytest.raises(InputError, match="no host class"):
        measure(save_image(tmp_path, np.zeros((4, 4, 4), np.uint8)), tmp_path / "m", objects="a", hosts="b")


def test_only_nuclear_pores_are_held_against_published_ranges():
    row = {
        "host": 1,
        "touches_border": False,
        "objects": 3,
        "density_per_um2": 80.0,
        "median_diameter_nm": 60.0,
        "nearest_median_nm": None,
    }
    assert structure_of("Nuclear_pores") == structure_of("NPC") == "nuclear pore"
    assert structure_of("mitochondria") is None
    codes = [warning["code"] for warning in warnings("nuclear pore", [row])]
    assert codes == ["plausibility.objects", "plausibility.density_per_um2"]
    assert len(list(warnings("nuclear pore", [{**row, "touches_border": True}]))) == 1
    assert list(warnings(None, [row])) == []


def test_plots_ignore_a_users_settings():
    import matplotlib

    plain = plots.bars([1, 2], [1, 1], ["1", "2"], "count", "objects")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert plots.bars([1, 2], [1, 1], ["1", "2"], "count", "objects") == plain
    assert b"Matplotlib" not in plain and b"dc:date" not in plain
