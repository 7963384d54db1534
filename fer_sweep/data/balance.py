"""Groups dealt into parts that are alike in size and in class counts.

Stratified group partitioning is NP-hard, so: a greedy pass over the groups in random order, then moves and swaps of
groups for as long as they help. The random order, not the descending sizes of the usual greedy, is what makes repeats
differ; the local improvement repays its cost in balance. All arithmetic is on integers, so that ties are exact and
every machine makes the same split.
"""

import numpy as np

from fer_sweep.data.cells import Matrix
from fer_sweep.data.samples import IntArray

_POOL = 128
"""Groups looked at in one round of improvement; all of them if there are no more."""
_ROUNDS = 100
_STARTS = 3
"""Starts of which the best is kept, unless there are so many groups that any start ends well."""
_SIZE_WEIGHT = 2
"""Weight of a part's size relative to its class counts."""
_UNIT = 1_000_000
"""Weights are integer multiples of 1 / _UNIT."""


def balanced_parts(counts: IntArray, shares: Matrix, rng: np.random.Generator) -> IntArray:
    """Part index (G,) of every group.

    counts: (G, C) samples of each class in each group; every group has one at least
    shares: (k,) positive, sum 1; part p should hold shares[p] of every class. Equal shares and G >= k leave no part
            empty; with unequal shares a small part stays empty if every group is too large for it.

    Minimises sum over parts p and classes c of (n_pc - shares_p N_c)^2 / N_c, plus twice the same term for sizes.
    """
    sized = np.column_stack([counts, counts.sum(axis=1)]).astype(np.int64)
    totals = sized.sum(axis=0)
    weight = np.maximum(_UNIT // np.maximum(totals, 1), 1)
    weight[-1] *= _SIZE_WEIGHT
    wanted = np.rint(np.outer(shares, totals)).astype(np.int64)
    found = []
    for _ in range(_STARTS if len(counts) <= _POOL else 1):
        excess = -wanted
        part = _greedy(sized, weight, excess, rng)
        _improve(sized, weight, excess, part, rng)
        found.append((int((excess**2 @ weight).sum()), part))
    return min(found, key=lambda start: start[0])[1]


def _greedy(sized: IntArray, weight: IntArray, excess: IntArray, rng: np.random.Generator) -> IntArray:
    """Deals groups in random order to the part that wants them most; keeps `excess` (k, C + 1) up to date."""
    part = np.empty(len(sized), dtype=np.int64)
    weighted = sized * weight
    for g in rng.permutation(len(sized)):
        part[g] = chosen = int((excess @ weighted[g]).argmin())
        excess[chosen] += sized[g]
    return part


def _improve(sized: IntArray, weight: IntArray, excess: IntArray, part: IntArray, rng: np.random.Generator) -> None:
    """Applies the best move or swap within a pool of groups until none helps; changes `part` and `excess`.

    Moving counts m from part a to b changes the cost by 2 (m.m + m.(excess_b - excess_a)), dots weighted; a swap of
    g in a and h in b moves m = sized_g - sized_h.
    """
    groups = len(sized)
    for _ in range(_ROUNDS):
        pool = rng.permutation(groups)[:_POOL] if groups > _POOL else np.arange(groups)
        home, rows = part[pool], np.arange(len(pool))
        weighted = sized[pool] * weight
        gram = weighted @ sized[pool].T
        norm = gram.diagonal()
        pull = weighted @ excess.T
        own = pull[rows, home]
        move = norm[:, None] + pull - own[:, None]
        move[rows, home] = 0
        across = pull[:, home]
        swap = norm[:, None] + norm - 2 * gram + across + across.T - own[:, None] - own
        swap[home[:, None] == home] = 0
        if min(move.min(), swap.min()) >= 0:
            if groups <= _POOL:
                return
            continue
        if move.min() <= swap.min():
            g, target = divmod(int(move.argmin()), move.shape[1])
            moves = [(pool[g], target)]
        else:
            g, h = divmod(int(swap.argmin()), len(pool))
            moves = [(pool[g], home[h]), (pool[h], home[g])]
        for group, target in moves:
            excess[part[group]] -= sized[group]
            excess[target] += sized[group]
            part[group] = target
