/**
 * The switch as a service of systemd.
 *
 * Type=forking, because `vhost-host start` already returns when, and only when, the switch is ready, and says why
 * not; its lock file names the daemon. KillMode=process, because the process that keeps /dev/usvhost-N lives on in the
 * same control group: guests that have such a device open survive no other end of the switch.
 *
 * No RuntimeDirectory: the switch makes /run/vhost-host itself, for the group that runs QEMU, which systemd would
 * take for the service's own. No PrivateTmp and no stricter ProtectSystem: ports' sockets lie where the user's
 * configuration says, and QEMU has to find them there. No ProtectKernelTunables: DPDK opens cards in /sys for
 * writing.
 *
 * `systemd-analyze security` gives it 4.4 (a service without any of this has 9.6). What stands against less, each of
 * which some card, tap or device in front of a port needs: root with the capabilities below (User=, CAP_*), devices
 * (PrivateDevices=, DeviceAllow=), /sys for writing, the host's network and its sockets (PrivateNetwork=,
 * RestrictAddressFamilies=), other processes, which own ports (ProtectProc=, ProcSubset=, PrivateUsers=), and calls
 * of @privileged, @raw-io and @resources (chown, capset, ioperm, mbind). The switch itself refuses more
 * (native/dpdk/syscalls.h), and its workers nearly all.
 */

export const UNIT_NAME = 'vhost-host.service';
export const UNIT_PATH = `/etc/systemd/system/${UNIT_NAME}`;
/** Where a distribution's package puts its own. */
export const SHIPPED_UNIT_PATHS = [`/usr/lib/systemd/system/${UNIT_NAME}`, `/lib/systemd/system/${UNIT_NAME}`];
/** What `systemctl enable` makes. */
export const ENABLED_LINK = `/etc/systemd/system/multi-user.target.wants/${UNIT_NAME}`;

/** With what each is for; native/dpdk/syscalls.h has the same for a switch that is started otherwise. */
export const CAPABILITIES = [
  // Sockets for the group that runs QEMU, in directories of any owner.
  ...['CAP_CHOWN', 'CAP_FOWNER', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH'],
  // Memory that devices write to; physical addresses and ports of cards bound to uio or without an IOMMU.
  ...['CAP_IPC_LOCK', 'CAP_SYS_ADMIN', 'CAP_SYS_RAWIO'],
  // Cards that a kernel driver shares, and tap devices.
  ...['CAP_NET_ADMIN', 'CAP_NET_RAW'],
  // Guests' memory by way of /dev/usvhost-N.
  ...['CAP_SYS_PTRACE'],
];

const DEVICES = ['/dev/vfio/vfio', 'char-vfio', 'char-uio', 'char-infiniband', '/dev/cuse', '/dev/net/tun'];

export interface UnitPlace {
  /** Absolute path of bin/vhost-host. */
  readonly binary: string;
  readonly config: string | undefined;
}

/** One word of a command in a unit (systemd.service(5), "Command lines"): nothing in it is expanded. */
export function quoteForUnit(word: string): string {
  const literal = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w./+@:%$-]+$/.test(word) ? literal : `"${literal.replace(/["\\]/g, '\\$&')}"`;
}

export function unitText(place: UnitPlace): string {
  return `# Written by vhost-host setup; vhost-host setup --undo takes it away.\n${unitBody(place)}`;
}

/** As in the distribution's package, which has words of its own before it. */
export function unitBody({ binary, config }: UnitPlace): string {
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
NoNewPrivileges=yes
CapabilityBoundingSet=${CAPABILITIES.join(' ')}
DevicePolicy=closed
${DEVICES.map((device) => `DeviceAllow=${device} rw\n`).join('')}ProtectSystem=full
ProtectHome=read-only
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
SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @reboot @swap
# The bridge of /dev/usvhost-N takes its guests' eventfds by it.
SystemCallFilter=pidfd_getfd
SystemCallErrorNumber=EPERM
RestrictRealtime=yes
PrivateMounts=yes
UMask=0077
# Frames go by packet sockets and cards, which this does not concern; a switch has no connections of its own.
IPAddressDeny=any

[Install]
WantedBy=multi-user.target
`;
}
