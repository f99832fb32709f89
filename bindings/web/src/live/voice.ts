/** A voice in a worker, for pages: open a package, feed sound, receive frames. */
import type { AnimatorOptions, FrameBatch } from "../animator.ts";
import { toMono, type Chunk } from "../audio/chunk.ts";
import { BackendError, ClosedError, PackageNotFoundError, fromMessage } from "../errors.ts";
import type { RigOptions } from "../rig/choices.ts";
import { checkSimd } from "../stream/simd.ts";
import type { ConditionValue } from "../stream/conditions.ts";
import type { Answer, Made, Request, VoiceInfo } from "./messages.ts";

export interface VoiceOptions extends AnimatorOptions {
  /** The worker's script: `worker.js` of this package, served from the page's own origin. */
  worker?: string | URL;
  /** Where `ort-wasm-simd-threaded.wasm` lies; beside the worker by default. */
  wasm?: string | URL;
  precision?: string;
}

/** One package in one worker, and one stream of it at a time. */
export class Voice {
  private readonly waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  private next = 0;
  private closed = false;

  private constructor(
    private readonly worker: Worker,
    /** What the package is, and its face. */
    public info: VoiceInfo,
    private options: AnimatorOptions,
  ) {}

  /**
   * Load a package in a worker of its own.
   *
   * @param source an address, a File or Blob, or the bytes of a package (`name.emoface`).
   * @throws PackageError: not there, damaged, of an unknown format. BackendError: no WebAssembly SIMD, no worker.
   */
  static async open(source: string | URL | Blob | ArrayBuffer, options: VoiceOptions = {}): Promise<Voice> {
    const { worker: script = new URL("worker.js", import.meta.url), wasm, precision, ...animator } = options;
    checkSimd(); // before megabytes are fetched
    const [bytes, name] = await fetched(source);
    const address = new URL(wasm ?? "ort-wasm-simd-threaded.wasm", new URL(script, document.baseURI)).href;
    const voice = new Voice(new Worker(script, { type: "module" }), {} as VoiceInfo, animator);
    voice.worker.onmessage = ({ data }: MessageEvent<Answer>) => voice.take(data);
    voice.worker.onerror = (event) => voice.fail(event.message || `${script} does not load`);
    try {
      const request: Request = {
        kind: "open", package: bytes, source: name, wasm: address, precision, options: animator,
      };
      const answer = await voice.ask(request, [bytes]);
      voice.info = answer.info as VoiceInfo;
    } catch (error) {
      voice.close();
      throw error;
    }
    return voice;
  }

  /** A new stream with these options over the former ones; what was fed before is forgotten. */
  async start(options: AnimatorOptions = {}): Promise<void> {
    this.options = { ...this.options, ...options };
    this.info = (await this.ask({ kind: "start", options: this.options })).info as VoiceInfo;
  }

  /** Feed the next sound, any length. The frames that are complete, or null where an interruption came first. */
  async feed(chunk: Chunk): Promise<Made | null> {
    const [mono] = toMono(chunk, null);
    return (await this.ask({ kind: "feed", chunk: [mono] }, [mono.buffer])).made ?? null;
  }

  /** End the sound: all frames still due, and `tailS` seconds in which the face returns to rest. */
  async finish(tailS = 0): Promise<Made | null> {
    return (await this.ask({ kind: "finish", tailS })).made ?? null;
  }

  /**
   * Barge-in: what was fed and not yet turned into frames is dropped. Returns frames that bring the face to rest within
   * 200 ms and take the place of frame `at`, the first that was not shown; null: all were shown.
   */
  async interrupt(at: number | null = null): Promise<FrameBatch> {
    return ((await this.ask({ kind: "interrupt", at })).made as Made).batch;
  }

  /** Let a condition ("style", "emotion", "level", ...) hold from audio time `at` on; null: from now on. */
  async set(name: string, value: ConditionValue, at: number | null = null): Promise<void> {
    const spelt = name as "style";
    this.options = { ...this.options, [spelt]: value };
    await this.ask({ kind: "set", name, value, at });
  }

  /** Other controls, blinks, gaze or head sway from the next frame on. */
  async setRig(options: RigOptions): Promise<void> {
    this.options = { ...this.options, ...options };
    await this.ask({ kind: "rig", options });
  }

  close(): void {
    this.closed = true;
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) {
      reject(new ClosedError("a call before close()", "an open voice", "Open another voice."));
    }
    this.waiting.clear();
  }

  private ask(request: Request, transfer: Transferable[] = []): Promise<Answer> {
    if (this.closed) throw new ClosedError("a call after close()", "an open voice", "Open another voice.");
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, request }, transfer);
    });
  }

  private take(answer: Answer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if (answer.error) waiting?.reject(fromMessage(answer.error));
    else waiting?.resolve(answer);
  }

  private fail(why: string): void {
    const error = new BackendError(why, "a worker that runs", "Serve worker.js beside the page, and load it again.");
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}

async function fetched(source: string | URL | Blob | ArrayBuffer): Promise<[ArrayBuffer, string]> {
  if (source instanceof ArrayBuffer) return [source, "the package"];
  if (source instanceof Blob) return [await source.arrayBuffer(), source instanceof File ? source.name : "the package"];
  const expected = "an .emoface file at this address";
  let response: Response;
  try {
    response = await fetch(source);
  } catch (error) {
    throw new PackageNotFoundError(`${source}: ${(error as Error).message}`, expected, "Check the address.");
  }
  if (!response.ok) throw new PackageNotFoundError(`${source}: HTTP ${response.status}`, expected, "Check the address.");
  return [await response.arrayBuffer(), String(source)];
}
