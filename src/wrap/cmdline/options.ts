/**
 * What must be known about QEMU's options to read a command line: which of them stand alone, and
 * what the first word of a value means when it has no `key=`.
 */

function names(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/**
 * Options without a value, of QEMU 0.12 to 10 (`DEF(…, 0, …)` in qemu-options.hx). A unit test asks the QEMUs at
 * hand about each of their options, and names those that are missing here or below.
 */
export const FLAGS = names(`
  S alt-grab async-teardown audio-help ctrl-grab curses daemonize enable-fips enable-hax enable-kqemu enable-kvm
  enable-nesting enable-sync-profile full-screen h help jitdump kernel-kqemu localtime mem-prealloc no-acpi
  no-fd-bootchk no-frame no-hpet no-kqemu no-kvm no-kvm-irqchip no-kvm-pit no-kvm-pit-reinjection no-quit no-reboot
  no-shutdown no-user-config nodefaults nodefconfig nographic old-param only-migratable perfmap portrait
  preconfig rtc-td-hack s sdl semihosting show-cursor singlestep snapshot std-vga tdf usb version win2k-hack
  xen-attach xen-create xen-domid-restrict
`);

/** Options that take the argument after them, whatever it looks like. */
export const VALUED = names(`
  D L M accel acpitable action add-fd append audio audiodev balloon bios blockdev boot bootp bt cdrom chardev chroot
  clock compat cpu d debugcon device dfilter display drive dtb dump-vmstate echr fda fdb fsdev fw_cfg g gdb global hda
  hdachs hdb hdc hdd icount incoming initrd iscsi k kernel kvm-shadow-memory loadvm m machine mem-path mon monitor msg
  mtdblock name net netdev nic numa object option-rom overcommit parallel pcidevice pflash pidfile plugin
  prom-env qmp qmp-pretty qtest qtest-log readconfig realtime redir rotate rtc run-with runas sandbox sd seed
  semihosting-config serial set shim smb smbios smp soundhw spice startdate tb-size tftp tpmdev trace usbdevice uuid
  vga virtfs virtfs_synth virtioconsole vnc watchdog watchdog-action writeconfig xen-domid
`);

/** Whether the option takes `next` for its value. One of a later QEMU, known by neither list, takes no option for it. */
export function takesValue(name: string, next: string): boolean {
  if (FLAGS.has(name)) return false;
  return VALUED.has(name) || !next.startsWith('-');
}

/** Two spellings of one option. */
export const ALIASES: Readonly<Record<string, string>> = { M: 'machine' };

/** Options of ours that QEMU takes as JSON, too; to all others a brace is a letter (`-name {a}`). */
export const TAKE_JSON: ReadonlySet<string> = new Set(['device', 'netdev', 'object']);

/** The key that the first word of a value belongs to when it is written without one. */
export const IMPLIED_KEYS: Readonly<Record<string, string>> = {
  accel: 'accel',
  chardev: 'backend',
  device: 'driver',
  m: 'size',
  machine: 'type',
  mon: 'chardev',
  name: 'guest',
  net: 'type',
  netdev: 'type',
  nic: 'type',
  numa: 'type',
  object: 'qom-type',
};
