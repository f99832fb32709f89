/** Textures of a face: PNG images, whose structure is checked when a package is read. Nothing is inflated. */
import { crc32 } from "./archive.ts";
import type { Manifest } from "./manifest.ts";
import { sorted } from "./manifest_checks.ts";
import { integrityFault } from "./package_files.ts";

const MOST_BYTES = 16 << 20;
const MOST_PIXELS = 4096;
const EXPECTED = `a PNG image of 8 bits RGB or RGBA, 1 to ${MOST_PIXELS} pixels each way, at most ${MOST_BYTES} bytes`;
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const AROUND = 12; // bytes of a chunk beside its data: length, type, CRC

/** The bytes of the manifest's textures by name; PackageIntegrityError for what is no texture. */
export function readTextures(manifest: Manifest, files: Map<string, Uint8Array>): Map<string, Uint8Array> {
  for (const file of sorted(manifest.textures.values())) {
    const why = textureFault(files.get(file) as Uint8Array);
    if (why) throw integrityFault(`${file}: ${why}`, EXPECTED);
  }
  return new Map([...manifest.textures].map(([name, file]) => [name, files.get(file) as Uint8Array]));
}

/** What is wrong with the bytes of a texture, null where nothing is. */
function textureFault(data: Uint8Array): string | null {
  if (data.length > MOST_BYTES) return `${data.length} bytes`;
  if (!SIGNATURE.every((byte, index) => data[index] === byte)) return "no PNG image";
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const seen = new Set<string>();
  let before = "";
  for (let at = SIGNATURE.length; at < data.length; ) {
    if (data.length - at < AROUND) return "a broken chunk";
    const size = view.getUint32(at);
    const kind = String.fromCharCode(...data.subarray(at + 4, at + 8));
    if (size > data.length - at - AROUND || !/^[A-Za-z]{4}$/.test(kind)) return "a broken chunk";
    const content = data.subarray(at + 8, at + 8 + size);
    if (crc32(data.subarray(at + 4, at + 8 + size)) !== view.getUint32(at + 8 + size)) {
      return `chunk ${kind} with a wrong CRC`;
    }
    const why = chunkFault(kind, content, before, seen);
    if (why) return why;
    at += AROUND + size;
    if (kind === "IEND") return at < data.length ? "bytes behind its end" : null;
    seen.add(kind);
    before = kind;
  }
  return "no end";
}

/** What is wrong with a chunk in its place. */
function chunkFault(kind: string, content: Uint8Array, before: string, seen: Set<string>): string | null {
  if (kind === "IHDR" && !before) return headerFault(content);
  if (!before) return "no header";
  if (kind === "IDAT" && (before === "IDAT" || !seen.has("IDAT"))) return null;
  if (kind === "IEND") return seen.has("IDAT") && !content.length ? null : "no image data";
  // Those with a small first letter need not be understood.
  return /^[A-Z]/.test(kind) ? `chunk ${kind}` : null;
}

function headerFault(content: Uint8Array): string | null {
  if (content.length !== 13) return "no header";
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  if (width < 1 || width > MOST_PIXELS || height < 1 || height > MOST_PIXELS) return `${width} x ${height} pixels`;
  const [depth, colours, packing, filtering, interlaced] = content.subarray(8);
  if (depth !== 8 || packing || filtering || interlaced || (colours !== 2 && colours !== 6)) {
    const layers = `compression ${packing}, filter ${filtering}, interlace ${interlaced}`;
    return `bit depth ${depth}, colour type ${colours}, ${layers}`;
  }
  return null;
}
