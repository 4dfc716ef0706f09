import { basename, dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { VhostHostError, messageOf, printable } from '../../common/errors.js';
import type { Host } from '../../host/host.js';
import { Turns } from '../../common/serial-queue.js';

export interface ApiSocketSpec {
  readonly path: string;
  /** Who may ask beside the owner; -1: nobody. */
  readonly gid: number;
  /** Clients at a time. */
  readonly clients: number;
  build(): Pick<FastifyInstance, 'listen' | 'close' | 'server'>;
}

/**
 * One of the API's sockets. It listens under another name, which is then changed: so it is nobody's before it has its
 * mode, and Node, which removes the name that it listens on at the end, never removes somebody else's file. Whoever
 * tends it may come while it is being opened: one that nobody knows any more would keep the process from its end.
 */
export class ApiSocket {
  readonly #host: Host;
  readonly #spec: ApiSocketSpec;
  readonly #turns = new Turns();
  #api: ReturnType<ApiSocketSpec['build']> | undefined;
  #file: string | undefined;

  constructor(host: Host, spec: ApiSocketSpec) {
    this.#host = host;
    this.#spec = spec;
  }

  open(): Promise<void> {
    return this.#turns.take(() => this.#open());
  }

  /** Listens again where the name is gone or somebody else's. Return: whether it was. */
  tend(): Promise<boolean> {
    return this.#turns.take(async () => {
      if (this.#file === undefined || (await this.#host.identity(this.#spec.path)) === this.#file) return false;
      await this.#open();
      return true;
    });
  }

  /** For good. */
  close(): Promise<void> {
    return this.#turns.take(async () => {
      const file = this.#file;
      this.#file = undefined;
      try {
        if (file !== undefined && (await this.#host.identity(this.#spec.path)) === file)
          await this.#host.unlink(this.#spec.path);
      } finally {
        await this.#api?.close();
      }
    });
  }

  async #open(): Promise<void> {
    const { path, gid, clients } = this.#spec;
    // No longer than the name itself, which was checked.
    const aside = join(dirname(path), `.${basename(path, '.sock')}.new`);
    const old = this.#api;
    const api = this.#spec.build();
    try {
      await this.#host.unlink(aside);
      api.server.maxConnections = clients;
      await api.listen({ path: aside });
      if (gid !== -1) await this.#host.chown(aside, this.#host.uid(), gid);
      await this.#host.chmod(aside, gid === -1 ? 0o600 : 0o660);
      const file = await this.#host.identity(aside);
      await this.#host.rename(aside, path);
      this.#file = file;
    } catch (error) {
      await api.close();
      throw new VhostHostError('RUN_DIR_UNUSABLE', `cannot listen on ${path}: ${printable(messageOf(error))}`, {
        cause: error,
      });
    }
    this.#api = api;
    await old?.close();
  }
}
