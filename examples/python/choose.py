"""Choose a source of hard negatives before training, from Python.

Saves triples and vectors as eci reads them, runs eci rank, reads its verdict, and
ends with an exit code that a training script can obey: 0 to train, 3 not to.

    python3 examples/python/choose.py --eci eci --work /tmp/choose testdata/demo/sources/*.jsonl

It needs NumPy alone. With sentence-transformers, Model becomes
SentenceTransformer(name), and encode gets the prompts that it was trained with.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np


# --- The part to copy: three functions. ---


def save_vectors(folder, name, texts, vectors):
    """Save the vectors of texts, one row each, and ids for them. Returns text -> id."""
    vectors = np.ascontiguousarray(vectors, dtype="<f4")
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise ValueError(f"{len(texts)} texts, vectors of shape {vectors.shape}")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.npy", vectors)
    ids = [f"{name}{i}" for i in range(len(texts))]
    (folder / f"{name}.ids").write_text("".join(i + "\n" for i in ids), encoding="utf-8")
    return dict(zip(texts, ids))


def save_triples(path, rows, query_ids, document_ids):
    """Save rows with anchor, positive and negative (texts), with the ids of their vectors."""
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            triple = {
                "query_id": query_ids[row["anchor"]],
                "query": row["anchor"],
                "positive_id": document_ids[row["positive"]],
                "positive": row["positive"],
                "negative_id": document_ids[row["negative"]],
                "negative": row["negative"],
            }
            out.write(json.dumps(triple, ensure_ascii=False) + "\n")


def rank(eci, vectors, files, *flags):
    """Run eci rank and return its JSON and its exit code: 0, or 3 where a check failed."""
    command = [eci, "rank", "--json", "--quiet", "--vectors", str(vectors), *flags, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    if done.stderr:
        print(done.stderr, end="", file=sys.stderr)
    return json.loads(done.stdout), done.returncode


# --- What stands in for a model and a training set. ---


class Model:
    """A stand-in for SentenceTransformer: gives the texts of the demo their real vectors."""

    def __init__(self, folder, corpus, files):
        vectors = {}
        for ids in sorted(pathlib.Path(folder).glob("*.ids")):
            rows = np.load(ids.with_suffix(".npy"))
            vectors.update(zip(ids.read_text(encoding="utf-8").split(), rows))
        self.of = {row["text"]: vectors[row["_id"]] for row in read_lines(corpus)}
        for file in files:
            for row in read_lines(file):
                for side in ("query", "positive", "negative"):
                    self.of[row[side]] = vectors[row[side + "_id"]]

    def encode(self, texts):
        return np.stack([self.of[text] for text in texts]).astype(np.float32)


def read_lines(path):
    with open(path, encoding="utf-8") as lines:
        return list(map(json.loads, lines))


def read_rows(path):
    """Rows with the columns of sentence-transformers: anchor, positive, negative."""
    return [{"anchor": r["query"], "positive": r["positive"], "negative": r["negative"]} for r in read_lines(path)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eci", default="eci", help="the command")
    parser.add_argument("--demo", default="testdata/demo/vectors", help="the vectors of the demo")
    parser.add_argument("--corpus", default="testdata/demo/corpus.jsonl", help="the documents to search, with text")
    parser.add_argument("--work", default="choose", help="folder for what is saved")
    parser.add_argument("--require", help="the source that the training script wants to train on")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()

    work = pathlib.Path(args.work)
    datasets = {pathlib.Path(f).stem: read_rows(f) for f in args.files}
    rows = [row for rows in datasets.values() for row in rows]
    queries = list(dict.fromkeys(r["anchor"] for r in rows))
    corpus = [row["text"] for row in read_lines(args.corpus)]
    documents = list(dict.fromkeys(corpus + [r[k] for r in rows for k in ("positive", "negative")]))
    model = Model(args.demo, args.corpus, args.files)
    query_ids = save_vectors(work / "vectors", "queries", queries, model.encode(queries))
    document_ids = save_vectors(work / "vectors", "corpus", documents, model.encode(documents))
    saved = []
    for name, rows in datasets.items():
        saved.append(work / f"{name}.jsonl")
        save_triples(saved[-1], rows, query_ids, document_ids)

    pool = work / "pool.ids"  # what queries are searched in: the corpus, not what was mined or written
    pool.write_text("".join(document_ids[text] + "\n" for text in corpus), encoding="utf-8")
    # With a checkpoint, the same triples and vectors are ranked once.
    flags = ["--pool", str(pool), "--checkpoint", str(work / "checkpoint")]
    if args.require:
        flags += ["--require-best", args.require, "--allow", "overtraining"]
    ranking, code = rank(args.eci, work / "vectors", saved, *flags)
    verdict = ranking["verdict"]
    print(verdict["sentence"])
    for name in ranking["ranking"]:  # best first
        score = ranking["scores"][name]
        low, high = score["gain_interval"]
        print(f"{score['rank']}  {name:14}{score['gain']:+.3f} ({low:+.3f} to {high:+.3f})")
    if not args.require and verdict["action"] != "train":
        code = 3
    return code


if __name__ == "__main__":
    sys.exit(main())
