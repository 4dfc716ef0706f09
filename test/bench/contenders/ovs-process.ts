import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Child, runToEnd } from '../../helpers/child.js';
import { root, tempDir } from '../../helpers/paths.js';
import type { Scope } from '../../helpers/scope.js';
import { until, within } from '../../helpers/until.js';

/** Open vSwitch's programs, run from where they were unpacked, with directories and a network of their own. */

const base = `${root}build/ovs`;
const start = 30_000;
const call = 20_000;

/** Why Open vSwitch cannot run here, or undefined. */
export function whyNoOvs(): string | undefined {
  if (!existsSync(`${base}/ready`)) return 'it is not there (node .ci/prepare.mjs ovs says why)';
  return process.getuid?.() === 0 ? undefined : 'it needs root';
}

export class OvsProcess {
  private constructor(
    private readonly scope: Scope,
    readonly dir: string,
    private readonly env: Record<string, string>,
    readonly daemon: Child,
  ) {}

  /** A database, and a vswitchd on it with these settings. */
  static async start(scope: Scope, settings: readonly string[]): Promise<OvsProcess> {
    const dir = await tempDir(scope);
    const own = Object.fromEntries(
      ['OVS_RUNDIR', 'OVS_LOGDIR', 'OVS_DBDIR', 'OVS_SYSCONFDIR', 'RUNTIME_DIRECTORY'].map((name) => [name, dir]),
    );
    const env = { ...own, LD_LIBRARY_PATH: readFileSync(`${base}/ready`, 'utf8').trim() };
    const database = `${dir}/conf.db`;
    const schema = `${base}/usr/share/openvswitch/vswitch.ovsschema`;
    const made = await runToEnd(scope, `${base}/usr/bin/ovsdb-tool`, ['create', database, schema], { env });
    if (made.code !== 0) throw new Error(`ovsdb-tool: ${made.stderr}`);
    const socket = `${dir}/db.sock`;
    const remote = [database, `--remote=punix:${socket}`, `--unixctl=${dir}/db.ctl`, '-vconsole:warn'];
    await Child.start(scope, 'ovsdb-server', `${base}/usr/sbin/ovsdb-server`, remote, { env });
    await until(() => existsSync(socket), { deadline: start, what: 'the database of Open vSwitch' });
    await vsctl(scope, dir, env, ['--no-wait', 'init', '--', 'set', 'Open_vSwitch', '.', ...settings]);
    // In a network of its own: a bridge brings a tap device, which is nobody else's business.
    const daemon = await Child.start(
      scope,
      'ovs-vswitchd',
      'unshare',
      ['--net', `${base}/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk`, `unix:${socket}`, `--unixctl=${dir}/ctl`],
      { env },
    );
    const self = new OvsProcess(scope, dir, env, daemon);
    await until(() => existsSync(`${dir}/ctl`) || self.assertRuns(), {
      deadline: start,
      what: 'Open vSwitch to start',
    });
    return self;
  }

  private assertRuns(): undefined {
    if (this.daemon.end !== undefined) throw new Error(`Open vSwitch ended: ${this.daemon.output.slice(-1500)}`);
  }

  /** ovs-vsctl, which waits until the daemon has done it. */
  async vsctl(...args: string[]): Promise<string> {
    this.assertRuns();
    return vsctl(this.scope, this.dir, this.env, args);
  }

  /** What ovs-appctl does, without a process that would take CPU time from what is measured. */
  appctl(method: string, ...params: string[]): Promise<string> {
    const answer = new Promise<string>((resolve, reject) => {
      const socket = connect(`${this.dir}/ctl`);
      let text = '';
      socket.setEncoding('utf8').on('error', reject);
      socket.on('close', () => reject(new Error(`Open vSwitch hung up on ${method}`)));
      socket.on('data', (chunk: string) => {
        text += chunk;
        const reply = parsed(text);
        if (reply === undefined) return;
        if (typeof reply.result === 'string') resolve(reply.result);
        else reject(new Error(`Open vSwitch: ${method}: ${String(reply.error)}`));
        socket.destroy();
      });
      socket.write(JSON.stringify({ id: 0, method, params }));
    });
    return within(answer, { deadline: call, what: `Open vSwitch's answer to ${method}` });
  }
}

/** A whole JSON text, or undefined while part of it is missing. */
function parsed(text: string): { result?: unknown; error?: unknown } | undefined {
  try {
    return JSON.parse(text) as { result?: unknown; error?: unknown };
  } catch {
    return undefined;
  }
}

async function vsctl(scope: Scope, dir: string, env: Record<string, string>, args: readonly string[]): Promise<string> {
  const all = [`--db=unix:${dir}/db.sock`, '--timeout=20', ...args];
  const { code, stdout, stderr } = await runToEnd(scope, `${base}/usr/bin/ovs-vsctl`, all, { env });
  if (code !== 0) throw new Error(`ovs-vsctl ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}
