import { frontEnd } from './frontend.js';
import type { Scope } from './scope.js';
import { Switch } from './switch.js';

/** Ports of a switch under attack: a well-behaved pair, and two for those that mean harm. */
const NAMES = ['a', 'b', 'evil', 'other'] as const;

/** How long random attacks last: longer by `npm test -- --full`, and as long as those who work on them say. */
const USUAL_SECONDS = process.env.VHOST_HOST_TEST_FULL === undefined ? 12 : 60;
export const SECONDS = Number(process.env.VHOST_HOST_HOSTILE_SECONDS ?? USUAL_SECONDS);
export const SEED = process.env.VHOST_HOST_HOSTILE_SEED ?? String(Date.now() % 1_000_000);

/** A switch, and the program that attacks it (native/test/frontend/hostile.c). */
export class Battlefield {
  private constructor(
    private readonly scope: Scope,
    readonly vswitch: Switch,
    readonly pid: number,
    private readonly sockets: ReadonlyMap<string, string>,
  ) {}

  static async start(scope: Scope): Promise<Battlefield> {
    const vswitch = await Switch.start(scope);
    const sockets = new Map<string, string>();
    for (const name of NAMES) sockets.set(name, (await vswitch.addPort(name)).socket);
    return new Battlefield(scope, vswitch, vswitch.process?.pid ?? 0, sockets);
  }

  /** Runs one part of the program to its end; arguments that are names of ports stand for their sockets. */
  attack(part: string, args: readonly string[], deadline?: number): Promise<string> {
    return frontEnd(this.scope, 'hostile', [part, ...args.map((arg) => this.sockets.get(arg) ?? arg)], deadline);
  }
}
