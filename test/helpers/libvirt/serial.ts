import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { OutputWait } from '../child.js';
import type { Line } from '../guests/guest-shell.js';
import type { Scope } from '../scope.js';
import { until } from '../until.js';

/** What to show of a line on which something did not come. */
const TAIL = 2000;

/** A guest's serial line at a UNIX socket that its QEMU listens on. */
export class SerialLine implements Line {
  stdout = '';
  #closed = false;

  private constructor(
    private readonly path: string,
    private readonly socket: Socket,
  ) {
    socket.setEncoding('utf8').on('data', (chunk: string) => (this.stdout += chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.#closed = true));
  }

  static async open(scope: Scope, path: string): Promise<SerialLine> {
    const socket = connect(path);
    await once(socket, 'connect');
    scope.defer(`the serial line ${path}`, () => void socket.destroy());
    return new SerialLine(path, socket);
  }

  write(text: string): void {
    this.socket.write(text);
  }

  async waitFor(pattern: RegExp, { deadline, from = 0 }: OutputWait): Promise<RegExpMatchArray> {
    try {
      return await until(
        () => {
          const match = this.stdout.slice(from).match(pattern);
          if (match === null && this.#closed) throw new Error(`${this.path} was closed`);
          return match ?? undefined;
        },
        { deadline, what: `${String(pattern)} from ${this.path}` },
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}; its output:\n${this.stdout.slice(-TAIL)}`, { cause: error });
    }
  }
}
