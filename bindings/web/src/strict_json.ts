/** JSON that means one thing, whoever reads it: as Python's and C++'s readers take it. */

/** Integers are bigint, numbers with point or exponent number: a field that is an integer is written as one. */
export type Json = null | boolean | bigint | number | string | Json[] | Map<string, Json>;

const BLANK = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const ESCAPES: Record<string, string> = {
  '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t",
};
const LONGEST_INTEGER = 20;
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** The JSON object in UTF-8 text, of at most `deepest` levels; an Error that says why for anything else. */
export function parseObject(data: Uint8Array, deepest: number): Map<string, Json> {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  const parser = new Parser(text, deepest);
  const value = parser.document();
  if (!(value instanceof Map)) throw new Error("no object");
  return value;
}

/** The value with plain numbers and objects. */
export function plain(value: Json): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return value;
}

class Parser {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly deepest: number,
  ) {}

  document(): Json {
    const value = this.value(1);
    this.blank();
    if (this.at !== this.text.length) throw new Error("text after the value");
    return value;
  }

  private blank(): void {
    BLANK.lastIndex = this.at;
    BLANK.exec(this.text);
    this.at = BLANK.lastIndex;
  }

  private value(level: number): Json {
    this.blank();
    const letter = this.text[this.at];
    if (letter === "{" || letter === "[") {
      if (level > this.deepest) throw new Error(`more than ${this.deepest} levels`);
      return letter === "{" ? this.object(level) : this.list(level);
    }
    if (letter === '"') return this.string();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]] as const) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  private number(): Json {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (match === null) throw new Error(`no value at ${this.at}`);
    this.at = NUMBER.lastIndex;
    const [text, fraction, exponent] = match;
    if (fraction === undefined && exponent === undefined && text.length <= LONGEST_INTEGER) {
      const whole = BigInt(text);
      if (whole >= -(1n << 63n) && whole < 1n << 64n) return whole;
    }
    const value = Number(text);
    if (!Number.isFinite(value)) throw new Error("a number beyond float64");
    return value;
  }

  private string(): string {
    let made = "";
    let from = ++this.at;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (Number.isNaN(code)) throw new Error("a text without its end");
      if (code < 0x20) throw new Error("a control character in a text");
      if (code === 0x22) break;
      if (code !== 0x5c) {
        this.at += 1;
        continue;
      }
      made += this.text.slice(from, this.at);
      const letter = this.text[this.at + 1] ?? "";
      this.at += 2;
      if (letter === "u") {
        const digits = this.text.slice(this.at, this.at + 4);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Error("a broken escape");
        made += String.fromCharCode(parseInt(digits, 16));
        this.at += 4;
      } else {
        if (!(letter in ESCAPES)) throw new Error("a broken escape");
        made += ESCAPES[letter];
      }
      from = this.at;
    }
    made += this.text.slice(from, this.at);
    this.at += 1;
    if (LONE.test(made)) throw new Error("half a surrogate pair");
    return made;
  }

  private next(close: string): boolean {
    this.blank();
    const letter = this.text[this.at];
    this.at += 1;
    if (letter === close) return false;
    if (letter !== ",") throw new Error(`no comma at ${this.at - 1}`);
    return true;
  }

  private list(level: number): Json[] {
    const made: Json[] = [];
    this.at += 1;
    this.blank();
    if (this.text[this.at] === "]") {
      this.at += 1;
      return made;
    }
    do made.push(this.value(level + 1));
    while (this.next("]"));
    return made;
  }

  private object(level: number): Map<string, Json> {
    const made = new Map<string, Json>();
    this.at += 1;
    this.blank();
    if (this.text[this.at] === "}") {
      this.at += 1;
      return made;
    }
    do {
      this.blank();
      if (this.text[this.at] !== '"') throw new Error(`no key at ${this.at}`);
      const key = this.string();
      if (made.has(key)) throw new Error("a key twice in one object");
      this.blank();
      if (this.text[this.at] !== ":") throw new Error(`no colon at ${this.at}`);
      this.at += 1;
      made.set(key, this.value(level + 1));
    } while (this.next("}"));
    return made;
  }
}
