import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadBinding } from '../../../../src/switch/addon/load-addon.js';
import { packageRoot, packageVersion } from '../../../../src/common/package.js';
import { FakeBinding } from '../../../helpers/fake-binding.js';
import { failure, fakeHost, withDir } from '../support.js';

const none = fakeHost({});

function failing(error: Error): (path: string) => never {
  return () => {
    throw error;
  };
}

describe('loading the native addon', () => {
  it("takes what the build made, from the package's own directory", () => {
    const binding = new FakeBinding();
    const asked: string[] = [];
    const load = (path: string): unknown => (asked.push(path), binding);
    assert.equal(loadBinding(none, load), binding);
    assert.deepEqual(asked, [join(packageRoot, 'native/build/Release/vhost_host.node')]);
    assert.match(packageVersion(), /^\d+\.\d+\.\d+/);
  });

  it('takes VHOST_HOST_ADDON and nothing else where it is set', async () => {
    const host = fakeHost({ env: { VHOST_HOST_ADDON: '/no/such.node' } });
    const error = await failure('ADDON_MISSING', () => loadBinding(host));
    assert.equal(
      error.message,
      "cannot load the switch's native addon: tried /no/such.node: no such file, it is not built yet",
    );
    assert.equal(error.hint, 'npm run build');
  });

  it('lists everything it tried, in order', async () => {
    const missing = Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
    const error = await failure('ADDON_MISSING', () => loadBinding(none, failing(missing)));
    const { tried } = error.details as { tried: { path: string; reason: string }[] };
    assert.deepEqual(
      tried.map(({ path }) => path),
      ['Release', 'Debug'].map((kind) => join(packageRoot, `native/build/${kind}/vhost_host.node`)),
    );
    for (const { path, reason } of tried) assert.ok(error.message.includes(`${path}: ${reason}`));
  });

  const text = 'librte_eal.so.23: cannot open shared object file: No such file or directory';
  const cases: [string, Error, RegExp, string][] = [
    [
      'a missing library',
      new Error(text),
      /needs librte_eal\.so\.23 \(Debian package dpdk\)/,
      'apt-get install dpdk && npm run build',
    ],
    [
      'another Node.js',
      new Error('compiled against NODE_MODULE_VERSION 1'),
      /built for another Node\.js/,
      'npm run build',
    ],
    ['anything else', new Error('invalid ELF\nheader'), /: invalid ELF header/, 'npm run build'],
  ];
  for (const [what, thrown, message, hint] of cases) {
    it(`says what fixes ${what}`, async () => {
      const error = await failure('ADDON_MISSING', () => loadBinding(none, failing(thrown)));
      assert.match(error.message, message);
      assert.equal(error.hint, hint);
    });
  }

  it('does not take a file that the loader of the system refuses, or another module', () =>
    withDir(async (dir) => {
      const path = join(dir, 'x.node');
      await writeFile(path, 'text');
      const host = fakeHost({ env: { VHOST_HOST_ADDON: path } });
      await failure('ADDON_MISSING', () => loadBinding(host));
      const error = await failure('ADDON_MISSING', () => loadBinding(none, () => ({ start: 1 })));
      assert.match(error.message, /is not this package's addon/);
    }));
});
