"""Seeds as functions: the same parts always give the same seed, and no seed depends on what ran before."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A seed in [0, 2**63) that is a function of `parts` alone (BLAKE2 of their representation)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
