import type { Look } from '../../host/tolerant-reader.js';

const PACKAGES = '/var/lib/dpkg/status';
/** Where DPDK puts its description when it is built from source, and packages for building with it. */
const DESCRIPTIONS = ['/usr/local/lib', '/usr/local/lib64', '/usr/lib', '/usr/lib64'];
const MULTIARCH = /-linux-gnu[a-z0-9]*$/;

/** Numbers of a version (`DPDK 22.11.7`, a package's); what a package adds (epoch, `-1~deb12u1`) is left out. */
export function dpdkNumbers(text: string | undefined): string | undefined {
  return /(?:^|[:\s])(\d+\.\d+(?:\.\d+)*)/.exec(text ?? '')?.[1];
}

/** By Debian's and Ubuntu's list of packages: the library that the switch is linked with. */
function inPackages(status: string): string | undefined {
  const stanza = status
    .split('\n\n')
    .find((text) => /^Package: librte-vhost\d+$/m.test(text) && /^Status: .* installed$/m.test(text));
  return dpdkNumbers(/^Version: (.*)$/m.exec(stanza ?? '')?.[1]);
}

/** The version of the DPDK that is installed, by files alone; undefined where none of them tells. */
export async function readDpdkVersion(look: Look): Promise<string | undefined> {
  const packaged = inPackages((await look.readOptional(PACKAGES)) ?? '');
  if (packaged !== undefined) return packaged;
  for (const lib of DESCRIPTIONS) {
    const dirs = [
      lib,
      ...(await look.list(lib)).filter((name) => MULTIARCH.test(name)).map((name) => `${lib}/${name}`),
    ];
    for (const dir of dirs) {
      const text = await look.readOptional(`${dir}/pkgconfig/libdpdk.pc`);
      const version = dpdkNumbers(/^Version: *(.*)$/m.exec(text ?? '')?.[1]);
      if (version !== undefined) return version;
    }
  }
  return undefined;
}
