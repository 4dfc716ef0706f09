import { deepEqual, equal, rejects } from 'node:assert/strict';
import { DEFAULTS } from '../../../src/wrap/config/keys.js';
import { explain, explainText, quote } from '../../../src/wrap/explain.js';
import { launch } from '../../../src/wrap/launch.js';
import { parseReturn, printPlan } from '../../../src/wrap/plan.js';
import type { Rewritten } from '../../../src/wrap/rewrite.js';
import type { Claim } from '../../../src/wrap/endpoint.js';

const bareHost = {
  read: () => Promise.reject(new Error('there is no file')),
  readOptional: () => Promise.resolve(undefined),
  readBytes: () => Promise.resolve(undefined),
  list: () => Promise.resolve([]),
  stat: () => Promise.resolve(undefined),
  realpath: () => Promise.resolve(undefined),
};

const CALL = '-name vm1 -netdev tap,id=h1,vhost=on,vhostfd=9 -device virtio-net-pci,netdev=h1'.split(' ');

function broker(claims: Claim[]) {
  return {
    predict: ({ name }: Claim) => Promise.resolve({ socket: `/predicted/${name}` }),
    claim: (claim: Claim) => {
      claims.push(claim);
      return Promise.resolve({ socket: `/claimed/${claim.name}` });
    },
  };
}

const run = (args: readonly string[], claims: Claim[], dry = false) =>
  launch({ args, emulator: '/usr/bin/qemu', processor: 'x64', config: DEFAULTS, dry }, bareHost, broker(claims), () =>
    Promise.reject(new Error('nobody has hugepages here')),
  );

describe('launch', () => {
  it('claims a port per netdev and uses the socket it was given', async () => {
    const claims: Claim[] = [];
    const { args } = await run(CALL, claims);
    deepEqual(claims, [{ netdev: 'h1', name: 'vm1-h1', queues: 1, exact: true }]);
    equal(
      args.find((arg) => arg.text.startsWith('socket,'))?.text,
      'socket,id=vhost-host-h1,path=/claimed/vm1-h1,reconnect=1',
    );
  });

  it('tells the address of the card, as the switch writes it, and nothing that is none', async () => {
    const claims: Claim[] = [];
    const call = (mac: string) => [...CALL.slice(0, -1), `virtio-net-pci,netdev=h1,mac=${mac}`];
    for (const mac of ['52:54:00:00:00:0A', '52-54-00-00-00-0a', 'x']) await run(call(mac), claims);
    deepEqual(
      claims.map(({ mac }) => mac),
      ['52:54:00:00:00:0a', '52:54:00:00:00:0a', undefined],
    );
  });

  it('a guest without a name takes what port it can get', async () => {
    const claims: Claim[] = [];
    await run(CALL.slice(2), claims);
    deepEqual(claims, [{ netdev: 'h1', name: 'qemu-h1', queues: 1, exact: false }]);
  });

  it('claims nothing when only asked', async () => {
    const claims: Claim[] = [];
    const { args } = await run(CALL, claims, true);
    deepEqual(claims, []);
    equal(
      args.find((arg) => arg.text.startsWith('socket,'))?.text,
      'socket,id=vhost-host-h1,path=/predicted/vm1-h1,reconnect=1',
    );
  });

  it('claims nothing for a call that fails later on', async () => {
    const claims: Claim[] = [];
    await rejects(run([...CALL, '-m', 'lots'], claims), { code: 'ARGV_INVALID' });
    await rejects(run([...CALL, '-netdev', 'tap,id=h2,vhost=on'], claims), { code: 'NETDEV_UNKNOWN' });
    deepEqual(claims, []);
  });

  describe('where hugepages are free', () => {
    const POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB';
    let pages: { free: number; waited: number };
    const host = {
      ...bareHost,
      list: (path: string) => Promise.resolve(POOL.startsWith(`${path}/`) ? ['hugepages-2048kB'] : []),
      readOptional: (path: string) =>
        Promise.resolve(path === `${POOL}/free_hugepages` ? `${pages.free}\n` : undefined),
    };
    /** `left`: what is free when those before it have taken theirs. */
    const start = (args: readonly string[], free: number, left: number, dry = false) => {
      pages = { free, waited: 0 };
      const call = { args, emulator: '/usr/bin/qemu', processor: 'x64', config: DEFAULTS, dry };
      return launch(call, host, broker([]), () => {
        pages = { free: left, waited: pages.waited + 1 };
        return Promise.resolve();
      });
    };
    const GUEST = [...CALL, '-m', '64M'];
    const hugetlb = (rewritten: Rewritten) => rewritten.args.some(({ text }) => text.includes('hugetlb=on'));

    it('it waits for its turn, and takes what is left then, or ordinary pages', async () => {
      for (const [left, takes] of [
        [32, true],
        [31, false],
      ] as const) {
        const rewritten = await start(GUEST, 64, left);
        deepEqual([pages.waited, hugetlb(rewritten)], [1, takes]);
        deepEqual(printPlan(rewritten).split('\0').includes('w0'), takes);
      }
    });

    it('nobody waits who takes none, or is only asked', async () => {
      equal(hugetlb(await start(GUEST, 31, 31)), false);
      equal(pages.waited, 0);
      equal(hugetlb(await start(GUEST, 64, 64, true)), true);
      equal(pages.waited, 0);
    });

    it('memory in parts has all that it takes once more than all but the smallest are there', async () => {
      const parts = [24, 8, 32].flatMap((mb, index) => ['-object', `memory-backend-ram,id=m${index},size=${mb}M`]);
      const nodes = [0, 1, 2].flatMap((index) => ['-numa', `node,nodeid=${index},memdev=m${index}`]);
      equal((await start([...GUEST, ...parts, ...nodes], 64, 64)).hugepagesKib, 56 * 1024);
    });
  });

  it('hands the launcher a plan: what to close, what to keep, what is new', async () => {
    const fields = printPlan(await run(CALL, [])).split('\0');
    equal(fields.pop(), '');
    equal(fields.shift(), 'vhost-host plan 1');
    equal(fields.pop(), '.');
    equal(fields.shift(), 'c9');
    deepEqual(
      fields.filter((field) => field.startsWith('k')),
      ['k0', 'k1', 'k2', 'k4'],
    );
    equal(fields.filter((field) => field.startsWith('a')).length, 8);
  });

  it('takes what the launcher brings only when all of it has come', () => {
    const bytes = Buffer.from('0 5\nab\u00e9\n');
    for (let length = 0; length < bytes.length; length++) equal(parseReturn(bytes.subarray(0, length)), undefined);
    deepEqual(parseReturn(bytes), { errno: 0, answer: 'ab\u00e9\n' });
    deepEqual(parseReturn(Buffer.from('111 0\n')), { errno: 111, answer: '' });
  });

  it('explains in words that a shell takes back', async () => {
    const rewritten = await run([...CALL, '-append', "it's $HOME"], [], true);
    const explanation = explain('/usr/bin/qemu', rewritten);
    const [command, ...notes] = explainText(explanation).split('\n');
    equal(command?.startsWith('/usr/bin/qemu -object '), true);
    equal(command?.endsWith(`-append 'it'\\''s $HOME'`), true);
    equal(notes.length, explanation.changes.length);
    equal(
      notes.every((note) => note.startsWith('# ')),
      true,
    );
    deepEqual(Object.keys(explanation), ['emulator', 'argv', 'changes', 'remarks']);
    deepEqual(Object.keys(explanation.changes[0] ?? {}), ['rule', 'why', 'before', 'after']);
    deepEqual(['', 'a b', 'a=b,c', '~x'].map(quote), ["''", "'a b'", 'a=b,c', "'~x'"]);
  });
});
