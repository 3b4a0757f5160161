"""Materials made of nodes, so that edges of trims, hair and seams are crisp at any mesh resolution.

Patterns read the attribute `rest_position`, the place of a point before the armature moves it.
"""

from __future__ import annotations

import bpy

Colour = tuple[float, float, float]

SKIN: Colour = (0.50, 0.27, 0.165)
HAIR: Colour = (0.030, 0.020, 0.016)
TEAM: Colour = (0.018, 0.125, 0.42)
WHITE: Colour = (0.80, 0.80, 0.78)
ACCENT: Colour = (0.86, 0.30, 0.04)
FLOOR: Colour = (0.70, 0.68, 0.65)
BACKGROUND: Colour = (0.90, 0.91, 0.93)
BALL: Colour = (0.66, 0.185, 0.035)
BALL_SEAM: Colour = (0.020, 0.014, 0.012)
CARDBOARD: Colour = (0.42, 0.27, 0.14)

REST_POSITION = "rest_position"


class Pattern:
    """A material under construction: values are node sockets or numbers, layers of colour go on top of each other."""

    def __init__(self, name: str, colour: Colour, roughness: float) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.material.diffuse_color = (*colour, 1.0)
        self.nodes, self.links = self.material.node_tree.nodes, self.material.node_tree.links
        self.shader = self.nodes["Principled BSDF"]
        self.shader.inputs["Roughness"].default_value = roughness
        self.colour = self._value_node(colour)
        self._connect()

    def _value_node(self, colour: Colour):
        node = self.nodes.new("ShaderNodeRGB")
        node.outputs[0].default_value = (*colour, 1.0)
        return node.outputs[0]

    def _connect(self) -> None:
        self.links.new(self.colour, self.shader.inputs["Base Color"])

    def position(self, attribute: str | None = REST_POSITION):
        """The x, y and z sockets of an attribute, or of the object's own coordinates."""
        if attribute is None:
            vector = self.nodes.new("ShaderNodeTexCoord").outputs["Object"]
        else:
            node = self.nodes.new("ShaderNodeAttribute")
            node.attribute_name = attribute
            vector = node.outputs["Vector"]
        split = self.nodes.new("ShaderNodeSeparateXYZ")
        self.links.new(vector, split.inputs[0])
        return tuple(split.outputs)

    def math(self, operation: str, *values):
        """One Math node over sockets and numbers."""
        node = self.nodes.new("ShaderNodeMath")
        node.operation = operation
        for socket, value in zip(node.inputs, values):
            if isinstance(value, (int, float)):
                socket.default_value = value
            else:
                self.links.new(value, socket)
        return node.outputs[0]

    def between(self, value, low: float, high: float):
        """1 where low < value < high, else 0."""
        return self.math("MULTIPLY", self.math("GREATER_THAN", value, low), self.math("LESS_THAN", value, high))

    def distance(self, x, centre_x, y, centre_y):
        """Distance in a plane between (x, y) and a centre."""
        squares = [self.math("POWER", self.math("SUBTRACT", value, centre), 2.0) for value, centre in ((x, centre_x), (y, centre_y))]
        return self.math("SQRT", self.math("ADD", *squares))

    def paint(self, mask, colour: Colour) -> None:
        """Lays a colour over the material where the mask is 1."""
        mix = self.nodes.new("ShaderNodeMix")
        mix.data_type = "RGBA"
        self.links.new(mask, mix.inputs["Factor"])
        self.links.new(self.colour, mix.inputs["A"])
        self.links.new(self._value_node(colour), mix.inputs["B"])
        self.colour = mix.outputs["Result"]
        self._connect()


def skin() -> bpy.types.Material:
    """Skin with short hair and a headband, both cut by a plane that falls from the forehead to the nape."""
    pattern = Pattern("Mannequin Skin", SKIN, 0.5)
    _, y, z = pattern.position()
    tilted = pattern.math("MULTIPLY_ADD", y, 0.61, z)
    pattern.paint(pattern.math("GREATER_THAN", tilted, 1.856), HAIR)
    pattern.paint(pattern.between(tilted, 1.852, 1.882), WHITE)
    return pattern.material


def jersey(hem: float) -> bpy.types.Material:
    """Jersey with a number and a stripe down each side; outside its trimmed collar and armholes it shows the colour of skin."""
    pattern = Pattern("Mannequin Jersey", TEAM, 0.62)
    x, y, z = pattern.position()
    across = pattern.math("ABSOLUTE", x)
    side = pattern.math("ABSOLUTE", pattern.math("SUBTRACT", y, 0.012))
    below_arms = pattern.math("LESS_THAN", z, 1.45)
    for width, colour in ((0.030, WHITE), (0.018, ACCENT)):
        pattern.paint(pattern.math("MULTIPLY", below_arms, pattern.math("LESS_THAN", side, width)), colour)
    rightwards = pattern.math("MULTIPLY", x, pattern.math("SIGN", pattern.math("SUBTRACT", 0.012, y)))  # as the viewer sees it
    slant = pattern.math("SUBTRACT", rightwards, pattern.math("MULTIPLY_ADD", z, 0.36, -0.494))
    stroke = pattern.math("MULTIPLY", pattern.between(slant, -0.016, 0.016), pattern.between(z, 1.30, 1.452))
    bar = pattern.math("MULTIPLY", pattern.between(rightwards, -0.050, 0.0447), pattern.between(z, 1.424, 1.452))
    number = pattern.math("MULTIPLY", pattern.math("MAXIMUM", stroke, bar), pattern.math("GREATER_THAN", side, 0.05))
    pattern.paint(number, WHITE)
    pattern.paint(pattern.math("LESS_THAN", z, hem + 0.024), WHITE)
    # The collar is a circle seen from the front, lower at the chest than at the back; an armhole is one on either side.
    drop = pattern.math("MULTIPLY_ADD", pattern.math("GREATER_THAN", y, 0.015), 0.035, 1.652)
    collar = pattern.distance(across, 0.0, z, drop)
    armhole = pattern.distance(across, 0.262, z, 1.505)
    for distance, radius in ((collar, 0.098), (armhole, 0.122)):
        pattern.paint(pattern.math("LESS_THAN", distance, radius + 0.014), WHITE)
    for distance, radius in ((collar, 0.098), (armhole, 0.122)):
        pattern.paint(pattern.math("LESS_THAN", distance, radius), SKIN)
    return pattern.material


def shorts(hem: float) -> bpy.types.Material:
    """Shorts with a stripe down each side and a trim at the knees."""
    pattern = Pattern("Mannequin Shorts", TEAM, 0.62)
    x, y, z = pattern.position()
    outside = pattern.math("GREATER_THAN", pattern.math("ABSOLUTE", x), 0.12)
    side = pattern.math("ABSOLUTE", pattern.math("SUBTRACT", y, 0.008))
    pattern.paint(pattern.math("MULTIPLY", outside, pattern.math("LESS_THAN", side, 0.034)), WHITE)
    pattern.paint(pattern.math("MULTIPLY", outside, pattern.math("LESS_THAN", side, 0.021)), ACCENT)
    pattern.paint(pattern.math("LESS_THAN", z, hem + 0.026), WHITE)
    return pattern.material


def plain(name: str, colour: Colour, roughness: float = 0.55) -> bpy.types.Material:
    return Pattern(name, colour, roughness).material


def basketball(radius: float) -> bpy.types.Material:
    """Orange leather with the eight-panel seams: two great circles and a curve on either side."""
    pattern = Pattern("Basketball", BALL, 0.6)
    x, _, z = pattern.position(attribute=None)
    seam = 0.044 * radius
    for distance in (x, z, pattern.math("SUBTRACT", pattern.math("ABSOLUTE", x), 0.66 * radius)):
        pattern.paint(pattern.math("LESS_THAN", pattern.math("ABSOLUTE", distance), seam), BALL_SEAM)
    return pattern.material


def ink() -> bpy.types.Material:
    """What captions are written with: it neither takes light nor gives any to speak of."""
    pattern = Pattern("Ink", (0.02, 0.02, 0.02), 1.0)
    pattern.shader.inputs["Specular IOR Level"].default_value = 0.0
    return pattern.material


def floor() -> bpy.types.Material:
    """A matte floor with a thin line every metre, which fades into the background far from its middle."""
    pattern = Pattern("Floor", FLOOR, 0.9)
    x, y, _ = pattern.position(attribute=None)
    line = tuple(channel * 0.72 for channel in FLOOR)
    for axis in (x, y):
        from_line = pattern.math("PINGPONG", axis, 0.5)
        pattern.paint(pattern.math("LESS_THAN", from_line, 0.007), line)
    fade = pattern.nodes.new("ShaderNodeMapRange")
    fade.interpolation_type = "SMOOTHSTEP"
    pattern.links.new(pattern.distance(x, 0.0, y, 0.0), fade.inputs["Value"])
    for name, value in (("From Min", 4.0), ("From Max", 15.0), ("To Min", 1.0), ("To Max", 0.0)):
        fade.inputs[name].default_value = value
    pattern.links.new(fade.outputs["Result"], pattern.shader.inputs["Alpha"])
    return pattern.material
