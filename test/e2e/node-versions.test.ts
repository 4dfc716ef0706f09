import { strict as assert } from 'node:assert';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { nodeFlags } from '../../src/common/node-flags.js';
import { runToEnd } from '../helpers/child.js';
import { freshScope } from '../helpers/fresh-scope.js';
import { bin, root, tempDir } from '../helpers/paths.js';
import { PingGuest } from '../helpers/guests/ping-guest.js';
import type { Scope } from '../helpers/scope.js';
import { Switch } from '../helpers/switch.js';
import { until } from '../helpers/until.js';

/** What .ci/lib/nodes.mjs has fetched: the oldest Node that will do, and one of each line that gets updates. */
const HOME = `${root}build/nodes`;
const LINES = ['20', '22', '24'];
const MISSING = `${HOME}/missing`;
const BOOT_MS = 60_000;

function programOf(line: string): string | undefined {
  const version = existsSync(HOME) ? readdirSync(HOME).find((name) => name.startsWith(`${line}.`)) : undefined;
  const done = `${HOME}/${version}/complete`;
  return version !== undefined && existsSync(done) ? readFileSync(done, 'utf8').trim() : undefined;
}

/** Whether V8 refuses the planner's code that was made for this Node, as V8 tells it. */
async function refusedCode(scope: Scope, node: string, version: string): Promise<string> {
  const dir = `${root}build/bundle/cli`;
  const end = `-${version}-${process.arch}.code`;
  const [name] = readdirSync(dir).filter((file) => file.endsWith(end));
  const text = name?.slice('wrap-plan-'.length, -end.length);
  const script = `
    const { load } = await import('${root}build/src/cli/wrap/code-cache.js');
    process.stdout.write(String(load('${dir}/wrap-plan', '${text}').script.cachedDataRejected));`;
  const flags = nodeFlags('planner', version) ?? [];
  return (await runToEnd(scope, node, [...flags, '--input-type=module', '-e', script])).stdout;
}

/** Of a process, as the kernel has it. */
const commandOf = (pid: number): string[] => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);

describe('versions of Node', function () {
  this.timeout(180_000);
  const scope = freshScope();

  for (const line of LINES) {
    it(`Node ${line}: start, the wrapper's plan, guests' pings, status, stop`, async function () {
      const node = programOf(line);
      if (node === undefined) {
        assert.ok(existsSync(MISSING), 'neither this Node nor a reason why it is missing: node .ci/prepare.mjs nodes');
        process.stderr.write(`      no Node ${line}: ${readFileSync(MISSING, 'utf8')}`);
        this.skip();
      }
      const runDir = await tempDir(scope());
      const path = { PATH: `${dirname(node)}:${process.env['PATH']}` };
      const version = (await runToEnd(scope(), node, ['--version'])).stdout.trim();
      assert.ok(version.startsWith(`v${line}.`));

      const vswitch = await Switch.launch(scope(), { runDir, args: ['--hugepages', 'off'], env: path });
      const { pid } = await vswitch.status();
      const flags = nodeFlags('command', version) ?? [];
      assert.deepEqual(commandOf(pid).slice(0, flags.length + 1), [node, ...flags]);
      assert.doesNotMatch(await vswitch.log(), /warning|deprecat|experimental/i);
      // No memory that is both writable and executable, in all of the daemon.
      assert.doesNotMatch(readFileSync(`/proc/${pid}/maps`, 'utf8'), /^\S+ .wx/m);

      const env = { ...path, VHOST_HOST_RUN_DIR: runDir, VHOST_HOST_WRAP_HUGEPAGES: 'off' };
      const call = ['--explain=json', '-m', '64', '-netdev', 'tap,id=n,vhost=on', '-device', 'virtio-net-pci,netdev=n'];
      const plan = await runToEnd(scope(), bin.qemuWrap, call, { env });
      assert.deepEqual([plan.code, plan.stderr], [0, '']);
      assert.match((JSON.parse(plan.stdout) as { argv: string[] }).argv.join(' '), / vhost-user,id=n,/);

      assert.equal(await refusedCode(scope(), node, version), 'false');

      const guest = (name: string, me: number, ask?: number): Promise<PingGuest> =>
        PingGuest.start(scope(), { name, me, runDir, env, ...(ask === undefined ? {} : { ask }) });
      const answering = await guest('answering', 2);
      const asking = await guest('asking', 1, 2);
      await Promise.all([answering.up(BOOT_MS), asking.up(BOOT_MS)]);
      await asking.replies(2, BOOT_MS);

      const status = await vswitch.cli('status');
      assert.deepEqual([status.code, status.stderr], [0, '']);
      assert.match(status.stdout, /2 ready/);
      const stopped = await vswitch.cli('stop');
      assert.deepEqual([stopped.code, stopped.stderr], [0, '']);
      await until(() => !existsSync(`/proc/${pid}`), { deadline: 10_000, what: 'the daemon to be gone' });
    });
  }
});
