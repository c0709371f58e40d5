"""What would have been counted if fewer answers had been judged? Counts thinned at random, each answer by itself.

Asked by a backtest's what-if; the same step gives the same counts each time. A higher rate cannot be had in this way:
what was never judged is not in the history.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SEED = 20_260_504


def thinned(step: int, bad: Floats, judged: Floats, kept: float) -> tuple[Floats, Floats]:
    """Bad and judged of one step, of which a share `kept` was looked at; bad <= judged still holds.

    Parts of an answer (counters that go up in fractions) are scaled, since they cannot be drawn.
    """
    random = np.random.default_rng((_SEED, step))
    bad_kept, good_kept = (_drawn(random, counts, kept) for counts in (bad, np.maximum(judged - bad, 0.0)))
    return bad_kept, bad_kept + good_kept


def _drawn(random: np.random.Generator, counts: Floats, kept: float) -> Floats:
    whole = np.floor(counts)
    drawn: Floats = random.binomial(whole.astype(np.int64), kept) + (counts - whole) * kept
    return drawn
