// Noise by its written rule, in integers and float64: node noise.mjs < [[seed, number, item, index], ...] as JSON.
// Prints the bits of the float32 values. Nothing of the SDK is used.
import { readFileSync } from "node:fs";

const MASK = (1n << 64n) - 1n;
const STEP = 0x9E3779B97F4A7C15n;

function mixed(value) {
  value = ((value ^ (value >> 30n)) * 0xBF58476D1CE4E5B9n) & MASK;
  value = ((value ^ (value >> 27n)) * 0x94D049BB133111EBn) & MASK;
  return value ^ (value >> 31n);
}

const horner = (coefficients, x) => coefficients.reduce((value, c) => value * x + c);
const ratio = (pair, x) => horner(pair[0], x) / horner(pair[1], x);

const CENTRE = [
  [2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
   1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080],
  [5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
   5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1]];
const SIDE = [
  [7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258,
   3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734],
  [1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
   6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1]];
const TAIL = [
  [2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
   2.96560571828504891230e-1, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720],
  [2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
   1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1]];
const ATANH = [];
for (let odd = 23; odd > 0; odd -= 2) ATANH.push(1 / odd);

const view = new DataView(new ArrayBuffer(8));

function logarithm(x) {
  view.setFloat64(0, x);
  let exponent = ((view.getUint32(0) >>> 20) & 0x7FF) - 1022;
  view.setUint32(0, (view.getUint32(0) & 0x800FFFFF) | (1022 << 20));
  let m = view.getFloat64(0);
  if (m < 0.7071067811865476) {
    m *= 2;
    exponent -= 1;
  }
  const s = (m - 1) / (m + 1);
  return exponent * 0.6931471805599453 + 2 * s * horner(ATANH, s * s);
}

function normal(bits) {
  const uniform = (Number(bits >> 12n) + 0.5) * 2 ** -52;
  const q = uniform - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(CENTRE, 0.180625 - q * q);
  const r = Math.sqrt(-logarithm(Math.min(uniform, 1 - uniform)));
  const size = r <= 5 ? ratio(SIDE, r - 1.6) : ratio(TAIL, r - 5);
  return uniform < 0.5 ? -size : size;
}

const values = JSON.parse(readFileSync(0, "utf8")).map((place) => {
  const [seed, number, item, index] = place.map(BigInt);
  const base = mixed(mixed(mixed(seed) ^ number) ^ item);
  view.setFloat32(0, normal(mixed((base + (index + 1n) * STEP) & MASK)));
  return view.getUint32(0);
});
process.stdout.write(JSON.stringify(values));
