import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { realHost } from '../../../src/host/node-host.js';
import { startOf } from '../../../src/host/kernel/process.js';
import { call } from '../../../src/switch/client/http.js';
import { claimSocketPath } from '../../../src/switch/run-dir/paths.js';
import type { Port } from '../../../src/switch/model/schema.js';
import { Child } from '../../helpers/child.js';
import type { ChildOptions } from '../../helpers/child.js';
import { freshScope, needsRoot } from '../../helpers/fresh-scope.js';
import { root, tempDir } from '../../helpers/paths.js';
import type { Scope } from '../../helpers/scope.js';
import { Switch } from '../../helpers/switch.js';
import { until } from '../../helpers/until.js';
import { failure } from '../../unit/switch/support.js';

const deadline = 20_000;
const NOBODY = { uid: 65_534, gid: 65_534 };

/** A process that connects when it is told to. */
class Knocker {
  private constructor(readonly child: Child) {}

  static async start(scope: Scope, what: string, options: ChildOptions = {}): Promise<Knocker> {
    return new Knocker(await Child.start(scope, what, 'python3', [`${root}test/helpers/net/knock.py`], options));
  }

  async at(path: string): Promise<string> {
    const from = this.child.stdout.length;
    this.child.write(`${path}\n`);
    await this.child.waitFor(/\n/, { deadline, stream: 'stdout', from });
    return this.child.stdout.slice(from).trim();
  }

  /** Until it is let in: a port takes a moment to be done with the last one. */
  async comesIn(path: string): Promise<void> {
    await until(async () => (await this.at(path)) === 'in', { deadline, what: `${this.child.what} to be let in` });
  }

  async claim(runDir: string, name: string): Promise<Port> {
    const { pid } = this.child;
    const claimant = { pid, started: (await startOf(realHost, pid)) ?? 0 };
    const spec = { name, queues: 1, exact: true, claimant };
    return (await call(claimSocketPath(runDir), 'POST', '/v1/ports/claim', spec)) as Port;
  }
}

describe("a port's owner", function () {
  this.timeout(120_000);
  const scope = freshScope({ skip: needsRoot });

  it('is the process that claimed it, while its guest is down and across a restart of the switch', async () => {
    const first = await Switch.start(scope());
    const { runDir } = first;
    const mine = await Knocker.start(scope(), 'the guest');
    const other = await Knocker.start(scope(), 'the neighbour');
    const { socket } = await mine.claim(runDir, 'web');
    assert.equal(await other.at(socket), 'out');
    const [me, it] = [mine.child.pid, other.child.pid];
    await first.says(
      new RegExp(`process ${it} \\(python3\\) of user id 0 is not let in: .* process ${me} \\(python3\\)`),
    );
    await mine.comesIn(socket);
    // Down, as while QEMU connects anew.
    assert.equal(await mine.at(''), 'left');
    await until(async () => (await first.port('web')).state === 'waiting', { deadline, what: 'the port to be free' });
    assert.equal(await other.at(socket), 'out');
    const refused = await failure('PORT_IN_USE', other.claim(runDir, 'web'));
    assert.equal(refused.message, `port web is taken: its guest, process ${me}, still runs`);
    await mine.comesIn(socket);
    await until(async () => (await first.port('web')).state === 'connected', { deadline, what: 'the guest' });
    // Housekeeping has written it down by now, or the end does.
    await first.stop();
    const second = await Switch.start(scope(), { runDir });
    assert.equal(await other.at(socket), 'out');
    await mine.comesIn(socket);
    await mine.child.stop();
    assert.equal(await other.at(socket), 'out');
    await second.says(/process \d+, which has ended/);
    await until(async () => (await second.port('web')).state === 'waiting', { deadline, what: 'the port to be free' });
    await other.claim(runDir, 'web');
    await other.comesIn(socket);
  });

  it('is a user where the configuration says so, and a port without one is open to all', async () => {
    const dir = await tempDir(scope());
    await chmod(dir, 0o755);
    const [nobodys, alls] = [`${dir}/nobodys`, `${dir}/alls`];
    const ports = [
      { name: 'nobodys', socket: nobodys, owner: `uid:${NOBODY.uid}` },
      { name: 'alls', socket: alls },
    ];
    await writeFile(`${dir}/switch.json`, JSON.stringify({ socket: { mode: '0666' }, ports }));
    const it = await Switch.start(scope(), { args: ['--config', `${dir}/switch.json`] });
    const us = await Knocker.start(scope(), 'we');
    const nobody = await Knocker.start(scope(), 'nobody', { user: NOBODY });
    assert.equal(await us.at(nobodys), 'out');
    await it.says(/process \d+ \(python3\) of user id 0 is not let in: the port belongs to user id 65534/);
    await nobody.comesIn(nobodys);
    assert.equal((await it.port('nobodys')).owner, `uid:${NOBODY.uid}`);
    const refused = await failure('PORT_IN_USE', us.claim(it.runDir, 'nobodys'));
    assert.match(refused.message, /a guest is connected/);
    await nobody.at('');
    await until(async () => (await it.port('nobodys')).state === 'waiting', { deadline, what: 'the port to be free' });
    const foreign = await failure('PORT_IN_USE', us.claim(it.runDir, 'nobodys'));
    assert.match(foreign.message, new RegExp(`it belongs to uid:65534, not to process ${us.child.pid} of user id 0`));
    await us.comesIn(alls);
    await us.at('');
    await nobody.comesIn(alls);
  });
});
