"""A head rendered by Cycles: run as a script in its own process, it reads an .npz and writes a linear .exr.

python cycles_reference.py SCENE.npz OUT.exr

The .npz holds vertices, triangles, normals, environment (lat-long as in rendering.light), intrinsics, camera_from_head,
width, height, albedo [3], f0, roughness, radius_mm [3], solid [F] (1 where light does not wander), bounces, samples.
"""

import sys

import numpy as np


def main(scene_file: str, out: str) -> None:
    import bpy
    from mathutils import Matrix

    data = np.load(scene_file)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"

    # Head axes to Blender's: the face looks along -Y, up is +Z.
    to_blender = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    mesh = bpy.data.meshes.new("head")
    triangles = data["triangles"]
    a, b, c = triangles.T
    whole = (a != b) & (b != c) & (c != a)  # Blender falls over faces that repeat a corner
    triangles = triangles[whole]
    mesh.from_pydata((data["vertices"] @ to_blender.T).tolist(), [], triangles.tolist())
    mesh.shade_smooth()
    mesh.normals_split_custom_set_from_vertices((data["normals"] @ to_blender.T).tolist())
    mesh.materials.append(_material(bpy, data, data["radius_mm"]))
    mesh.materials.append(_material(bpy, data, np.zeros(3)))
    mesh.polygons.foreach_set("material_index", data["solid"][whole].astype(np.int32))
    scene.collection.objects.link(bpy.data.objects.new("head", mesh))

    environment = np.roll(data["environment"], data["environment"].shape[1] // 4, axis=1)
    height, width = environment.shape[:2]
    image = bpy.data.images.new("light", width, height, float_buffer=True)
    image.colorspace_settings.name = "Linear Rec.709"
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = environment[::-1]
    image.pixels.foreach_set(pixels.ravel())
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    node = world.node_tree.nodes.new("ShaderNodeTexEnvironment")
    node.image = image
    world.node_tree.links.new(node.outputs["Color"], world.node_tree.nodes["Background"].inputs["Color"])
    scene.world = world

    camera_data = bpy.data.cameras.new("camera")
    camera = bpy.data.objects.new("camera", camera_data)
    camera_data.sensor_fit = "HORIZONTAL"
    camera_data.lens = float(data["intrinsics"][0, 0]) / int(data["width"]) * camera_data.sensor_width
    camera_data.clip_start = 0.01
    head_from_camera = np.linalg.inv(data["camera_from_head"].astype(np.float64))
    frame = np.eye(4)
    frame[:3, :3] = to_blender
    camera.matrix_world = Matrix((frame @ head_from_camera @ np.diag([1.0, -1, -1, 1])).tolist())
    scene.collection.objects.link(camera)
    scene.camera = camera

    scene.render.resolution_x, scene.render.resolution_y = int(data["width"]), int(data["height"])
    scene.render.resolution_percentage = 100
    scene.render.film_transparent = True
    scene.cycles.samples = int(data["samples"])
    scene.cycles.use_denoising = True  # leaves the samples' noise out of the comparison
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.seed = 1
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.max_bounces = scene.cycles.diffuse_bounces = int(data["bounces"])
    scene.cycles.glossy_bounces = int(data["bounces"])
    scene.render.threads_mode = "FIXED"
    scene.render.threads = 2
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.filepath = out
    bpy.ops.render.render(write_still=True)


def _material(bpy, data, radius):
    material = bpy.data.materials.new("skin")
    material.use_nodes = True
    tree = material.node_tree
    albedo = (*data["albedo"].tolist(), 1.0)
    if float(data["f0"]) == 0:
        tree.nodes.remove(tree.nodes["Principled BSDF"])
        node = tree.nodes.new("ShaderNodeBsdfDiffuse")
        node.inputs["Color"].default_value = albedo
        tree.links.new(node.outputs[0], tree.nodes["Material Output"].inputs["Surface"])
        return material
    node = tree.nodes["Principled BSDF"]
    node.distribution = "GGX"
    node.inputs["Base Color"].default_value = albedo
    node.inputs["Roughness"].default_value = float(data["roughness"])
    root = float(data["f0"]) ** 0.5
    node.inputs["IOR"].default_value = (1 + root) / (1 - root)
    if radius.max() > 0:
        node.subsurface_method = "RANDOM_WALK"
        node.inputs["Subsurface Weight"].default_value = 1.0
        node.inputs["Subsurface Radius"].default_value = (radius / radius.max()).tolist()
        node.inputs["Subsurface Scale"].default_value = float(radius.max()) * 1e-3
    return material


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
