// node web_page.mjs < {address, chromium, seconds, peers}: figures of web.py from headless Chromium, as JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { chromium } from "../bindings/web/node_modules/playwright-core/index.mjs";

const job = JSON.parse(readFileSync(0, "utf8"));
// CPU time of the same code in Node.js, which a busy machine disturbs less than the time of the clock.
const { Animator, Engine, Package } = await import(pathToFileURL(`${job.built}/emoface.js`));
const loaded = await Package.load(readFileSync(job.package));
const engine = await Engine.load(loaded, { wasm: readFileSync(`${job.built}/ort-wasm-simd-threaded.wasm`) });
const sound = new Int16Array(readFileSync(job.audio).buffer.slice(44)); // 16 kHz mono, as it is bundled
const costs = {};
const WARM = 60; // blocks until the WASM has been compiled for speed
for (const [name, options] of [["cpu_factor", {}], ["cpu_factor_weights", { blendshapes: true }]]) {
  const animator = await Animator.open(loaded, engine, { blockMs: 100, ...options });
  const times = [];
  for (let block = -WARM; block < job.seconds * 10; block++) {
    const at = ((block + WARM) * 1600) % (sound.length - 1600);
    const before = process.cpuUsage();
    await animator.step(sound.subarray(at, at + 1600));
    const { user, system } = process.cpuUsage(before);
    if (block >= 0) times.push((user + system) / 1000);
  }
  costs[name] = times.sort((a, b) => a - b)[times.length >> 1] / 100;
}

const args = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"];
const browser = await chromium.launch({ executablePath: job.chromium, args });
const page = await browser.newPage();
await page.goto(`${job.address}/empty.html`);

const ours = await page.evaluate(async (seconds) => {
  const began = performance.now();
  const { Voice } = await import("/emoface.js");
  const options = { worker: "/worker.js", sampleRate: 16000, blockMs: 100 };
  const voice = await Voice.open("/package.emoface", options);
  const loaded = performance.now();
  const context = new OfflineAudioContext(1, 16000, 16000);
  const sound = await context.decodeAudioData(await (await fetch("/speech.wav")).arrayBuffer());
  const samples = sound.getChannelData(0);
  const times = [];
  let first = 0;
  for (let block = -60; block < seconds * 10; block++) {
    const at = ((block + 60) * 1600) % (samples.length - 1600);
    const before = performance.now();
    const made = await voice.feed(samples.slice(at, at + 1600));
    if (block >= 0) times.push(performance.now() - before);
    if (!first && made.batch.count) first = performance.now();
  }
  voice.close();
  times.sort((a, b) => a - b);
  return {
    load_ms: loaded - began,
    first_frame_ms: first - began,
    real_time_factor: times[times.length >> 1] / 100,
    real_time_factor_p99: times[Math.floor(times.length * 0.99)] / 100,
  };
}, job.seconds);

// What a worklet costs: the time of rendering the clip with it, less that without it.
const peers = await page.evaluate(async (names) => {
  const bytes = await (await fetch("/speech.wav")).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(bytes);
  const render = async (connect) => {
    const context = new OfflineAudioContext(1, sound.length, 48000);
    const source = context.createBufferSource();
    source.buffer = sound;
    source.connect(context.destination);
    await connect(context, source);
    source.start();
    const before = performance.now();
    await context.startRendering();
    return (performance.now() - before) / 1000 / sound.duration;
  };
  const makers = {
    headaudio: async (context, source) => {
      const { HeadAudio } = await import("/headaudio-headaudio.min.mjs");
      await context.audioWorklet.addModule("/headaudio-headworklet.min.mjs");
      const node = new HeadAudio(context, { processorOptions: {}, parameterData: { vadGateActiveDb: -40, vadGateInactiveDb: -60 } });
      await node.loadModel("/headaudio-model-en-mixed.bin");
      source.connect(node);
    },
    wlipsync: async (context, source) => {
      const { createWLipSyncNode } = await import("/wlipsync-wlipsync-single.js");
      const mfccs = ["A", "I", "U", "E", "O"].map((name) => ({
        name,
        mfccCalibrationDataList: Array.from({ length: 32 }, () => ({ array: Array.from({ length: 12 }, () => 30 * Math.random() - 15) })),
      }));
      const profile = { targetSampleRate: 16000, sampleCount: 1024, melFilterBankChannels: 26, compareMethod: 1, mfccNum: 12,
        mfccDataCount: 32, useStandardization: false, mfccs };
      const node = await createWLipSyncNode(context, profile);
      source.connect(node).connect(context.destination);
    },
  };
  const said = {};
  for (const name of names) {
    if (name === "wawa_lipsync") {
      // It reads an analyser on the page's own thread, once a frame: while the clip is heard.
      const { Lipsync } = await import("/wawa_lipsync-wawa-lipsync.es.js");
      const lips = new Lipsync();
      const audio = new Audio("/speech.wav");
      lips.connectAudio(audio);
      await audio.play();
      let spent = 0;
      const began = performance.now();
      while (performance.now() - began < 5000) {
        await new Promise((resolve) => setTimeout(resolve, 16));
        const before = performance.now();
        lips.processAudio();
        spent += performance.now() - before;
      }
      audio.pause();
      said[`${name}_real_time_factor`] = spent / 5000;
      continue;
    }
    try {
      const plain = [];
      const whole = [];
      for (let turn = 0; turn < 3; turn++) {
        plain.push(await render(async () => {}));
        whole.push(await render(makers[name]));
      }
      said[`${name}_real_time_factor`] = Math.min(...whole) - Math.min(...plain);
    } catch (error) {
      console.error(name, error);
      said[`${name}_failed`] = String(error);
    }
  }
  return said;
}, job.peers);
await browser.close();
for (const [name, value] of Object.entries(peers)) if (typeof value === "string") console.error(`${name}: ${value}`);
console.log(JSON.stringify({ ...costs, ...ours, ...Object.fromEntries(Object.entries(peers).filter(([, value]) => typeof value === "number")) }));
