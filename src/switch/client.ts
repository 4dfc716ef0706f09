import { z } from 'zod';
import { VhostHostError } from '../errors.js';
import { call } from './rest.js';
import { apiSocketPath } from './rundir.js';
import * as schema from './schema.js';
import { describeFaults } from './validate.js';

/** The control API as typed calls; answers are checked, so that another version's switch is noticed. */
export class SwitchClient {
  readonly #socket: string;

  constructor(runDir: string) {
    this.#socket = apiSocketPath(runDir);
  }

  status(): Promise<schema.Status> {
    return this.#ask(schema.Status, 'GET', '/v1/status');
  }

  ports(): Promise<z.infer<typeof schema.PortList>> {
    return this.#ask(schema.PortList, 'GET', '/v1/ports');
  }

  addPort(wish: schema.PortAdd): Promise<schema.Port> {
    return this.#ask(schema.Port, 'POST', '/v1/ports', wish);
  }

  removePort(name: string): Promise<z.infer<typeof schema.PortRemoved>> {
    return this.#ask(schema.PortRemoved, 'DELETE', `/v1/ports/${encodeURIComponent(name)}`);
  }

  uplinks(): Promise<z.infer<typeof schema.UplinkList>> {
    return this.#ask(schema.UplinkList, 'GET', '/v1/uplinks');
  }

  addUplink(wish: schema.UplinkAdd): Promise<schema.Uplink> {
    return this.#ask(schema.Uplink, 'POST', '/v1/uplinks', wish);
  }

  removeUplink(name: string): Promise<z.infer<typeof schema.UplinkRemoved>> {
    return this.#ask(schema.UplinkRemoved, 'DELETE', `/v1/uplinks/${encodeURIComponent(name)}`);
  }

  macs(): Promise<z.infer<typeof schema.MacList>> {
    return this.#ask(schema.MacList, 'GET', '/v1/macs');
  }

  stats(): Promise<z.infer<typeof schema.StatsList>> {
    return this.#ask(schema.StatsList, 'GET', '/v1/stats');
  }

  spread(): Promise<z.infer<typeof schema.Spread>> {
    return this.#ask(schema.Spread, 'POST', '/v1/workers/spread');
  }

  stop(): Promise<z.infer<typeof schema.Stopping>> {
    return this.#ask(schema.Stopping, 'POST', '/v1/stop');
  }

  async #ask<T>(shape: z.ZodType<T>, method: string, path: string, body?: unknown): Promise<T> {
    const answer = await call(this.#socket, method, path, body);
    const result = shape.safeParse(answer);
    if (result.success) return result.data;
    const faults = describeFaults(`the answer to ${method} ${path}`, shape, result.error);
    throw new VhostHostError('SWITCH_UNREACHABLE', `the running switch is of another version: ${faults}`, {
      hint: 'vhost-host stop && vhost-host start',
    });
  }
}
