"""Drawing a face: identity, expression and circumstances in, a picture out. Lengths are shares of the picture's side,
x to the right and y down from the middle of the face."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from fer_sweep.data.face_identity import Circumstances, Colour, Identity, Point

Pixels = npt.NDArray[np.uint8]

OVERSAMPLING = 3


def draw_face(
    identity: Identity, effects: Mapping[str, float], around: Circumstances, *, size: int, rng: np.random.Generator
) -> Pixels:
    """(size, size, 3) uint8 RGB. `effects` are those of action_units.effects_of."""
    canvas = _Canvas(identity, effects, around, size * OVERSAMPLING)
    canvas.draw_head()
    canvas.draw_eyes()
    canvas.draw_nose()
    canvas.draw_mouth()
    return _photographed(canvas.image, around, size, rng)


def _photographed(image: Image.Image, around: Circumstances, size: int, rng: np.random.Generator) -> Pixels:
    """Light, lens and sensor."""
    small = image.resize((size, size), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(around.blur * size / 96))
    y, x = np.mgrid[-1.0 : 1.0 : size * 1j, -1.0 : 1.0 : size * 1j]
    shading = around.brightness * (1.0 + around.light[0] * x + around.light[1] * y)
    lit = np.asarray(small, dtype=np.float64) * shading[:, :, None] + rng.normal(0.0, around.noise, (size, size, 1))
    pixels: Pixels = np.rint(lit).clip(0, 255).astype(np.uint8)
    return pixels


def _mixed(a: Colour, b: Colour, share: float) -> Colour:
    r, g, b_ = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return r, g, b_


class _Canvas:
    """Draws in face coordinates; `effects` move what is drawn."""

    def __init__(self, face: Identity, effects: Mapping[str, float], around: Circumstances, side: int) -> None:
        self.face, self._effects, self._around, self._side = face, effects, around, side
        self.image = Image.new("RGB", (side, side))
        self._pen = ImageDraw.Draw(self.image)
        self._cos, self._sin = np.cos(around.roll), np.sin(around.roll)
        self._shade = _mixed(face.skin, (40, 15, 10), 0.42)
        self._glow = _mixed(face.skin, (255, 245, 235), 0.30)

    def _of(self, name: str, side: float = 0.0) -> float:
        """How much something is changed; side -1 or 1: on that half of the face, which may show it less."""
        return self._effects.get(name, 0.0) * (1.0 + side * self._around.asymmetry)

    def _at(self, x: float, y: float, depth: float = 1.0) -> Point:
        """Pixel position of a point of the face; `depth` says how far it stands out when the head turns."""
        around = self._around
        x, y = (x + around.yaw * depth * 2.0) * around.scale, (y + around.pitch * depth * 2.0) * around.scale
        x, y = x * self._cos - y * self._sin + around.shift[0], x * self._sin + y * self._cos + around.shift[1]
        return (0.5 + x) * self._side, (0.5 + y) * self._side

    def _blob(self, x: float, y: float, w: float, h: float, fill: Colour, depth: float = 1.0) -> None:  # noqa: PLR0917
        t = np.linspace(0.0, 2.0 * np.pi, 36, endpoint=False)
        self._shape([(x + w * np.cos(a), y + h * np.sin(a)) for a in t], fill, depth)

    def _shape(self, points: Sequence[Point], fill: Colour, depth: float = 1.0) -> None:
        self._pen.polygon([self._at(x, y, depth) for x, y in points], fill=fill)

    def _line(self, points: Sequence[Point], fill: Colour, width: float, depth: float = 1.0) -> None:
        self._pen.line(
            [self._at(x, y, depth) for x, y in points],
            fill=fill,
            width=max(1, round(width * self._side)),
            joint="curve",
        )

    def draw_head(self) -> None:
        """Background, hair, neck, the oval of the face, and what the forehead and cheeks show."""
        face, side = self.face, self._side
        low, high = self._around.background
        ramp = np.linspace(0.0, 1.0, side)[:, None, None]
        rows = np.array(low) * (1.0 - ramp) + np.array(high) * ramp
        self.image.paste(Image.fromarray(np.broadcast_to(rows, (side, side, 3)).astype(np.uint8)))
        if face.hair_style:
            self._blob(0.0, -0.06, face.width * 1.22, face.height * (1.0 + 0.12 * face.hair_style), face.hair, 0.3)
        self._shape([(-0.14, 0.25), (0.14, 0.25), (0.18, 0.7), (-0.18, 0.7)], _mixed(face.skin, self._shade, 0.5), 0.2)
        for ear in (-1.0, 1.0):
            self._blob(ear * face.width, -0.02, 0.035, 0.07, _mixed(face.skin, self._shade, 0.3), 0.4)
        drop = 0.035 * self._of("jaw")
        t = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
        narrow = np.where(np.sin(t) > 0, 1.0 - (1.0 - face.jaw) * np.sin(t) ** 2, 1.0)
        heights = np.where(np.sin(t) > 0, face.height + drop, face.height)
        self._shape([(face.width * np.cos(a) * n, h * np.sin(a)) for a, n, h in zip(t, narrow, heights, strict=True)],
                    face.skin, 0.6)  # fmt: skip
        t = np.linspace(np.pi * 1.08, np.pi * 1.92, 24)
        fringe = [(face.width * 1.04 * np.cos(a), face.height * 1.05 * np.sin(a)) for a in t]
        self._shape([*fringe, (face.width * 0.7, -face.height * 0.62), (-face.width * 0.7, -face.height * 0.66)],
                    face.hair, 0.5)  # fmt: skip
        if face.beard:
            beard = _mixed(face.skin, face.hair, 0.55)
            self._blob(0.0, face.mouth_height + 0.06, face.width * 0.62, 0.13, beard, 0.7)
        for n in range(2):
            lined = min(1.0, max(0.0, self._of("forehead")))
            self._line([(-0.11, -0.235 - 0.03 * n), (0.0, -0.245 - 0.03 * n), (0.11, -0.235 - 0.03 * n)],
                       _mixed(face.skin, self._shade, 0.55 * lined), 0.006)  # fmt: skip
        for half in (-1.0, 1.0):
            raised = max(0.0, self._of("cheek", half))
            self._blob(
                half * 0.155,
                0.07 - 0.02 * raised,
                0.06,
                0.04,
                _mixed(face.skin, self._glow, 0.3 + 0.3 * min(1.0, raised)),
                1.0,
            )
            if raised > 0.2:
                self._line([(half * 0.09, 0.035), (half * 0.15, 0.03), (half * 0.20, 0.005)], self._shade, 0.006)

    def draw_eyes(self) -> None:
        """Sockets, eyeballs between their lids, brows, the folds between them, glasses."""
        face = self.face
        for half in (-1.0, 1.0):
            x, y, w = half * face.eye_gap, face.eye_height, face.eye_size
            self._blob(x, y - 0.012, w * 1.35, w * 0.95, _mixed(face.skin, self._shade, 0.45))
            opening = w * float(np.clip(0.46 + 0.5 * self._of("eye_open", half), 0.12, 0.95))
            lower = w * 0.42 * float(np.clip(1.0 - 0.75 * max(0.0, self._of("lower_lid", half)), 0.15, 1.0))
            t = np.linspace(0.0, np.pi, 14)
            upper_lid = [(x - w * np.cos(a), y - opening * np.sin(a)) for a in t]
            lower_lid = [(x + w * np.cos(a), y + lower * np.sin(a)) for a in t]
            self._shape([*upper_lid, *lower_lid], (238, 236, 232))
            iris = min(w * 0.5, (opening + lower) * 0.75)
            self._blob(x, y - (opening - lower) * 0.2, iris, min(iris, (opening + lower) * 0.5), face.iris)
            self._blob(
                x, y - (opening - lower) * 0.2, iris * 0.5, min(iris * 0.5, (opening + lower) * 0.4), (15, 12, 12)
            )
            self._line(upper_lid, _mixed(self._shade, (20, 12, 10), 0.6), 0.010)
            self._line(lower_lid, self._shade, 0.005)
            self._draw_brow(half)
            if face.glasses:
                t = np.linspace(0.0, 2.0 * np.pi, 40)
                self._line([(x + 0.085 * np.cos(a), y + 0.068 * np.sin(a)) for a in t], (40, 36, 40), 0.010, 1.1)
        if face.glasses:
            self._line([(-face.eye_gap + 0.085, face.eye_height), (face.eye_gap - 0.085, face.eye_height)],
                       (40, 36, 40), 0.010, 1.1)  # fmt: skip
        folded = max(0.0, self._of("glabella"))
        if folded > 0.15:
            for x in (-0.018, 0.018):
                self._line([(x, face.eye_height - 0.075), (x * 0.8, face.eye_height - 0.03)],
                           _mixed(face.skin, self._shade, min(1.0, folded)), 0.008)  # fmt: skip

    def _draw_brow(self, half: float) -> None:
        face = self.face
        y = face.eye_height - face.brow_height
        inner = y - 0.042 * self._of("brow_inner", half)
        outer = y + 0.012 - 0.045 * self._of("brow_outer", half)
        middle = 0.5 * (inner + outer) - 0.016 - 0.012 * max(0.0, self._of("brow_outer", half))
        begin = face.eye_gap - face.eye_size * 1.05 + 0.018 * self._of("brow_gap", half)
        end = face.eye_gap + face.eye_size * 1.25
        points = [(half * begin, inner), (half * 0.5 * (begin + end), middle), (half * end, outer)]
        t = np.linspace(0.0, 1.0, 12)
        curve = [
            tuple((1 - s) ** 2 * points[0][k] + 2 * s * (1 - s) * points[1][k] + s**2 * points[2][k] for k in (0, 1))
            for s in t
        ]
        self._line([(float(x), float(y)) for x, y in curve], _mixed(face.hair, (25, 18, 15), 0.4), face.brow_thick)

    def draw_nose(self) -> None:
        """Bridge, tip, nostrils, wrinkles beside the bridge."""
        face = self.face
        wrinkled = max(0.0, self._of("nose"))
        tip = face.eye_height + face.nose_length + 0.02 - 0.012 * wrinkled
        self._shape([(-0.018, face.eye_height), (0.018, face.eye_height), (0.024, tip), (-0.024, tip)],
                    _mixed(face.skin, self._glow, 0.7), 1.5)  # fmt: skip
        self._blob(0.0, tip, face.nose_width, 0.028, _mixed(face.skin, self._glow, 0.4), 1.7)
        for half in (-1.0, 1.0):
            wing = half * face.nose_width * (0.95 + 0.15 * wrinkled)
            self._line([(half * 0.03, face.eye_height + 0.03), (wing * 0.8, tip - 0.03), (wing, tip)],
                       _mixed(face.skin, self._shade, 0.45), 0.007, 1.4)  # fmt: skip
            self._blob(
                half * face.nose_width * 0.5, tip + 0.012, 0.013, 0.008, _mixed(self._shade, (20, 8, 8), 0.5), 1.6
            )
            if wrinkled > 0.2:
                for n in range(3):
                    y = face.eye_height + 0.02 + 0.018 * n
                    self._line([(half * 0.012, y + 0.008), (half * 0.045, y - 0.006)],
                               _mixed(face.skin, self._shade, min(1.0, wrinkled)), 0.006, 1.4)  # fmt: skip
            furrow = max(0.0, self._of("furrow", half))
            if furrow > 0.1:
                self._line(
                    [(half * (face.nose_width + 0.012), tip - 0.005),
                     (half * (face.mouth_width + 0.005), tip + 0.035),
                     (half * (face.mouth_width + 0.03), face.mouth_height + 0.02)],
                    _mixed(face.skin, self._shade, min(1.0, 0.9 * furrow)), 0.007)  # fmt: skip

    def draw_mouth(self) -> None:
        """Lips, what is between them, chin."""
        face = self.face
        half_width = face.mouth_width * (1.0 + 0.26 * self._of("mouth_width"))
        opened = 0.052 * max(0.0, self._of("part")) + 0.018 * max(0.0, self._of("jaw"))
        thick = face.lips * float(np.clip(1.0 + 0.75 * self._of("lip_thick"), 0.15, 1.4))
        middle = face.mouth_height + 0.3 * opened
        top = middle - opened * 0.45 - 0.022 * max(0.0, self._of("upper_lip"))
        bottom = middle + opened * 0.75 + 0.016 * self._of("lower_lip")
        corners = [(half * half_width, middle - 0.034 * self._of("corner", half)) for half in (-1.0, 1.0)]
        lip = _mixed(face.skin, (170, 50, 60), 0.5)

        def arc(y: float, bow: float = 0.0) -> list[Point]:
            """From corner to corner through (0, y)."""
            s = np.linspace(-1.0, 1.0, 17)
            base = np.interp(s, [-1.0, 1.0], [corners[0][1], corners[1][1]])
            bend = 1.0 - np.abs(s) ** 2.2
            heights = base + (y - base) * bend + bow * np.exp(-((s / 0.12) ** 2))
            return [(float(x), float(h)) for x, h in zip(s * half_width, heights, strict=True)]

        self._shape([*arc(top - thick * 1.3, bow=thick * 0.5), *reversed(arc(bottom + thick * 1.7))], lip, 1.1)
        if opened > 0.006 or bottom - top > 0.008:
            inner = [*arc(top), *reversed(arc(bottom))]
            self._shape(inner, (52, 16, 20), 1.1)
            if bottom - top > 0.014:
                teeth = min(0.020, (bottom - top) * 0.5)
                s = [(x * 0.8, y) for x, y in arc(top)]
                self._shape([*s, *[(x, y + teeth) for x, y in reversed(s)]], (236, 232, 222), 1.1)
        else:
            self._line(arc(middle), _mixed(lip, (40, 10, 15), 0.7), 0.009, 1.1)
        raised = max(0.0, self._of("chin"))
        y = face.mouth_height + 0.085 - 0.012 * raised
        self._line([(-0.035, y + 0.01 * raised), (0.0, y - 0.012 * raised), (0.035, y + 0.01 * raised)],
                   _mixed(face.skin, self._shade, 0.35 + 0.5 * min(1.0, raised)), 0.007)  # fmt: skip
