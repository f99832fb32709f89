/** One chunk of caller audio -> mono float32, checked before anything is touched. As `emoface.audio.chunk`. */
import { AudioError, AudioFormatError } from "../errors.ts";

const [LOWEST_RATE, HIGHEST_RATE] = [4000, 384000];
// Float audio is nominally within +-1; beyond 16 it is integer data cast to float, or garbage.
const LOUDEST = 16;

/** Samples of one channel, or a list of channels of equal length. int16, int32 and uint8 are scaled to +-1. */
export type Samples = Float32Array | Float64Array | Int16Array | Int32Array | Uint8Array;
export type Chunk = Samples | Samples[];

/** The sample rate; AudioFormatError outside 4 to 384 kHz or when not whole. */
export function checkRate(rate: number): number {
  if (Number.isInteger(rate) && rate >= LOWEST_RATE && rate <= HIGHEST_RATE) return rate;
  throw new AudioFormatError(
    `sample_rate=${rate}`,
    `a whole number of hertz from ${LOWEST_RATE} to ${HIGHEST_RATE}`,
    "Pass the rate the audio was recorded at, for example 48000.",
  );
}

/**
 * Convert one chunk to mono float32; several channels are averaged.
 *
 * @param channels the stream's number of channels; null when no chunk has fixed it yet.
 * @returns samples that share no memory with the chunk, and the stream's number of channels after it.
 */
export function toMono(chunk: Chunk, channels: number | null): [Float32Array<ArrayBuffer>, number | null] {
  const given = Array.isArray(chunk) ? chunk : [chunk];
  if (!given.length || given.every((channel) => channel.length === 0)) return [new Float32Array(0), channels];
  if (given.some((channel) => channel.length !== given[0].length)) {
    throw new AudioError("channels of different lengths", "channels of one length", "Pass all channels of a chunk.");
  }
  if (channels !== null && given.length !== channels) {
    throw new AudioFormatError(
      `a chunk of ${given.length} channel(s)`,
      `${channels} channel(s), as the stream began`,
      "Call reset() and use another animator for audio of another layout.",
    );
  }
  if (given.length > 64) throw new AudioError(`${given.length} channels`, "at most 64", "Pass one array per channel.");
  const mono = toFloat(given[0]);
  for (const channel of given.slice(1)) {
    const samples = toFloat(channel);
    for (let i = 0; i < mono.length; i++) mono[i] += samples[i];
  }
  if (given.length > 1) {
    const share = Math.fround(1 / given.length);
    for (let i = 0; i < mono.length; i++) mono[i] *= share;
  }
  return [mono, given.length];
}

function toFloat(samples: Samples): Float32Array<ArrayBuffer> {
  if (samples instanceof Int16Array) return Float32Array.from(samples, (sample) => sample * 2 ** -15);
  if (samples instanceof Int32Array) return Float32Array.from(samples, (sample) => sample * 2 ** -31);
  if (samples instanceof Uint8Array) return Float32Array.from(samples, (sample) => (sample - 128) * 2 ** -7);
  if (!(samples instanceof Float32Array || samples instanceof Float64Array)) {
    throw new AudioError(
      "samples of another type", "float32, float64, int16, int32 or uint8", "Pass a typed array of PCM samples.",
    );
  }
  let bad = 0;
  for (const sample of samples) if (!(Math.abs(sample) <= LOUDEST)) bad += 1;
  if (bad) {
    throw new AudioError(
      `${bad} unusable sample(s)`,
      `finite samples within full scale +-1 (at most +-${LOUDEST})`,
      "Scale integer audio to +-1, or repair the source.",
    );
  }
  return Float32Array.from(samples);
}
