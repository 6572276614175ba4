"""Signed distances to the shapes, negative inside; coordinates from the shape's centre, y down."""
import math

import torch


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
