/** The page: a package, a head, and sound that somebody drops or speaks. Addresses may say ?package= and ?audio=. */
import { EmoFaceError } from "../src/errors.ts";
import { Voice } from "../src/live/voice.ts";
import { buildControls } from "./controls.ts";
import { Speaker } from "./speaker.ts";
import { Stage } from "./stage.ts";
import { HUES, Timeline } from "./timeline.ts";

const PACKAGE = "package.emoface";
const SAMPLE = "speech.wav";
const TELL_MS = 200;
const DRAW_MS = 50; // the timeline needs no more
const MODELS = /\.(glb|gltf|vrm)$/i;

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const [talk, sample, interrupt, theme] = ["talk", "sample", "interrupt", "theme"].map((id) => element<HTMLButtonElement>(id));
const file = element<HTMLInputElement>("file");
const panel = element("controls");
const words = new URLSearchParams(location.search);
const timeline = new Timeline(element<HTMLCanvasElement>("timeline"));

let stage: Stage;
let voice: Voice | null = null;
let speaker: Speaker | null = null;
let spent = { sound: 0, ms: 0 };
let [told, drawn] = [0, 0];

function say(text: string): void {
  element("status").textContent = text;
}

/** An error as somebody reads it who has never seen the code. */
function fail(error: unknown): void {
  const box = element("error");
  const text = error instanceof EmoFaceError ? `${capital(error.got)}.\nNeeded: ${error.expected}.\n${error.remedy}` : String(error);
  box.textContent = text;
  box.dataset.kind = error instanceof EmoFaceError ? error.name : "Error";
  box.hidden = false;
  say("");
  console.error(error);
}

/** A sentence's first letter, unless it begins with the name of a file. */
function capital(text: string): string {
  if (/^\S+\.\S/.test(text)) return text;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Run something a person asked for; what goes wrong is shown. */
async function attempt(call: () => Promise<unknown>): Promise<void> {
  element("error").hidden = true;
  try {
    await call();
  } catch (error) {
    fail(error);
  }
  reflect();
}

function reflect(): void {
  const active = speaker?.active ?? false;
  talk.disabled = sample.disabled = file.disabled = !speaker;
  interrupt.disabled = !active;
  const talking = active && (speaker?.live ?? false);
  talk.setAttribute("aria-pressed", String(talking));
  talk.textContent = talking ? "Stop" : "Talk";
  const own = document.getElementById("own_head");
  if (own) own.hidden = !stage.hasModel;
  if (active && !talking && element("status").textContent.startsWith("Preparing")) say("");
  document.body.dataset.state = !speaker ? "loading" : talking ? "talking" : active ? "playing" : "ready";
}

async function openPackage(source: string | File): Promise<void> {
  say("Loading the package");
  const began = performance.now();
  speaker?.stop();
  const opened = await Voice.open(source, { worker: new URL("worker.js", location.href), blendshapes: true }).catch((error) => {
    // Not every package has blendshapes; the worker says so when they are asked for.
    if (error instanceof EmoFaceError && error.name === "RigError") {
      return Voice.open(source, { worker: new URL("worker.js", location.href) });
    }
    throw error;
  });
  voice?.close();
  voice = opened;
  const { info } = voice;
  stage.setFace(info.face);
  element("about").textContent = `${info.name}, ${info.vertices} vertices, ${info.fps} frames per second, ${info.licence}`;
  speaker = new Speaker(voice, {
    heard: (samples, rate) => timeline.hear(samples, rate),
    made: (batch, seconds, ms) => {
      timeline.add(batch);
      spent = { sound: spent.sound + seconds, ms: spent.ms + ms };
    },
    changed: reflect,
    failed: fail,
  });
  buildControls(panel, info, {
    condition: (name, value) => attempt(async () => {
      await voice?.set(name, value);
      timeline.mark(timeline.seconds, value ?? "default");
    }),
    options: (options) => attempt(async () => {
      await speaker?.stop();
      await voice?.start(options);
      if ("identity" in options && voice) stage.setFace(voice.info.face);
    }),
    rig: (options) => attempt(async () => voice?.setRig(options)),
    weightMap: (on) => {
      stage.setWeightMap(on);
      element("legend").hidden = !on;
    },
    ownHead: () => {
      stage.clearModel();
      reflect();
    },
  });
  const list = element("emotions");
  list.replaceChildren(...info.emotions.map((name, index) => {
    const item = document.createElement("li");
    const swatch = document.createElement("i");
    swatch.style.background = HUES[index % HUES.length];
    item.append(swatch, document.createTextNode(name), document.createElement("span"));
    return item;
  }));
  say("");
  document.body.dataset.loadMs = String(Math.round(performance.now() - began));
  reflect();
}

async function openFile(given: File): Promise<void> {
  element("hint").hidden = true;
  if (/\.emoface$/i.test(given.name)) await openPackage(given);
  else if (MODELS.test(given.name)) {
    say(`Loading ${given.name}`);
    say(`${given.name}: ${await stage.setModel(given, voice?.info.blendshapeNames ?? [])}`);
  } else await playSound(await given.arrayBuffer(), given.name);
}

async function playSound(bytes: ArrayBuffer, name: string): Promise<void> {
  if (!speaker) return;
  const sound = await speaker.decode(bytes, name);
  timeline.clear();
  spent = { sound: 0, ms: 0 };
  say(`Preparing ${name}`);
  await speaker.play(sound);
}

function draw(): void {
  const frame = speaker?.frame() ?? null;
  stage.draw(frame);
  const time = speaker?.time ?? null;
  const latency = speaker?.live && speaker.active ? (voice?.info.latency.seconds ?? 0) : null;
  const now = performance.now();
  if (now - drawn > (time === null ? TELL_MS : DRAW_MS)) {
    drawn = now;
    timeline.draw(time, latency);
  }
  if (frame && document.body.dataset.frame === undefined) document.body.dataset.firstFrameMs = String(Math.round(performance.now()));
  if (frame) document.body.dataset.frame = String(frame.number);
  if (now - told > TELL_MS) {
    told = now;
    tell(time);
  }
  requestAnimationFrame(draw);
}

/** Emotions as heard now, and what the machine spends. */
function tell(time: number | null): void {
  const values = time === null ? null : timeline.at(time);
  const items = [...element("emotions").children];
  const strongest = values ? values.indexOf(Math.max(...values)) : -1;
  items.forEach((item, index) => {
    item.classList.toggle("strongest", index === strongest);
    (item.lastChild as HTMLElement).textContent = values ? ` ${Math.round(values[index] * 100)} %` : "";
  });
  const parts = voice ? [`latency declared ${Math.round(voice.info.latency.ms)} ms`] : [];
  if (spent.sound > 0.5) {
    const factor = spent.ms / 1000 / spent.sound;
    parts.push(`computing takes ${factor.toFixed(2)} of the sound's time`);
    document.body.dataset.realTimeFactor = factor.toFixed(3);
    if (factor > 1) parts.push("this device is too slow for live speech");
  }
  element("figures").textContent = parts.join(" · ");
}

function begin(): void {
  stage = new Stage(element<HTMLCanvasElement>("face"));
  talk.onclick = () => attempt(async () => {
    element("hint").hidden = true;
    if (speaker?.live && speaker.active) return speaker.stop();
    timeline.clear();
    spent = { sound: 0, ms: 0 };
    await speaker?.talk();
    say("Listening");
  });
  sample.onclick = () => attempt(async () => playSound(await (await fetch(words.get("audio") ?? SAMPLE)).arrayBuffer(), SAMPLE));
  interrupt.onclick = () => attempt(async () => speaker?.interrupt());
  file.onchange = () => attempt(async () => {
    const [given] = file.files ?? [];
    file.value = "";
    if (given) await openFile(given);
  });
  theme.onclick = () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  };
  const place = element("stage");
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"] as const) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      place.classList.toggle("over", kind === "dragenter" || kind === "dragover");
      const [given] = event.dataTransfer?.files ?? [];
      if (kind === "drop" && given) void attempt(() => openFile(given));
    });
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (!typing && event.key === "Escape") interrupt.click();
  });
  void attempt(() => openPackage(words.get("package") ?? PACKAGE));
  requestAnimationFrame(draw);
}

try {
  begin();
} catch (error) {
  fail(error);
}
