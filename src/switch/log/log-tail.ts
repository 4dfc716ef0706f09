import { printable } from '../../common/errors.js';
import type { Host } from '../../host/host.js';

type TailHost = Pick<Host, 'identity' | 'readBytes'>;

const CHUNK = 65_536;
/** Far beyond `logFiles`: where an old log may be. */
const OLD_LOGS = 100;

/** Reads a log as it grows, also when it makes way for a new file of its name (`log-file.ts`): no line is lost or told twice. */
export class LogTail {
  readonly #host: TailHost;
  readonly #path: string;
  #file: string | undefined;
  #offset = 0;
  /** Bytes of a line that is not whole yet. */
  #rest = Buffer.alloc(0);

  constructor(host: TailHost, path: string) {
    this.#host = host;
    this.#path = path;
  }

  /** The lines that have come since the last call; at first all of the file. undefined where there is no file yet. */
  async read(): Promise<readonly string[] | undefined> {
    const lines: string[] = [];
    for (;;) {
      const file = await this.#host.identity(this.#path);
      if (this.#file === undefined) this.#file = file;
      if (this.#file === undefined) return lines.length > 0 ? lines : undefined;
      if (file === this.#file) {
        const more = await this.#take(this.#path, lines);
        if (more === 'other file') continue;
        return lines;
      }
      // It has another name by now: what is left of it, and then the new one from its start.
      const old = await this.#oldName(this.#file);
      if (old !== undefined && (await this.#take(old, lines)) === 'other file') continue;
      if (this.#rest.length > 0) lines.push(printable(this.#rest.toString('utf8')));
      [this.#rest, this.#offset, this.#file] = [Buffer.alloc(0), 0, file];
    }
  }

  async #oldName(file: string): Promise<string | undefined> {
    for (let n = 1; n <= OLD_LOGS; n++) {
      const identity = await this.#host.identity(`${this.#path}.${n}`);
      if (identity === undefined || identity === file) return identity === undefined ? undefined : `${this.#path}.${n}`;
    }
    return undefined;
  }

  /** To the end of what has the name, as long as that is the file that is being read. */
  async #take(path: string, lines: string[]): Promise<'end' | 'other file'> {
    for (;;) {
      const bytes = await this.#host.readBytes(path, { offset: this.#offset, length: CHUNK });
      // Only now it is known whose bytes these are.
      if ((await this.#host.identity(path)) !== this.#file || bytes === undefined) return 'other file';
      if (bytes.length === 0) return 'end';
      this.#offset += bytes.length;
      const whole = Buffer.concat([this.#rest, bytes]);
      const end = whole.lastIndexOf(0x0a) + 1;
      this.#rest = whole.subarray(end);
      if (end > 0)
        lines.push(
          ...whole
            .toString('utf8', 0, end - 1)
            .split('\n')
            .map(printable),
        );
    }
  }
}
