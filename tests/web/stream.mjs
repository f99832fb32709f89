// node stream.mjs BUNDLE WASM: a job per line, {"package", "precision", "streams": [...]}; what each stream gave goes to
// raw files, and to stdout as a line of JSON.
// A stream: {options, audio (a file of float32), cuts, tail, changes: [[cut, name, value, at]], probe, out (a prefix)}; with
// `interrupt`, the numbers of cuts before which a LiveVoice is interrupted, and `back`, by how many frames it goes back.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { Animator, Engine, LiveVoice, Package } = await import(pathToFileURL(process.argv[2]));
const wasm = readFileSync(process.argv[3]);

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  const loaded = await Package.load(readFileSync(job.package));
  const engine = await Engine.load(loaded, { wasm, precision: job.precision ?? undefined });
  const said = [];
  for (const stream of job.streams) said.push(await run(loaded, engine, stream));
  await engine.release();
  console.log(JSON.stringify(said));
}

async function run(loaded, engine, stream) {
  const probed = {};
  const probe = (stage, output, first, array, skip) => {
    const width = array.dims.slice(2).reduce((a, b) => a * b, 1);
    (probed[`${stage}.${output}`] ??= []).push(Float32Array.from(array.data).subarray(skip * width));
  };
  try {
    const live = stream.interrupt ? await LiveVoice.open(loaded, engine, stream.options) : null;
    const animator = live?.animator ?? (await Animator.open(loaded, engine, stream.options, stream.probe ? probe : null));
    const bytes = readFileSync(stream.audio);
    const audio = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    const batches = [];
    let at = 0;
    for (const [index, cut] of stream.cuts.entries()) {
      if (stream.interrupt?.includes(index)) {
        const back = live.interrupt(stream.back ? live.nextFrame - stream.back : null);
        batches.push(back);
      }
      for (const [before, ...change] of stream.changes ?? []) {
        if (before === index) live ? live.set(...change) : animator.setCondition(...change);
      }
      const samples = audio.subarray(at, at + cut);
      batches.push(await (live ? live.feed(samples) : animator.step(samples)));
      at += cut;
    }
    batches.push(await (live ? live.finish(stream.tail ?? 0) : animator.flush(stream.tail ?? 0)));
    const names = Object.keys(batches[0]).filter((name) => ArrayBuffer.isView(batches[0][name]));
    for (const name of names) write(stream.out, name, batches.map((batch) => batch[name]));
    for (const [name, parts] of Object.entries(probed)) write(stream.out, name, parts);
    const count = batches.reduce((sum, batch) => sum + batch.count, 0);
    const firsts = batches.map((batch) => batch.first);
    return { count, firsts, latency: animator.latency.samples, names: animator.blendshapes?.names ?? [] };
  } catch (error) {
    return { error: error.name, message: error.message };
  }
}

function write(out, name, parts) {
  const buffers = parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength));
  writeFileSync(`${out}.${name}`, Buffer.concat(buffers));
}
