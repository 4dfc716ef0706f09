/** The least that an AppArmor profile of a guest must allow for qemu-wrap and our switch. */

export interface PolicyPaths {
  readonly wrapper: string;
  readonly launcher: string;
  /** As the kernel sees it: links resolved. */
  readonly node: string;
  readonly emulator: string;
  readonly packageRoot: string;
  readonly runDir: string;
  /** Base name of cuse devices such as /dev/usvhost-1; undefined where there are none. */
  readonly deviceBase: string | undefined;
}

/** A path as AppArmor takes it literally, with `tail` as a pattern behind it. */
export function apparmorPath(path: string, tail = ''): string {
  const literal = path.replace(/[\\*?[\]{}^"]/g, '\\$&') + tail;
  return /\s|\\/.test(literal) ? `"${literal}"` : literal;
}

/** `known` is the shipped abstraction, so that what it allows already is not said twice. */
export function apparmorRules(paths: PolicyPaths, known: string): string {
  const { wrapper, launcher, node, emulator, packageRoot, runDir, deviceBase } = paths;
  const emulatorRule = `${apparmorPath(emulator)} rmix,`;
  const rules = [
    '# qemu-wrap: libvirt starts it as the emulator, and it becomes QEMU',
    `${apparmorPath(wrapper)} rmix,`,
    '/{usr/,}bin/{dash,bash} rmix,',
    `${apparmorPath(launcher)} rmix,`,
    ...(known.includes(emulatorRule) ? [] : [emulatorRule]),
    '# its planner',
    `${apparmorPath(node)} rmix,`,
    `${apparmorPath(packageRoot, '/')} r,`,
    `${apparmorPath(packageRoot, '/**')} r,`,
    // Debian's Node from version 20 on, which Debian 13 has, reads parts of itself there at each start.
    '/usr/share/nodejs/** r,',
    '/etc/vhost-host/qemu-wrap.json r,',
    '/etc/ssl/openssl.cnf r,',
    'owner @{PROC}/@{pid}/mounts r,',
    '/sys/kernel/mm/hugepages/ rk,',
    '/sys/kernel/mm/hugepages/** r,',
    'owner @{PROC}/@{pid}/status r,',
    '/sys/devices/system/node/node[0-9]*/hugepages/{,**} r,',
    '# the switch',
    `${apparmorPath(runDir, '/wrap.sock')} rw,`,
    `${apparmorPath(runDir, '/port-*.sock')} rw,`,
    ...(deviceBase === undefined ? [] : [`${apparmorPath(`/dev/${deviceBase}`, '-[0-9]*')} rw,`]),
  ];
  return rules.map((rule) => `  ${rule}\n`).join('');
}
