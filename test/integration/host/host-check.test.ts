import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { watchForLeaks } from '../../helpers/leaks.js';
import { bin, tempDir } from '../../helpers/paths.js';
import { Scope } from '../../helpers/scope.js';
import { until } from '../../helpers/until.js';

interface Report {
  readonly checks: readonly { id: string; state: string; reason: string; fix?: string }[];
  readonly errors: number;
  readonly warnings: number;
}

const meminfo = (name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]);

const base = '/sys/kernel/mm/hugepages';

/** The pools that have pages, largest pages first, in the words of the check. */
function pools(): string[] {
  const sizes = readdirSync(base).map((name) => Number(/\d+/.exec(name)?.[0]));
  return sizes
    .sort((a, b) => b - a)
    .flatMap((size) => {
      const read = (name: string): number => Number(readFileSync(`${base}/hugepages-${size}kB/${name}`, 'utf8'));
      const unit =
        size % 2 ** 20 === 0 ? `${size / 2 ** 20} GiB` : size % 1024 === 0 ? `${size / 1024} MiB` : `${size} KiB`;
      const free = Math.max(0, read('free_hugepages') - read('resv_hugepages'));
      return read('nr_hugepages') === 0 ? [] : [`${read('nr_hugepages')} of ${unit}, ${free} free`];
    });
}

describe('vhost-host check on this very machine', function () {
  this.timeout(60_000);
  const scope = new Scope();
  let report: Report;
  let exitCode: number | null;
  let runDir: string;
  let reserved: string[];

  let noLeaks: () => Promise<void>;

  before(async () => {
    noLeaks = await watchForLeaks();
    runDir = await tempDir(scope);
    let result: SpawnSyncReturns<string> | undefined;
    // Others on this machine take and give back hugepages: what was the same before and after was so in between.
    await until(
      () => {
        reserved = pools();
        result = spawnSync(bin.vhostHost, ['check', '--json', '--run-dir', runDir], { encoding: 'utf8' });
        return pools().join() === reserved.join();
      },
      { deadline: 30_000, what: 'hugepages that nobody changes' },
    );
    assert.ok(result !== undefined);
    assert.equal(result.stderr, '');
    report = JSON.parse(result.stdout) as Report;
    exitCode = result.status;
  });

  after(async () => {
    await scope.close();
    await noLeaks();
  });

  const reasons = (id: string): string[] =>
    report.checks.filter((check) => check.id === id).map(({ reason }) => reason);

  it('ends with what it found', () => {
    const states = report.checks.map(({ state }) => state);
    assert.equal(exitCode, states.includes('error') ? 2 : states.includes('warning') ? 1 : 0);
    assert.equal(report.errors, states.filter((state) => state === 'error').length);
  });

  it('names the kernel that uname names, and the system of os-release', () => {
    const title = execFileSync('sh', ['-c', '. /etc/os-release; printf %s "$PRETTY_NAME"'], { encoding: 'utf8' });
    const release = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim();
    assert.deepEqual(reasons('system'), [`${title}, kernel ${release}`]);
  });

  it('counts memory and hugepages as /proc/meminfo does', () => {
    const total = Math.floor(meminfo('MemTotal') / 1024);
    const told = /of (\d+) (MiB|GiB) available/.exec(reasons('memory-free')[0] ?? '');
    assert.equal(Number(told?.[1]) * (told?.[2] === 'GiB' ? 1024 : 1), total);
    const size = meminfo('Hugepagesize') / 1024;
    const unit = size >= 1024 ? `${size / 1024} GiB` : `${size} MiB`;
    assert.ok(reasons('hugepages-default')[0]?.startsWith(unit), reasons('hugepages-default')[0]);
    const said = reasons('hugepages').filter((reason) => / free$/.test(reason));
    assert.deepEqual(said, reserved);
  });

  it('knows modules by the devices that they make', () => {
    const misc = readFileSync('/proc/misc', 'utf8');
    for (const name of ['cuse', 'tun']) {
      const { state } = report.checks.find(({ id }) => id === `module-${name}`) ?? { state: 'none' };
      assert.equal(state === 'ok', new RegExp(`^\\s*\\d+ ${name}$`, 'm').test(misc), `${name}: ${state}`);
    }
  });

  it('knows the interfaces of this machine, and which one carries the default route', () => {
    const all = reasons('nics').join('\n');
    for (const name of readdirSync('/sys/class/net')) {
      const onPci =
        existsSync(`/sys/class/net/${name}/device/vendor`) &&
        /pci/.test(execFileSync('readlink', ['-f', `/sys/class/net/${name}/device`], { encoding: 'utf8' }));
      if (onPci) assert.ok(all.includes(name), `${name} is not in ${all}`);
    }
    const routed = execFileSync('ip', ['-4', 'route', 'show', 'default'], { encoding: 'utf8' });
    const name = /\bdev (\S+)/.exec(routed)?.[1];
    if (name !== undefined && all.includes(name)) assert.match(all, new RegExp(`the default route on ${name}`));
  });

  it('gives the same as readable lines, with the same exit code', () => {
    const lines = spawnSync(bin.vhostHost, ['check', '--run-dir', runDir], { encoding: 'utf8' });
    assert.equal(lines.status, exitCode);
    for (const group of ['system', 'hugepages', 'kernel', 'leftovers'])
      assert.match(lines.stdout, new RegExp(`^${group}$`, 'm'));
    for (const fix of report.checks.flatMap((check) => (check.id === 'hugepages-boot' ? (check.fix ?? []) : []))) {
      assert.ok(lines.stdout.includes(fix));
    }
  });

  it('below an empty root it finds a system that does not run', async () => {
    const root = await tempDir(scope);
    const { stdout, status } = spawnSync(bin.vhostHost, ['check', '--root', root, '--json'], { encoding: 'utf8' });
    const { checks } = JSON.parse(stdout) as Report;
    assert.deepEqual([checks.map(({ id }) => id), status], [['system', 'image-hugepages', 'libvirt'], 1]);
  });
});
