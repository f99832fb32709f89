/**
 * Zip archives, read strictly: what two programs could read differently is refused before a byte is inflated. The rules
 * are those of `emoface.archive` and `csrc/runtime/zip_reader.cpp`; `tests/format` holds the cases.
 */
import type { EmoFaceError } from "./errors.ts";
import { shown } from "./manifest_schema.ts";

export const MOST_MEMBERS = 4096;
const MOST_DIRECTORY = 2 << 20;
// Deflate cannot shrink by more.
const BEST_RATIO = 1032;
const [END, END64, LOCATOR, CENTRAL, LOCAL] = [22, 56, 20, 46, 30];
const SATURATED = 0xffffffff;
const [STORED, DEFLATED] = [0, 8];
const METHODS: Record<number, string> = { 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ" };
// Of the flags: how hard deflate tried, sizes behind the data, names in UTF-8.
const [ENCRYPTED, DESCRIPTOR, ALLOWED] = [0x2041, 0x0008, 0x080e];
// Lengths of a data descriptor, with and without signature and 64-bit sizes.
const DESCRIPTORS = [12, 16, 20, 24];

interface Member {
  name: string;
  flags: number;
  method: number;
  crc: number;
  packed: number;
  size: number;
  header: number;
}

type Fault = (why: string) => EmoFaceError;

export class Archive {
  readonly members = new Map<string, Member>();
  private readonly view: DataView;
  private readonly places = new Map<string, number>();

  /**
   * @param data the archive.
   * @param fault makes the error for what is wrong, said in a few words.
   * @param checkName called with every member's name, throws for one that has no place here.
   */
  constructor(
    private readonly data: Uint8Array,
    private readonly fault: Fault,
    checkName: (name: string) => void,
  ) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const [start, members] = this.directory(checkName);
    this.checkPlaces(members, start);
    for (const member of members) this.members.set(member.name, member);
  }

  /** Bytes of all members together, as the directory has them. */
  get inflated(): number {
    return [...this.members.values()].reduce((sum, member) => sum + member.size, 0);
  }

  private signature(at: number): string {
    return String.fromCharCode(...this.data.subarray(at, at + 4));
  }


  private u64(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }

  private directory(checkName: (name: string) => void): [number, Member[]] {
    const size = this.data.length;
    if (size < END) throw this.fault("not a zip file");
    let end = size - END;
    const u16 = (at: number): number => this.view.getUint16(end + at, true);
    const u32 = (at: number): number => this.view.getUint32(end + at, true);
    if (this.signature(end) !== "PK\x05\x06" || u16(20)) {
      const known = ["PK\x03\x04", "PK\x05\x06"].includes(this.signature(0));
      throw this.fault(known ? "no end record at its end" : "not a zip file");
    }
    const [disk, startDisk] = [u16(4), u16(6)];
    let [here, count, length, start] = [u16(8), u16(10), u32(12), u32(16)];
    if (here === 0xffff || count === 0xffff || length === SATURATED || start === SATURATED) {
      [end, here, count, length, start] = this.end64(end, [here, count, length, start]);
    }
    if (disk || startDisk || here !== count) throw this.fault("an archive of several disks");
    if (count > MOST_MEMBERS) throw this.fault(`${count} members, at most ${MOST_MEMBERS}`);
    if (length > MOST_DIRECTORY) throw this.fault(`a directory of ${length} bytes, at most ${MOST_DIRECTORY}`);
    if (start + length !== end) throw this.fault("a directory that is not where the end record says");
    const members: Member[] = [];
    const names = new Set<string>();
    let at = start;
    for (let index = 0; index < count; index++) {
      if (end - at < CENTRAL) throw this.fault("a broken directory");
      const [member, next] = this.entry(at, end, checkName);
      if (names.has(member.name)) throw this.fault(`${shown(member.name)}: twice in the archive`);
      names.add(member.name);
      members.push(member);
      at = next;
    }
    if (at !== end) throw this.fault("a broken directory");
    return [start, members];
  }

  private end64(end: number, short: number[]): [number, number, number, number, number] {
    const wrong = this.fault("a broken zip64 end record");
    if (end < LOCATOR + END64) throw wrong;
    const locator = end - LOCATOR;
    const place = locator - END64;
    const u32 = (at: number): number => this.view.getUint32(at, true);
    const located = this.signature(locator) === "PK\x06\x07" && !u32(locator + 4) && u32(locator + 16) === 1;
    if (!located || this.u64(locator + 8) !== place) throw wrong;
    const valid = this.signature(place) === "PK\x06\x06" && this.u64(place + 4) === END64 - 12;
    if (!valid || u32(place + 16) || u32(place + 20)) throw wrong;
    const long = [24, 32, 40, 48].map((at) => this.u64(place + at));
    const most = [0xffff, 0xffff, SATURATED, SATURATED];
    short.forEach((value, index) => {
      if (value !== most[index] && value !== long[index]) throw wrong;
    });
    return [place, long[0], long[1], long[2], long[3]];
  }

  private entry(at: number, end: number, checkName: (name: string) => void): [Member, number] {
    const u16 = (offset: number): number => this.view.getUint16(at + offset, true);
    const u32 = (offset: number): number => this.view.getUint32(at + offset, true);
    const [flags, method, crc] = [u16(8), u16(10), u32(16)];
    let [packed, size, header] = [u32(20), u32(24), u32(42)];
    const [nameLength, extraLength, comment, disk] = [u16(28), u16(30), u16(32), u16(34)];
    const begin = at + CENTRAL;
    const next = begin + nameLength + extraLength + comment;
    if (this.signature(at) !== "PK\x01\x02" || next > end) throw this.fault("a broken directory");
    const name = latin1(this.data.subarray(begin, begin + nameLength));
    checkName(name);
    if (packed === SATURATED || size === SATURATED || header === SATURATED) {
      [size, packed, header] = this.wide(name, begin + nameLength, extraLength, [size, packed, header]);
    }
    const of = shown(name);
    if (flags & ENCRYPTED) throw this.fault(`${of}: encrypted`);
    if (method !== STORED && method !== DEFLATED) {
      const known = METHODS[method] ?? `compression method ${method}`;
      throw this.fault(`${of}: packed with ${known}: only stored and deflated members are read`);
    }
    if (flags & ~ALLOWED || disk) throw this.fault(`${of}: flags 0x${flags.toString(16)}`);
    const most = method === STORED ? packed : packed * BEST_RATIO;
    if (size > most || (method === STORED && size !== packed)) {
      throw this.fault(`${of}: a size that its bytes cannot have`);
    }
    return [{ name, flags, method, crc, packed, size, header }, next];
  }

  /** Values of which those that do not fit 32 bits stand in the extra field of zip64, in this order. */
  private wide(name: string, begin: number, length: number, short: number[]): number[] {
    const broken = this.fault(`${shown(name)}: a broken zip64 field`);
    const end = begin + length;
    let at = begin;
    while (end - at >= 4) {
      const kind = this.view.getUint16(at, true);
      const limit = Math.min(at + 4 + this.view.getUint16(at + 2, true), end);
      let used = at + 4;
      at += 4 + this.view.getUint16(at + 2, true);
      if (kind !== 1) continue;
      return short.map((value) => {
        if (value !== SATURATED) return value;
        if (limit - used < 8) throw broken;
        used += 8;
        return this.u64(used - 8);
      });
    }
    throw broken;
  }

  /** Offsets of the members' bytes; local headers agree, and members fill the file up to its directory. */
  private checkPlaces(members: Member[], start: number): void {
    let expected = 0;
    let gaps = [0];
    for (const member of [...members].sort((a, b) => a.header - b.header)) {
      if (!gaps.includes(member.header - expected)) {
        throw this.fault(`${shown(member.name)}: bytes before it that overlap or belong to nothing`);
      }
      const place = this.local(member, start);
      this.places.set(member.name, place);
      expected = place + member.packed;
      gaps = member.flags & DESCRIPTOR ? DESCRIPTORS : [0];
    }
    if (!gaps.includes(start - expected)) {
      throw this.fault("bytes before the directory that overlap or belong to nothing");
    }
  }

  private local(member: Member, start: number): number {
    const at = member.header;
    const of = shown(member.name);
    if (at + LOCAL > start) throw this.fault(`${of}: truncated`);
    const u16 = (offset: number): number => this.view.getUint16(at + offset, true);
    const u32 = (offset: number): number => this.view.getUint32(at + offset, true);
    let [packed, size] = [u32(18), u32(22)];
    const [crc, nameLength, extraLength] = [u32(14), u16(26), u16(28)];
    const begin = at + LOCAL;
    const place = begin + nameLength + extraLength;
    if (place + member.packed > start) throw this.fault(`${of}: truncated`);
    const name = latin1(this.data.subarray(begin, begin + nameLength));
    if (packed === SATURATED || size === SATURATED) {
      [size, packed] = this.wide(member.name, begin + nameLength, extraLength, [size, packed]);
    }
    const unsaid = (u16(6) & DESCRIPTOR) !== 0;
    let agrees = this.signature(at) === "PK\x03\x04" && u16(6) === member.flags && u16(8) === member.method;
    agrees &&= name === member.name;
    for (const [said, value] of [[crc, member.crc], [packed, member.packed], [size, member.size]]) {
      agrees &&= said === value || (unsaid && said === 0);
    }
    if (!agrees) throw this.fault(`${of}: a local header that differs from the directory`);
    return place;
  }

  /** The bytes of a member: exactly as many as the directory says, with its CRC. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const member = this.members.get(name) as Member;
    const place = this.places.get(name) as number;
    const packed = this.data.slice(place, place + member.packed);
    const size = `${shown(name)}: does not inflate to its size`;
    const data = member.method === STORED ? packed : await inflate(packed, member.size);
    if (data?.length !== member.size) throw this.fault(size);
    if (crc32(data) !== member.crc) throw this.fault(`${shown(name)}: a CRC that differs`);
    return data;
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** The bytes of one deflate stream without anything behind it, or null for what is none or holds more than `most`. */
async function inflate(packed: Uint8Array<ArrayBuffer>, most: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const made = new Uint8Array(most);
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return length === most ? made : null;
      if (length + value.length > most) {
        await reader.cancel();
        return null;
      }
      made.set(value, length);
      length += value.length;
    }
  } catch {
    return null;
  }
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** The CRC-32 of zip and PNG. */
export function crc32(data: Uint8Array, before = 0): number {
  let value = ~before;
  for (let i = 0; i < data.length; i++) value = TABLE[(value ^ data[i]) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}
