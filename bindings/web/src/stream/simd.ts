/** Whether the browser can run the graphs at all. */
import { BackendError } from "../errors.ts";

// A function whose one instruction is v128.const, dropped: invalid where there is no SIMD.
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 23, 1, 21, 0, 253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 26, 11,
);

/** BackendError where the browser cannot run the graphs. */
export function checkSimd(): void {
  if (typeof WebAssembly === "object" && WebAssembly.validate(SIMD)) return;
  throw new BackendError(
    "a browser without WebAssembly SIMD",
    "Chrome or Edge from 91, Firefox from 89, Safari from 16.4",
    "Update the browser, or open the page in another one.",
  );
}
