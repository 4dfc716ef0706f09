import { deepEqual, equal, rejects, throws } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../../helpers/paths.js';

interface Modules {
  readonly layOutModules: (kernelDir: string) => Promise<string>;
  readonly moduleOrder: (modulesDir: string, names: readonly string[]) => string[];
}

interface Vmlinux {
  readonly unpackKernel: (image: string, output: string) => void;
}

const modules = (await import(`${root}.ci/lib/modules.mjs`)) as Modules;
const vmlinux = (await import(`${root}.ci/lib/vmlinux.mjs`)) as Vmlinux;

const PACK: Readonly<Record<string, readonly [string, ...string[]]>> = {
  gz: ['gzip', '-c'],
  xz: ['xz', '-c', '--check=crc32'],
  zst: ['zstd', '-qc'],
  lz4: ['lz4', '-lc'],
};

const pack = (kind: string, bytes: Buffer): Buffer => {
  const [command, ...args] = PACK[kind] ?? ['cat'];
  return execFileSync(command, args, { input: bytes, stdio: ['pipe', 'pipe', 'ignore'] });
};

describe("the kernels of the tests' guests", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'vhost-host-kernel-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  const put = (path: string, bytes: Buffer | string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), bytes);
  };

  for (const home of ['lib/modules', 'usr/lib/modules']) {
    it(`have their modules where they are looked for, from ${home}, however packed`, async () => {
      const drivers = `${home}/6.12.1-x/kernel/drivers`;
      const text = (name: string): Buffer => Buffer.from(`module ${name}`);
      put(`${drivers}/plain.ko`, text('plain'));
      for (const kind of ['gz', 'xz', 'zst']) put(`${drivers}/${kind}/in-${kind}.ko.${kind}`, pack(kind, text(kind)));
      put(`${home}/6.12.1-x/modules.builtin`, 'kernel/drivers/virtio/virtio_pci.ko\n');
      equal(await modules.layOutModules(dir), '6.12.1-x');
      const modulesDir = join(dir, 'lib/modules/6.12.1-x');
      const files = readdirSync(join(modulesDir, 'kernel/drivers'), { recursive: true }).map(String);
      deepEqual(files.filter((name) => name.includes('.')).sort(), [
        'gz/in-gz.ko',
        'plain.ko',
        'xz/in-xz.ko',
        'zst/in-zst.ko',
      ]);
      equal(readFileSync(join(modulesDir, 'kernel/drivers/xz/in-xz.ko'), 'utf8'), 'module xz');
      const order = modules.moduleOrder(modulesDir, ['in_zst', 'virtio-pci', 'plain']);
      deepEqual(
        order.map((path) => path.replace(/^.*\//, '')),
        ['in-zst.ko', 'plain.ko'],
      );
      throws(() => modules.moduleOrder(modulesDir, ['virtio_net']), /the kernel has no module virtio_net$/);
    });
  }

  it('load what a module needs before it, once', () => {
    put('modules.dep', 'k/a.ko: k/b.ko k/c.ko\nk/b.ko: k/c.ko\nk/c.ko:\n');
    put('modules.builtin', '');
    deepEqual(modules.moduleOrder(dir, ['c', 'a']), ['k/c.ko', 'k/b.ko', 'k/a.ko']);
  });

  it('that are damaged are told by the packer', async () => {
    put('lib/modules/6.12.1-x/a.ko.xz', 'no xz');
    await rejects(modules.layOutModules(dir), /xz -dq a\.ko\.xz ended with exit code 1$/);
  });

  /** A bzImage: two sectors of set-up, something before the payload, and something behind. */
  const image = (payload: Buffer): Buffer => {
    const head = Buffer.alloc(1024 + 100);
    head.writeUInt8(1, 0x1f1);
    head.writeUInt32LE(100, 0x248);
    head.writeUInt32LE(payload.length, 0x24c);
    return Buffer.concat([head, payload, Buffer.from('behind')]);
  };

  for (const kind of ['gz', 'xz', 'zst', 'lz4']) {
    it(`are unpacked from an image by ${kind}`, () => {
      const kernel = Buffer.from(`\x7fELF a kernel ${'x'.repeat(10_000)}`, 'latin1');
      const length = Buffer.alloc(4);
      length.writeUInt32LE(kernel.length);
      // gzip ends with the length by itself.
      put('vmlinuz', image(Buffer.concat([pack(kind, kernel), ...(kind === 'gz' ? [] : [length])])));
      vmlinux.unpackKernel(join(dir, 'vmlinuz'), join(dir, 'vmlinux'));
      deepEqual(readFileSync(join(dir, 'vmlinux')), kernel);
    });
  }

  it('that are packed otherwise are refused with the ways that are known', () => {
    put('vmlinuz', image(Buffer.from('BZh91AY&SY')));
    throws(
      () => vmlinux.unpackKernel(join(dir, 'vmlinuz'), join(dir, 'out')),
      /packed in none of the ways gz, xz, zst/,
    );
  });
});
