import { errnoOf, messageOf, printable } from '../../common/errors.js';
import type { Host } from '../../host/host.js';
import type { NativeBinding } from '../addon/native.js';

interface Parts {
  readonly host: Host;
  readonly binding: Pick<NativeBinding, 'listenAgain'>;
  readonly log: (line: string) => void;
}

interface Known {
  readonly path: string;
  /** Which file the engine listens on. */
  readonly file: string | undefined;
  /** Why it could not be made anew, as said last. */
  said: string;
}

/** Whether the ports' sockets still have their names: cleaners and people remove files of switches that run. */
export class PortSockets {
  readonly #parts: Parts;
  readonly #known = new Map<number, Known>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async made(id: number, path: string): Promise<void> {
    this.#known.set(id, { path, file: await this.#parts.host.identity(path), said: '' });
  }

  /** Has the engine listen again where a name is gone; somebody else's file is left alone, and said. */
  async tend(ports: readonly { readonly id: number; readonly name: string; readonly socket: string }[]): Promise<void> {
    for (const { id, name, socket } of ports) {
      const known = this.#known.get(id);
      if (known?.path !== socket || (await this.#parts.host.identity(socket)) === known.file) continue;
      try {
        this.#parts.binding.listenAgain(id);
        await this.made(id, socket);
        this.#parts.log(`port ${name} (${id}): its socket was gone and is made anew`);
      } catch (error) {
        const reason = errnoOf(error) === 'EADDRINUSE' ? 'something else has its place' : printable(messageOf(error));
        if (known.said !== reason) this.#parts.log(`port ${name} (${id}): its socket ${socket} is gone: ${reason}`);
        known.said = reason;
      }
    }
  }
}
