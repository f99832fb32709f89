/**
 * Runs a manifest's stages over a stream of audio, whatever the model's family: `emoface.stream.driver` in TypeScript.
 * Audio is gathered into a fixed grid of blocks, so that the caller's cuts cannot reach the graphs.
 */
import { OffsetRemover } from "../audio/offset.ts";
import type { Kernel } from "../audio/kernel.ts";
import { Resampler } from "../audio/resampler.ts";
import { ROLE_NAMES, type Manifest, type Role } from "../manifest.ts";
import type { Clock } from "../timing.ts";
import { ConditionTimeline, changeMoment, type Vector } from "./conditions.ts";
import type { Engine, Tensor } from "./engine.ts";
import type { OffsetSource } from "./expansion.ts";
import { FeatureTrack } from "./features.ts";
import { Motion } from "./motion.ts";
import { NoiseSource } from "./noise.ts";
import { makePlan, reads, stagesOf, type Plan, type PlannedStage } from "./plan.ts";

type Floats = Float32Array<ArrayBuffer>;
/** Called with (stage, output, first index, array (1, k, ...), rows to skip) after every stage call. */
export type Probe = (stage: string, output: string, first: number, array: Tensor, skip: number) => void;

export class Driver {
  readonly resampler: Resampler;
  fed = 0;
  frames = 0;
  private readonly plan: Plan;
  private readonly offset: OffsetRemover;
  private readonly noise: NoiseSource;
  private readonly widths: Record<Role, number>;
  private tracks = new Map<string, FeatureTrack>();
  private overlap: Floats = new Float32Array(0);
  private blocks = 0;

  constructor(
    private readonly manifest: Manifest,
    engine: Engine,
    readonly clock: Clock,
    rate: number,
    kernel: Kernel,
    private readonly timeline: ConditionTimeline,
    noiseSeed: bigint,
    private readonly source: OffsetSource,
    private readonly probe: Probe | null = null,
  ) {
    this.plan = makePlan(manifest, engine, source.graphs, probe !== null);
    this.noise = new NoiseSource(manifest.noise, noiseSeed);
    this.resampler = new Resampler(rate, clock.sampleRate, kernel);
    this.offset = new OffsetRemover(clock.hop, clock.overlap);
    const shapes = manifest.roleShapes;
    this.widths = Object.fromEntries(
      ROLE_NAMES.map((role) => [role, this.plan.results.has(role) ? shapes[role].reduce((a, b) => a * b, 1) : 0]),
    ) as Record<Role, number>;
    this.widths.offsets = source.any ? manifest.vertices * 3 : 0;
    this.reset();
  }

  /** Back to the start of a stream; conditions too. */
  reset(): void {
    this.fed = this.blocks = this.frames = 0;
    this.overlap = new Float32Array(0);
    this.tracks = new Map(this.plan.interpolated.map((key) => [key, new FeatureTrack()]));
    this.resampler.reset();
    this.offset.reset();
    this.timeline.reset();
    for (const stage of stagesOf(this.plan)) stage.stream.reset();
  }

  /** Declared latency in samples at the caller's rate, the resampler's delay included. */
  get latency(): number {
    return this.clock.latency(this.resampler.rate, this.resampler.needed);
  }

  /** Let `vector` hold from audio time `at` on (null: the audio fed so far); ConditionError for the past. */
  setCondition(name: string, vector: Vector, at: number | null): void {
    const now = this.fed / this.resampler.rate;
    this.timeline.set(name, vector, changeMoment(name, at, now, this.earliestChange(name)));
  }

  private earliestChange(condition: string): number {
    let earliest = 0;
    const after = (time: number): number => time + Math.abs(time) * Number.EPSILON + Number.MIN_VALUE;
    if (reads([...this.plan.frames, ...this.plan.frame], condition) && this.frames) {
      earliest = Math.max(earliest, after((this.frames - 1) / this.clock.fps));
    }
    if (reads(this.plan.block, condition) && this.blocks) {
      earliest = Math.max(earliest, after(this.blockTime(this.blocks - 1)));
    }
    return earliest;
  }

  /** Add mono samples and run every block that is due. */
  async feed(samples: Floats): Promise<Motion> {
    this.resampler.append(samples);
    this.fed += samples.length;
    let { blocks } = this;
    while (this.clock.due(blocks, this.resampler.rate, this.resampler.needed) <= this.fed) blocks += 1;
    return this.run(blocks, this.clock.framesAfterBlocks(blocks));
  }

  /** Feed zeros until all promised frames, and `extraFrames` more, are out. */
  async finish(extraFrames: number): Promise<Motion> {
    const total = this.clock.framesOf(this.fed, this.resampler.rate) + extraFrames;
    let { blocks } = this;
    while (this.clock.framesAfterBlocks(blocks) < total) blocks += 1;
    if (blocks > this.blocks) {
      const needed = this.resampler.needed(this.clock.samplesForBlock(blocks - 1));
      this.resampler.append(new Float32Array(Math.max(0, needed - this.resampler.received)));
    }
    return this.run(blocks, total);
  }

  private async run(blocks: number, totalFrames: number): Promise<Motion> {
    const motion = new Motion(this.frames, Math.max(0, totalFrames - this.frames), this.widths);
    while (this.blocks < blocks) await this.runBlock(motion);
    motion.settle(this.manifest, this.source.expansion);
    return motion;
  }

  private async runBlock(motion: Motion): Promise<void> {
    const { clock, blocks: block } = this;
    const already = block ? clock.samplesForBlock(block - 1) : 0;
    const fresh = this.withoutOffset(this.resampler.read(clock.samplesForBlock(block) - already), already);
    const audio = new Float32Array(this.overlap.length + fresh.length);
    audio.set(this.overlap);
    audio.set(fresh, this.overlap.length);
    this.overlap = audio.slice(audio.length - clock.overlap);
    await this.runBlockStages(block, audio);
    const [first, last] = [this.frames, clock.framesAfterBlocks(block + 1)];
    if (last > first) await this.runFrames(first, last, motion);
    this.blocks = block + 1;
    this.frames = last;
    const nextFeature = Math.floor((clock.featureRate * last) / clock.fps);
    for (const track of this.tracks.values()) track.forgetBefore(nextFeature);
    this.timeline.forgetBefore(Math.min(last / clock.fps, this.blockTime(block + 1)));
  }

  /** Golden vectors are of the audio as it was fed, its offset included. */
  private withoutOffset(samples: Floats, at: number): Floats {
    return this.probe ? samples : this.offset.remove(samples, at, this.resampler.outputsOf(this.fed));
  }

  /** Seconds of audio at which a block begins. */
  private blockTime(block: number): number {
    return (block * this.clock.blockFeatures) / this.clock.featureRate;
  }

  private async runBlockStages(block: number, audio: Floats): Promise<void> {
    const size = this.clock.blockFeatures;
    const first = block * size - this.clock.delayFeatures;
    const values = new Map<string, Tensor>();
    for (const stage of this.plan.block) {
      const inputs = new Map<string, Tensor>();
      for (const name of stage.audio) inputs.set(name, { data: audio, dims: [1, audio.length] });
      for (const [name, condition] of stage.conditions) {
        inputs.set(name, vectorTensor(this.timeline.value(condition, this.blockTime(block))));
      }
      for (const [name, noise] of stage.noise) inputs.set(name, this.noise.values(noise, block * size, size));
      for (const [name, key] of stage.links) inputs.set(name, values.get(key) as Tensor);
      const outputs = await stage.stream.run(inputs);
      const skip = Math.max(0, -first);
      for (const [name, key] of stage.outputs) {
        const output = outputs.get(name) as Tensor;
        values.set(key, output);
        if (first + size > 0) this.tracks.get(key)?.append(output, skip);
      }
      this.report(stage, outputs, Math.max(0, first), skip);
    }
  }

  /** Run the stages of frame cadence over frames [first, last) and store what `motion` has room for. */
  private async runFrames(first: number, last: number, motion: Motion): Promise<void> {
    const values = new Map<string, Tensor>();
    for (const [key, track] of this.tracks) values.set(key, track.interpolated(this.clock, first, last));
    for (const stage of this.plan.frames) await this.runFramesStage(stage, first, last, values);
    const begin = first - motion.first;
    const wanted = Math.min(last - first, motion.count - begin);
    for (let index = 0; index < wanted; index++) {
      const latest = await this.runFrameStages(first + index, index, values);
      for (const [role, key] of this.plan.results) {
        const output = latest.get(key);
        if (output) motion.row(role, begin + index).set(output.data as Floats);
      }
    }
    for (const [role, key] of this.plan.results) {
      const found = values.get(key);
      if (found) {
        const width = motion.widths[role];
        motion.roles[role].set((found.data as Floats).subarray(0, wanted * width), begin * width);
      }
    }
  }

  /** One call for all frames, or one per stretch of frames between condition changes. */
  private async runFramesStage(
    stage: PlannedStage, first: number, last: number, values: Map<string, Tensor>,
  ): Promise<void> {
    const parts = new Map<string, Tensor[]>(stage.outputs.map(([, key]) => [key, []]));
    const held = (frame: number): Vector[] =>
      stage.conditions.map(([, condition]) => this.timeline.value(condition, frame / this.clock.fps));
    for (let begin = first; begin < last; ) {
      const vectors = held(begin);
      let end = begin + 1;
      while (end < last && held(end).every((vector, index) => vector === vectors[index])) end += 1;
      const inputs = new Map<string, Tensor>();
      for (const [name, link] of stage.links) inputs.set(name, rows(values.get(link) as Tensor, begin - first, end - first));
      stage.conditions.forEach(([name], index) => inputs.set(name, vectorTensor(vectors[index])));
      for (const [name, noise] of stage.noise) inputs.set(name, this.noise.values(noise, begin, end - begin));
      const outputs = await stage.stream.run(inputs);
      this.report(stage, outputs, begin, 0);
      for (const [name, key] of stage.outputs) parts.get(key)?.push(outputs.get(name) as Tensor);
      begin = end;
    }
    for (const [key, pieces] of parts) values.set(key, joined(pieces));
  }

  /** All autoregressive stages for one frame; returns their outputs (1, 1, ...). */
  private async runFrameStages(frame: number, index: number, values: Map<string, Tensor>): Promise<Map<string, Tensor>> {
    const latest = new Map<string, Tensor>();
    const time = frame / this.clock.fps;
    for (const stage of this.plan.frame) {
      const inputs = new Map<string, Tensor>();
      for (const [name, key] of stage.links) {
        inputs.set(name, latest.get(key) ?? rows(values.get(key) as Tensor, index, index + 1));
      }
      for (const [name, condition] of stage.conditions) {
        inputs.set(name, vectorTensor(this.timeline.value(condition, time)));
      }
      for (const [name, noise] of stage.noise) inputs.set(name, this.noise.values(noise, frame, 1));
      const outputs = await stage.stream.run(inputs);
      for (const [name, key] of stage.outputs) latest.set(key, outputs.get(name) as Tensor);
      this.report(stage, outputs, frame, 0);
    }
    return latest;
  }

  private report(stage: PlannedStage, outputs: Map<string, Tensor>, first: number, skip: number): void {
    if (!this.probe) return;
    for (const [name] of stage.outputs) this.probe(stage.spec.name, name, first, outputs.get(name) as Tensor, skip);
  }
}

function vectorTensor(vector: Vector): Tensor {
  return { data: vector, dims: [1, vector.length] };
}

/** Rows [begin, end) of an array (1, k, ...). */
function rows({ data, dims }: Tensor, begin: number, end: number): Tensor {
  const width = dims.slice(2).reduce((a, b) => a * b, 1);
  return { data: data.subarray(begin * width, end * width) as Tensor["data"], dims: [1, end - begin, ...dims.slice(2)] };
}

function joined(pieces: Tensor[]): Tensor {
  if (pieces.length === 1) return pieces[0];
  const count = pieces.reduce((sum, piece) => sum + piece.dims[1], 0);
  const size = pieces.reduce((sum, piece) => sum + piece.data.length, 0);
  const data = new (pieces[0].data.constructor as Float32ArrayConstructor)(size);
  let at = 0;
  for (const piece of pieces) {
    data.set(piece.data as Floats, at);
    at += piece.data.length;
  }
  return { data, dims: [1, count, ...pieces[0].dims.slice(2)] };
}
