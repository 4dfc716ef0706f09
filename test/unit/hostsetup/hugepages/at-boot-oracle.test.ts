import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { realHost } from '../../../../src/host/node-host.js';
import { readConfFiles } from '../../../../src/hostsetup/system/conf-files.js';
import { Look } from '../../../../src/host/tolerant-reader.js';
import { sysctlWrites } from '../../../../src/hostsetup/hugepages/at-boot/sysctl.js';
import { tmpfilesWrites } from '../../../../src/hostsetup/hugepages/at-boot/tmpfiles.js';
import { poolFileOf } from '../../../../src/hostsetup/hugepages/at-boot/writes.js';
import { rootedHost } from '../../../../src/host/chroot-host.js';
import { MIB } from '../../../../src/common/bytes.js';
import { tempDir } from '../../../helpers/paths.js';
import { withScope } from '../../../helpers/scope.js';

/**
 * Our reading of tmpfiles.d and sysctl.d against systemd's own programs, over generated directories. All numbers have
 * three digits, because a plain file in the place of the kernel's keeps what a shorter number does not cover.
 */

const SEED = 20140612;
const number = fc.integer({ min: 100, max: 999 });
const place = fc.constantFrom('etc', 'run', 'usr/local/lib', 'usr/lib');
const name = fc.constantFrom(
  '00-a.conf',
  '50-b.conf',
  '50-B.conf',
  'hugepages.conf',
  'z.conf',
  '.hidden.conf',
  'q.txt',
);

/** Texts by path below a root; later ones of the same path replace earlier ones. */
const tree = (directory: string, line: fc.Arbitrary<string>): fc.Arbitrary<Map<string, string>> =>
  fc
    .array(fc.tuple(place, name, fc.array(line, { maxLength: 4 })), { minLength: 1, maxLength: 6 })
    .map(
      (files) => new Map(files.map(([top, file, lines]) => [`${top}/${directory}/${file}`, `${lines.join('\n')}\n`])),
    );

function put(root: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

const POOLS = ['2048kB', '1048576kB'].map((size) => `/sys/kernel/mm/hugepages/hugepages-${size}/nr_hugepages`);
POOLS.push('/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages');

const plain = fc.constantFrom(...POOLS, '/sys//kernel/mm/hugepages/hugepages-2048kB/nr_hugepages');
const pattern = fc.constantFrom(
  '/sys/kernel/mm/hugepages/hugepages-*/nr_hugepages',
  '/sys/kernel/mm/hugepages/hugepages-[12]048kB/nr_hugepages',
  '/sys/devices/system/node/node?/hugepages/hugepages-2048kB/nr_hugepages',
);
const lineOf = (type: fc.Arbitrary<string>, path: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(type, path, fc.constantFrom('- - - -', '0644 root root -', '- - - 10d'), number)
    .map(([kind, where, fields, pages]) => `${kind}\t${where} ${fields} ${pages}`);
const noise = fc.constantFrom('# w /sys/x - - - - 5', '', 'd /run/some 0755 - - -', `z ${POOLS[0]} 0644 - - -`, 'w');
// What `w+` adds to a plain file cannot be told from what a pattern overwrites.
const tmpfilesLine = (mixed: boolean): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 6, arbitrary: lineOf(fc.constantFrom('w', 'w!', 'F', 'f', 'f+', 'F!', ...(mixed ? ['w+'] : [])), plain) },
    { weight: mixed ? 0 : 2, arbitrary: lineOf(fc.constantFrom('w', 'w!'), pattern) },
    { weight: 2, arbitrary: noise },
  );

async function ours(root: string): Promise<string[]> {
  const look = new Look(rootedHost(realHost, root));
  const pools = POOLS.map((path) => ({ path, ...(poolFileOf(path, 2 * MIB) ?? assert.fail(path)) }));
  const writes = tmpfilesWrites(await readConfFiles(look, 'tmpfiles.d'), { defaultSize: 2 * MIB, pools });
  return pools.map(({ pageSize, node }) => {
    return String(writes.findLast((one) => one.pageSize === pageSize && one.node === node)?.pages ?? '');
  });
}

function systemdTmpfiles(root: string): string[] {
  for (const path of POOLS) put(root, new Map([[path, '']]));
  spawnSync('systemd-tmpfiles', ['--root', root, '--create', '--boot']);
  return POOLS.map((path) => readFileSync(join(root, path), 'utf8').slice(-3));
}

describe('who sets hugepages at a start: systemd itself', function () {
  this.timeout(60_000);

  it('tmpfiles.d is read as systemd-tmpfiles reads it', function () {
    if (!existsSync('/usr/bin/systemd-tmpfiles')) this.skip();
    return withScope(async (scope) => {
      const work = await tempDir(scope);
      const root = (n: number): string => join(work, String(n));
      let [count, set] = [0, 0];
      const kinds = fc.boolean().chain((mixed) => tree('tmpfiles.d', tmpfilesLine(mixed)));
      await fc.assert(
        fc.asyncProperty(kinds, async (files) => {
          const here = root(count++);
          put(here, files);
          const wanted = systemdTmpfiles(here);
          set += wanted.filter((pages) => pages !== '').length;
          assert.deepEqual(await ours(here), wanted);
        }),
        { seed: SEED, numRuns: 40 },
      );
      assert.ok(set > 30, `${set} numbers were set`);
    });
  });

  it('sysctl.d is read as systemd-sysctl reads it', function () {
    const program = '/lib/systemd/systemd-sysctl';
    if (!existsSync(program) || process.getuid?.() !== 0) this.skip();
    return withScope(async (scope) => {
      const work = await tempDir(scope);
      const key = fc.constantFrom(
        'vm.nr_hugepages',
        'vm/nr_hugepages',
        '-vm.nr_hugepages',
        ' vm.nr_hugepages ',
        'vm.nr_hugepages_mempolicy',
        'vm.nr_hug*',
        'vm/nr_hugepage?',
        '*/nr_hugepages',
        'vm.nr_overcommit_hugepages',
        'vm.nr.hugepages',
      );
      const line = fc.oneof(
        { weight: 6, arbitrary: fc.tuple(key, fc.constantFrom('=', ' = '), number).map((words) => words.join('')) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            '# vm.nr_hugepages=5',
            '; vm.nr_hugepages=5',
            '-vm.nr_hugepages',
            'vm.nr_hugepages',
            '',
          ),
        },
      );
      const trees = fc.sample(tree('sysctl.d', line), { seed: SEED, numRuns: 30 });
      trees.forEach((files, i) => {
        put(join(work, String(i)), files);
        for (const top of ['etc', 'run', 'usr/local/lib', 'usr/lib'])
          mkdirSync(join(work, String(i), top, 'sysctl.d'), { recursive: true });
      });
      const script = `
      mkdir -p "$work/sys/vm" && cd "$work/sys/vm" && : > nr_overcommit_hugepages && ln -s nr_hugepages nr_hugepages_mempolicy
      mount --bind "$work/sys" /proc/sys
      mount -t tmpfs none /usr/local/lib
      for dir in /run/sysctl.d /etc/sysctl.d /usr/local/lib/sysctl.d; do [ -d $dir ] || mkdir $dir; done
      for i in $(seq 0 ${trees.length - 1}); do
        for top in etc run usr/local/lib usr/lib; do mount --bind "$work/$i/$top/sysctl.d" /$top/sysctl.d; done
        : > nr_hugepages
        ${program} 2> /dev/null
        echo "got $(cat nr_hugepages)"
        for top in etc run usr/local/lib usr/lib; do umount /$top/sysctl.d; done
      done`;
      const args = ['--mount', '--propagation', 'private', 'sh', '-c', `mount -t tmpfs none /run\n${script}`];
      const { stdout, stderr } = spawnSync('unshare', args, { env: { ...process.env, work }, encoding: 'utf8' });
      const wanted = stdout
        .trimEnd()
        .split('\n')
        .map((text) => text.replace('got ', ''));
      assert.equal(wanted.length, trees.length, stderr);
      assert.ok(wanted.filter((pages) => pages !== '').length > 15, 'numbers were set');
      for (const [i, files] of trees.entries()) {
        const look = new Look(rootedHost(realHost, join(work, String(i))));
        const writes = sysctlWrites(await readConfFiles(look, 'sysctl.d'));
        assert.equal(String(writes.at(-1)?.pages ?? ''), wanted[i], JSON.stringify([...files]));
      }
    });
  });
});
