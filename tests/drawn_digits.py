"""Ten digits as a person writes them: strokes of points in the unit square, y downward."""

import math


def arc(centre, radius, start, end, n=14):
    """Points on an ellipse between two angles in degrees, clockwise from the right as y points down."""
    (x, y), (rx, ry) = centre, radius
    angles = [math.radians(start + (end - start) * i / (n - 1)) for i in range(n)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


DIGITS = {
    "0": [arc((0.5, 0.5), (0.2, 0.3), -80, 280, 24)],
    "1": [[(0.53, 0.2), (0.51, 0.4), (0.49, 0.6), (0.47, 0.8)]],
    "2": [[*arc((0.49, 0.36), (0.17, 0.16), -160, 40), (0.5, 0.6), (0.33, 0.78), (0.5, 0.76), (0.7, 0.78)]],
    "3": [[*arc((0.47, 0.35), (0.17, 0.15), -150, 80), *arc((0.47, 0.64), (0.2, 0.16), -80, 150)]],
    "4": [[(0.36, 0.22), (0.33, 0.4), (0.34, 0.52), (0.5, 0.52), (0.68, 0.5)], [(0.64, 0.22), (0.62, 0.5), (0.6, 0.8)]],
    "5": [[(0.66, 0.22), (0.4, 0.22), (0.37, 0.46), *arc((0.48, 0.61), (0.19, 0.17), -110, 140)]],
    "6": [[(0.58, 0.18), (0.44, 0.34), *arc((0.5, 0.64), (0.15, 0.15), 190, -170, 22)]],
    "7": [[(0.3, 0.24), (0.5, 0.23), (0.68, 0.24), (0.58, 0.45), (0.5, 0.62), (0.44, 0.8)]],
    "8": [[*arc((0.5, 0.35), (0.14, 0.14), -30, -270, 16), *arc((0.5, 0.65), (0.16, 0.16), -90, 270, 22),
           *arc((0.5, 0.35), (0.14, 0.14), 90, -30, 10)]],
    "9": [[*arc((0.48, 0.36), (0.15, 0.14), -10, -360, 20), (0.63, 0.36), (0.61, 0.55), (0.56, 0.8)]],
}  # fmt: skip


def strokes_on(digit, box):
    """The strokes of a digit on a pad at (x, y, width, height) of the window."""
    x, y, width, height = box["x"], box["y"], box["width"], box["height"]
    return [[(x + width * px, y + height * py) for px, py in stroke] for stroke in DIGITS[digit]]


GLIDE = """(pad, points) => {
  const { left, top, width, height } = pad.getBoundingClientRect();
  const mouse = { bubbles: true, pointerId: 1, isPrimary: true, pointerType: 'mouse', buttons: 1 };
  const coalescedEvents = points.map(([x, y]) => new PointerEvent('pointermove',
    { ...mouse, clientX: left + x * width, clientY: top + y * height }));
  const { clientX, clientY } = coalescedEvents.at(-1);
  pad.dispatchEvent(new PointerEvent('pointermove', { ...mouse, clientX, clientY, coalescedEvents }));
}"""
"""What a browser hands on of a hand that is quicker than its screen: all places of a stroke in one event."""


def draw(page, digit, *, pad="#pad"):
    """Draw a digit on the pad of a playwright page or frame with the mouse."""
    write(page, DIGITS[digit], pad=pad)


def write(page, strokes, *, pad="#pad", each=False):
    """Draw strokes with the mouse, in shares of the pad: each at once, or each of its points a movement of its own.

    A movement costs a frame of the screen: thirty times as much as a point.
    """
    place = page.locator(pad)
    box = place.bounding_box()
    mouse = getattr(page, "page", page).mouse
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        mouse.move(*points[0])
        mouse.down()
        if each:
            for point in points[1:]:
                mouse.move(*point)
        else:
            place.evaluate(GLIDE, stroke)
        mouse.up()
