"""chrF: how alike two sentences are, by the character sequences they share.

Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015. It needs no
tokeniser, so it serves Korean as well as Spanish, and it forgives inflection.
"""

from __future__ import annotations

from collections import Counter


def chrf(hypothesis: str, reference: str, *, order: int = 6, beta: float = 2.0) -> float:
    """F-score over character n-grams, 0 (nothing shared) to 1 (the same text).

    Parameters
    ----------
    order
        Longest n-gram. Orders longer than either text are left out of the mean.
    beta
        Weight of recall against precision; the paper's best is 2.

    Spaces and case do not count, as in the paper and in usual practice.
    """
    candidate, expected = _letters(hypothesis), _letters(reference)
    precisions: list[float] = []
    recalls: list[float] = []
    for n in range(1, order + 1):
        have, want = _ngrams(candidate, n), _ngrams(expected, n)
        if not have or not want:
            break
        shared = (have & want).total()
        precisions.append(shared / have.total())
        recalls.append(shared / want.total())
    if not precisions:
        return 1.0 if candidate == expected else 0.0
    precision = sum(precisions) / len(precisions)
    recall = sum(recalls) / len(recalls)
    if precision + recall == 0.0:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def _letters(text: str) -> str:
    return "".join(text.casefold().split())


def _ngrams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))
