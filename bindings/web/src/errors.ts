/** Every error raised on purpose: what it got, what it expected, what to do about it. Names as in Python. */
export class EmoFaceError extends Error {
  constructor(
    readonly got: string,
    readonly expected: string,
    readonly remedy: string,
  ) {
    super(`got ${got}; expected ${expected}. ${remedy}`);
    this.name = new.target.name;
  }
}

export class UsageError extends EmoFaceError {}
export class ConditionError extends UsageError {}
export class TemplateError extends UsageError {}
export class RigError extends UsageError {}
export class PackageError extends EmoFaceError {}
export class PackageNotFoundError extends PackageError {}
export class PackageFormatError extends PackageError {}
export class PackageIntegrityError extends PackageError {}
export class AudioError extends EmoFaceError {}
export class AudioFormatError extends AudioError {}
export class RuntimeFailure extends EmoFaceError {}
export class StreamEndedError extends RuntimeFailure {}
export class ClosedError extends RuntimeFailure {}
export class ConcurrentUseError extends RuntimeFailure {}
export class BackendError extends RuntimeFailure {}
/** A microphone that was denied, is missing or is in use. */
export class CaptureError extends RuntimeFailure {}

export class ManifestError extends PackageError {
  constructor(
    readonly file: string,
    readonly field: string,
    got: string,
    expected: string,
    remedy: string,
  ) {
    super(`${file}: ${field} = ${got}`, expected, remedy);
  }
}

const KINDS = {
  EmoFaceError, UsageError, ConditionError, TemplateError, RigError, PackageError, PackageNotFoundError,
  PackageFormatError, PackageIntegrityError, AudioError, AudioFormatError, RuntimeFailure, StreamEndedError, ClosedError,
  ConcurrentUseError, BackendError, CaptureError,
};

/** An error as plain values, to cross from a worker. */
export interface ErrorMessage {
  name: string;
  message: string;
  got: string;
  expected: string;
  remedy: string;
}

export function toMessage(error: unknown): ErrorMessage {
  if (error instanceof EmoFaceError) {
    const { name, message, got, expected, remedy } = error;
    return { name, message, got, expected, remedy };
  }
  const text = error instanceof Error ? error.message : String(error);
  return { name: "RuntimeFailure", message: text, got: text, expected: "no failure", remedy: "Load the page again." };
}

export function fromMessage(message: ErrorMessage): EmoFaceError {
  // A manifest's error says file and field in `got` already.
  const kind = KINDS[message.name as keyof typeof KINDS] ?? (message.name === "ManifestError" ? PackageError : undefined);
  const error = new (kind ?? RuntimeFailure)(message.got, message.expected, message.remedy);
  error.name = message.name;
  return error;
}

/** A value as it stands in a message. */
export function repr(value: unknown): string {
  if (typeof value === "string") return `'${value}'`;
  if (typeof value === "bigint") return value.toString();
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (typeof value === "object") return "an object";
  return String(value);
}
