/** The resampler's kernel table, stored data that every runtime reads: `sdk/emoface/audio/kernel.npz`. */
import KERNEL from "../../../../sdk/emoface/audio/kernel.npz";
import { readArrays, type NpyArray } from "../npz_file.ts";
import { Allowance } from "../package_files.ts";

export interface Kernel {
  table: Float64Array;
  zeroCrossings: number;
  pointsPerCrossing: number;
  rolloff: number;
}

let loaded: Promise<Kernel> | undefined;

export function loadKernel(): Promise<Kernel> {
  return (loaded ??= read());
}

async function read(): Promise<Kernel> {
  const arrays = await readArrays("kernel.npz", KERNEL, new Allowance(KERNEL.length));
  const of = (name: string): NpyArray => arrays.get(name) as NpyArray;
  return {
    table: of("table").float64(),
    zeroCrossings: of("zero_crossings").integers()[0],
    pointsPerCrossing: of("points_per_crossing").integers()[0],
    rolloff: of("rolloff").float64()[0],
  };
}
