import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { freshScope } from '../../helpers/fresh-scope.js';
import { needsSystemd, underSystemd } from '../../helpers/host/own-systemd.js';

const big = '/sys/kernel/mm/hugepages/hugepages-1048576kB';

/** What the scripts call. */
const PROGRAMS = `
setup() { "$node" "$repo/build/test/helpers/host/hugepages-setup.js" "$@"; }
mounts() { sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - hugetlbfs [^ ]* \\(.*\\)$/\\1 \\2/p' /proc/self/mountinfo | sort; }
`;

function whyNot(): string | undefined {
  return existsSync(big) ? needsSystemd() : 'this kernel has hugepages of one size only';
}

describe('hugepages: mounts by a systemd that runs', function () {
  this.timeout(300_000);
  const scope = freshScope({ skip: whyNot });

  it("its own unit of /dev/hugepages gets the guests' size, the switch a unit, and undo takes both back", async () => {
    const mounts = [
      { path: '/dev/hugepages', pageSize: 2 ** 30 },
      { path: '/mnt/huge', pageSize: 2 ** 21, gid: 7, mode: 0o770 },
    ];
    const units = 'dev-hugepages.mount mnt-huge.mount';
    const out = await underSystemd(
      scope(),
      `${PROGRAMS}
      systemctl start dev-hugepages.mount
      mounts
      setup mounts '${JSON.stringify({ now: true, mounts })}'
      mounts
      systemctl is-active ${units}
      systemctl is-enabled mnt-huge.mount
      systemctl stop ${units}
      mounts
      systemctl start ${units}
      mounts
      setup mounts '${JSON.stringify({ now: true, mounts })}'
      setup undo > /dev/null
      mounts
      systemctl is-active ${units} || true
      find /etc/systemd/system -name '*huge*'
    `,
    );
    const wanted = ['/dev/hugepages rw,pagesize=1024M', '/mnt/huge rw,gid=7,mode=770,pagesize=2M'];
    const done = (line: string | undefined): unknown => (JSON.parse(line ?? '') as { done: string[] }).done;
    assert.equal(out[0], '/dev/hugepages rw,pagesize=2M');
    assert.deepEqual(done(out[1]), ['hugetlbfs:/dev/hugepages', 'hugetlbfs:/mnt/huge']);
    assert.deepEqual(out.slice(2, 7), [...wanted, 'active', 'active', 'enabled']);
    // What the units mount is what was mounted at once.
    assert.deepEqual(out.slice(7, 9), wanted);
    assert.deepEqual(done(out[9]), []);
    assert.deepEqual(out.slice(10), ['/dev/hugepages rw,pagesize=2M', 'active', 'inactive']);
  });
});
