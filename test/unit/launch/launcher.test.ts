import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { closeSync, existsSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { realHost } from '../../../src/host/node-host.js';
import { startOf } from '../../../src/host/kernel/process.js';
import type { Claimant } from '../../../src/switch/model/schema.js';
import { until } from '../../helpers/until.js';
import { FakeSwitch } from './fake-switch.js';
import { GUEST, TestPackage, VARIANTS, isAlive, textsOf } from './package.js';
import type { Outcome } from './package.js';

for (const [variant, flags] of Object.entries(VARIANTS)) {
  describe(`launcher, ${variant}`, function () {
    this.timeout(60_000);
    let pkg: TestPackage;
    let files: number[];
    let fake: FakeSwitch | undefined;

    before(function () {
      pkg = new TestPackage(flags);
      // Descriptors 3 to 40 of the wrapper: a file of its own each, and a hole at 17.
      files = Array.from({ length: 38 }, (_, i) => openSync(join(pkg.root, `file-${i + 3}`), 'w'));
    });
    afterEach(() => {
      fake?.close();
      fake = undefined;
      pkg.reset();
    });
    after(() => {
      files.forEach((fd) => closeSync(fd));
      pkg.remove();
    });

    const extra = (): (number | 'ignore')[] => files.map((fd, i) => (i + 3 === 17 ? 'ignore' : fd));

    /** All that the emulator finds when it is started in the wrapper's place, but for those closed on purpose. */
    async function checkDescriptors({ report }: Outcome, ...closed: number[]): Promise<void> {
      const direct = await pkg.run([], {}, extra(), pkg.emulator);
      const expected = [...(direct.report?.fds.keys() ?? [])].filter((fd) => !closed.includes(fd));
      deepEqual([...(report?.fds.keys() ?? [])], expected);
      ok(expected.includes(40) && !expected.includes(17));
      for (const fd of expected) {
        const file = files[fd - 3];
        if (file !== undefined) equal(report?.fds.get(fd), fstatSync(file).ino);
      }
    }

    it('becomes the emulator in one process, with every descriptor, without Node', async () => {
      pkg.usePlanner('process.exitCode = 1;');
      const args = ['-S', '-name', 'guest=a,,b', '', 'disk one.img', '--'];
      const outcome = await pkg.run(args, {}, extra());
      equal(outcome.stderr + outcome.stdout, '');
      equal(outcome.code, 0);
      equal(outcome.report?.pid, outcome.pid);
      deepEqual(textsOf(outcome), [pkg.emulator, ...args]);
      await checkDescriptors(outcome);
    });

    it('passes arguments on that are not UTF-8, planned or not', async () => {
      fake = await FakeSwitch.listen(join(pkg.runDir, 'wrap.sock'));
      const program = pkg.script(`exec ${pkg.wrapper} -append "$(printf 'a\\377b')" "$@"`);
      for (const guest of [[], GUEST]) {
        const { report } = await pkg.run(guest, {}, [], program);
        ok(report?.args.some((arg) => arg.equals(Buffer.from([0x61, 0xff, 0x62]))));
      }
      equal(fake.claims.length, 1);
    });

    it('hands a probe on at once, whatever the configuration says', async () => {
      pkg.usePlanner('process.exitCode = 1;');
      writeFileSync(pkg.config, '{"options":["-S"],"misspelt":1}');
      const probe = readFileSync('test/golden/wrap/recorded/probe-kvm.in', 'utf8').trimEnd().split('\n');
      const outcome = await pkg.run(probe);
      deepEqual(textsOf(outcome).slice(1), probe);
      equal(outcome.stderr + outcome.stdout, '');
    });

    it('a guest with a vhost netdev is planned, and still becomes the emulator in the same process', async () => {
      fake = await FakeSwitch.listen(join(pkg.runDir, 'wrap.sock'));
      const outcome = await pkg.run(['-name', 'vm1', ...GUEST], {}, extra());
      equal(outcome.stderr + outcome.stdout, '');
      equal(outcome.code, 0);
      equal(outcome.report?.pid, outcome.pid);
      await checkDescriptors(outcome, 30);
      ok(textsOf(outcome).includes('socket,id=vhost-host-h1,path=/fake/vm1-h1.sock,reconnect=1'));
      ok(textsOf(outcome).includes('vhost-user,id=h1,chardev=vhost-host-h1'));
      const { path, claim } = fake.claims[0] as { path: string; claim: { claimant: Claimant } };
      const { started } = claim.claimant;
      const wanted = { name: 'vm1-h1', queues: 1, exact: true, claimant: { pid: outcome.pid, started } };
      deepEqual([fake.claims.length, path, claim], [1, '/v1/ports/claim', wanted]);
      ok(started >= ((await startOf(realHost, process.pid)) ?? Infinity));
    });

    it('falls back to the socket of the whole API', async () => {
      fake = await FakeSwitch.listen(join(pkg.runDir, 'api.sock'));
      equal((await pkg.run(GUEST)).code, 0);
      equal(fake.claims.length, 1);
    });

    it('hands on signals as it found them: SIGCHLD ignored stays ignored', async () => {
      // The launcher itself: dash, as /bin/sh, sets SIGCHLD back before it gets there.
      fake = await FakeSwitch.listen(join(pkg.runDir, 'wrap.sock'));
      const { report } = await pkg.run(
        ['--ignore-signal=CHLD', pkg.launcher, pkg.wrapper, ...GUEST],
        {},
        [],
        '/usr/bin/env',
      );
      equal(report?.sigchld, 'ignored');
    });

    it('an error of the planner is one line and a hint, and no emulator runs', async () => {
      const outcome = await pkg.run(['-netdev', 'tap,id=h1,vhost=on']);
      deepEqual([outcome.code, outcome.stdout, outcome.report], [1, '', undefined]);
      equal(
        outcome.stderr,
        'qemu-wrap: netdev "h1" asks for vhost, but no -device uses it\n  add: -device virtio-net-pci,netdev=h1\n',
      );
    });

    it('no switch, and none to be started below libvirt: says so', async () => {
      const outcome = await pkg.run([...GUEST, '-mon', 'chardev=charmonitor']);
      deepEqual([outcome.code, outcome.report], [1, undefined]);
      equal(outcome.stderr, `qemu-wrap: no switch is running in ${pkg.runDir}\n  vhost-host start\n`);
    });

    it('explains without a switch, and without running anything', async () => {
      const outcome = await pkg.run(['--explain=json', '-name', 'vm1', ...GUEST]);
      equal(outcome.stderr, '');
      const answer = JSON.parse(outcome.stdout) as { emulator: string; argv: string[]; changes: unknown[] };
      equal(answer.emulator, pkg.emulator);
      ok(answer.argv.includes(`socket,id=vhost-host-h1,path=${pkg.runDir}/port-vm1-h1.sock,reconnect=1`));
      equal(answer.changes.length, 4);
      const plain = await pkg.run(['--explain', '-S', 'a b']);
      equal(plain.stdout, `${pkg.emulator} -S 'a b'\n`);
      equal(plain.report, undefined);
      match((await pkg.run(['--explain=xml', '-S'])).stderr, /^qemu-wrap: unknown option --explain=xml\n/);
    });

    it('what the switch answers is the reason, whatever it is', async () => {
      const reasons: readonly [(response: ServerResponse) => void, RegExp][] = [
        [(response) => response.writeHead(409).end('{"error":{"code":"PORT_IN_USE","message":"taken"}}'), /: taken\n/],
        [(response) => response.writeHead(500).end('oops'), /wrap\.sock does not answer: its answer is not JSON\n/],
        [(response) => response.socket?.end('hello'), /does not answer: its answer is not HTTP\n/],
        [(response) => response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}'), /answer is cut off\n/],
        [(response) => response.socket?.destroy(), /does not answer/],
        [(response) => response.socket?.end(Buffer.alloc(2 ** 21)), /does not answer: EMSGSIZE\n/],
      ];
      for (const [answer, reason] of reasons) {
        fake = await FakeSwitch.listen(join(pkg.runDir, 'wrap.sock'), (_, response) => void answer(response));
        const outcome = await pkg.run(GUEST);
        fake.close();
        deepEqual([outcome.code, outcome.stdout, outcome.report], [1, '', undefined]);
        match(outcome.stderr, reason);
      }
    });

    it('a socket whose path is too long for the kernel is no switch', async () => {
      const outcome = await pkg.run(GUEST, { VHOST_HOST_RUN_DIR: `/tmp/${'x'.repeat(100)}` });
      deepEqual([outcome.code, outcome.report], [1, undefined]);
      match(outcome.stderr, /^qemu-wrap: socket path .* a UNIX socket takes at most 107\n/);
    });

    it('runs errands one after the other, however they arrive', async () => {
      fake = await FakeSwitch.listen(join(pkg.runDir, 'wrap.sock'));
      const request = 'POST /x HTTP/1.0\\r\\ncontent-length: 13\\r\\n\\r\\n{"name":"h1"}';
      pkg.usePlanner(`
        const fs = require('node:fs');
        const ask = 'q${join(pkg.runDir, 'wrap.sock')}\\0${request}\\0';
        fs.writeSync(1, ask.slice(0, 5));
        fs.writeSync(1, ask.slice(5) + ask + 'q/none\\0x\\0');
        const bytes = Buffer.alloc(4096);
        let answers = '';
        while (!answers.endsWith('2 0\\n')) answers += bytes.toString('latin1', 0, fs.readSync(0, bytes));
        if (answers.match(/\\{"name":"h1","socket":/g).length !== 2) throw new Error(answers);
        fs.writeSync(1, 'vhost-host plan 1\\0a-S\\0.\\0');`);
      const outcome = await pkg.run(GUEST);
      deepEqual([outcome.stderr, textsOf(outcome)], ['', [pkg.emulator, '-S']]);
      equal(fake.claims.length, 2);
    });

    it('opens no device but those of the cuse bridge, and makes none', async () => {
      const missing = join(pkg.runDir, 'usvhost-1');
      const file = join(pkg.runDir, 'file');
      writeFileSync(file, '');
      pkg.usePlanner(`
        const fs = require('node:fs');
        const asked = ['/dev/null', '/dev', '${file}', '${missing}'].map((path) => 'o' + path + '\\0\\0').join('');
        fs.writeSync(1, asked + 'vhost-host plan 1\\0a-S\\0.\\0');
        const bytes = Buffer.alloc(4096);
        let answers = '';
        while (answers.split('\\n').length < 5) answers += bytes.toString('latin1', 0, fs.readSync(0, bytes));
        if (answers !== '25 0\\n25 0\\n25 0\\n2 0\\n') throw new Error(answers);`);
      const outcome = await pkg.run(GUEST);
      deepEqual([outcome.stderr, textsOf(outcome)], ['', [pkg.emulator, '-S']]);
      equal(existsSync(missing), false);
    });

    it('refuses a plan that is none', async () => {
      const plans = [
        '',
        'nonsense',
        'vhost-host plan 1\\0',
        'vhost-host plan 2\\0.\\0',
        'vhost-host plan 1\\0k0\\0',
        'vhost-host plan 1\\0k9\\0.\\0',
        'vhost-host plan 1\\0k\\0.\\0',
        'vhost-host plan 1\\0c-1\\0.\\0',
        'vhost-host plan 1\\0c99999999999999999999\\0.\\0',
        'vhost-host plan 1\\0z\\0.\\0',
        'vhost-host plan 1\\0.\\0.\\0',
        'vhost-host plan 1\\0.\\0x',
        'vhost-host plan 1\\0.',
      ];
      for (const plan of plans) {
        // The two characters \\0 above stand for the zero byte that JavaScript makes of them.
        pkg.usePlanner(`process.stdout.write('${plan}');`);
        const outcome = await pkg.run(GUEST);
        deepEqual([outcome.code, outcome.report], [1, undefined]);
        equal(outcome.stderr, "qemu-wrap: internal error: the planner's answer is not a plan\n");
      }
    });

    it('a planner that is killed is no reason to start the guest', async () => {
      pkg.usePlanner("process.kill(process.pid, 'SIGKILL'); setInterval(() => undefined, 1000);");
      const outcome = await pkg.run(GUEST);
      deepEqual([outcome.code, outcome.report], [1, undefined]);
      equal(outcome.stderr, 'qemu-wrap: the planner was ended by signal 9\n');
    });

    it('ended while planning, it takes the planner with it', async () => {
      fake = await FakeSwitch.listen(join(pkg.runDir, 'wrap.sock'), () => undefined);
      const child = pkg.start(GUEST);
      const finished = pkg.finish(child);
      await fake.firstClaim;
      const planner = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
      ok(isAlive(planner));
      child.kill('SIGTERM');
      const outcome = await finished;
      deepEqual([outcome.signal, outcome.report], ['SIGTERM', undefined]);
      await until(() => !isAlive(planner), { deadline: 10_000, what: 'the end of the planner' });
    });
  });
}
