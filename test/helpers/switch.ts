import { readFile } from 'node:fs/promises';
import { SwitchClient } from '../../src/switch/client/client.js';
import type { Mac, Port, PortStats, Status, Uplink, UplinkAdd, UplinkStats } from '../../src/switch/model/schema.js';
import { logPath } from '../../src/switch/run-dir/paths.js';
import { Child, runToEnd } from './child.js';
import type { ChildOptions, Finished } from './child.js';
import { bin, tempDir } from './paths.js';
import type { Scope } from './scope.js';
import { until } from './until.js';
import type { Namespace } from './net/wire.js';

const START_DEADLINE_MS = 30_000;
const READY_DEADLINE_MS = 20_000;
const LINK_DEADLINE_MS = 10_000;
const SAY_DEADLINE_MS = 20_000;

export interface SwitchOptions extends ChildOptions {
  readonly runDir?: string;
  /** Further arguments of `vhost-host start`. */
  readonly args?: readonly string[];
  /** ms until it answers. */
  readonly deadline?: number;
  /** Where it sees network interfaces. */
  readonly namespace?: Namespace;
  /** Command that becomes it, such as setpriv and what is left to it. */
  readonly by?: readonly string[];
}

/** Runs the CLI as a user would; a bad exit code is an answer. */
export function vhostHost(scope: Scope, args: readonly string[], options?: ChildOptions): Promise<Finished> {
  return runToEnd(scope, bin.vhostHost, args, options);
}

/** A running switch of the test's own. */
export class Switch {
  private readonly client: SwitchClient;

  private constructor(
    private readonly scope: Scope,
    readonly runDir: string,
    private readonly options: ChildOptions,
    /** Only of a switch in the foreground. */
    readonly process?: Child,
  ) {
    this.client = new SwitchClient(runDir);
  }

  /** In the foreground: a child of the test, which is certain to end with it. */
  static async start(scope: Scope, startOptions: SwitchOptions = {}): Promise<Switch> {
    const { runDir, args = [], deadline, namespace, by = [], ...options } = startOptions;
    const dir = runDir ?? (await tempDir(scope, options.user));
    const command = ['start', '--foreground', '--run-dir', dir, ...args];
    const [program = '', ...words] = [...(namespace?.prefix ?? []), ...by, bin.vhostHost, ...command];
    const process = await Child.start(scope, 'the switch', program, words, options);
    const self = new Switch(scope, dir, options, process);
    await until(
      async () => {
        if (process.end !== undefined) throw new Error(`the switch ended: ${process.output}`);
        return (await self.status().catch(() => undefined)) !== undefined;
      },
      { deadline: deadline ?? START_DEADLINE_MS, what: 'the switch to answer' },
    );
    return self;
  }

  /** As a user starts it: `vhost-host start` returns when the daemon is ready. */
  static async launch(scope: Scope, { runDir, args = [], ...options }: SwitchOptions = {}): Promise<Switch> {
    const dir = runDir ?? (await tempDir(scope, options.user));
    const self = new Switch(scope, dir, options);
    scope.defer('the switch', () => self.stop());
    const { code, stderr } = await self.cli('start', ...args);
    if (code !== 0) throw new Error(`vhost-host start: exit code ${code}: ${stderr}`);
    return self;
  }

  /** One that somebody else has started. */
  static at(scope: Scope, runDir: string, options: ChildOptions = {}): Switch {
    return new Switch(scope, runDir, options);
  }

  /** Ends it by the CLI; one that does not run any more is fine. */
  async stop(): Promise<void> {
    const { code, stdout } = await this.cli('stop', '--json');
    if (code !== 0 && !stdout.includes('SWITCH_NOT_RUNNING')) throw new Error(`vhost-host stop: ${stdout}`);
  }

  /** The CLI, told about this switch. */
  cli(...args: string[]): Promise<Finished> {
    return vhostHost(this.scope, [...args, '--run-dir', this.runDir], this.options);
  }

  status(): Promise<Status> {
    return this.client.status();
  }

  async ports(): Promise<Port[]> {
    return (await this.client.ports()).ports;
  }

  async port(name: string): Promise<Port> {
    const found = (await this.ports()).find((port) => port.name === name);
    if (found === undefined) throw new Error(`the switch has no port ${name}`);
    return found;
  }

  addPort(name: string, queues = 1, vlan?: string): Promise<Port> {
    return this.client.addPort({ name, queues, vlan });
  }

  async removePort(name: string): Promise<void> {
    await this.client.removePort(name);
  }

  addUplink(spec: UplinkAdd): Promise<Uplink> {
    return this.client.addUplink(spec);
  }

  async removeUplink(name: string): Promise<void> {
    await this.client.removeUplink(name);
  }

  async uplink(name: string): Promise<Uplink> {
    const found = (await this.client.uplinks()).uplinks.find((uplink) => uplink.name === name);
    if (found === undefined) throw new Error(`the switch has no uplink ${name}`);
    return found;
  }

  async uplinkBecomes(name: string, state: Uplink['state']): Promise<void> {
    await until(async () => (await this.uplink(name)).state === state, {
      deadline: LINK_DEADLINE_MS,
      what: `the link of uplink ${name} to be ${state}`,
    });
  }

  async uplinkStats(name: string): Promise<UplinkStats> {
    const found = (await this.client.stats()).uplinks.find((uplink) => uplink.name === name);
    if (found === undefined) throw new Error(`no uplink ${name} in the statistics`);
    return found;
  }

  async macs(): Promise<Mac[]> {
    return (await this.client.macs()).macs;
  }

  async stats(): Promise<PortStats[]> {
    return (await this.client.stats()).ports;
  }

  async counters(name: string): Promise<PortStats['counters']> {
    const found = (await this.stats()).find((port) => port.name === name);
    if (found === undefined) throw new Error(`no port ${name} in the statistics`);
    return found.counters;
  }

  /** Waits until the guest's driver at this port is up. */
  async portReady(name: string, deadline = READY_DEADLINE_MS): Promise<Port> {
    return until(async () => (await this.ports()).find((port) => port.name === name && port.state === 'ready'), {
      deadline,
      what: `port ${name} to be ready`,
    });
  }

  /** Waits until the log matches: a line comes later than what it tells of. */
  async says(pattern: RegExp): Promise<void> {
    await until(async () => pattern.test(await this.log()), {
      deadline: SAY_DEADLINE_MS,
      what: `${String(pattern)} in the log`,
    });
  }

  /** What the switch has said: a daemon to its log file, one in the foreground to its terminal. */
  async log(): Promise<string> {
    return this.process === undefined ? readFile(logPath(this.runDir), 'utf8') : this.process.output;
  }
}
