/** Waveform, emotions heard and the moments at which they were set, in time; the declared latency beside the playhead. */
import type { FrameBatch } from "../src/animator.ts";

const SPAN_S = 12; // that is seen of a sound
const BIN_S = 0.02;
const WAVE = 0.42; // share of the height
// Eight hues of about the same lightness that the colour-blind tell apart by order and label.
export const HUES = ["#8a93a0", "#4f9d8f", "#e0a526", "#3f6fb5", "#c6432f", "#8457a8", "#7b8b2d", "#d86fa3", "#5aa9d6"];

export class Timeline {
  private peaks: number[] = [];
  private filled = 0;
  private peak = 0;
  private samples = 0;
  private emotions: { time: number; values: Float32Array }[] = [];
  private marks: { time: number; label: string }[] = [];
  private readonly context: CanvasRenderingContext2D;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d") as CanvasRenderingContext2D;
  }

  clear(): void {
    this.peaks = [];
    this.emotions = [];
    this.marks = [];
    this.filled = this.peak = this.samples = 0;
  }

  /** Seconds of sound so far. */
  get seconds(): number {
    return this.samples;
  }

  hear(samples: Float32Array, rate: number): void {
    const bin = Math.round(BIN_S * rate);
    for (const sample of samples) {
      this.peak = Math.max(this.peak, Math.abs(sample));
      if (++this.filled >= bin) {
        this.peaks.push(this.peak);
        this.filled = this.peak = 0;
      }
    }
    this.samples += samples.length / rate;
  }

  add(batch: FrameBatch): void {
    const width = batch.count ? batch.emotion.length / batch.count : 0;
    for (let index = 0; index < batch.count && width; index++) {
      this.emotions.push({ time: batch.time[index], values: batch.emotion.slice(index * width, (index + 1) * width) });
    }
  }

  /** An emotion that was set at a time. */
  mark(time: number, label: string): void {
    this.marks.push({ time, label });
  }

  /** Probabilities at a time, or null. */
  at(time: number): Float32Array | null {
    return this.emotions.findLast((entry) => entry.time <= time)?.values ?? null;
  }

  /** Draw what lies around `time`; `latency` in seconds for sound that is being spoken, else null. */
  draw(time: number | null, latency: number | null): void {
    const { canvas, context } = this;
    const scale = Math.min(devicePixelRatio, 2);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(canvas);
    const [ink, faint, accent] = ["--ink", "--faint", "--accent"].map((name) => style.getPropertyValue(name).trim());
    const end = Math.max(latency === null ? (time ?? 0) + SPAN_S / 2 : this.seconds, SPAN_S);
    const begin = end - SPAN_S;
    const x = (seconds: number): number => ((seconds - begin) / SPAN_S) * width;
    const wave = height * WAVE;
    context.fillStyle = faint;
    for (let bin = Math.max(0, Math.floor(begin / BIN_S)); bin < this.peaks.length && bin * BIN_S < end; bin++) {
      const half = Math.max(0.5, Math.sqrt(this.peaks[bin]) * (wave / 2 - 2));
      context.fillRect(x(bin * BIN_S), wave / 2 - half, Math.max(1, (width / SPAN_S) * BIN_S - 0.5), half * 2);
    }
    this.drawEmotions(x, begin, end, wave + 6, height - 16);
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = faint;
    for (let second = Math.max(0, Math.ceil(begin)); second <= end; second += 2) {
      context.fillText(`${second} s`, x(second) + 2, height - 3);
    }
    for (const { time: at, label } of this.marks) {
      if (at < begin || at > end) continue;
      context.fillStyle = accent;
      context.fillRect(x(at), 0, 1.5, height - 16);
      context.fillText(label, x(at) + 4, 11);
    }
    if (time === null) return;
    if (latency !== null) {
      // From what is shown to what is being said.
      context.fillStyle = accent;
      context.globalAlpha = 0.16;
      context.fillRect(x(time), 0, x(this.seconds) - x(time), height - 16);
      context.globalAlpha = 1;
      const text = `${Math.round(latency * 1000)} ms declared`;
      context.fillText(text, Math.max(2, x(time) - context.measureText(text).width - 6), 11);
    }
    context.fillStyle = ink;
    context.fillRect(x(time) - 1, 0, 2, height - 16);
  }

  private drawEmotions(x: (seconds: number) => number, begin: number, end: number, top: number, bottom: number): void {
    const seen = this.emotions.filter(({ time }) => time >= begin - 0.1 && time <= end);
    if (seen.length < 2) return;
    const { context } = this;
    const sums = seen.map(({ values }) => values.reduce((sum, value) => sum + value, 0) || 1);
    const below = seen.map(() => 0);
    for (let place = 0; place < seen[0].values.length; place++) {
      const above = seen.map(({ values }, index) => below[index] + values[place] / sums[index]);
      context.beginPath();
      seen.forEach(({ time }, index) => context.lineTo(x(time), bottom - (bottom - top) * above[index]));
      for (let index = seen.length - 1; index >= 0; index--) {
        context.lineTo(x(seen[index].time), bottom - (bottom - top) * below[index]);
      }
      context.fillStyle = HUES[place % HUES.length];
      context.fill();
      above.forEach((value, index) => (below[index] = value));
    }
  }
}
