/** Sound through a voice, and the frame that belongs to what is heard now: of a clip, or of somebody who talks. */
import type { FrameBatch } from "../src/animator.ts";
import { AudioError } from "../src/errors.ts";
import { capture, microphone, type Capture } from "../src/live/capture.ts";
import { Playout, type Frame } from "../src/live/playout.ts";
import type { Voice } from "../src/live/voice.ts";

const PIECE_S = 0.1;
const AHEAD_S = 1.5; // that frames are made before their sound is heard
const START_S = 0.25; // of frames before a clip begins to sound
const SLACK = 1.15;
const MARGIN_S = 0.05; // beyond the declared latency: the browser's own hand-overs
const TAIL_S = 0.4;
const REST_MS = 300; // of pictures that lead to rest, which takes 200
const LONGEST_S = 600;

export interface SpeakerEvents {
  /** Samples that were fed, in order. */
  heard(samples: Float32Array, rate: number): void;
  /** Frames that were made, the seconds of sound and the ms that they took. */
  made(batch: FrameBatch, seconds: number, tookMs: number): void;
  /** Something began to sound, has ended, or was stopped. */
  changed(): void;
  failed(error: unknown): void;
}

export class Speaker {
  readonly playout = new Playout();
  private context: AudioContext | null = null;
  private source: AudioBufferSourceNode | null = null;
  private captured: Capture | null = null;
  private run = 0;
  private base = 0; // context time at which audio time was `from`
  private from = 0;
  private delay = 0;
  private resting = false; // on the way to rest, after an interruption
  private frozen: Frame | null = null; // what is shown until the worker has answered the interruption
  live = false;

  constructor(
    private readonly voice: Voice,
    private readonly events: SpeakerEvents,
  ) {}

  get active(): boolean {
    return this.source !== null || this.captured !== null || this.resting;
  }

  /** Audio time of the picture, in seconds; null while nothing sounds. */
  get time(): number | null {
    if (!this.context || !this.active) return null;
    if (this.frozen) return this.frozen.time;
    return this.context.currentTime - this.base + this.from - this.delay;
  }

  /** The frame to show; null for the face at rest. */
  frame(): Frame | null {
    if (this.frozen) return this.frozen;
    const { time } = this;
    return time === null ? null : this.playout.at(time);
  }

  /** Decode a sound file; AudioError where the browser knows no such sound. */
  async decode(bytes: ArrayBuffer, name: string): Promise<AudioBuffer> {
    const context = await this.audio();
    let sound: AudioBuffer;
    try {
      sound = await context.decodeAudioData(bytes);
    } catch {
      throw new AudioError(`${name}, which this browser cannot read as sound`, "WAV, MP3, OGG, FLAC, M4A", "Convert the file.");
    }
    if (sound.duration > LONGEST_S) {
      throw new AudioError(`${name}: ${Math.round(sound.duration)} s`, `at most ${LONGEST_S} s`, "Cut it, or use `emoface animate`.");
    }
    return sound;
  }

  /** Speak a clip: frames are made ahead of the sound and shown with it. */
  async play(sound: AudioBuffer): Promise<void> {
    await this.stop();
    const run = ++this.run;
    const context = await this.audio();
    await this.voice.start({ sampleRate: sound.sampleRate, blockMs: this.voice.info.clipBlockMs });
    this.playout.clear();
    this.live = false;
    this.delay = this.from = 0;
    const mono = mixed(sound);
    const piece = Math.round(PIECE_S * sound.sampleRate);
    const began = performance.now();
    let started = false;
    for (let at = 0; at < mono.length && run === this.run; at += piece) {
      while (run === this.run && this.source && at / sound.sampleRate > (this.time ?? 0) + AHEAD_S) await pause(30);
      if (run !== this.run) return;
      const samples = mono.slice(at, at + piece);
      const seconds = samples.length / sound.sampleRate;
      this.events.heard(samples, sound.sampleRate);
      this.take(run, await this.voice.feed(samples), seconds);
      // Where making frames takes longer than hearing them, so many come first that none will be missing.
      const left = Math.max(0, mono.length - at - piece) / sound.sampleRate;
      const factor = (performance.now() - began) / 1000 / (sound.duration - left);
      const ready = left === 0 || (this.playout.end > START_S && left * factor * SLACK < sound.duration);
      if (run === this.run && !started && ready) {
        started = true;
        this.sound(sound, context, run);
      }
    }
    if (run === this.run) this.take(run, await this.voice.finish(TAIL_S), 0);
  }

  private sound(sound: AudioBuffer, context: AudioContext, run: number): void {
    const source = context.createBufferSource();
    source.buffer = sound;
    source.connect(context.destination);
    // What is scheduled now is heard when the device has played what it holds.
    this.base = context.currentTime + 0.02;
    this.delay = context.outputLatency || context.baseLatency || 0;
    source.onended = () => {
      setTimeout(() => {
        if (run !== this.run) return;
        this.source = null;
        this.events.changed();
      }, (TAIL_S + this.delay) * 1000);
    };
    source.start(this.base);
    this.source = source;
    this.events.changed();
  }

  /** Follow the microphone, or another stream. */
  async talk(stream?: MediaStream): Promise<void> {
    await this.stop();
    const run = ++this.run;
    const given = stream ?? (await microphone());
    const context = await this.audio();
    await this.voice.start({ sampleRate: context.sampleRate, blockMs: null });
    this.playout.clear();
    this.live = true;
    this.from = 0;
    this.delay = this.voice.info.latency.seconds + MARGIN_S;
    let waiting: Float32Array<ArrayBuffer>[] = [];
    let fed = 0;
    let busy = false;
    const feed = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      while (waiting.length && run === this.run) {
        const samples = joined(waiting);
        waiting = [];
        try {
          this.take(run, await this.voice.feed(samples), samples.length / context.sampleRate);
        } catch (error) {
          if (run === this.run) this.events.failed(error);
          break;
        }
      }
      busy = false;
    };
    const captured = await capture(given, context, (samples, time) => {
      if (run !== this.run) return;
      fed += samples.length / context.sampleRate;
      // The earliest hand-over tells best how context and audio time lie.
      const base = time - fed + this.from;
      this.base = fed < 0.5 ? base : Math.min(this.base, base);
      waiting.push(samples);
      this.events.heard(samples, context.sampleRate);
      void feed();
    });
    if (run !== this.run) captured.stop();
    else {
      this.captured = captured;
      this.events.changed();
    }
  }

  /** Barge-in: silence at once, and the face at rest within 200 ms. */
  async interrupt(): Promise<void> {
    if (!this.active || this.resting) return;
    const shown = this.frame();
    this.halt();
    this.resting = true;
    this.frozen = shown;
    const { run, context } = this;
    let rest: FrameBatch;
    try {
      rest = await this.voice.interrupt((shown?.number ?? -1) + 1);
    } catch (error) {
      if (run === this.run) await this.stop();
      throw error;
    }
    if (run !== this.run) return;
    this.playout.clear();
    this.playout.add(rest);
    // The clock goes on from the frame that was shown.
    this.base = context?.currentTime ?? 0;
    this.from = shown?.time ?? 0;
    this.delay = 0;
    this.frozen = null;
    await pause(REST_MS);
    if (run !== this.run) return;
    this.resting = false;
    this.events.changed();
  }

  /** Stop sound and capture; the face is at rest. */
  async stop(): Promise<void> {
    const active = this.active;
    this.halt();
    this.resting = false;
    this.frozen = null;
    if (active) {
      await this.voice.interrupt();
      this.events.changed();
    }
  }

  private halt(): void {
    this.run += 1;
    if (this.source) {
      this.source.onended = null;
      this.source.stop();
    }
    this.captured?.stop();
    this.source = this.captured = null;
  }

  private take(run: number, made: { batch: FrameBatch; tookMs: number } | null, seconds: number): void {
    if (!made || run !== this.run) return;
    this.playout.add(made.batch);
    this.events.made(made.batch, seconds, made.tookMs);
  }

  private async audio(): Promise<AudioContext> {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    if (this.context.state === "suspended") await this.context.resume();
    return this.context;
  }
}

function mixed(sound: AudioBuffer): Float32Array<ArrayBuffer> {
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    const samples = sound.getChannelData(channel);
    for (let i = 0; i < mono.length; i++) mono[i] += samples[i] / sound.numberOfChannels;
  }
  return mono;
}

function joined(pieces: Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer> {
  if (pieces.length === 1) return pieces[0];
  const made = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    made.set(piece, at);
    at += piece.length;
  }
  return made;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
