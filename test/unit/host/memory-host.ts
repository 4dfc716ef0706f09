import { dirname, resolve } from 'node:path';
import { realHost } from '../../../src/host/node-host.js';
import type { FileStat, Host, RunOptions, RunResult } from '../../../src/host/host.js';

interface Entry {
  kind: FileStat['kind'];
  /** Of a link: where it leads. */
  text: string;
  mode: number;
  uid: number;
  gid: number;
  ctimeMs: number;
}

type Answer = Partial<RunResult> | ((options: RunOptions) => Partial<RunResult>);

function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/**
 * A host in memory: files with mode and owner, commands keyed by their exact words, and a place to break.
 * `failAt` is the number of the effect (write, chown, command, …) that fails; `late` lets it happen first.
 */
export class MemoryHost {
  readonly entries = new Map<string, Entry>();
  readonly commands = new Map<string, Answer>();
  /** Every command that was run, in order. */
  readonly ran: string[] = [];
  /** Files of the kernel that make something of what is written to them: what they hold after. */
  readonly values = new Map<string, (text: string) => string>();
  effects = 0;
  failAt: number | undefined;
  late = false;
  user = 0;
  clock = 1_000_000;

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.entries.set('/', this.entry('directory', '', 0o755));
    for (const [path, text] of Object.entries(files)) this.file(path, text);
  }

  file(path: string, text: string, mode = 0o644, owner: { uid?: number; gid?: number } = {}): this {
    this.dir(dirname(path));
    this.entries.set(path, { ...this.entry('file', text, mode), ...owner });
    return this;
  }

  dir(path: string, mode = 0o755): this {
    if (this.entries.has(path)) return this;
    this.dir(dirname(path));
    this.entries.set(path, this.entry('directory', '', mode));
    return this;
  }

  /** A socket or a device. */
  special(path: string, kind: 'socket' | 'character', mode = 0o660, owner: { uid?: number; gid?: number } = {}): this {
    this.dir(dirname(path));
    this.entries.set(path, { ...this.entry(kind, '', mode), ...owner });
    return this;
  }

  link(path: string, target: string): this {
    this.dir(dirname(path));
    this.entries.set(path, this.entry('symlink', target, 0o777));
    return this;
  }

  /** Everything below the root, without times: what an undo has to bring back. */
  tree(): Record<string, string> {
    const lines = [...this.entries].map(([path, { kind, text, mode, uid, gid }]) => {
      return [path, `${kind} ${mode.toString(8)} ${uid}:${gid} ${text}`] as const;
    });
    return Object.fromEntries(lines.sort());
  }

  get host(): Host {
    const missing = (path: string): never => {
      throw errno('ENOENT', path);
    };
    const at = (path: string): Entry => this.entries.get(this.follow(path)) ?? missing(path);
    return {
      ...realHost,
      spawnDetached: () => Promise.reject(new Error('nothing may be started here')),
      run: (command, args, options = {}) => this.effect(() => this.run([command, ...args].join(' '), options)),
      read: (path) => this.look(() => at(path).text),
      readOptional: (path) => this.look(() => this.entries.get(this.follow(path))?.text),
      readBytes: (path, range = { offset: 0, length: Infinity }) =>
        this.look(() => {
          const text = this.entries.get(this.follow(path))?.text;
          const bytes = text === undefined ? undefined : Buffer.from(text, 'latin1');
          return bytes?.subarray(range.offset, range.offset + range.length);
        }),
      list: (path) =>
        this.look(() => this.childrenOf(this.follow(path)).map((child) => child.slice(child.lastIndexOf('/') + 1))),
      stat: (path) => this.look(() => this.statOf(this.follow(path))),
      lstat: (path) => this.look(() => this.statOf(path)),
      realpath: (path) => this.look(() => (this.entries.has(this.follow(path)) ? this.follow(path) : undefined)),
      readLink: (path) =>
        this.look(() => {
          const entry = this.entries.get(path);
          return entry?.kind === 'symlink' ? entry.text : undefined;
        }),
      write: (path, text, mode) => this.effect(() => this.write(this.follow(path), text, mode)),
      writeInPlace: (path, text) => this.effect(() => this.writeInPlace(this.follow(path), text)),
      mkdir: (path, mode) =>
        this.entries.has(path) ? Promise.resolve() : this.effect(() => void this.dir(path, mode)),
      chown: (path, uid, gid) => this.effect(() => void Object.assign(at(path), { uid, gid })),
      chmod: (path, mode) => this.effect(() => void Object.assign(at(path), { mode, ctimeMs: ++this.clock })),
      unlink: (path) => this.effect(() => void this.entries.delete(path)),
      rmdir: (path) => this.effect(() => this.rmdir(path)),
      uid: () => this.user,
      env: () => undefined,
      now: () => this.clock,
    };
  }

  private entry(kind: Entry['kind'], text: string, mode: number): Entry {
    return { kind, text, mode, uid: 0, gid: 0, ctimeMs: ++this.clock };
  }

  private follow(path: string): string {
    const entry = this.entries.get(path);
    return entry?.kind === 'symlink' ? this.follow(resolve(dirname(path), entry.text)) : path;
  }

  private statOf(path: string): FileStat | undefined {
    const entry = this.entries.get(path);
    return entry === undefined ? undefined : { ...entry, size: entry.text.length };
  }

  private childrenOf(dir: string): string[] {
    return [...this.entries.keys()].filter((path) => path !== '/' && dirname(path) === dir);
  }

  private write(path: string, text: string, mode: number | undefined): void {
    const old = this.entries.get(path);
    if (this.entries.get(dirname(path))?.kind !== 'directory') throw errno('ENOENT', path);
    if (old === undefined) this.entries.set(path, this.entry('file', text, mode ?? 0o644));
    else Object.assign(old, { text, mode: mode ?? old.mode, ctimeMs: ++this.clock });
  }

  private writeInPlace(path: string, text: string): void {
    const entry = this.entries.get(path);
    if (entry === undefined) throw errno('ENOENT', path);
    const take = this.values.get(path);
    entry.text = `${take === undefined ? text : take(text)}\n`;
  }

  private rmdir(path: string): boolean {
    if (this.childrenOf(path).length > 0) return false;
    this.entries.delete(path);
    return true;
  }

  private run(line: string, options: RunOptions): RunResult {
    this.ran.push(line);
    const answer = this.commands.get(line) ?? {};
    return { exitCode: 0, stdout: '', stderr: '', ...(typeof answer === 'function' ? answer(options) : answer) };
  }

  private look<T>(work: () => T): Promise<T> {
    return Promise.resolve().then(work);
  }

  private async effect<T>(work: () => T): Promise<T> {
    this.effects++;
    const broken = this.effects === this.failAt;
    if (broken && !this.late) throw errno('ENOSPC', 'no space left');
    const result = await this.look(work);
    if (broken) throw new Error('killed');
    return result;
  }
}
