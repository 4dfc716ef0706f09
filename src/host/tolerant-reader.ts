import { errnoOf } from '../common/errors.js';
import type { ByteRange, FileStat, Host } from './host.js';

/** What the facts may be read from. Where the host is a rooted one, all of it is meant below its root. */
export type LookHost = Pick<Host, 'readOptional' | 'readBytes' | 'list' | 'stat' | 'lstat' | 'realpath' | 'uid'>;

/**
 * A host that is only looked at: whatever cannot be read counts as not there, and is remembered, because a
 * doctor that gives up at the first locked door finds nothing.
 */
export class Look implements LookHost {
  readonly denied = new Set<string>();
  readonly #host: LookHost;

  constructor(host: LookHost) {
    this.#host = host;
  }

  readOptional(path: string): Promise<string | undefined> {
    return this.#quietly(path, () => this.#host.readOptional(path), undefined);
  }

  readBytes(path: string, range?: ByteRange): Promise<Buffer | undefined> {
    return this.#quietly(path, () => this.#host.readBytes(path, range), undefined);
  }

  list(path: string): Promise<readonly string[]> {
    return this.#quietly(path, () => this.#host.list(path), []);
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.#quietly(path, () => this.#host.stat(path), undefined);
  }

  lstat(path: string): Promise<FileStat | undefined> {
    return this.#quietly(path, () => this.#host.lstat(path), undefined);
  }

  realpath(path: string): Promise<string | undefined> {
    return this.#quietly(path, () => this.#host.realpath(path), undefined);
  }

  uid(): number {
    return this.#host.uid();
  }

  /** The text without blanks around it; empty where there is none. */
  async text(path: string): Promise<string> {
    return ((await this.readOptional(path)) ?? '').trim();
  }

  async lines(path: string): Promise<string[]> {
    return (await this.text(path)).split('\n').filter((line) => line !== '');
  }

  async #quietly<T>(path: string, look: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await look();
    } catch (error) {
      // Other failures are the kernel's way to say that a file of /proc or /sys has nothing to tell.
      const code = errnoOf(error);
      if (code === 'EACCES' || code === 'EPERM' || code === 'SETUP_REFUSED') this.denied.add(path);
      return otherwise;
    }
  }
}
