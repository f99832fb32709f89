/** Random bits that are a function of their place alone: SplitMix64's output function, as `emoface.counter_hash`. */
export const STEP = 0x9e3779b97f4a7c15n;
const MASK = (1n << 64n) - 1n;

/** Neighbouring inputs give unrelated 64 bits. */
export function mixed(value: bigint): bigint {
  let v = value & MASK;
  v = ((v ^ (v >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  v = ((v ^ (v >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return v ^ (v >> 31n);
}

/** `bits` bits of a draw from bit `from` on. */
export function bitsOf(random: bigint, from: number, bits = 16): number {
  return Number((random >> BigInt(from)) & ((1n << BigInt(bits)) - 1n));
}
