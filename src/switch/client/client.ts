import * as z from 'zod';
import { VhostHostError, hasCode, printable } from '../../common/errors.js';
import { packageVersion } from '../../common/package.js';
import { call } from './http.js';
import { apiSocketPath } from '../run-dir/paths.js';
import * as schema from '../model/schema.js';
import { describeFaults } from '../model/validate.js';

/** How a switch becomes of this version. */
export const RESTART = 'vhost-host stop && vhost-host start';

/** A newer switch says more than is known here, which may be left aside. */
function withoutUnknown(answer: unknown, error: z.ZodError): unknown {
  const copy: unknown = structuredClone(answer);
  for (const issue of error.issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const place = issue.path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown>)[step], copy);
    for (const key of issue.keys) Reflect.deleteProperty(place as object, key);
  }
  return copy;
}

/** theirs: undefined where the switch does not say. */
function otherVersion(code: 'USAGE' | 'SWITCH_UNREACHABLE', theirs: string | undefined, what: string): VhostHostError {
  const version = theirs ?? 'unknown';
  const versions = `the running switch is version ${printable(version)}, this command ${packageVersion()}`;
  return new VhostHostError(code, `${versions}: ${what}`, {
    hint: `${RESTART} (guests reconnect; until then they go on, and stop works)`,
    details: { version },
  });
}

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

  addPort(spec: schema.PortAdd): Promise<schema.Port> {
    return this.#ask(schema.Port, 'POST', '/v1/ports', spec);
  }

  removePort(name: string): Promise<z.infer<typeof schema.PortRemoved>> {
    return this.#ask(schema.PortRemoved, 'DELETE', `/v1/ports/${encodeURIComponent(name)}`);
  }

  uplinks(): Promise<z.infer<typeof schema.UplinkList>> {
    return this.#ask(schema.UplinkList, 'GET', '/v1/uplinks');
  }

  addUplink(spec: schema.UplinkAdd): Promise<schema.Uplink> {
    return this.#ask(schema.Uplink, 'POST', '/v1/uplinks', spec);
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

  drops(): Promise<schema.DropList> {
    return this.#ask(schema.DropList, 'GET', '/v1/drops');
  }

  rebalance(): Promise<z.infer<typeof schema.Rebalanced>> {
    return this.#ask(schema.Rebalanced, 'POST', '/v1/workers/rebalance');
  }

  stop(): Promise<z.infer<typeof schema.Stopping>> {
    return this.#ask(schema.Stopping, 'POST', '/v1/stop');
  }

  async #ask<T>(shape: z.ZodType<T>, method: string, path: string, body?: unknown): Promise<T> {
    const answer = await call(this.#socket, method, path, body).catch((error: unknown) => this.#refused(error));
    const result = shape.safeParse(answer);
    if (result.success) return result.data;
    const known = shape.safeParse(withoutUnknown(answer, result.error));
    if (known.success) return known.data;
    const faults = describeFaults(`the answer to ${method} ${path}`, shape, known.error);
    throw otherVersion('SWITCH_UNREACHABLE', await this.#version(), `its answer is not understood: ${faults}`);
  }

  /** What it knows no word of, it may be too old for. */
  async #refused(error: unknown): Promise<never> {
    if (!hasCode(error, 'USAGE')) throw error;
    const theirs = await this.#version();
    if (theirs === undefined || theirs === packageVersion()) throw error;
    throw otherVersion('USAGE', theirs, error.message);
  }

  /** undefined where it does not say. */
  async #version(): Promise<string | undefined> {
    const answer = await call(this.#socket, 'GET', '/v1/version').catch(() => undefined);
    return schema.Version.safeParse(answer).data?.version;
  }
}
