/** AudioWorklet that hands captured samples on, some milliseconds at a time; it computes nothing. */
declare const registerProcessor: (name: string, kind: unknown) => void;
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

const PIECE_S = 0.02;

class Capture extends AudioWorkletProcessor {
  private readonly size = Math.max(128, Math.round(sampleRate * PIECE_S));
  private piece = new Float32Array(this.size);
  private filled = 0;

  process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0];
    if (!channels?.length) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.piece[this.filled++] = sum / channels.length;
      if (this.filled === this.size) {
        this.port.postMessage(this.piece, [this.piece.buffer]);
        this.piece = new Float32Array(this.size);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("emoface-capture", Capture);
