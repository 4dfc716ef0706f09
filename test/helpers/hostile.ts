import { chmod, writeFile } from 'node:fs/promises';
import { frontEnd } from './frontend.js';
import { tempDir } from './paths.js';
import type { Scope } from './scope.js';
import { Switch } from './switch.js';

/** Ports of a switch under attack: a well-behaved pair, and two for those that mean harm. */
const NAMES = ['a', 'b', 'evil', 'other'] as const;

/** As libvirt runs QEMU: a user who owns nothing, of the group that sockets are opened to. No such need be here. */
const QEMU = { uid: 64_999, gid: 64_998 };
/** Parts of the program that mount a file system, which takes root. */
const MOUNTING = ['closing'];
const isRoot = process.getuid?.() === 0;

/** How long random attacks last: longer by `npm test -- --full`, and as long as those who work on them say. */
const USUAL_SECONDS = process.env.VHOST_HOST_TEST_FULL === undefined ? 12 : 60;
export const SECONDS = Number(process.env.VHOST_HOST_HOSTILE_SECONDS ?? USUAL_SECONDS);
export const SEED = process.env.VHOST_HOST_HOSTILE_SEED ?? String(Date.now() % 1_000_000);

/** A switch, and the program that attacks it (native/test/frontend/hostile/hostile.c). */
export class Battlefield {
  private constructor(
    private readonly scope: Scope,
    readonly vswitch: Switch,
    readonly pid: number,
    private readonly sockets: ReadonlyMap<string, string>,
  ) {}

  static async start(scope: Scope): Promise<Battlefield> {
    const vswitch = await Switch.start(scope, isRoot ? await openToQemu(scope) : {});
    const sockets = new Map<string, string>();
    for (const name of NAMES) sockets.set(name, (await vswitch.addPort(name)).socket);
    return new Battlefield(scope, vswitch, vswitch.process?.pid ?? 0, sockets);
  }

  /** Runs one part of the program to its end; arguments that are names of ports stand for their sockets. */
  attack(part: string, args: readonly string[], deadline?: number): Promise<string> {
    const user = isRoot && !MOUNTING.includes(part) ? QEMU : undefined;
    const words = [part, ...args.map((arg) => this.sockets.get(arg) ?? arg)];
    return frontEnd(this.scope, 'hostile', words, deadline, user);
  }
}

/** A run directory that the switch makes itself, for that group, in a place that others may pass. */
async function openToQemu(scope: Scope): Promise<{ readonly runDir: string; readonly args: readonly string[] }> {
  const dir = await tempDir(scope);
  await chmod(dir, 0o711);
  await writeFile(`${dir}/switch.json`, JSON.stringify({ socket: { group: String(QEMU.gid) } }));
  return { runDir: `${dir}/run`, args: ['--config', `${dir}/switch.json`] };
}
