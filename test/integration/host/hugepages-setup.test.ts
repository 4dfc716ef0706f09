import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { freshScope, needsRoot } from '../../helpers/fresh-scope.js';
import { guardPools } from '../../helpers/host/hugepages.js';
import { runInPrivateNamespace } from '../../helpers/host/private-namespace.js';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const pool = (kb: number): string => `/sys/kernel/mm/hugepages/hugepages-${kb}kB/nr_hugepages`;
const pages = (kb: number): number => Number(readFileSync(pool(kb), 'utf8'));

const nodePages = (): number =>
  Number(readFileSync('/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages', 'utf8'));

/**
 * The kernel's pools are the machine's own; what is written to disk or mounted is in a mount namespace, and gone with
 * it: /etc and /var/lib below layers, /mnt and systemd's run directory empty.
 */
const PREPARE = `
for dir in etc var/lib; do
  mkdir -p "$work/$dir/upper" "$work/$dir/work"
  mount -t overlay none -o "lowerdir=/$dir,upperdir=$work/$dir/upper,workdir=$work/$dir/work" "/$dir"
done
mount -t tmpfs none /mnt
mkdir -p /run/systemd
mount -t tmpfs none /run/systemd
rm -rf /var/lib/vhost-host
echo '# the first line' > /etc/fstab
setup() { "$node" "$repo/build/test/helpers/host/hugepages-setup.js" "$@"; }
mounts() { sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\(\\/mnt[^ ]*\\) .* - hugetlbfs [^ ]* \\(.*\\)$/\\1 \\2/p' /proc/self/mountinfo; }
`;

describe("hugepages: this kernel's pools and mounts", function () {
  this.timeout(60_000);
  const scope = freshScope({ skip: needsRoot });

  /** Whatever happens, the pools are as they were. */
  async function run(script: string): Promise<string[]> {
    const settled = await guardPools(scope());
    const { code, stdout, stderr } = await runInPrivateNamespace(scope(), `${PREPARE}\n${script}`, 45_000);
    await settled();
    assert.equal(code, 0, `${stderr}${stdout}`);
    return stdout.trimEnd().split('\n');
  }

  const spec = (pageSize: number, count: number, more: object = {}): string =>
    JSON.stringify({ pools: [{ pageSize, count }], now: true, persist: false, ...more });

  it('2 MiB: grown by some, not twice, and given back to the very number', async () => {
    const before = pages(2048);
    const onNode = { pageSize: 2 * MIB, count: nodePages() + 24, node: 0 };
    const out = await run(`
      setup pools '${spec(2 * MIB, before + 16)}'
      cat ${pool(2048)}
      setup pools '${spec(2 * MIB, before + 16)}'
      setup pools '${JSON.stringify({ pools: [onNode], now: true, persist: false })}' > /dev/null
      setup undo
      cat ${pool(2048)}
    `);
    const none = { remarks: [], notes: [] };
    assert.deepEqual(JSON.parse(out[0] ?? ''), { done: ['hugepages-2M'], ...none });
    assert.equal(out[1], String(before + 16));
    assert.deepEqual(JSON.parse(out[2] ?? ''), { done: [], ...none });
    assert.equal((JSON.parse(out[3] ?? '') as string[]).length, 2);
    assert.equal(out[4], String(before));
  });

  it('1 GiB: as many as memory in one piece is left for, said honestly, and given back', async function () {
    const available = Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
    const why = !existsSync(pool(1048576))
      ? 'this kernel has no pages of 1 GiB'
      : available < 6 * GIB
        ? 'less than 6 GiB of memory are available'
        : undefined;
    if (why !== undefined) {
      process.stderr.write(`skipped: ${why}\n`);
      this.skip();
    }
    const before = pages(1048576);
    const out = await run(`
      setup pools '${spec(GIB, before + 2)}'
      cat ${pool(1048576)}
      setup undo > /dev/null
      cat ${pool(1048576)}
    `);
    const { done, remarks } = JSON.parse(out[0] ?? '') as { done: string[]; remarks: string[] };
    const got = Number(out[1]);
    assert.deepEqual(done, ['hugepages-1G']);
    assert.equal(
      remarks.length,
      got < before + 2 ? 1 : 0,
      `${got} of ${before + 2}, and the remarks: ${remarks.join()}`,
    );
    if (got < before + 2) assert.match(remarks[0] ?? '', new RegExp(`^wanted ${before + 2} × 1G, got ${got}:`));
    assert.equal(out[2], String(before));
  });

  it('where /sys is read-only: one line with the file and the reason, and nothing is changed', async () => {
    const before = pages(2048);
    const out = await run(`
      mount -o remount,bind,ro /sys
      setup pools '${spec(2 * MIB, before + 16)}'
      setup undo
      cat ${pool(2048)}
    `);
    assert.match(out[0] ?? '', /hugepages-2M failed: \S+2048kB\/nr_hugepages does not take \d+: EROFS: read-only/);
    assert.equal(out[2], String(before));
  });

  it('at each start: what is written for it, systemd-tmpfiles makes true, and only at a start', async () => {
    const before = pages(2048);
    const out = await run(`
      mkdir /run/systemd/system
      conf=/etc/tmpfiles.d/vhost-host-hugepages.conf
      setup pools '${spec(2 * MIB, before + 16, { now: false, persist: true })}'
      cat ${pool(2048)}
      systemd-tmpfiles --create "$conf"
      cat ${pool(2048)}
      systemd-tmpfiles --create --boot "$conf"
      cat ${pool(2048)}
      echo ${before} > ${pool(2048)}
      setup undo
      [ ! -e "$conf" ] && echo gone
    `);
    assert.deepEqual((JSON.parse(out[0] ?? '') as { done: string[] }).done, ['hugepages-at-start']);
    assert.deepEqual(out.slice(1, 4), [before, before, before + 16].map(String));
    assert.equal(out[5], 'gone');
  });

  const mounts = (...list: readonly object[]): string => JSON.stringify({ now: true, mounts: list });
  const huge = { path: '/mnt/huge', pageSize: 2 * MIB, gid: 7, mode: 0o770 };

  it('hugetlbfs: mounted with size, group and mode, in fstab, once; and all of it gone again', async () => {
    const out = await run(`
      setup mounts '${mounts(huge)}'
      mounts
      stat -c '%a %g' /mnt/huge
      setup mounts '${mounts(huge)}'
      grep -c hugetlbfs /etc/fstab
      umount /mnt/huge && mount /mnt/huge && mounts
      setup undo > /dev/null
      mounts
      ls /mnt
      cat /etc/fstab
    `);
    assert.deepEqual((JSON.parse(out[0] ?? '') as { done: string[] }).done, ['hugetlbfs:/mnt/huge']);
    const mounted = '/mnt/huge rw,gid=7,mode=770,pagesize=2M';
    assert.deepEqual(out.slice(1, 3), [mounted, '770 7']);
    assert.deepEqual((JSON.parse(out[3] ?? '') as { done: string[] }).done, []);
    // The line that was written does the same as what was done at once.
    assert.deepEqual(out.slice(4), ['3', mounted, '# the first line']);
  });

  it('hugetlbfs of a wrong size is replaced, and there again after undo', async function () {
    if (!existsSync(pool(1048576))) {
      process.stderr.write('skipped: this kernel has pages of one size only\n');
      this.skip();
    }
    const wanted = { path: '/mnt/guests', pageSize: GIB };
    const out = await run(`
      mkdir /mnt/guests
      mount -t hugetlbfs -o pagesize=2M none /mnt/guests
      setup mounts '${mounts(wanted)}' > /dev/null
      mounts
      setup undo > /dev/null
      mounts
    `);
    assert.deepEqual(out, ['/mnt/guests rw,pagesize=1024M', '/mnt/guests rw,pagesize=2M']);
  });

  it('hugetlbfs in use: undo says so, and ends when it is free', async () => {
    const out = await run(`
      setup mounts '${mounts(huge)}' > /dev/null
      exec 3< /mnt/huge
      setup undo 3<&-
      mounts | wc -l
      exec 3<&-
      setup undo > /dev/null
      mounts | wc -l
    `);
    assert.match(out[0] ?? '', /unmount \/mnt\/huge: .*target is busy/);
    assert.deepEqual(out.slice(1), ['1', '0']);
  });
});
