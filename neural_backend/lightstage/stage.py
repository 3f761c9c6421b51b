"""The stage: one dressed, posed subject in Cycles, rendered to linear colour and alpha.

Runs in a process of its own (`python -m neural_backend.lightstage.render_known_heads`); bpy is imported inside
functions, so importing this module does not need Blender.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.normals import vertex_normals_numpy
from . import materials as looks
from .appearance import Look, Wardrobe
from .cycles_scene import CyclesScene
from .materials import UNITS_PER_METRE as UNITS
from .props import eyeball, glasses
from .proxies import Surface, load_proxy
from .strands import STYLES, Strands, beard_mask, grow, scalp_mask
from .subjects import Casting, Posed, Subject


@dataclass(frozen=True)
class AreaLight:
    direction: tuple[float, float, float]  # unit vector from the head towards the light
    distance: float  # metres
    size: float  # metres across
    watts: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Lighting:
    environment: str  # name of one of Blender's CC0 light probes
    rotation: float  # radians about the vertical
    strength: float
    areas: tuple[AreaLight, ...]
    show_environment: bool  # as the picture's background; else the background is transparent


class Stage(CyclesScene):
    """Builds and renders shots with Cycles on the CPU."""

    def __init__(self, casting: Casting, wardrobe: Wardrobe, samples: int, threads: int, subsurface: bool = True):
        super().__init__(samples, threads, subsurface)
        self.casting, self.wardrobe, self.subsurface = casting, wardrobe, subsurface
        self.objects: list = []
        self.lamps: list = []
        mean = casting.template.vertices[: casting.skin_count].astype(np.float64)
        self.beards = {kind: beard_mask(mean, kind) for kind in ("moustache", "goatee", "full")}
        self.scalp = scalp_mask(mean)
        self.corner_uv = self._skin_uv()
        self.lips, self.inside = self._mouth_masks()

    def _skin_uv(self) -> np.ndarray:
        """[17552, 4, 2] MakeHuman's UV at the corners of the level-1 skin quads."""
        cut, base = self.casting.makehuman.cut, self.casting.makehuman.base
        corner = base.uv[cut.quad_uv]  # [F, 4, 2]
        side = (corner + np.roll(corner, -1, axis=1)) / 2
        centre = np.repeat(corner.mean(1, keepdims=True), 4, axis=1)
        return np.stack([corner, side, centre, np.roll(side, 1, axis=1)], axis=2).reshape(-1, 4, 2)

    def _mouth_masks(self) -> tuple[np.ndarray, np.ndarray]:
        template, count = self.casting.template, self.casting.skin_count
        curves = template.levels[1].curves
        lips, inside = np.zeros(count), np.zeros(count)
        for k in range(2, 11):
            lips[curves[f"mouth_{k:02d}"]] = 1.0
        # Level-1 vertices between two loops of level 0 belong to neither: fill from their neighbours.
        edges = self.casting.neighbours
        filled = np.zeros(count)
        np.add.at(filled, edges[:, 0], lips[edges[:, 1]])
        np.add.at(filled, edges[:, 1], lips[edges[:, 0]])
        lips = np.where(filled >= 2, np.maximum(lips, 1.0), lips)
        bag = template.part_vertices("mouth_bag")
        inside[bag[bag < count]] = 1.0
        lips[inside > 0] = 0
        return lips, inside

    def build(self, subject: Subject, posed: Posed, look: Look, generator: np.random.Generator) -> None:
        """Replace whatever stands on the stage by a subject."""
        self.clear()
        skin = looks.skin_material(look.skin, self.subsurface)
        stubble = self.beards["full"] * (look.stubble if look.beard != "none" else 0.0)
        if look.beard in self.beards:
            stubble = np.maximum(stubble * 0.6, self.beards[look.beard] * 0.6)
        if look.hair not in ("bald", "buzz"):
            stubble = np.maximum(stubble, 0.75 * self.scalp)
        rest = subject.skin * UNITS
        self._mesh(
            "skin",
            Surface(posed.skin, self.casting.skin_quads, self.corner_uv),
            skin,
            rest=rest,
            stubble=stubble,
            lips=self.lips * look.lipstick,
            inside=self.inside,
        )
        self._body(subject, look, skin)
        self._eyes(subject, posed, look)
        self._mouth(subject, posed)
        self._cards(subject, posed, look, generator)
        if look.glasses is not None:
            frame = look.glasses
            material = looks.plain_material("frame", frame.colour, 0.25, frame.metallic)
            self._mesh("glasses", glasses(frame, posed.skin, subject.eyes, self._ear_rests(posed.skin)), material)

    def clear(self) -> None:
        """Take everything but the camera off the stage."""
        self._remove(self.objects)
        self._remove(self.lamps)
        for material in list(self.bpy.data.materials):
            self.bpy.data.materials.remove(material)

    def _remove(self, things: list) -> None:
        """Take objects and their data off the stage, and empty the list."""
        data = self.bpy.data
        for thing in things:
            block = thing.data
            data.objects.remove(thing)
            for collection in (data.meshes, data.hair_curves, data.lights):
                if block.name in collection and collection[block.name] == block:
                    collection.remove(block)
                    break
        things.clear()

    def _body(self, subject: Subject, look: Look, skin) -> None:
        """Shoulders from MakeHuman's body, bare above the collar, and a shirt a little outside them."""
        makehuman = self.casting.makehuman
        base = subject.base_vertices
        quads = makehuman.base.quads[makehuman.cut.body_faces]
        corner_uv = makehuman.base.uv[makehuman.base.quad_uv[makehuman.cut.body_faces]]
        rim = base[makehuman.cut.vertex_ids[self.casting.rim]]
        near = base[quads][..., 1].mean(1) > rim[:, 1].min() - 0.42
        quads, corner_uv = quads[near], corner_uv[near]
        used, index = np.unique(quads, return_inverse=True)
        body, quads = base[used], index.reshape(quads.shape)
        self._mesh("body", Surface(body, quads, corner_uv), skin, rest=body * UNITS)
        triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        normal = vertex_normals_numpy(body, triangles)
        collar = np.linalg.norm((body - rim.mean(0)) * [1.0, 1.3, 1.0], axis=1) - 0.085 - 0.03 * look.cloth_pattern
        shirt = body + normal * (0.004 + 0.010 * np.clip(collar / 0.02, 0, 1)[:, None])
        cloth = looks.cloth_material(look.cloth, look.cloth_pattern)
        self._mesh("shirt", Surface(shirt, quads, corner_uv), cloth, rest=body * UNITS, collar=collar)

    def _eyes(self, subject: Subject, posed: Posed, look: Look) -> None:
        picture = self.wardrobe.folder / "eyes/materials" / f"{look.iris_picture}_eye.png"
        material = looks.eye_material(look.iris, look.pupil, picture)
        for eye in subject.eyes:
            surface, disc = eyeball(eye.centre, eye.radius, posed.gaze)
            self._mesh("eye", surface, material, disc=disc)

    def _mouth(self, subject: Subject, posed: Posed) -> None:
        folder = self.wardrobe.folder
        teeth = load_proxy(folder / "teeth" / "teeth_base")
        surface = teeth.fit(subject.base_vertices)
        # Connected pieces above or below the bite: the lower jaw's pieces are bound to the lower helper.
        lower_helper = self.casting.makehuman.base.groups == "helper-lower-teeth"
        lower_ids = np.unique(self.casting.makehuman.base.quads[lower_helper])
        lower = np.isin(teeth.anchors[:, 0], lower_ids).astype(float)
        surface = self.casting.in_jaw(subject, posed, surface, lower)
        material = looks.textured_material("teeth", folder / "teeth/materials/teeth.png", (1.0, 0.94, 0.86), 0.18)
        self._mesh("teeth", surface, material)
        tongue = load_proxy(folder / "tongue" / "tongue01")
        fitted = tongue.fit(subject.base_vertices)
        fitted = self.casting.in_jaw(subject, posed, fitted, np.ones(len(fitted.vertices)))
        picture = folder / "tongue/tongue01/tongue01_diffuse.png"
        self._mesh("tongue", fitted, looks.textured_material("tongue", picture, (0.8, 0.55, 0.55), 0.3))

    def _cards(self, subject: Subject, posed: Posed, look: Look, generator: np.random.Generator) -> None:
        folder = self.wardrobe.folder
        for kind, name, colour, opacity in (
            ("eyebrows", look.brow, look.brow_colour, look.brow_opacity),
            ("eyelashes", look.lashes, (0.008, 0.006, 0.005), look.lash_opacity),
        ):
            proxy = load_proxy(folder / kind / name)
            surface = self.casting.attached(subject, posed, proxy)
            self._mesh(kind, surface, looks.card_material(kind, proxy.texture, colour, opacity))
        triangles = np.concatenate([self.casting.skin_quads[:, [0, 1, 2]], self.casting.skin_quads[:, [0, 2, 3]]])
        if look.hair == "afro":
            strands = grow(subject.skin, triangles, self.scalp, STYLES["afro"], generator)
            self._strands("hair", strands, look.hair_colour)
        elif look.hair not in ("bald", "buzz"):
            proxy = load_proxy(folder / "hair" / look.hair)
            material = looks.card_material("hair", proxy.texture, look.hair_colour, own=0.8)
            self._mesh("hair", proxy.fit(subject.base_vertices), material)
        if look.beard != "none":
            mask = self.beards.get(look.beard, self.beards["full"])
            self._strands("beard", grow(posed.skin, triangles, mask, STYLES[look.beard], generator), look.hair_colour)

    def _ear_rests(self, skin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        curves = self.casting.template.levels[1].curves
        rests = []
        for side in ("left", "right"):
            ring = skin[curves[f"ear_{side}_00"]]
            rests.append(ring[ring[:, 1].argmax()])
        return rests[0], rests[1]

    def _mesh(self, name: str, surface: Surface, material, **attributes: np.ndarray) -> None:
        mesh = self.bpy.data.meshes.new(name)
        quads = surface.quads
        triangle = quads[:, 3] == quads[:, 2]
        keep = np.ones(quads.shape, bool)
        keep[triangle, 3] = False
        sizes = keep.sum(1)
        mesh.vertices.add(len(surface.vertices))
        mesh.loops.add(int(sizes.sum()))
        mesh.polygons.add(len(quads))
        mesh.vertices.foreach_set("co", (surface.vertices * UNITS).astype(np.float32).ravel())
        mesh.loops.foreach_set("vertex_index", quads[keep].astype(np.int32))
        mesh.polygons.foreach_set("loop_start", np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32))
        mesh.update(calc_edges=True)
        mesh.polygons.foreach_set("use_smooth", np.ones(len(quads), bool))
        layer = mesh.uv_layers.new(name="UVMap")
        layer.data.foreach_set("uv", surface.corner_uv[keep].astype(np.float32).ravel())
        for key, value in attributes.items():
            vector = value.ndim == 2
            attribute = mesh.attributes.new(key, "FLOAT_VECTOR" if vector else "FLOAT", "POINT")
            attribute.data.foreach_set("vector" if vector else "value", value.astype(np.float32).ravel())
        mesh.materials.append(material)
        thing = self.bpy.data.objects.new(name, mesh)
        self.scene.collection.objects.link(thing)
        self.objects.append(thing)

    def _strands(self, name: str, strands: Strands, colour: tuple[float, float, float]) -> None:
        count, steps = strands.points.shape[:2]
        curves = self.bpy.data.hair_curves.new(name)
        curves.add_curves([steps] * count)
        curves.attributes["position"].data.foreach_set("vector", (strands.points * UNITS).ravel())
        radius = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
        taper = np.linspace(1, 0.4, steps) * strands.radius * UNITS
        radius.data.foreach_set("value", np.tile(taper, count).astype(np.float32))
        curves.materials.append(looks.plain_material(name, colour, 0.4))
        thing = self.bpy.data.objects.new(name, curves)
        self.scene.collection.objects.link(thing)
        self.objects.append(thing)

    def light(self, lighting: Lighting) -> None:
        """Replace the environment and the area lights; area lights aim at the face."""
        from mathutils import Vector

        self._remove(self.lamps)
        self.environment.image = looks.load_image(self.environments()[lighting.environment])
        self.mapping.inputs["Rotation"].default_value = (np.pi / 2, 0.0, lighting.rotation)
        self.background.inputs["Strength"].default_value = lighting.strength
        self.scene.render.film_transparent = not lighting.show_environment
        for area in lighting.areas:
            lamp = self.bpy.data.lights.new("area", "AREA")
            lamp.shape, lamp.size = "DISK", area.size * UNITS
            lamp.energy, lamp.color = area.watts * UNITS**2, area.colour
            thing = self.bpy.data.objects.new("area", lamp)
            direction = np.array(area.direction)
            thing.location = (direction * area.distance + [0, 0, 0.05]) * UNITS
            thing.rotation_euler = Vector(-direction).to_track_quat("-Z", "Y").to_euler()
            thing.visible_camera = False
            self.scene.collection.objects.link(thing)
            self.lamps.append(thing)
