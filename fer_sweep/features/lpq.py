"""Local phase quantization, V. Ojansivu and J. Heikkila, ICISP 2008, as in lpq.m of the University of Oulu (2010).

Around every pixel, the four lowest frequencies of a short-term Fourier transform over a window of M x M pixels,

    u1 = [a, 0]   u2 = [0, a]   u3 = [a, a]   u4 = [a, -a],   a = 1 / M,

give eight numbers, real and imaginary parts in turn; their signs are the bits of a code, bit 0 first. Decorrelation
whitens the eight for neighbouring pixels of correlation rho. The matrix it comes from has pairs of equal singular
values: Oulu's tie-break and sign rule, kept here, make the codes reproducible.
"""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

RHO = 0.9
"""Correlation of neighbouring pixels, as in lpq.m."""
CODES = 256
ZERO = 1e-9
"""Responses up to this are rounding errors of zero, whose sign is no property of the picture. lpq.m takes it as it
comes; with decorrelation zeros occur in flat areas only, and everywhere else the codes are those of lpq.m."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]


def lpq_codes(image: npt.NDArray[np.uint8] | Floats, *, window: int = 7, decorrelate: bool = True) -> Codes:
    """(h - window + 1, w - window + 1) codes of a grey image (h, w), wherever the window lies inside."""
    responses = _responses(image.astype(np.float64), window)
    if decorrelate:
        responses = np.tensordot(whitening(window).T, responses, axes=1)
    weights = (1 << np.arange(8)).astype(np.uint8)
    codes: Codes = ((responses > ZERO) * weights[:, None, None]).sum(axis=0, dtype=np.uint8)
    return codes


def lpq_histogram(codes: Codes, *, grid: int = 1) -> npt.NDArray[np.float32]:
    """(grid^2 * 256,) normalized histograms of the code image's cells, row by row; each sums to 1.

    Codes are computed once and tiled, so that there are no seams. Cells differ by at most one pixel a side.
    """
    h, w = codes.shape
    row, column = (np.arange(n) * grid // n for n in (h, w))
    cell = row[:, None] * grid + column[None, :]
    counts = np.bincount((cell * CODES + codes).ravel(), minlength=grid * grid * CODES).reshape(-1, CODES)
    shares: npt.NDArray[np.float32] = (counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares.ravel()


def _responses(image: Floats, window: int) -> Floats:
    """(8, h - window + 1, w - window + 1) real and imaginary parts of F(u1) .. F(u4)."""
    one, cosine, sine = _kernels(window)
    r = window // 2
    inside = slice(r, -r)

    def convolved(down: Floats, along: Floats) -> Floats:
        # OpenCV correlates: the kernels are mirrored to convolve
        filtered = cv2.sepFilter2D(image, cv2.CV_64F, along[::-1], down[::-1], borderType=cv2.BORDER_CONSTANT)
        return np.asarray(filtered[inside, inside], dtype=np.float64)

    cc, ss = convolved(cosine, cosine), convolved(sine, sine)
    cs, sc = convolved(cosine, sine), convolved(sine, cosine)
    return np.stack([
        convolved(one, cosine), -convolved(one, sine),
        convolved(cosine, one), -convolved(sine, one),
        cc - ss, -(cs + sc),
        cc + ss, cs - sc,
    ])  # fmt: skip


def _kernels(window: int) -> tuple[Floats, Floats, Floats]:
    """1, cos(2 pi x / M) and sin(2 pi x / M) at x = -r .. r; w1 = cos - i sin."""
    angle = 2.0 * np.pi * np.arange(-(window // 2), window // 2 + 1) / window
    return np.ones(window), np.cos(angle), np.sin(angle)


@cache
def whitening(window: int) -> Floats:
    """(8, 8) V of the singular value decomposition D = U S V^T, D = W C W^T, C_ij = rho^|xi - xj|; G = V^T F."""
    one, cosine, sine = _kernels(window)
    w0, w1 = one.astype(complex), cosine - 1j * sine
    filters = [np.outer(w0, w1), np.outer(w1, w0), np.outer(w1, w1), np.outer(w1, w1.conj())]
    w = np.array([part.ravel() for f in filters for part in (f.real, f.imag)])
    position = np.stack(np.divmod(np.arange(window * window), window), axis=1)
    distance = np.linalg.norm(position[:, None] - position[None, :], axis=2)
    d = w @ RHO**distance @ w.T
    tie_break = np.diag(1.0 + 1e-6 * np.arange(7, -1, -1))
    v: Floats = np.linalg.svd(tie_break @ d @ tie_break)[2].T
    largest = v[np.abs(v).argmax(axis=0), np.arange(8)]
    return v * np.where(largest < 0, -1.0, 1.0)
