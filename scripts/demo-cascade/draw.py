"""Draws batches of scenes on any device from signed distance functions.

Coordinates: the canvas is [0,1] x [0,1], y down.  `place` turns attributes (integers) into positions and sizes, with a
little chance in them; `render` draws any square window of the canvas at any resolution, antialiased analytically.
"""
import math

import torch

import glyphs
from vocabulary import COLOURS, COLUMN, DARK_TEXT_ON, FLAT, NEON, NEON_GROUND, PAPER, PENCIL_LINE, PENCIL_TEXT, PENCIL_WASH

RADII = torch.tensor([[0.26, 0.14, 0.37], [0.16, 0.102, 0.205]])  # [one|two objects][medium, small, large]
SIGN_HALF_WIDTH = torch.tensor([0.26, 0.26, 0.34, 0.40, 0.44])  # by number of letters
TEXT_MARGIN = 0.055
LETTER_MARGIN = 0.075
NEON_WIDTH, PENCIL_WIDTH = 0.0165, 0.0125  # half widths of the strokes
GLOW_REACH, GLOW = 0.032, 0.55
CHANCE = 0.25  # how far positions and sizes vary from picture to picture; small, so that little has to be guessed


def place(attributes: torch.Tensor, generator: torch.Generator | None = None) -> dict[str, torch.Tensor]:
    """attributes int64 (B, columns) -> what `render` needs, on the same device."""
    device, batch = attributes.device, attributes.shape[0]

    def column(name):
        return attributes[:, COLUMN[name]]

    def jitter(width, *shape):
        return (torch.rand(batch, *shape, device=device, generator=generator) * 2 - 1) * width * CHANCE

    kind = column("kind")
    two = (kind == 1).float()
    radii = RADII.to(device)[(kind == 1).long()]
    scene = {"style": column("style"), "background": column("background"), "kind": kind}
    relation = column("relation").clamp(min=0)
    sign = torch.where(relation % 2 == 0, -1.0, 1.0)
    along = 0.24 * sign[:, None] * torch.stack([(relation < 2).float(), (relation >= 2).float()], 1)
    for slot, side in (("a", 1.0), ("b", -1.0)):
        size = column(f"size_{slot}").clamp(min=0)
        radius = radii.gather(1, size[:, None])[:, 0] * (1 + jitter(0.05))
        loose = torch.where(two[:, None] > 0, torch.where(along.abs() > 0, 0.018, 0.06), 0.06)
        centre = 0.5 + side * along * two[:, None] + jitter(1.0, 2) * loose
        scene[f"centre_{slot}"] = centre.clamp(radius[:, None] * 1.12 + 0.01, 0.99 - radius[:, None] * 1.12)
        scene[f"radius_{slot}"] = radius
        scene[f"shape_{slot}"] = column(f"shape_{slot}").clamp(min=0)
        scene[f"colour_{slot}"] = column(f"colour_{slot}").clamp(min=0)
    letters = column("letters").clamp(min=1)
    scene["letters"] = letters
    scene["letter"] = attributes[:, COLUMN["letter_0"] : COLUMN["letter_3"] + 1].clamp(min=0)
    half_width = SIGN_HALF_WIDTH.to(device)[letters]
    scene["cell"] = (2 * half_width - 2 * TEXT_MARGIN) / letters
    scene["half_width"] = half_width
    scene["half_height"] = scene["cell"] * glyphs.CELL_HEIGHT / 2 + LETTER_MARGIN
    scene["sign"] = column("sign").clamp(min=0)
    scene["sign_centre"] = 0.5 + jitter(1.0, 2) * torch.tensor([0.012, 0.04], device=device)
    return scene


def segment(px, py, ax, ay, bx, by):
    """Distance to the segment a-b."""
    ex, ey = bx - ax, by - ay
    t = (((px - ax) * ex + (py - ay) * ey) / (ex * ex + ey * ey)).clamp(0, 1)
    return torch.sqrt((px - ax - t * ex) ** 2 + (py - ay - t * ey) ** 2 + 1e-14)


def box(px, py, half_width, half_height):
    dx, dy = px.abs() - half_width, py.abs() - half_height
    outside = torch.sqrt(dx.clamp(min=0) ** 2 + dy.clamp(min=0) ** 2 + 1e-14)
    return outside + torch.maximum(dx, dy).clamp(max=0)


def star(x, y, tip, notch):
    """Five tips, one up; both radii are measured from the centre."""
    fifth = 2 * math.pi / 5
    angle = torch.atan2(x, -y)
    angle = (angle - fifth * torch.round(angle / fifth)).abs()
    length = torch.sqrt(x * x + y * y)
    u, v = length * torch.sin(angle), length * torch.cos(angle)  # v along the tip, u sideways, one half of one tip
    bx, by = notch * math.sin(fifth / 2), notch * math.cos(fifth / 2)
    distance = segment(u, v, 0.0, tip, bx, by)
    return torch.where(bx * (v - tip) - u * (by - tip) > 0, distance, -distance)


def triangle(x, y):
    """Equilateral, circumscribed radius 1.1, moved down so that it looks centred."""
    y = y - 0.17
    c, s = 1.1 * math.cos(math.pi / 6), 0.55
    x = x.abs()
    distance = torch.minimum(segment(x, y, 0.0, -1.1, c, s), segment(x, y, 0.0, s, c, s))
    inside = (y < s) & (x * (s + 1.1) < c * (y + 1.1))
    return torch.where(inside, -distance, distance)


def heart(x, y):
    """A square on its corner with a half disc on each upper side."""
    a = 0.83
    y = y + 0.02
    r = math.sqrt(0.5)
    square = box((x + y) * r, (x - y) * r, a * r, a * r)
    lobe = torch.sqrt((x.abs() - a / 2) ** 2 + (y + a / 2) ** 2 + 1e-14) - a * r
    return torch.minimum(square, lobe)


def rhombus(x, y, half_width, half_height):
    x, y = x.abs(), y.abs()
    distance = segment(x, y, half_width, 0.0, 0.0, half_height)
    return torch.where(x / half_width + y / half_height < 1, -distance, distance)


def shape_distance(shape, px, py, radius):
    """Signed distance to shape number `shape` (B,1,1) of the given radius, centred at the origin."""
    x, y = px / radius, py / radius
    length = torch.sqrt(x * x + y * y + 1e-14)
    distance = length - 0.98  # circle
    distance = torch.where(shape == 1, box(x, y, 0.86, 0.86), distance)
    distance = torch.where(shape == 2, triangle(x, y), distance)
    distance = torch.where(shape == 3, star(x, y, 1.12, 0.47), distance)
    distance = torch.where(shape == 4, (length - 0.74).abs() - 0.25, distance)
    cross = torch.minimum(box(x, y, 0.97, 0.32), box(x, y, 0.32, 0.97))
    distance = torch.where(shape == 5, cross, distance)
    distance = torch.where(shape == 6, rhombus(x, y, 0.78, 1.08), distance)
    distance = torch.where(shape == 7, heart(x, y), distance)
    return distance * radius


def text_distance(scene, atlas, px, py):
    """Signed distance to the letters; px, py (B,H,W) from the sign's centre."""
    cell = scene["cell"][:, None, None]
    count = scene["letters"][:, None, None]
    u = px / cell + count / 2
    v = py / cell
    slot = torch.minimum(u.floor().clamp(min=0), (count - 1).float())
    letter = scene["letter"][:, None, None, :]
    index = slot.long()
    glyph = torch.where(index == 0, letter[..., 0], torch.where(index == 1, letter[..., 1],
                        torch.where(index == 2, letter[..., 2], letter[..., 3])))
    _, rows, columns = atlas.shape
    fx = ((u - slot + glyphs.MARGIN) * glyphs.RESOLUTION - 0.5).clamp(0, columns - 1.001)
    fy = ((v + glyphs.CELL_HEIGHT / 2 + glyphs.MARGIN) * glyphs.RESOLUTION - 0.5).clamp(0, rows - 1.001)
    ix, iy = fx.floor(), fy.floor()
    wx, wy = fx - ix, fy - iy
    base = glyph * (rows * columns) + iy.long() * columns + ix.long()
    flat = atlas.reshape(-1)
    upper = flat[base] * (1 - wx) + flat[base + 1] * wx
    lower = flat[base + columns] * (1 - wx) + flat[base + columns + 1] * wx
    # far from the letters the atlas ends: add the way to its border
    beyond = torch.maximum((u - slot - 0.5).abs() - 0.5 - glyphs.MARGIN, v.abs() - glyphs.CELL_HEIGHT / 2 - glyphs.MARGIN)
    return (upper * (1 - wy) + lower * wy + beyond.clamp(min=0)) * cell


class Painter(torch.nn.Module):
    """Holds palettes and glyphs on a device; call it to draw."""

    def __init__(self, atlas):
        super().__init__()
        flat, neon = torch.tensor(FLAT) / 255, torch.tensor(NEON) / 255
        paper = torch.tensor(PAPER) / 255
        wash = paper + PENCIL_WASH * (flat - paper)
        dark = torch.tensor(FLAT[COLOURS.index("black")]) / 255
        text = torch.stack([dark if c in DARK_TEXT_ON else torch.ones(3) for c in COLOURS])
        self.register_buffer("atlas", torch.as_tensor(atlas))
        self.register_buffer("palette", torch.stack([flat, neon, wash]))  # [style][colour]
        grounds = torch.stack([flat, (torch.tensor(NEON_GROUND) / 255).expand(10, 3), paper.expand(10, 3)])
        self.register_buffer("grounds", grounds)
        self.register_buffer("text", text)
        self.register_buffer("line", torch.tensor(PENCIL_LINE) / 255)
        self.register_buffer("lead", torch.tensor(PENCIL_TEXT) / 255)

    def forward(self, scene, resolution: int, corner=None, extent: float = 1.0):
        """(B,3,resolution,resolution) in [0,1]; the window starts at corner (B,2) and is `extent` wide."""
        style = scene["style"]
        device = style.device
        steps = (torch.arange(resolution, device=device) + 0.5) * (extent / resolution)
        x, y = steps[None, None, :], steps[None, :, None]
        if corner is not None:
            x, y = x + corner[:, 0, None, None], y + corner[:, 1, None, None]
        aa = extent / resolution

        def cover(distance):
            return (0.5 - distance / aa).clamp(0, 1)

        def per_picture(colour):  # (B,3) -> (B,3,1,1)
            return colour[:, :, None, None]

        is_flat, is_neon, is_pencil = ((style == i)[:, None, None].float() for i in range(3))
        kind = scene["kind"][:, None, None]
        picture = per_picture(self.grounds[style, scene["background"]])
        line = self.line[None, :, None, None]
        glow = 0.0

        def paint(picture, glow, distance, present, colour):
            present = present.float()
            colour = per_picture(colour)
            filled = cover(distance) * present * (1 - is_neon)
            picture = picture + filled[:, None] * (colour - picture)
            half = is_neon * NEON_WIDTH + is_pencil * PENCIL_WIDTH
            stroke = cover(distance.abs() - half) * present * (1 - is_flat)
            ink = is_neon[:, None] * colour + is_pencil[:, None] * line
            picture = picture + stroke[:, None] * (ink - picture)
            shine = torch.exp(-(distance.abs() - NEON_WIDTH).clamp(min=0) / GLOW_REACH) * GLOW * present * is_neon
            return picture, glow + shine[:, None] * colour * (1 - stroke[:, None])

        for slot, present in (("a", kind < 2), ("b", kind == 1)):
            centre = scene[f"centre_{slot}"]
            distance = shape_distance(scene[f"shape_{slot}"][:, None, None], x - centre[:, 0, None, None],
                                      y - centre[:, 1, None, None], scene[f"radius_{slot}"][:, None, None])
            picture, glow = paint(picture, glow, distance, present, self.palette[style, scene[f"colour_{slot}"]])

        px, py = x - scene["sign_centre"][:, 0, None, None], y - scene["sign_centre"][:, 1, None, None]
        corner_radius = 0.05
        board = box(px, py, scene["half_width"][:, None, None] - corner_radius,
                    scene["half_height"][:, None, None] - corner_radius) - corner_radius
        picture, glow = paint(picture, glow, board, kind == 2, self.palette[style, scene["sign"]])
        is_sign = (kind == 2).float()
        text_colour = per_picture(self.text[scene["sign"]])
        frame = cover((board + 0.027).abs() - 0.009) * is_flat * is_sign
        picture = picture + frame[:, None] * (text_colour - picture)
        letters = text_distance(scene, self.atlas, px, py)
        ink = (is_flat[:, None] * text_colour + is_pencil[:, None] * self.lead[None, :, None, None]
               + is_neon[:, None] * per_picture(self.palette[style, scene["sign"]]))
        covered = (cover(letters) * is_sign)[:, None]
        picture = picture + covered * (ink - picture)
        shine = torch.exp(-letters.clamp(min=0) / (GLOW_REACH * 0.5)) * GLOW * 0.6 * is_sign * is_neon
        glow = glow + shine[:, None] * ink
        on_ink = covered * is_neon[:, None]
        return (picture + glow * (1 - on_ink) * (1 - picture)).clamp(0, 1)
