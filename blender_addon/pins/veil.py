"""The photo laid half over the head while pins are edited: both must be seen. Nothing in the file changes for it."""

from __future__ import annotations

import bpy
import gpu
from gpu_extras.batch import batch_for_shader

VERTEX = """
void main()
{
  across = uv;
  gl_Position = ModelViewProjectionMatrix * vec4(pos, 0.0, 1.0);
}
"""
#: Blender gives textures of pictures as scene-linear values; the region is drawn in display values.
FRAGMENT = """
void main()
{
  vec3 linear = max(texture(photo, across).rgb, vec3(0.0));
  vec3 display = mix(linear * 12.92, 1.055 * pow(linear, vec3(1.0 / 2.4)) - 0.055, step(vec3(0.0031308), linear));
  colour = vec4(display, opacity);
}
"""
_shader: gpu.types.GPUShader | None = None


def draw(image: bpy.types.Image, corners: list[tuple[float, float]], opacity: float) -> None:
    """Draw the picture into the current region, between its corners: bottom left, bottom right, top right, top left."""
    global _shader
    if _shader is None:
        _shader = _compile()
    batch = batch_for_shader(
        _shader,
        "TRIS",
        {"pos": corners, "uv": [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]},
        indices=[(0, 1, 2), (0, 2, 3)],
    )
    gpu.state.blend_set("ALPHA")
    _shader.bind()
    _shader.uniform_float(
        "ModelViewProjectionMatrix", gpu.matrix.get_projection_matrix() @ gpu.matrix.get_model_view_matrix()
    )
    _shader.uniform_float("opacity", opacity)
    _shader.uniform_sampler("photo", gpu.texture.from_image(image))
    batch.draw(_shader)
    gpu.state.blend_set("NONE")


def _compile() -> gpu.types.GPUShader:
    passed = gpu.types.GPUStageInterfaceInfo("mien_veil")
    passed.smooth("VEC2", "across")
    info = gpu.types.GPUShaderCreateInfo()
    info.push_constant("MAT4", "ModelViewProjectionMatrix")
    info.push_constant("FLOAT", "opacity")
    info.sampler(0, "FLOAT_2D", "photo")
    info.vertex_in(0, "VEC2", "pos")
    info.vertex_in(1, "VEC2", "uv")
    info.vertex_out(passed)
    info.fragment_out(0, "VEC4", "colour")
    info.vertex_source(VERTEX)
    info.fragment_source(FRAGMENT)
    return gpu.shader.create_from_info(info)
