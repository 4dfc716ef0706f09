import { WRITTEN_BY_SETUP } from '../system/written-by-setup.js';

/**
 * The switch as a service of systemd.
 *
 * Type=forking, because `vhost-host start` already returns when, and only when, the switch is ready, and says why
 * not; its lock file names the daemon. KillMode=process, because the process that keeps /dev/usvhost-N lives on in the
 * same control group: guests that have such a device open survive no other end of the switch.
 *
 * No RuntimeDirectory: the switch makes /run/vhost-host itself, for the group that runs QEMU, which systemd would
 * take for the service's own. Ports' sockets may lie anywhere below /run and /var; the switch refuses other places
 * with the line that opens them (`src/switch/run-dir/service-place.ts`).
 *
 * One unit serves ports, /dev/usvhost-N, interfaces of the kernel and cards by way of vfio; a card that no IOMMU holds
 * back takes `cards.ts` besides. docs/threat-model.md says line by line what stands against less.
 */

/** What the switch opens its sockets to, as its own default (switch/run-dir/paths.ts) has it. */
export const DEFAULT_GROUP = 'kvm';

export const UNIT_NAME = 'vhost-host.service';
export const UNIT_PATH = `/etc/systemd/system/${UNIT_NAME}`;
/** Where a distribution's package puts its own. */
export const SHIPPED_UNIT_PATHS = [`/usr/lib/systemd/system/${UNIT_NAME}`, `/lib/systemd/system/${UNIT_NAME}`];
/** What `systemctl enable` makes. */
export const ENABLED_LINK = `/etc/systemd/system/multi-user.target.wants/${UNIT_NAME}`;

/**
 * With what each is for; native/dpdk/runtime/syscalls.h has the same for a switch that is started otherwise. Memory for cards
 * is locked under LimitMEMLOCK=, without CAP_IPC_LOCK; sockets and devices are given to a group of the service's own,
 * without CAP_CHOWN.
 */
export const CAPABILITIES = [
  // /proc of guests that have a device open.
  ...['CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH'],
  // Interfaces of the kernel, cards that one of its drivers shares, and tap devices.
  ...['CAP_NET_ADMIN', 'CAP_NET_RAW'],
  // Guests' memory and eventfds by way of /dev/usvhost-N.
  ...['CAP_SYS_PTRACE'],
];

/** What Linux has there, but for fs/cgroup, which ProtectControlGroups= is for. */
const SYS = ['block', 'bus', 'class', 'dev', 'devices', 'firmware', 'fs', 'hypervisor', 'kernel', 'module', 'power'];

const DEVICES = ['/dev/vfio/vfio', 'char-vfio', 'char-infiniband', '/dev/cuse', '/dev/net/tun'];

export interface UnitPlace {
  /** Absolute path of bin/vhost-host. */
  readonly binary: string;
  readonly config: string | undefined;
  /** Name or number of the group that the switch opens its sockets to; default: kvm. */
  readonly group?: string | undefined;
}

/** One word of a command in a unit (systemd.service(5), "Command lines"): nothing in it is expanded. */
export function quoteForUnit(word: string): string {
  const literal = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w./+@:%$-]+$/.test(word) ? literal : `"${literal.replace(/["\\]/g, '\\$&')}"`;
}

/** Homes are not there at all, unless something that the service starts with lies in one (systemd.exec(5)). */
function homeAccess({ binary, config }: UnitPlace): 'yes' | 'read-only' {
  const inHome = (path: string): boolean => /^\/(?:home|root|run\/user)\//.test(path);
  return [binary, config ?? ''].some(inHome) ? 'read-only' : 'yes';
}

/** What it may do and see (systemd.exec(5)). */
function sandbox(place: UnitPlace): string {
  return `# That of QEMU, which sockets are opened to.
SupplementaryGroups=${place.group ?? DEFAULT_GROUP}
NoNewPrivileges=yes
CapabilityBoundingSet=${CAPABILITIES.join(' ')}
DevicePolicy=closed
${DEVICES.map((device) => `DeviceAllow=${device} rw\n`).join('')}# Where sockets of ports may lie.
ProtectSystem=strict
ReadWritePaths=/run /var
ProtectHome=${homeAccess(place)}
PrivateTmp=yes
# Other processes are seen by who may look into them: the switch, which asks whose a port is, and not its workers.
ProtectProc=invisible
ProtectKernelTunables=yes
# Once more, by name: Debian 13's systemd (257) was seen to leave /sys itself open by the line above.
ReadOnlyPaths=${SYS.map((name) => `-/sys/${name}`).join(' ')}
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_PACKET
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap
# The bridge of /dev/usvhost-N takes its guests' eventfds by it.
SystemCallFilter=pidfd_getfd
SystemCallErrorNumber=EPERM
RestrictRealtime=yes
PrivateMounts=yes
UMask=0077
# Frames go by packet sockets and cards, which this does not concern; a switch has no connections of its own.
IPAddressDeny=any
`;
}

export function unitText(place: UnitPlace): string {
  return `${WRITTEN_BY_SETUP}${unitBody(place)}`;
}

/** As in the distribution's package, which has words of its own before it. */
export function unitBody(place: UnitPlace): string {
  const { binary, config } = place;
  const words = [
    binary,
    'start',
    '--run-dir',
    '/run/vhost-host',
    ...(config === undefined ? [] : ['--config', config]),
  ];
  return `[Unit]
Description=vhost-host, a switch for virtual machines
# Guests that libvirt starts at boot find their ports.
Before=libvirtd.service virtqemud.service
After=systemd-modules-load.service dev-hugepages.mount
# A network card may come a moment later than the first try.
StartLimitIntervalSec=60
StartLimitBurst=30

[Service]
Type=forking
PIDFile=/run/vhost-host/lock
KillMode=process
ExecStart=${words.map(quoteForUnit).join(' ')}
Restart=on-failure
RestartSec=1
TimeoutStartSec=90
# Memory that network cards read and write cannot be swapped, and a guest brings many descriptors.
LimitMEMLOCK=infinity
LimitNOFILE=65536
# When memory runs out, one guest is a smaller loss than the network of them all.
OOMScoreAdjust=-500
${sandbox(place)}
[Install]
WantedBy=multi-user.target
`;
}
