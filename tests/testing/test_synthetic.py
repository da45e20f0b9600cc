# SPDX-License-Identifier: Apache-2.0
"""The synthetic cell keeps its truth, and is hard for a threshold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from sidecrate.testing import synthetic
from sidecrate.testing.ellipsoid import Ellipsoid

TOUCHING = np.ones((3, 3, 3))
SMALL = (64, 80, 136)


@pytest.fixture(scope="module")
def cell():
    return synthetic.cell(0)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    first, again, other = (synthetic.cell(seed, shape=SMALL) for seed in (3, 3, 4))
    assert first.raw.tobytes() == again.raw.tobytes()
    assert first.classes.tobytes() == again.classes.tobytes()
    assert first.raw.tobytes() != other.raw.tobytes()


def test_every_voxel_has_a_class_and_classes_agree_with_instances(cell):
    assert cell.raw.dtype == cell.classes.dtype == np.uint8
    assert cell.raw.shape == cell.classes.shape == cell.pores.shape == cell.nuclei.shape == (96, 128, 208)
    assert np.array_equal(np.unique(cell.classes), [1, 2, 3])
    assert np.array_equal(cell.classes == synthetic.PORE, cell.pores > 0)
    assert np.array_equal(cell.classes != synthetic.BACKGROUND, cell.nuclei > 0)


def test_each_pore_and_each_nucleus_is_one_object_apart_from_the_others(cell):
    _, pores = ndimage.label(cell.pores > 0, TOUCHING)
    _, nuclei = ndimage.label(cell.classes == synthetic.NUCLEUS, TOUCHING)
    assert pores == cell.pores.max() == sum(t.pore_count for t in cell.truth)
    assert nuclei == len(cell.truth) == 2


def test_nothing_true_touches_the_edge_of_the_volume(cell):
    inner = cell.nuclei[1:-1, 1:-1, 1:-1]
    assert (inner > 0).sum() == (cell.nuclei > 0).sum()


def test_truth_is_that_of_the_labels(cell):
    for truth in cell.truth:
        ids, voxels = np.unique(cell.pores[cell.nuclei == truth.nucleus_id], return_counts=True)
        volume_nm3 = voxels[ids > 0] * np.prod(cell.voxel_nm)
        assert truth.pore_count == len(volume_nm3)
        assert np.allclose(np.pi / 6 * truth.pore_diameters_nm**3, volume_nm3)
        assert truth.pores_per_um2 == pytest.approx(truth.pore_count / truth.area_um2)


def test_nuclei_have_enough_pores_and_clearly_different_densities(cell):
    dense, sparse = cell.truth
    assert dense.pore_count >= 40
    assert sparse.pore_count >= 25
    assert dense.pores_per_um2 > 1.4 * sparse.pores_per_um2


def test_pores_keep_the_distance_that_life_keeps(cell):
    ids = np.arange(1, cell.pores.max() + 1)
    centres = np.array(ndimage.center_of_mass(cell.pores > 0, cell.pores, ids)) * cell.voxel_nm
    nearest, _ = KDTree(centres).query(centres, k=2)
    assert nearest[:, 1].min() > 110


def test_area_of_a_tilted_ellipsoid_equals_a_quadrature_over_its_surface():
    semi = np.array([500.0, 700.0, 900.0])
    body = Ellipsoid(np.zeros(3), semi, Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix())
    polar, weights = np.polynomial.legendre.leggauss(60)
    around = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    ring = np.sqrt(1 - polar**2)[:, None]
    sphere = np.stack([ring * np.cos(around), ring * np.sin(around), polar[:, None] + 0 * around], -1)
    element = np.prod(semi) * np.linalg.norm(sphere / semi, axis=-1)
    quadrature_nm2 = (weights[:, None] * element).sum() * 2 * np.pi / 120
    assert body.area_um2 == pytest.approx(quadrature_nm2 * 1e-6, rel=1e-9)


def test_labelled_nucleus_has_the_volume_of_the_ellipsoid_whose_area_is_the_truth(cell):
    for truth in cell.truth:
        volume_nm3 = (cell.nuclei == truth.nucleus_id).sum() * np.prod(cell.voxel_nm)
        assert volume_nm3 == pytest.approx(4 / 3 * np.pi * np.prod(truth.semi_axes_nm), rel=2e-3)
        assert truth.area_um2 == Ellipsoid(np.zeros(3), truth.semi_axes_nm, np.eye(3)).area_um2


def test_distance_is_zero_on_the_surface_and_negative_at_the_centre():
    body = Ellipsoid(np.full(3, 50.0), np.array([500.0, 700.0, 900.0]), np.eye(3))
    points = body.spaced_surface_points(np.random.default_rng(0), 20, 100.0)
    assert np.allclose(body.distance_nm(np.array([point for point, _ in points])), 0, atol=1e-9)
    assert np.allclose(body.distance_nm(np.array([point + 5 * normal for point, normal in points])), 5, atol=0.1)
    assert body.distance_nm(body.centre_nm) == -500


def test_more_pores_than_fit_are_refused():
    ball = Ellipsoid(np.zeros(3), np.full(3, 200.0), np.eye(3))
    with pytest.raises(ValueError, match="no room for 40 points 150 nm apart"):
        ball.spaced_surface_points(np.random.default_rng(0), 40, 150.0)


def best_f1_of_thresholds(raw, pores, min_iou=0.2):
    """Return the best object F1 of threshold and connected components over a grid of settings."""
    smooth = {sigma: ndimage.gaussian_filter(raw.astype(np.float32), sigma) for sigma in (0.6, 1.0, 1.6, 6.0)}
    images = [smooth[0.6], smooth[1.0], smooth[1.6], smooth[1.0] - smooth[6.0], smooth[1.6] - smooth[6.0]]
    scores = []
    for image, sign in itertools.product(images, (1, -1)):
        for level in np.percentile(sign * image, (50, 60, 70, 80, 90, 95, 98)):
            objects, _ = ndimage.label(sign * image > level, TOUCHING)
            scores += [object_f1(objects, pores, size, min_iou) for size in ((20, 10**9), (40, 400), (80, 250))]
    return max(scores)


def object_f1(objects, pores, size_range, min_iou):
    """Return F1 of the largest one-to-one matching of objects and pores at ``min_iou`` or better."""
    sizes, true_sizes = np.bincount(objects.ravel()), np.bincount(pores.ravel())
    kept = (sizes >= size_range[0]) & (sizes <= size_range[1])
    kept[0] = False
    both = (objects > 0) & (pores > 0)
    (found, true), overlap = np.unique([objects[both], pores[both]], axis=1, return_counts=True)
    iou = overlap / (sizes[found] + true_sizes[true] - overlap)
    edge = kept[found] & (iou >= min_iou)
    graph = coo_array((np.ones(edge.sum()), (found[edge], true[edge])), (len(sizes), len(true_sizes)))
    matched = (maximum_bipartite_matching(graph.tocsr()) >= 0).sum()
    return 2 * matched / (kept.sum() + len(true_sizes) - 1)


def test_a_threshold_does_not_find_the_pores(cell):
    assert best_f1_of_thresholds(cell.raw, cell.pores) < 0.5


def test_the_same_thresholds_find_pores_that_are_stained(cell):
    stained = np.where(cell.pores > 0, 255, cell.raw).astype(np.uint8)
    assert best_f1_of_thresholds(stained, cell.pores) > 0.9


def test_object_f1_counts_one_match_a_pore(cell):
    assert object_f1(cell.pores, cell.pores, (1, 10**9), 0.2) == 1.0
    half = np.where(cell.pores % 2, cell.pores, 0)
    assert object_f1(half, cell.pores, (1, 10**9), 0.2) == pytest.approx(2 / 3, abs=0.01)
