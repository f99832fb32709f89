/** Sound of a microphone, or of any MediaStream, as mono pieces of about 20 ms. */
import { CaptureError } from "../errors.ts";

export interface Capture {
  readonly sampleRate: number;
  stop(): void;
}

const REMEDIES: Record<string, [string, string]> = {
  NotAllowedError: ["a microphone that was denied", "Allow the microphone for this page (beside its address), and try again."],
  NotFoundError: ["no microphone", "Plug one in, or drop a sound file on the page."],
  NotReadableError: ["a microphone that another program uses", "Close that program, and try again."],
};

/** The microphone, without the browser's own changes to the voice; CaptureError where there is none to be had. */
export async function microphone(): Promise<MediaStream> {
  if (!navigator.mediaDevices) {
    throw new CaptureError(
      "a page without a secure context", "https://, or http://localhost", "Serve the page over HTTPS, or use `emoface view`.",
    );
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: false } });
  } catch (error) {
    const { name, message } = error as DOMException;
    const [got, remedy] = REMEDIES[name] ?? [message, "Check the browser's settings for this page."];
    throw new CaptureError(got, "a microphone that this page may hear", remedy);
  }
}

/**
 * Hand every piece of a stream's sound on, until it is stopped.
 *
 * @param worklet the script `capture.js` of this package.
 * @param hear called with samples at the context's rate and the context's time at their end, in seconds.
 */
export async function capture(
  stream: MediaStream,
  context: AudioContext,
  hear: (samples: Float32Array<ArrayBuffer>, time: number) => void,
  worklet: string | URL = new URL("capture.js", import.meta.url),
): Promise<Capture> {
  await context.audioWorklet.addModule(worklet);
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, "emoface-capture", { numberOfInputs: 1, numberOfOutputs: 0 });
  node.port.onmessage = ({ data }: MessageEvent<Float32Array<ArrayBuffer>>) => hear(data, context.currentTime);
  source.connect(node);
  return {
    sampleRate: context.sampleRate,
    stop(): void {
      node.port.onmessage = null;
      source.disconnect();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}
