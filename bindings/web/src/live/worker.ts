/** The worker: reads a package and runs its graphs, so that the page's thread only draws. */
import { toMessage } from "../errors.ts";
import { Package } from "../package.ts";
import { lidsOf } from "../rig/choices.ts";
import { findEyes } from "../rig/gaze.ts";
import { checkHead } from "../rig/head_sway.ts";
import { Engine } from "../stream/engine.ts";
import { LiveVoice, buffersOf } from "./live_voice.ts";
import type { Answer, Made, OpenRequest, Request, VoiceInfo } from "./messages.ts";

const CLIP_BLOCK_S = 0.1;
const scope = self as unknown as DedicatedWorkerGlobalScope;
let loaded: { package: Package; engine: Engine } | null = null;
let voice: LiveVoice | null = null;
let work: Promise<void> = Promise.resolve();
let interruptions = 0;

scope.onmessage = ({ data }: MessageEvent<{ id: number; request: Request }>) => {
  const { id, request } = data;
  if (request.kind === "interrupt") interruptions += 1;
  const asked = interruptions;
  work = work.then(async () => {
    await breath();
    const answer: Answer = { id };
    const transfer: ArrayBuffer[] = [];
    try {
      const before = performance.now();
      const made = await answered(request, answer, asked);
      if (made) {
        answer.made = { ...made, tookMs: performance.now() - before };
        transfer.push(...buffersOf(made.batch));
      }
    } catch (error) {
      answer.error = toMessage(error);
    }
    scope.postMessage(answer, transfer);
  });
};

/** Let messages in that have come meanwhile: an interruption must not wait for all that was fed before it. */
function breath(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

async function answered(request: Request, answer: Answer, asked: number): Promise<Omit<Made, "tookMs"> | null> {
  if (request.kind === "open") {
    answer.info = await open(request);
    return null;
  }
  if (!loaded || !voice) throw new Error("no package is open");
  switch (request.kind) {
    case "start":
      voice = await LiveVoice.open(loaded.package, loaded.engine, request.options);
      answer.info = infoOf(loaded.package, voice);
      return null;
    case "feed":
      // What was spoken before an interruption that has come meanwhile is not heard any more.
      return asked === interruptions ? { batch: await voice.feed(request.chunk) } : null;
    case "finish":
      return asked === interruptions ? { batch: await voice.finish(request.tailS) } : null;
    case "interrupt":
      return { batch: voice.interrupt(request.at) };
    case "set":
      voice.set(request.name, request.value, request.at);
      return null;
    case "rig":
      voice.setRig(request.options);
      return null;
  }
}

async function open(request: OpenRequest): Promise<VoiceInfo> {
  await loaded?.engine.release();
  loaded = voice = null;
  const package_ = await Package.load(request.package, request.source);
  const engine = await Engine.load(package_, { wasm: request.wasm, precision: request.precision });
  loaded = { package: package_, engine };
  voice = await LiveVoice.open(package_, engine, request.options);
  return infoOf(package_, voice);
}

function infoOf(package_: Package, { animator }: LiveVoice): VoiceInfo {
  const { manifest, face } = package_;
  const can = (find: () => unknown): boolean => {
    try {
      find();
      return true;
    } catch {
      return false;
    }
  };
  return {
    name: manifest.name,
    licence: manifest.licence,
    fps: manifest.fps,
    vertices: manifest.vertices,
    motionRange: manifest.motionRangeM / manifest.unitInMetres,
    choices: Object.fromEntries(
      ["style", "emotion", "level", "person"]
        .filter((name) => manifest.conditions.has(name) && manifest.choices(name).length)
        .map((name) => [name, manifest.choices(name)]),
    ),
    emotions: manifest.emotions,
    blendshapeNames: [...(face.blendshapes?.names ?? [])],
    identities: [...face.identities.keys()],
    latency: animator.latency,
    blockMs: (1000 * animator.blockFeatures) / manifest.featureRate,
    clipBlockMs: clipBlock(manifest),
    can: {
      blinks: can(() => lidsOf(face)),
      gaze: can(() => findEyes(face)),
      headSway: can(() => checkHead(face, manifest.axes)),
      weight: manifest.outputs.has("emotion_weight"),
      controls: face.masks.has("eyes_forehead"),
    },
    // Shapes and bases stay here: a page draws vertices.
    face: { ...animator.face, blendshapes: null, basis: null, identities: new Map() },
  };
}

function clipBlock({ allowedBlockFeatures: [low, high], featureRate }: Package["manifest"]): number {
  return (1000 * Math.min(Math.max(Math.round(CLIP_BLOCK_S * featureRate), low), high)) / featureRate;
}
