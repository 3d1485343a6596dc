"""Lookahead in NumPy, float64, on a population that `go run ./bench/lookahead`
has written: the same algorithm with the same savings, so that its time can be set
beside Go's. Prints one JSON object: seconds and processor seconds of the space
and of all walks, and the gain of each source.

    lookahead.py DIR
"""

import json
import os
import sys
import time

import numpy as np

FOLDS, STEPS, CUTOFF, AXES = 5, 3, 10, 128


def unit(x):
    x = x.astype(np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Space:
    """Pool and queries: axes, projections, frozen cosines."""

    def __init__(self, pool, queries, relevant, groups, scale):
        self.scale = scale
        self.relevant = relevant
        self.groups = groups
        self.pool = unit(pool)
        self.queries = unit(queries)
        n, d = self.pool.shape
        centered = self.pool - self.pool.mean(axis=0)
        self.r = min(d, AXES)
        if n >= d:
            _, vectors = np.linalg.eigh(centered.T @ centered)
            self.axes = np.ascontiguousarray(vectors[:, ::-1][:, : self.r])
        else:
            _, vectors = np.linalg.eigh(centered @ centered.T)
            axes = centered.T @ vectors[:, ::-1][:, : self.r]
            self.axes = axes / np.linalg.norm(axes, axis=0)
        self.z = self.pool @ self.axes
        self.zq = self.queries @ self.axes
        self.cosines = self.queries @ self.pool.T
        self.discounts = 1 / np.log2(np.arange(CUTOFF) + 2)
        self.of = [np.flatnonzero(groups % FOLDS == k) for k in range(FOLDS)]
        self.frozen = self.ndcg(self.cosines, np.arange(len(self.queries)))

    def ndcg(self, scores, queries):
        """One relevant document a query; ties are not looked at."""
        rows = np.arange(len(queries))[:, None]
        best = np.argpartition(scores, -CUTOFF, axis=1)[:, -CUTOFF:]
        order = np.argsort(-scores[rows, best], axis=1)
        best = best[rows, order]
        return ((best == self.relevant[queries][:, None]) * self.discounts).sum(axis=1)

    def evaluate(self, m, queries):
        d = m.T @ m - np.eye(self.r)
        squares = 1 + np.einsum("ij,ij->i", self.z @ d, self.z)
        scores = (self.zq[queries] @ d) @ self.z.T
        scores += self.cosines[queries]
        scores *= 1 / np.sqrt(squares)
        return self.ndcg(scores, queries)


class Source:
    """Triples in the axes; q, p and n number the distinct vectors."""

    def __init__(self, space, vectors, q, p, n, groups):
        self.space, self.fold = space, groups % FOLDS
        distinct, number = np.unique(np.concatenate([q, p, n]), return_inverse=True)
        self.q, self.p, self.n = np.split(number, 3)
        x = unit(vectors[distinct])
        self.z = x @ space.axes
        self.outside = 1 - np.einsum("ij,ij->i", self.z, self.z)
        dots = lambda a, b, m: np.einsum("ij,ij->i", m[a], m[b])
        self.plus = dots(self.q, self.p, x) - dots(self.q, self.p, self.z)
        self.minus = dots(self.q, self.n, x) - dots(self.q, self.n, self.z)

    def gradients(self, m, rows):
        """omega, h, and the factors of Gamma: sum over a of sign_a w_a w_a^T."""
        z = self.z @ m.T
        inverse = 1 / np.sqrt(self.outside + np.einsum("ij,ij->i", z, z))
        z *= inverse[:, None]
        q, p, n = z[self.q[rows]], z[self.p[rows]], z[self.n[rows]]
        iq, ip, in_ = inverse[self.q[rows]], inverse[self.p[rows]], inverse[self.n[rows]]
        plus = np.einsum("ij,ij->i", q, p) + self.plus[rows] * iq * ip
        minus = np.einsum("ij,ij->i", q, n) + self.minus[rows] * iq * in_
        margin = plus - minus
        omega = sigmoid(-margin / self.space.scale)
        h = omega * (1 - omega) / self.space.scale
        b = np.zeros((len(rows), 3, 3))
        b[:, 0, 0], b[:, 1, 1], b[:, 2, 2] = -margin, -plus, minus
        b[:, 0, 1] = b[:, 1, 0] = 1
        b[:, 0, 2] = b[:, 2, 0] = -1
        values, vectors = np.linalg.eigh(b)
        t = vectors * np.sqrt(np.abs(values))[:, None, :]
        w = np.stack([q, p, n], axis=2) @ t  # triples x r x 3
        return omega, h, np.ascontiguousarray(w.transpose(2, 0, 1)), np.sign(values).T

    def gram(self, w, signs):
        k = 0
        for a in range(3):
            for b in range(3):
                g = w[a] @ w[b].T
                g *= g
                k = k + signs[a][:, None] * g * signs[b]
        return k

    def walk(self):
        space, r = self.space, self.space.r
        gains = np.zeros((STEPS, len(space.queries)))
        every = np.arange(len(self.q))
        omega0, h0, w0, signs0 = self.gradients(np.eye(r), every)
        gram0 = self.gram(w0, signs0)  # the first step of all folds
        for k in range(FOLDS):
            rows = np.flatnonzero(self.fold != k)
            m = np.eye(r)
            for step in range(STEPS):
                if step == 0:
                    omega, h, w, signs, gram = omega0[rows], h0[rows], w0[:, rows], signs0[:, rows], gram0[np.ix_(rows, rows)]
                else:
                    omega, h, w, signs = self.gradients(m, rows)
                    gram = self.gram(w, signs)
                ridge = (h * np.diag(gram)).sum() / r
                root = np.sqrt(h / ridge)
                y = np.linalg.solve(np.eye(len(rows)) + root[:, None] * gram * root, -root * (gram @ omega))
                c = omega + root * y
                margins = gram @ c
                c *= space.scale / np.sqrt((margins**2).mean())
                x = sum(w[a].T @ ((c * signs[a])[:, None] * w[a]) for a in range(3))
                m = m + x @ m / 2
                gains[step, space.of[k]] = space.evaluate(m, space.of[k]) - space.frozen[space.of[k]]
        return gains.mean()


def main():
    directory = sys.argv[1]
    with open(os.path.join(directory, "population.json")) as f:
        p = json.load(f)
    vectors = np.fromfile(os.path.join(directory, "vectors.f32"), dtype="<f4").reshape(-1, p["dimension"])
    queries, pool = vectors[: p["queries"]], vectors[p["queries"] :]
    groups, positive = np.array(p["groups"]), np.array(p["positive"])

    def clocks():
        t = os.times()
        return time.perf_counter(), t.user + t.system

    start = clocks()
    space = Space(pool, queries, positive, groups, p["margin_scale"])
    middle = clocks()
    gains = []
    for asks, negatives in zip(p["asks"], p["negatives"]):
        asks, negatives = np.array(asks), np.array(negatives)
        source = Source(space, vectors, asks, p["queries"] + positive[asks], p["queries"] + negatives, groups[asks])
        gains.append(source.walk())
    end = clocks()
    print(json.dumps({
        "space": [middle[0] - start[0], middle[1] - start[1]],
        "walks": [end[0] - middle[0], end[1] - middle[1]],
        "gains": gains,
        "frozen": space.frozen.mean(),
    }))


main()
