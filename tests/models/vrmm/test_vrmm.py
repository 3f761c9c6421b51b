"""The whole model: what depends on what, and that it survives being saved."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from neural_backend.models.vrmm.config import LARGE, SMALL, VRMMConfig
from neural_backend.models.vrmm.vrmm import VRMM
from neural_backend.protocol.errors import MienError
from neural_backend.rendering.volume import TensorCamera, march


def colour(model, prepared, light):
    return model.relight(prepared, light).primitives.payload[:, :, :3].double()


def test_colour_is_exactly_linear_in_the_light(model, inputs):
    z_id, z_e, eye, light = inputs
    with torch.no_grad():
        prepared = model.prepare(z_id, z_e, eye)
        other = torch.rand(light.shape, generator=torch.Generator().manual_seed(1)) * 5
        together = colour(model, prepared, 0.7 * light + 1.9 * other)
        apart = 0.7 * colour(model, prepared, light) + 1.9 * colour(model, prepared, other)
        assert together.abs().max() > 0.01
        assert (together - apart).norm() / together.norm() < 1e-5
        assert colour(model, prepared, torch.zeros_like(light)).abs().max() == 0


def test_colours_of_light_do_not_mix(model, inputs):
    z_id, z_e, eye, light = inputs
    with torch.no_grad():
        prepared = model.prepare(z_id, z_e, eye)
        red = light * torch.tensor([1.0, 0, 0])[:, None, None]
        lit = colour(model, prepared, red)
    assert lit[:, :, 0].abs().max() > 0
    assert lit[:, :, 1:].abs().max() == 0


def test_only_colour_depends_on_light_and_viewer(model, inputs):
    z_id, z_e, eye, light = inputs
    with torch.no_grad():
        here = model.decode(z_id, z_e, eye, light)
        there = model.decode(z_id, z_e, eye.flip(0) * torch.tensor([-1.0, 1, 1]), light.flip(-1))
    for name in ("positions", "rotations", "scales"):
        assert torch.equal(getattr(here.primitives, name), getattr(there.primitives, name)), name
    assert torch.equal(here.primitives.payload[:, :, 3], there.primitives.payload[:, :, 3])
    assert not torch.allclose(here.primitives.payload[:, :, :3], there.primitives.payload[:, :, :3])


def test_colour_depends_on_the_viewer_in_the_same_light(model, inputs):
    z_id, z_e, eye, light = inputs
    with torch.no_grad():
        here = model.decode(z_id, z_e, eye, light).primitives.payload
        there = model.decode(z_id, z_e, eye * torch.tensor([-1.0, 1, 1]) + 0.3, light).primitives.payload
    assert not torch.allclose(here[:, :, :3], there[:, :, :3], atol=1e-4)


def test_every_code_moves_geometry_and_opacity(model, inputs):
    z_id, z_e, eye, light = inputs
    with torch.no_grad():
        base = model.decode(z_id, z_e, eye, light)
        for changed in (model.decode(z_id + 0.5, z_e, eye, light), model.decode(z_id, z_e + 0.5, eye, light)):
            assert (changed.base_vertices - base.base_vertices).abs().max() > 1e-6
            assert (changed.primitives.payload[:, :, 3] - base.primitives.payload[:, :, 3]).abs().max() > 1e-4


def test_opacity_is_never_negative_and_frames_are_rotations(model, inputs):
    with torch.no_grad():
        primitives = model.decode(*inputs).primitives
    assert (primitives.payload[:, :, 3] >= 0).all()
    assert (primitives.scales > 0).all()
    rotations = primitives.rotations
    assert torch.allclose(rotations @ rotations.mT, torch.eye(3).expand_as(rotations), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotations), torch.ones(rotations.shape[:2]), atol=1e-5)


def test_gradient_stops_between_decoders(model, inputs):
    """Opacity teaches D_alpha and D_id, not D_T, though D_T's features are its input; and the other way round."""
    z_id, z_e, eye, _ = inputs
    model.prepare(z_id, z_e, eye).opacity.square().sum().backward()
    decoders = model.volume_decoders
    assert decoders.blocks_alpha[0].conv.weight.grad.abs().max() > 0
    assert decoders.blocks_t[0].conv.weight.grad is None and decoders.blocks_rgb[0].conv.weight.grad is None
    model.zero_grad(set_to_none=True)
    model.prepare(z_id, z_e, eye).scales.sum().backward()
    assert decoders.blocks_t[0].conv.weight.grad.abs().max() > 0
    assert decoders.blocks_alpha[0].conv.weight.grad is None and decoders.blocks_rgb[0].conv.weight.grad is None


def test_fresh_model_is_a_head_in_skin_colour(template):
    """Marched from the front under even light: opaque in the middle, empty beside, of mean skin's colour."""
    model = VRMM(SMALL, template, ("anna",))
    pose = torch.diag(torch.tensor([1.0, -1, -1, 1]))[None]
    pose[:, 2, 3] = 1.0
    camera = TensorCamera(48, 48, torch.tensor([[[150.0, 0, 24], [0, 150, 24], [0, 0, 1]]]), pose)
    light = torch.ones(1, 3, 16, 32)
    with torch.no_grad():
        decoded = model.decode(model.identity_of(["anna"]), torch.zeros(1, SMALL.expression), camera.eye_head, light)
        rgb, alpha = march(decoded.primitives, camera, 0.0025)
    forehead = rgb[0, 16:19, 22:26].mean((0, 1))
    assert alpha[0, 12:34, 18:30].min() > 0.9
    assert alpha[0, :, :2].max() == 0
    assert torch.allclose(forehead, torch.tensor([0.42, 0.27, 0.20]), atol=0.06)


def test_saved_and_read(model, inputs, template, tmp_path):
    path = tmp_path / "volume.safetensors"
    model.save(path, {"step": "12"})
    again = VRMM.load(path, template)
    assert again.subjects == ("anna", "ben") and again.config == model.config
    with torch.no_grad():
        a, b = model.decode(*inputs), again.decode(*inputs)
    assert torch.allclose(a.base_vertices, b.base_vertices, atol=1e-4)
    error = (a.primitives.payload - b.primitives.payload).norm() / a.primitives.payload.norm()
    assert error < 5e-3  # float16


def test_errors_say_what_to_do(model, template, tmp_path):
    with pytest.raises(MienError, match="not trained on 'zoe'"):
        model.identity_of(["zoe"])
    with pytest.raises(MienError, match="missing"):
        VRMM.load(tmp_path / "none.safetensors", template)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"nothing")
    with pytest.raises(MienError, match="fetch the volume's weights again"):
        VRMM.load(damaged, template)


def test_codes_do_not_depend_on_the_order_of_arrival(template, tiny):
    one, two = VRMM(tiny, template, ("a", "b")), VRMM(tiny, template, ("b",))
    two.add_subjects(("b", "a"))
    assert two.subjects == ("b", "a")
    assert torch.equal(one.identity_of(["a", "b"]), two.identity_of(["a", "b"]))


def test_sizes():
    assert SMALL.texture == 64 and SMALL.texel_voxels == 4 and SMALL.grid_level == 3
    assert VRMMConfig.from_json(LARGE.to_json()) == LARGE
    with pytest.raises(AssertionError):
        VRMMConfig(flat_light=False, shading_maps=False)


@pytest.mark.parametrize("off", [{"flat_light": False}, {"shading_maps": False}])
def test_either_way_of_the_light_can_be_left_out(template, tiny, inputs, off):
    model = VRMM(replace(tiny, **off), template)
    z_id, z_e, eye, light = inputs
    with torch.no_grad():
        prepared = model.prepare(z_id, z_e, eye)
        once, twice = colour(model, prepared, light), colour(model, prepared, 2 * light)
    assert once.abs().max() > 0
    assert torch.allclose(2 * once, twice, rtol=1e-5, atol=1e-7)
