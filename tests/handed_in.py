"""A made class: digits drawn by strokes of random shape, photographed on random paper, handed in."""

import io
from dataclasses import replace

import numpy as np
from drawn_digits import DIGITS
from PIL import Image, ImageDraw, ImageFilter

from inklens import __version__
from inklens.classroom.answers import deliver, handed_model, model_card, png, step_png, to_frame
from inklens.classroom.bundle import pack
from inklens.classroom.work import ASSIGNMENT, CLAIMS, DRAWING, DigitWork, Work, frame_member, sha256, step_member

WORDS = [
    words.split()
    for words in (
        "bar corner loop stem hook arch slope curve tail crossing gap edge middle foot head shoulder belly neck",
        "adds removes supports hides favours lifts lowers doubles shifts closes opens breaks joins carries bends",
        "evidence score map ink weight pixel class answer runner-up probability margin coefficient sum frame paper",
    )
]


def wobbly(label, rng, *, size=(300, 260), pen=None):
    """Return a grey picture of one digit as some hand writes it: strokes bent, sheared, scaled and moved at random."""
    rows, cols = size
    canvas = Image.new("L", (cols, rows), 0)
    draw = ImageDraw.Draw(canvas)
    pen = pen or int(rng.integers(9, 17))
    shear, scale = rng.normal(0, 0.1), rng.uniform(0.85, 1.1, 2)
    turn, at = rng.normal(0, 0.08), rng.normal(0, 0.04, 2)
    phase, bend = rng.uniform(0, 2 * np.pi, 4), rng.normal(0, 0.02, 4)
    for stroke in DIGITS[label]:
        x, y = (np.array(stroke) - 0.5).T
        x, y = x + bend[0] * np.sin(7 * y + phase[0]), y + bend[1] * np.sin(7 * x + phase[1])
        x, y = x + bend[2] * np.sin(13 * y + phase[2]), y + bend[3] * np.sin(13 * x + phase[3])
        x, y = scale[0] * (x + shear * y), scale[1] * y
        x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
        points = list(zip((x + 0.5 + at[0]) * cols, (y + 0.5 + at[1]) * rows, strict=True))
        draw.line(points, fill=255, width=pen, joint="curve")
        for px, py in points:
            draw.ellipse([px - pen / 2, py - pen / 2, px + pen / 2, py + pen / 2], fill=255)
    ink = np.asarray(canvas.filter(ImageFilter.GaussianBlur(0.8))) / 255
    light = rng.uniform(190, 235) + rng.normal(0, 12) * np.linspace(-1, 1, cols) + rng.normal(0, 2, size)
    return np.clip(light * (1 - ink) + rng.uniform(20, 70) * ink, 0, 255).astype(np.uint8)


def jpeg(levels, quality=90):
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def taken_again(photo, *, quality=60, scale=0.8, crop=0.03):
    """Return a photo cropped, resized and stored again."""
    with Image.open(io.BytesIO(photo)) as image:
        cols, rows = image.size
        image = image.convert("L").crop((int(crop * cols), int(crop * rows), int((1 - crop / 2) * cols), rows))
    return jpeg(np.asarray(image.resize([int(scale * n) for n in image.size], Image.Resampling.LANCZOS)), quality)


def essay(rng, n_words=60):
    return " ".join(str(rng.choice(WORDS[i % 3])) for i in range(n_words))


def as_handed_in(
    reader,
    photos,
    *,
    name="Ada",
    meant="4",
    guesses=("4", "9"),
    texts=("", ""),
    recipe=None,
    version=__version__,
    **settings,
):
    """Return the members of an honest hand-in: what `Homework` writes, with a short page."""
    work, members = Work(ASSIGNMENT, name, version, model_card(reader)), {}
    for number, (photo, guess, text) in enumerate(zip(photos, guesses, texts, strict=True), 1):
        kind = "jpg" if photo.startswith(b"\xff\xd8") else "png"
        by = recipe or reader.recipe
        framed = to_frame(photo, recipe=by, settings=settings)
        source = "drawing" if by == DRAWING else "photo"
        file = f"photo-{number}.{kind}"
        digit = DigitWork(source, file, f"{number}.{kind}", sha256(photo), by, settings, meant, guess, text=text)
        digit = deliver(digit, reader, framed)
        work = work.with_digit(number, digit)
        members |= {file: photo, frame_member(number): png(framed.frame)}
        members |= {step_member(number, i): step_png(step) for i, step in enumerate(framed.steps, 1)}
    first, second = work.digits
    claim = first.outcome
    asked = None if claim is None else CLAIMS[1 - CLAIMS.index(claim)]
    work = replace(work, digits=(replace(first, claim=claim), replace(second, claim=asked)))
    members |= {"work.json": work.to_bytes(), "model.inklens": handed_model(reader), "page.html": b"<p>Read me.</p>"}
    return work, {name: members[name] for name in work.members}


def packed(members):
    return pack(members)
