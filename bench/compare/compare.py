"""The NumPy side of bench/compare: one JSON request a line on the standard
input, one reply a line on the standard output. Needs NumPy and an OpenBLAS that
is loaded by it; nothing else.

Rank-k updates are cblas_ssyrk of the loaded OpenBLAS, called through ctypes,
which is what NumPy itself calls for X.T @ X, without NumPy's copy of the other
triangle; factorizations are its dpotrf. Both release the interpreter lock.
"""

import ctypes
import json
import math
import os
import re
import sys
import threading
import time

import numpy as np

# np.dot loads the library before it is looked for.
np.dot(np.ones((2, 2)), np.ones((2, 2)))


def libraries():
    with open("/proc/self/maps") as maps:
        return sorted(set(re.findall(r"/\S*(?:blas|lapack)\S*", maps.read())))


BLAS = LAPACK = None
for path in libraries():
    library = ctypes.CDLL(path)
    if hasattr(library, "cblas_ssyrk") and hasattr(library, "openblas_get_corename"):
        BLAS = library
    if hasattr(library, "dpotrf_"):
        LAPACK = LAPACK or library
if BLAS is None or LAPACK is None:
    sys.exit("compare.py: NumPy has not loaded OpenBLAS; install python3-numpy and libopenblas0-pthread")
BLAS.openblas_get_config.restype = ctypes.c_char_p
BLAS.openblas_get_corename.restype = ctypes.c_char_p
if hasattr(BLAS, "dpotrf_"):
    LAPACK = BLAS

FLOATS = np.ctypeslib.ndpointer(dtype=np.float32, flags="ALIGNED")
DOUBLES = np.ctypeslib.ndpointer(dtype=np.float64, flags="ALIGNED")
BLAS.cblas_ssyrk.argtypes = [
    ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int,
    ctypes.c_float, ctypes.c_void_p, ctypes.c_int, ctypes.c_float, ctypes.c_void_p, ctypes.c_int,
]
BLAS.cblas_ssyrk.restype = None
ROW_MAJOR, UPPER, TRANSPOSED = 101, 121, 112


def ssyrk(rows, c, beta):
    """c = rows.T @ rows + beta c, upper triangle, float32."""
    n, d = rows.shape
    BLAS.cblas_ssyrk(ROW_MAJOR, UPPER, TRANSPOSED, d, n, 1.0, rows.ctypes.data, d, beta, c.ctypes.data, d)


def half_logdet(a):
    """Half the log-determinant of a symmetric float64 matrix with its upper
    triangle given; overwrites it. Column-major 'L' is row-major upper."""
    d = ctypes.c_int(a.shape[0])
    info = ctypes.c_int()
    LAPACK.dpotrf_(b"L", ctypes.byref(d), ctypes.c_void_p(a.ctypes.data), ctypes.byref(d), ctypes.byref(info))
    if info.value != 0:
        raise ValueError("not positive definite")
    return float(np.log(np.diagonal(a)).sum())


def set_threads(n):
    BLAS.openblas_set_num_threads(n)


def status(name):
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0


def timed(work):
    peak, stop = [0], threading.Event()

    def watch():
        while not stop.wait(0.05):
            peak[0] = max(peak[0], status("RssAnon"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    stop.set()
    watcher.join()
    # Threads of OpenBLAS spin for a while after a call; let them go to sleep
    # before the other side is measured.
    time.sleep(0.2)
    return {"wall": wall, "cpu": cpu, "value": value, "high_water": status("VmHWM"), "anonymous": peak[0]}


ARRAYS = {}


def array(path, n):
    if path not in ARRAYS or len(ARRAYS[path]) < n:
        ARRAYS[path] = np.fromfile(path, dtype="<f4")
    return ARRAYS[path][:n]


RESULTS = {}


def array_of(d):
    """A matrix that is kept between calls; touched, so that no page is missing."""
    if d not in RESULTS:
        RESULTS[d] = np.ones((d, d), dtype=np.float32)
    return RESULTS[d]


def kernel(q):
    """One cblas_ssyrk over all rows, in float32 throughout."""
    d, n = q["dimension"], 19200
    rows = array(os.path.join(q["dir"], "rows.f32"), n * d).reshape(n, d)
    set_threads(q["threads"])

    c = array_of(d)

    def work():
        ssyrk(rows, c, 0.0)
        return float(np.trace(c, dtype=np.float64))

    return timed(work)


BLOCK = 4096  # rows of one ssyrk
CHUNK = 256  # rows of elementwise work that stay in a second-level cache


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weighted_residuals(out, t, q, p, n, scales, extra=None):
    """out = sqrt(w) r for rows of raw float32 vectors; w = c g, times extra."""
    for first in range(0, len(q), CHUNK):
        rows = slice(first, min(first + CHUNK, len(q)))
        x, y, z, o = q[rows], p[rows], n[rows], out[rows]
        u = t[: len(x)]
        iq = 1 / np.sqrt(np.einsum("ij,ij->i", x, x).astype(np.float64))
        ip = 1 / np.sqrt(np.einsum("ij,ij->i", y, y).astype(np.float64))
        im = 1 / np.sqrt(np.einsum("ij,ij->i", z, z).astype(np.float64))
        positive = np.einsum("ij,ij->i", x, y) * iq * ip
        negative = np.einsum("ij,ij->i", x, z) * iq * im
        margin = positive - negative
        w = sigmoid(margin / scales["margin"]) * sigmoid((negative - scales["midpoint"]) / scales["scale"])
        if extra is not None:
            w *= extra[rows]
        w = np.sqrt(w)
        np.multiply(y, (w * ip).astype(np.float32)[:, None], out=o)
        np.multiply(z, (w * im).astype(np.float32)[:, None], out=u)
        np.subtract(o, u, out=o)
        np.multiply(x, (w * margin * iq).astype(np.float32)[:, None], out=u)
        np.subtract(o, u, out=o)


def score(total, n, epsilon2):
    """Half the log-determinant of I + d/(eps^2 n) total, which it overwrites."""
    d = len(total)
    total *= d / epsilon2 / n
    total[np.diag_indices(d)] += 1
    return half_logdet(total)


def pipeline(q):
    """Blocks of 4096 rows: elementwise work in chunks of 256 rows, one float32
    ssyrk a block, added to a float64 matrix. With two threads either two Python
    threads take every second block each, with a matrix each and single-threaded
    OpenBLAS (variant 'shards'), or one thread calls OpenBLAS with two."""
    d, triples, pool = q["dimension"], q["triples"], q["pool"]
    arrays = [array(os.path.join(q["dir"], name), pool * d).reshape(pool, d) for name in ("q.f32", "p.f32", "n.f32")]
    shards = q["threads"] if q.get("variant") == "shards" else 1
    set_threads(q["threads"] // shards)
    blocks = [(first % pool, min(BLOCK, triples - first, pool - first % pool)) for first in steps(triples, pool)]

    def work():
        totals = [None] * shards

        def shard(k):
            total = np.zeros((d, d))
            c = np.zeros((d, d), dtype=np.float32)
            out = np.empty((BLOCK, d), dtype=np.float32)
            t = np.empty((CHUNK, d), dtype=np.float32)
            for first, n in blocks[k::shards]:
                rows = slice(first, first + n)
                weighted_residuals(out[:n], t, *(a[rows] for a in arrays), q["scales"])
                ssyrk(out[:n], c, 0.0)
                total += c
            totals[k] = total

        threads = [threading.Thread(target=shard, args=(k,)) for k in range(1, shards)]
        for thread in threads:
            thread.start()
        shard(0)
        for thread in threads:
            thread.join()
        for other in totals[1:]:
            totals[0] += other
        return score(totals[0], triples, q["epsilon2"])

    return timed(work)


def steps(triples, pool):
    """First rows of the blocks of a pass, or several, over the pool."""
    first = 0
    while first < triples:
        yield first
        first += min(BLOCK, triples - first, pool - first % pool)


WORD = re.compile(r"[^\W_]+")


PAIRS = 2048  # labeled pairs that the scales are taken over


def fnv1a(text):
    h = 14695981039346656037
    for b in text.encode():
        h = (h ^ b) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return h


def rank(q):
    """The whole ranking, as one would write it: json.loads line by line, sets of
    words by text, vectors by id from a memory-mapped .npy, weights and residuals
    in blocks as above, one ssyrk for the rows of each group in a block, and 33
    dpotrf a source. All words and ids of a source are in memory."""
    set_threads(q["threads"])
    directory, groups, epsilon2 = q["dir"], q["groups"], q["epsilon2"]

    def work():
        tables = {}
        for stem in ("queries", "corpus"):
            with open(os.path.join(directory, stem + ".ids")) as f:
                ids = {line.strip(): i for i, line in enumerate(f)}
            tables[stem] = ids, np.load(os.path.join(directory, stem + ".npy"), mmap_mode="r")
        (query_ids, queries), (document_ids, documents) = tables["queries"], tables["corpus"]
        d = queries.shape[1]

        words, frequency, counted = {}, {}, set()

        def tokens(text, count):
            found = words.get(text)
            if found is None:
                found = words[text] = frozenset(WORD.findall(text.lower()))
            if count and text not in counted:
                counted.add(text)
                for w in found:
                    frequency[w] = frequency.get(w, 0) + 1
            return found

        sources = []
        for k in range(q["sources"]):
            rows = []
            with open(os.path.join(directory, "source%d.jsonl" % k)) as f:
                for line in f:
                    row = json.loads(line)
                    rows.append((
                        query_ids[row["query_id"]], document_ids[row["positive_id"]], document_ids[row["negative_id"]],
                        fnv1a(row["query_id"]) % groups,
                        tokens(row["query"], False), tokens(row["positive"], True), tokens(row["negative"], False),
                    ))
            sources.append(rows)
        n_documents = len(counted)
        idf = {w: math.log(1 + (n_documents - f + 0.5) / (f + 0.5)) for w, f in frequency.items()}
        unseen = math.log(1 + (n_documents + 0.5) / 0.5)
        masses = {}

        def mass(found):
            m = masses.get(found)
            if m is None:
                m = masses[found] = sum(idf.get(w, unseen) for w in found)
            return m

        def vectors(rows):
            index = np.array([row[:3] for row in rows])
            return queries[index[:, 0]], documents[index[:, 1]], documents[index[:, 2]]

        # Neutral ground: the labeled pairs, every query against every positive.
        labeled = list(dict.fromkeys(row[:2] for rows in sources for row in rows))[:PAIRS]
        asked, given = np.array([p[0] for p in labeled]), np.array([p[1] for p in labeled])
        x, y = (v.astype(np.float64) for v in (queries[asked], documents[given]))
        cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (y / np.linalg.norm(y, axis=1, keepdims=True)).T
        strange, own = asked[:, None] != asked[None, :], np.diag(cosines)
        margins, others = (own[:, None] - cosines)[strange], cosines[strange]
        scales = {
            "margin": margins.std(),
            "midpoint": (own.mean() + others.mean()) / 2,
            "scale": math.sqrt((own.var() + others.var()) / 2),
        }

        best = 0.0
        for rows in sources:
            sums = np.zeros((groups, d, d))
            c = np.zeros((d, d), dtype=np.float32)
            out, t = np.empty((BLOCK, d), dtype=np.float32), np.empty((CHUNK, d), dtype=np.float32)
            sizes = np.zeros(groups)
            # Rows of one group side by side, so that one ssyrk takes many.
            rows.sort(key=lambda row: row[3])
            for first in range(0, len(rows), BLOCK):
                some = rows[first : first + BLOCK]
                rho = np.empty(len(some))
                for i, (_, _, _, _, x, y, z) in enumerate(some):
                    both = sum(idf.get(w, unseen) for w in y & z)
                    coverage = sum(idf.get(w, unseen) for w in x & z) / mass(x)
                    rho[i] = max(0.0, 1 - max(coverage, both / (mass(y) + mass(z) - both)))
                x, y, z = vectors(some)
                weighted_residuals(out[: len(some)], t, x, y, z, scales, rho)
                group = np.array([row[3] for row in some])
                for g in np.unique(group):
                    at = np.flatnonzero(group == g)
                    ssyrk(out[at[0] : at[-1] + 1], c, 0.0)
                    sums[g] += c
                    sizes[g] += len(at)
            total = sums.sum(axis=0)
            values = [score(total.copy(), len(rows), epsilon2)]
            for g in range(groups):
                values.append(score(total - sums[g], len(rows) - sizes[g], epsilon2))
            best = max(best, values[0])
        return best

    return timed(work)


def info(q):
    return {"text": "NumPy %s, %s, core type %s, Python %s" % (
        np.__version__, BLAS.openblas_get_config().decode().split(" NO_")[0].split(" DYNAMIC")[0],
        BLAS.openblas_get_corename().decode(), sys.version.split()[0])}


def main():
    kinds = {"info": info, "kernel": kernel, "pipeline": pipeline, "rank": rank}
    for line in sys.stdin:
        try:
            q = json.loads(line)
            reply = kinds[q["kind"]](q)
        except Exception as e:  # the other side reports it
            reply = {"error": "%s: %s" % (type(e).__name__, e)}
        print(json.dumps(reply), flush=True)


main()
