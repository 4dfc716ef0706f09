/** Stable identifiers of everything that can go wrong on purpose; scripts may rely on them. */
export type ErrorCode =
  | 'USAGE'
  | 'CONFIG_INVALID'
  | 'ADDON_MISSING'
  | 'ENGINE_FAILED'
  | 'SWITCH_NOT_RUNNING'
  | 'SWITCH_RUNNING'
  | 'SWITCH_START_FAILED'
  | 'SWITCH_UNREACHABLE'
  | 'RUN_DIR_UNUSABLE'
  | 'SOCKET_PATH_TOO_LONG'
  | 'PORT_EXISTS'
  | 'PORT_UNKNOWN'
  | 'PORT_IN_USE'
  | 'PORT_LIMIT'
  | 'PORT_FAILED'
  | 'UPLINK_EXISTS'
  | 'UPLINK_UNKNOWN'
  | 'UPLINK_LIMIT'
  | 'UPLINK_FAILED'
  | 'XML_INVALID'
  | 'DOMAIN_UNKNOWN'
  | 'DOMAIN_UNFIT'
  | 'DOMAIN_CHANGED'
  | 'LIBVIRT_MISSING'
  | 'LIBVIRT_UNREACHABLE'
  | 'LIBVIRT_FAILED'
  | 'ARGV_INVALID'
  | 'NETDEV_UNKNOWN'
  | 'MEMORY_UNUSABLE'
  | 'HUGEPAGES_TOO_FEW'
  | 'DEVICE_UNUSABLE'
  | 'EMULATOR_NOT_FOUND'
  | 'COMMAND_FAILED'
  | 'NEEDS_ROOT'
  | 'CANCELLED'
  | 'SETUP_REFUSED'
  | 'CHANGE_FAILED'
  | 'CHANGED_SINCE'
  | 'JOURNAL_INVALID'
  | 'INTERNAL';

export interface ErrorOptions {
  /** The command or setting that fixes it, ready to be typed. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Machine-readable reasons; never to be parsed out of the message. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An error meant for the user: a stable code, one line, and what to do about it. */
export class VhostHostError extends Error {
  override readonly name = 'VhostHostError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** Whether it is one of ours, with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is VhostHostError {
  return error instanceof VhostHostError && codes.includes(error.code);
}

/** `errno` name of a system error (`ENOENT`), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Makes foreign text (child output, names from a guest or a file) safe to print on a terminal:
 * control characters become visible escapes, line ends a space.
 */
export function printable(text: string): string {
  return (
    text
      .trim()
      .replace(/\s*[\r\n]+\s*/g, ' ')
      // eslint-disable-next-line no-control-regex
      .replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
  );
}
