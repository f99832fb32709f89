/** The clock of a stream, in integers: audio samples, feature blocks, frames. As `emoface.timing`. */

const floorDiv = (a: number, b: number): number => Math.floor(a / b);
const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

/** Number of caller samples that determine the first `outputs` samples at the model's rate. */
export type Needed = (outputs: number) => number;

/** Integer relations between samples (at the model's rate), features, blocks and frames. */
export class Clock {
  constructor(
    readonly fps: number,
    readonly sampleRate: number,
    readonly featureRate: number,
    readonly hop: number,
    readonly overlap: number,
    readonly blockFeatures: number,
    readonly delayFeatures: number,
  ) {}

  lastFeatureOfFrame(frame: number): number {
    return ceilDiv(this.featureRate * frame, this.fps);
  }

  blockOfFrame(frame: number): number {
    return floorDiv(this.lastFeatureOfFrame(frame) + this.delayFeatures, this.blockFeatures);
  }

  framesAfterBlocks(blocks: number): number {
    const features = Math.max(0, blocks * this.blockFeatures - this.delayFeatures);
    return features === 0 ? 0 : floorDiv((features - 1) * this.fps, this.featureRate) + 1;
  }

  samplesForBlock(block: number): number {
    return this.hop * this.blockFeatures * (block + 1) + this.overlap;
  }

  /** The promised number of frames of a stream of `samples` samples at `rate`. */
  framesOf(samples: number, rate: number): number {
    return floorDiv(samples * this.fps, rate);
  }

  /** Number of caller samples at `rate` after which block `block` runs. */
  due(block: number, rate: number, needed: Needed): number {
    const promised = ceilDiv(this.framesAfterBlocks(block + 1) * rate, this.fps);
    return Math.max(needed(this.samplesForBlock(block)), promised);
  }

  /** Declared latency in caller samples at `rate`, rounded up. */
  latency(rate: number, needed: Needed): number {
    let worst = 0;
    const first = floorDiv(this.delayFeatures, this.blockFeatures);
    for (let block = first; block < first + this.featureRate + 1; block++) {
      const frame = this.framesAfterBlocks(block);
      if (this.blockOfFrame(frame) === block && frame < this.fps * this.blockFeatures) {
        worst = Math.max(worst, ceilDiv(this.due(block, rate, needed) * this.fps - rate * frame, this.fps));
      }
    }
    return worst;
  }
}
