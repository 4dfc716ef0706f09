import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { Scope } from '../../scope.js';
import { until } from '../../until.js';

const DEADLINE_MS = 20_000;

/** The other end of a network card that QEMU emulates (`-netdev stream`): raw Ethernet frames, both ways. */
export class Cable {
  /** All frames that have come out of the card. */
  readonly frames: Buffer[] = [];
  #socket: Socket | undefined;
  #rest = Buffer.alloc(0);

  private constructor(readonly path: string) {}

  static async lay(scope: Scope, path: string): Promise<Cable> {
    const self = new Cable(path);
    const server = createServer((socket) => {
      self.#socket = socket;
      socket.on('data', (chunk) => self.#take(chunk));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    scope.defer(`cable ${path}`, () => {
      self.#socket?.destroy();
      server.close();
    });
    return self;
  }

  /** QEMU's argument for it. */
  netdev(id: string): string {
    return `stream,id=${id},server=off,addr.type=unix,addr.path=${this.path}`;
  }

  /** Each frame has its length before it, 32 bits with the most significant byte first. */
  send(...frames: readonly Buffer[]): void {
    if (this.#socket === undefined) throw new Error('the machine is not connected to its cable');
    for (const frame of frames) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      this.#socket.write(Buffer.concat([length, frame]));
    }
  }

  /** Waits for `count` frames that came out after the first `from`; gives all of these. */
  async received(count: number, from = 0): Promise<Buffer[]> {
    return until(() => this.frames.length >= from + count && this.frames.slice(from), {
      deadline: DEADLINE_MS,
      what: `${count} frames out of the card (${this.frames.length - from} came)`,
    });
  }

  #take(chunk: Buffer): void {
    let data = Buffer.concat([this.#rest, chunk]);
    while (data.length >= 4 && data.length >= 4 + data.readUInt32BE(0)) {
      const end = 4 + data.readUInt32BE(0);
      this.frames.push(Buffer.from(data.subarray(4, end)));
      data = data.subarray(end);
    }
    this.#rest = data;
  }
}
