# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from sidecrate.science.unet import Plan, UNet

ISOTROPIC, COARSE_Z = (16, 16, 16), (50, 10, 10)


def _net(voxel_nm, widths=(2, 4, 8), classes=3, seed=0):
    torch.manual_seed(seed)
    net = UNet(Plan.for_voxels(voxel_nm, widths), classes)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


def test_the_published_net_comes_out_of_its_widths():
    net = UNet(Plan.for_voxels(ISOTROPIC, (64, 128, 256, 512)), 3)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(19_069_955, rel=1e-3)
    assert net.plan.output_shape((132, 132, 116)) == (44, 44, 28)
    assert net.plan.input_shape((44, 44, 28)) == (132, 132, 116)


def test_coarse_axes_are_convolved_and_pooled_only_when_the_others_are_as_coarse():
    plan = Plan.for_voxels(COARSE_Z, (8, 16, 32, 64))
    assert plan.kernels == ((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3))
    assert plan.pools == ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    assert plan.stride == (2, 8, 8)


@pytest.mark.parametrize(
    ("slices", "halo"), [(2, 2), (33, 2), (34, 8), (81, 8), (82, 20), (177, 20), (178, 44), (float("inf"), 44)]
)
def test_a_coarse_axis_joins_so_late_that_the_net_sees_half_the_volume_at_most(slices, halo):
    assert Plan.for_voxels((20, 10, 10), (8, 16, 32, 64), (slices, 30, 30)).halo == (halo, 44, 44)
    assert Plan.for_voxels(ISOTROPIC, (8, 16, 32, 64), (slices, 30, 30)).halo == (44, 44, 44)


@pytest.mark.parametrize("voxel_nm", [ISOTROPIC, COARSE_Z, (10, 50, 10)])
@pytest.mark.parametrize("widths", [(2, 4), (2, 4, 4), (2, 4, 4, 4)])
def test_every_output_shape_has_an_input_shape_that_the_net_turns_into_it(voxel_nm, widths):
    net = _net(voxel_nm, widths)
    inputs = net.plan.input_shape((1, 3, 6))
    out = net(torch.zeros(1, 1, *inputs))
    assert out.shape[2:] == net.plan.output_shape(inputs)
    assert all(have >= want for have, want in zip(out.shape[2:], (1, 3, 6), strict=True))


@pytest.mark.parametrize("voxel_nm", [ISOTROPIC, COARSE_Z])
def test_a_voxel_depends_on_the_halo_around_its_stride_cell_and_on_nothing_else(voxel_nm):
    net = _net(voxel_nm)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()  # no ReLU hides a path; pooling hides some of one random input
    plan = net.plan
    shape = plan.input_shape([2 * step for step in plan.stride])
    seen = torch.zeros(shape, dtype=torch.bool)
    for seed in range(4):
        torch.manual_seed(seed)
        x = torch.rand(1, 1, *shape, requires_grad=True)
        net(x)[0, :, 0, 0, 0].sum().backward()
        seen |= x.grad[0, 0] != 0
    for axis, (halo, step, radius) in enumerate(zip(plan.halo, plan.stride, plan.radius, strict=True)):
        others = tuple(other for other in range(3) if other != axis)
        places = seen.any(dim=others[1]).any(dim=others[0]).nonzero()[:, 0]
        assert places.min() == 0
        assert places.max() < step + 2 * halo
        assert places.max() - halo <= radius
        assert places.max() > 2 * halo - step


def test_a_shift_by_the_stride_shifts_the_result():
    net = _net(COARSE_Z)
    shape, stride = net.plan.input_shape((8, 8, 8)), net.plan.stride
    volume = torch.randn(1, 1, *(size + step for size, step in zip(shape, stride, strict=True)))
    first = net(volume[:, :, : shape[0], : shape[1], : shape[2]])
    second = net(volume[:, :, stride[0] :, stride[1] :, stride[2] :])
    z, y, x = stride
    torch.testing.assert_close(first[:, :, z:, y:, x:], second[:, :, :-z, :-y, :-x], atol=1e-5, rtol=1e-4)


def test_folding_the_normalisation_leaves_the_result_as_it_is():
    net = _net(ISOTROPIC)
    folded = net.folded()
    x = torch.randn(1, 1, *net.plan.input_shape((4, 4, 4)))
    torch.testing.assert_close(folded(x), net(x), atol=1e-5, rtol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm3d) for module in folded.modules())


def test_frozen_statistics_stay_while_the_rest_learns():
    net = _net(ISOTROPIC).train()
    net.freeze_statistics()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    net(torch.randn(2, 1, *net.plan.input_shape((4, 4, 4)))).square().mean().backward()
    optimiser.step()
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert "head.weight" in changed
    assert not any("running" in name for name in changed)


def test_a_new_class_leaves_the_logits_of_the_others():
    net = _net(ISOTROPIC, classes=2)
    x = torch.randn(1, 1, *net.plan.input_shape((4, 4, 4)))
    torch.testing.assert_close(net.with_classes(4)(x)[:, :2], net(x))
