"""The smallest form of a text model whose labels agree as often as was asked: for ``guarantee="measured"``.

A form drops a share of the terms, puts the weights of the others on a grid of some coarseness, and takes norms with idf values
of ranges of document frequencies (near a tie a norm that is a little off moves little more than the bias). Each row is judged by
the form that would have been made without it: terms are ranked by what they do to the scores of other rows, so that one which
stands in no other row is among the first to go. The estimate of a form's bytes is the entropy of its weights and document
frequencies, and its share of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact.idf import join_idf, split_idf
from quantcore.passes.cost import nanoseconds, text_shape
from quantcore.passes.judge import Verdict, flips_estimated, gap_errors
from quantcore.passes.prune import pruned_features
from quantcore.passes.quantize import LARGEST, Grid, planar
from quantcore.passes.rewrite import consumers, rewrite
from quantcore.passes.sample import Sample
from quantcore.plan import Csr, Op, Plan
from quantcore.plan.ops import ArgMax, Linear, LogSoftmax, Softmax, Text, TfIdf
from quantcore.reference.matrices import row_norms, sum_rows, tfidf

__all__ = ["Chain", "Form", "Trial", "chain", "forms", "made"]

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.25, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)
_MOST_ROWS = 6000
_BLOCK = 256  # rows
_OCTAVES = (0, 1, 2, 3)
_FINEST = 20
# A model tells the rows that it was fitted on further apart than others, so that dropping terms flips more of these: up to
# two and a half times as many on the test rows of rt_polarity, clinc150 and movie_reviews.
_SAFETY, _OVERFIT = 1.25, 1.5
# Of many outputs a grid flips up to 1.7 times as many labels of new rows (banking77, clinc150), whose gaps are smaller.
_SAFETY_MANY = 2.0
_FEW_OUTPUTS = 4
# Of more outputs a vocabulary that is a smaller part of the file is left as it is: dropping terms would save a tenth of it.
_WORTH_DROPPING = 0.25
_UNSEEN = 0.3  # occurrences to come of a term that was seen once, of one that stands in so many rows


class Chain(NamedTuple):
    """Positions of the ops of text → (tf-idf) → scores."""

    text: int
    tfidf: int | None
    linear: int


class Form(NamedTuple):
    """A form of the model.

    Parameters
    ----------
    share : float
        Of the terms that stay.
    octaves : int
        Document frequencies of so wide a range have one idf in the norm; 0: each its own.
    power : float
        log2 of the step of the commonest term's weights.
    bits : float
        Of a weight, on average, as it is stored.
    bytes : int
        Estimated, of vocabulary and weights.
    verdict : Verdict
    good : bool
        Labels agree as often as was asked.
    latency : float
        Seconds a row, by the cost model.
    """

    share: float
    octaves: int
    power: float
    bits: float
    bytes: int
    verdict: Verdict
    good: bool
    latency: float


def chain(plan: Plan) -> Chain | None:
    """The way from documents to scores, where it is a single one over a vocabulary.

    Parameters
    ----------
    plan : Plan
    """
    linear = [i for i, op in enumerate(plan.ops) if isinstance(op, Linear)]
    if len(linear) != 1 or plan.input != "text":
        return None
    at = plan.ops[linear[0]].inputs[0]
    before = plan.ops[at]
    weighted = at if isinstance(before, TfIdf) else None
    text = before.inputs[0] if isinstance(before, TfIdf) else at
    op = plan.ops[text] if text >= 0 else None
    readers = [i for i, other in enumerate(plan.ops) if {text, weighted} & set(other.inputs)]
    alone = set(readers) <= {linear[0], weighted}
    if not isinstance(op, Text) or op.vocabulary is None or len(op.vocabulary.column) != op.n_features or not alone:
        return None
    return Chain(text, weighted, linear[0])


class Trial:
    """Scores of forms on sample rows.

    Parameters
    ----------
    plan : Plan
        The source's.
    found : Chain
    counts : Csr
        Of the sample rows, by the Text op.
    decide : callable of scores → labels
    seed : int
    letters : float
        Of a row, on average.
    """

    def __init__(
        self, plan: Plan, found: Chain, counts: Csr, decide: Callable[[Any], Any], seed: int, letters: float = 100.0
    ) -> None:
        linear, weighted = plan.ops[found.linear], None if found.tfidf is None else plan.ops[found.tfidf]
        if not isinstance(linear, Linear) or not isinstance(weighted, TfIdf | None):
            raise TypeError(f"expected Linear and TfIdf ops, got {linear.kind}")
        self.decide, self.bias, self.letters = decide, linear.bias, letters
        self.norm = None if weighted is None else weighted.norm
        self.idf = np.ones(counts.n_columns) if weighted is None or weighted.idf is None else weighted.idf
        self.documents = split_idf(self.idf) if self.norm is not None else None
        self.norm_idf, self.octaves = self.idf, 0
        source = linear.weight * self.idf[:, None]
        self.centre = np.median(source, axis=1, keepdims=True) if source.shape[1] > 2 else source[:, :1] * (source.shape[1] == 2)
        self.values = source - self.centre
        op = TfIdf(sublinear=weighted is not None and weighted.sublinear, idf=None, norm=None)
        terms = tfidf(op, counts)
        frequency = np.bincount(terms.indices, minlength=terms.n_columns)
        scaled = terms.data / self._norms(terms)[terms.row_ids()]
        uses = np.maximum(frequency, 1)
        # Of an occurrence: the mean square of what multiplies the weights, and its mean over all rows.
        self.square = np.bincount(terms.indices, scaled * scaled, terms.n_columns) / uses
        self.square[self.square == 0.0] = self.square[self.square > 0.0].mean() if self.square.any() else 1.0
        self.usage = np.bincount(terms.indices, np.abs(scaled), terms.n_columns) / max(terms.n_rows, 1)
        self.importance, self._left_out = self._importance(frequency), self._importance(frequency - 1)
        self._order = np.argsort(-self.importance, kind="stable")
        if terms.n_rows > _MOST_ROWS:
            terms = terms.take_rows(np.sort(np.random.default_rng(seed).permutation(terms.n_rows)[:_MOST_ROWS]))
        self.terms = terms
        self._prepared: tuple[float, int, _Rows] | None = None
        self._source_norms = self._rows(1.0).norms
        self.scores = self._scored(self._rows(1.0), self.values)
        self.labels = np.asarray(decide(self.scores))

    def coarsen(self, octaves: int) -> None:
        """Let norms be of idf values from ranges of document frequencies so wide; 0: of the source's own."""
        self.norm_idf, self.octaves = self.idf, octaves
        if octaves and self.documents is not None:
            kind, top, counts, _ = self.documents
            logs = np.log2(counts)
            group = np.floor(logs / octaves).astype(np.int64)
            # as the mean of those that stand in rows
            weight = self.usage + self.usage.mean() * 1e-3 + 1e-12
            mean = np.bincount(group, weight * logs) / np.maximum(np.bincount(group, weight), 1e-300)
            self.norm_idf = join_idf(kind, top, np.maximum(np.rint(2.0**mean), 1).astype(np.int64)[group], None)[0]

    def _rows(self, share: float) -> _Rows:
        """The sample rows with the terms that would have stayed without them."""
        if self._prepared is None or self._prepared[:2] != (share, self.octaves):
            terms = self.terms
            if share < 1.0:
                terms = _without(terms, self._left_out < self.importance[self.kept(share)].min())
            rows, norms = terms.row_ids(), self._norms(terms)
            self._prepared = share, self.octaves, _Rows(terms, rows, terms.data / norms[rows], norms)
        return self._prepared[2]

    def _scored(self, rows: _Rows, values: NDArray[np.float64]) -> NDArray[np.float64]:
        terms, out = rows.terms, np.zeros((rows.terms.n_rows, values.shape[1]))
        if values.shape[1] == 1:
            out[:, 0] = sum_rows(rows.ids, rows.scale * values[terms.indices, 0], terms.n_rows)
        else:
            some = np.flatnonzero(np.diff(terms.indptr))
            for at in range(0, len(some), _BLOCK):
                part = some[at : at + _BLOCK]
                entries = slice(terms.indptr[part[0]], terms.indptr[part[-1] + 1])
                products = values[terms.indices[entries]] * rows.scale[entries, None]
                out[part] = np.add.reduceat(products, terms.indptr[part] - entries.start)
        return np.asarray(out + self.bias)

    def _norms(self, terms: Csr) -> NDArray[np.float64]:
        if self.norm is None:
            return np.ones(terms.n_rows)
        found = row_norms(terms.with_data(terms.data * self.norm_idf[terms.indices]), self.norm)
        return np.where(found == 0, 1.0, found)

    def _importance(self, frequency: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far a term moves the scores of rows to come, squared and up to a factor, if so many rows have it: as Good and
        Turing found, of terms seen once far fewer occurrences are to come than one in so many rows."""
        away = self.values if self.values.shape[1] == 1 else self.values - self.values.mean(axis=1, keepdims=True)
        return np.asarray((away * away).max(axis=1) * self.square * (np.maximum(frequency - 1, 0) + _UNSEEN))

    def kept(self, share: float) -> NDArray[np.int64]:
        """The columns that stay, ascending."""
        return np.sort(self._order[: max(1, round(share * len(self._order)))])

    def exponents(self, power: float) -> NDArray[np.int64]:
        """log2 of each term's step: coarser by the square root of how rarely it, and others of its idf, are used."""
        weight = _alike(self.usage, self.norm_idf) + 0.5 * self.usage.max(initial=0.0) / max(self.terms.n_rows, 1)
        share = np.maximum(weight / max(weight.max(initial=0.0), 1e-300), 2.0**-40)
        return np.asarray(np.floor(power - 0.5 * np.log2(share)).astype(np.int64))

    def judged(self, share: float, power: float | None) -> tuple[Verdict, float]:
        """What a form does to labels, and the bits of its weights; ``power`` None: weights as they are."""
        bits, values = 64.0, self.values
        if power is not None:
            exponent = self.exponents(power)
            steps = np.rint(np.ldexp(self.values, -exponent[:, None]))
            values = np.ldexp(steps, exponent[:, None])
            kept = self.kept(share)
            bits = _entropy(steps[kept], exponent[kept])
        scores = self._scored(self._rows(share), values)
        same: NDArray[np.bool_] = np.asarray(self.decide(scores) == self.labels)
        same = np.asarray(same.reshape(len(scores), -1).all(axis=1))
        # Times the ratio of the norms no label changes: a norm that is off moves no score near a tie but the bias.
        ratio = self._rows(share).norms / self._source_norms
        estimate = flips_estimated(*gap_errors(self.scores, scores * ratio[:, None]))
        return Verdict(int((~same).sum()), len(same), estimate), bits

    def seconds(self, share: float) -> float:
        """What a row takes with so many of the terms, by the cost model."""
        terms, n = self._rows(share).terms, self.kept(share).size
        known = len(terms.data) / max(terms.n_rows, 1)
        return nanoseconds(text_shape(self.letters, known, n, self.values.shape[1])) * 1e-9

    def bytes(self, share: float, bits: float, vocabulary: int) -> int:
        """About what a form takes: of all terms the vocabulary takes so many bytes."""
        kept = self.kept(share)
        idf = 0.0 if self.norm is None else _entropy(self.norm_idf[kept, None], np.zeros(len(kept), np.int64))
        return int(share * vocabulary + len(kept) * (idf + bits * self.values.shape[1]) / 8.0)


class _Rows(NamedTuple):
    """Rows, the row of each value, what multiplies the weights, and the norms."""

    terms: Csr
    ids: NDArray[np.int64]
    scale: NDArray[np.float64]
    norms: NDArray[np.float64]


def forms(trial: Trial, least: float, bits: int, vocabulary: int, prune: float = 0.0) -> Iterator[Form]:
    """Forms from all terms to few, of each share from a coarse grid to the first that agrees often enough, and a last one between
    that and the one before.

    Parameters
    ----------
    trial : Trial
    least : float
        Share of rows whose labels must stay.
    bits : int
        Least number of bits of the largest weight.
    vocabulary : int
        About the bytes of the vocabulary.
    prune : float
        Share of the terms that are to be dropped; 0: what pays.
    """
    top = float(np.abs(trial.values).max(initial=0.0))
    coarsest = int(np.ceil(np.log2(top))) - bits if top > 0.0 else 0
    start, best = coarsest, (float("inf"), 0)
    for octaves in _OCTAVES if trial.documents is not None else (0,):
        trial.coarsen(octaves)
        for form in _of_share(trial, 1.0 - prune, least, (start, coarsest), vocabulary):
            yield form
            if form.good:
                start = min(coarsest, int(np.ceil(form.power)) + 1)
                best = min(best, (form.bytes, octaves))
    trial.coarsen(best[1])
    pays = trial.values.shape[1] <= _FEW_OUTPUTS or vocabulary > _WORTH_DROPPING * best[0]
    for share in SHARES[1:] if pays and not prune else ():
        found = None
        for form in _of_share(trial, share, least, (start, coarsest), vocabulary):
            yield form
            found = form
        if found is None or not found.good:
            return
        start = min(coarsest, int(np.ceil(found.power)) + 1)  # fewer terms leave no more room than a step


def _of_share(trial: Trial, share: float, least: float, powers: tuple[int, int], vocabulary: int) -> Iterator[Form]:
    """Forms of one share of the terms: none if it flips too many labels with weights as they are. The last one agrees, if any."""
    safety = _SAFETY if trial.values.shape[1] <= _FEW_OUTPUTS else _SAFETY_MANY
    bare, _ = trial.judged(share, None)
    if 1.0 - (1.0 + _OVERFIT) * bare.estimate < least:
        return

    def tried(power: float) -> Form:
        verdict, each = trial.judged(share, power)
        verdict = verdict._replace(estimate=safety * verdict.estimate + _OVERFIT * bare.estimate)
        size = trial.bytes(share, each, vocabulary)
        return Form(share, trial.octaves, power, each, size, verdict, verdict.agreement >= least, trial.seconds(share))

    for power in range(powers[0], powers[1] - _FINEST, -1):
        form = tried(power)
        if form.good and power < powers[1]:
            # In between some terms' steps are as coarse as before. What agrees comes last.
            between = [tried(power + part) for part in (0.25, 0.5, 0.75)]
            yield from (one for one in between if not one.good)
            form = min((one for one in (form, *between) if one.good), key=lambda one: one.bytes)
        yield form
        if form.good:
            return


def _without(counts: Csr, dropped: NDArray[np.bool_]) -> Csr:
    """The rows without some columns' values."""
    kept = ~dropped[counts.indices]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(counts.row_ids()[kept], minlength=counts.n_rows))]).astype(np.int64)
    return Csr(indptr, counts.indices[kept], counts.data[kept], counts.n_columns)


def _alike(values: NDArray[np.float64], idf: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over all terms of one idf: the file then holds one exponent for each idf."""
    distinct, group = np.unique(idf, return_inverse=True)
    if len(distinct) == 1:
        return values
    group = group.reshape(-1)
    return np.asarray((np.bincount(group, values) / np.bincount(group))[group])


def _entropy(steps: NDArray[np.float64], exponent: NDArray[np.int64]) -> float:
    """Bits of an entry, in groups of rows of one exponent."""
    total = 0.0
    for e in np.unique(exponent).tolist():
        counts = _counts(steps[exponent == e].reshape(-1))
        total += float(-(counts * np.log2(counts / counts.sum())).sum())
    return total / max(steps.size, 1)


def _counts(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """How often each distinct value stands there."""
    low = values.min()
    if values.max() - low < 4 * len(values) + 4096 and np.array_equal(values, np.rint(values)):
        counts = np.bincount((values - low).astype(np.int64))
        return np.asarray(counts[counts > 0])
    return np.asarray(np.unique(values, return_counts=True)[1])


def made(plan: Plan, found: Chain, trial: Trial, form: Form) -> Plan:
    """The Plan of a form.

    Parameters
    ----------
    plan : Plan
        The source's.
    found : Chain
    trial : Trial
    form : Form
    """
    text, linear = plan.ops[found.text], plan.ops[found.linear]
    weighted = None if found.tfidf is None else plan.ops[found.tfidf]
    if not isinstance(text, Text) or not isinstance(linear, Linear) or not isinstance(weighted, TfIdf | None):
        raise TypeError(f"expected Text, TfIdf and Linear ops, got {text.kind} and {linear.kind}")
    trial.coarsen(form.octaves)
    kept, exponent = np.arange(text.n_features), trial.exponents(form.power)
    if form.share < 1.0:
        kept = trial.kept(form.share)
        text, weighted, linear = pruned_features(text, weighted, linear, kept)
    readers = consumers(plan, found.linear)
    compared = all(isinstance(r, ArgMax | Softmax | LogSoftmax) for r in readers) and found.linear not in plan.outputs.values()
    gridded = planar(
        replace(linear, inputs=(found.text,)),
        weighted,
        Sample(trial.terms, False),
        Grid(False),
        centred=True,
        centre_needed=not compared,
        cold=False,
        exponent=_bounded(exponent[kept], trial.values[kept]),
        approximate=form.share < 1.0 or form.octaves > 0,
    )
    if form.octaves:
        gridded = replace(gridded, idf=trial.norm_idf[kept])

    def change(position: int, op: Op) -> list[Op]:
        return [text if position == found.text else gridded if position == found.linear else op]

    return rewrite(plan, change)


def _bounded(exponent: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Steps that leave integers within what a plane holds."""
    largest = np.abs(values).max(axis=1)
    finest = np.floor(np.log2(np.where(largest > 0.0, largest, 1.0) / LARGEST)).astype(np.int64) + 1
    return np.where(largest > 0.0, np.maximum(exponent, finest), exponent)
