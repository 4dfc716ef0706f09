import { randomInt } from 'node:crypto';
import { runToEnd } from '../child.js';
import type { Finished } from '../child.js';
import { linkPrefix } from '../paths.js';
import type { Scope } from '../scope.js';

/** Network interfaces and namespaces of the kernel, for a switch that has uplinks. */

let serial = 0;

async function ip(scope: Scope, ...args: string[]): Promise<void> {
  const { code, stderr } = await runToEnd(scope, 'ip', args);
  if (code !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

/** A network namespace: another machine, as far as the network goes. */
export class Namespace {
  private constructor(
    private readonly scope: Scope,
    readonly name: string,
  ) {}

  static async make(scope: Scope): Promise<Namespace> {
    const self = new Namespace(scope, `${linkPrefix}n${++serial}`);
    await ip(scope, 'netns', 'add', self.name);
    scope.defer(self.name, () => ip(scope, 'netns', 'del', self.name));
    return self;
  }

  /** What a command is begun with to run in it. */
  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  run(...command: string[]): Promise<Finished> {
    const [program = '', ...words] = [...this.prefix, ...command];
    return runToEnd(this.scope, program, words);
  }

  /** Moves an interface of ours into it, and has it up. */
  async take(device: string): Promise<void> {
    await ip(this.scope, 'link', 'set', device, 'netns', this.name);
    await ip(this.scope, '-n', this.name, 'link', 'set', device, 'up');
  }

  /** Gives one of its interfaces an address. */
  address(device: string, address: string): Promise<void> {
    return ip(this.scope, '-n', this.name, 'addr', 'add', address, 'dev', device);
  }
}

/** Two interfaces with a wire between them, both up. Where the other end is in a namespace, it has an address. */
export class Wire {
  private constructor(
    private readonly scope: Scope,
    readonly near: string,
    readonly far: string,
    private readonly end?: { readonly namespace: Namespace; readonly address: string },
  ) {}

  static async make(scope: Scope, end?: { namespace: Namespace; address: string }): Promise<Wire> {
    const name = `${linkPrefix}w${++serial}`;
    const self = new Wire(scope, `${name}a`, `${name}b`, end);
    await self.plug();
    scope.defer(`wire ${name}`, () => self.unplug().catch(() => undefined));
    return self;
  }

  /** Makes it, again after `unplug`. */
  async plug(): Promise<void> {
    const { near, far, end } = this;
    // net_af_packet's name for what it binds to is made of process and index, and two switches here may not meet in it.
    const farIndex = String(0x8000 + randomInt(0x7000));
    const inside = end === undefined ? ['index', farIndex] : ['netns', end.namespace.name];
    await ip(this.scope, 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, ...inside);
    const there = end === undefined ? [] : ['-n', end.namespace.name];
    await ip(this.scope, ...there, 'link', 'set', far, 'up');
    if (end !== undefined) await ip(this.scope, ...there, 'addr', 'add', end.address, 'dev', far);
    await ip(this.scope, 'link', 'set', near, 'up');
  }

  /** Takes it away, with both interfaces. */
  unplug(): Promise<void> {
    return ip(this.scope, 'link', 'del', this.near);
  }

  /** The far end's, as `ip link set` and `ethtool -K` have them. */
  async configureFar({ mtu, tx }: { mtu?: number; tx?: 'on' | 'off' }): Promise<void> {
    if (this.end === undefined) throw new Error('the far end is in no namespace');
    const { namespace } = this.end;
    if (mtu !== undefined) await ip(this.scope, '-n', namespace.name, 'link', 'set', this.far, 'mtu', String(mtu));
    if (tx === undefined) return;
    const { code, stderr } = await namespace.run('ethtool', '-K', this.far, 'tx', tx);
    if (code !== 0) throw new Error(`ethtool -K ${this.far} tx ${tx}: ${stderr}`);
  }

  /** The carrier at the near end comes or goes. */
  async farEnd(state: 'up' | 'down'): Promise<void> {
    const there = this.end === undefined ? [] : ['-n', this.end.namespace.name];
    await ip(this.scope, ...there, 'link', 'set', this.far, state);
  }
}
