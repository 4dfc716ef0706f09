import type { HostFacts } from '../facts/index.js';

/** `info` is worth knowing and nothing to fix. */
export type State = 'ok' | 'info' | 'warning' | 'error';

export type Group = 'system' | 'hugepages' | 'kernel' | 'network cards' | 'libvirt' | 'guests' | 'leftovers';

export interface Outcome {
  readonly state: State;
  readonly reason: string;
  /** The command that fixes it. */
  readonly fix?: string;
}

/** What only the composition root can find out: what libvirt says, and the switch. */
export interface Surroundings {
  /** undefined where libvirt's QEMU driver is not installed. */
  readonly libvirt: LibvirtView | undefined;
  readonly domains: readonly DomainView[];
  readonly runDir: string;
  /** A switch runs there; undefined where it could not be asked. */
  readonly switchRuns: boolean | undefined;
  /** Addresses that several guests of it have, a line each. */
  readonly contested: readonly string[];
  /** The DPDK that it runs with, as it says; undefined where none runs. */
  readonly dpdk: string | undefined;
  /** Sockets in the run directory. */
  readonly sockets: readonly string[];
  /** What `vm attach` remembers. */
  readonly records: Records;
}

/** What `vm attach` has left behind. */
export interface Records {
  /** Of domains and files that are gone; with the ports that were added for them and that nobody is on. */
  readonly stale: readonly { readonly key: string; readonly title: string; readonly ports: readonly string[] }[];
  /** Ports that were added for domains that are there and on other ports by now. */
  readonly ports: readonly string[];
  /** Records of which it cannot be told. */
  readonly uncertain: number;
}

export interface LibvirtView {
  /** The daemon that runs; undefined where none does. */
  readonly daemon: string | undefined;
  /** Why its domains could not be asked for, and what to do about it. */
  readonly trouble: Outcome | undefined;
  /** Whom it runs QEMU as. */
  readonly user: string;
  /** What qemu.conf lets guests have of /dev; undefined where that is libvirt's to say. */
  readonly allowedDevices: readonly string[] | undefined;
  readonly defaultDevices: readonly string[];
  /** Why qemu.conf cannot be read. */
  readonly confTrouble: string | undefined;
  /** Character devices of a switch. */
  readonly guestDevices: readonly string[];
  readonly kvm: boolean;
  /** Paths that QEMU's user cannot use, and why. */
  readonly denied: ReadonlyMap<string, string>;
  /** qemu-wrap is installed for libvirt. */
  readonly wrapper: boolean;
  /** AppArmor's or SELinux's rules for it are. */
  readonly policy: { readonly apparmor: boolean; readonly selinux: boolean };
}

/** One thing that `vm check` found. */
export interface GuestFinding {
  readonly id: string;
  readonly state: 'warning' | 'error';
  readonly reason: string;
  readonly fix: string;
}

export interface DomainView {
  readonly name: string;
  readonly running: boolean;
  readonly bytes: number;
  /** Hugepages that its next start takes. */
  readonly pages: readonly { readonly pageSize: number; readonly count: number }[];
  readonly findings: readonly GuestFinding[];
  /** Why it could not be looked at. */
  readonly trouble: string | undefined;
}

export interface Subject {
  readonly host: HostFacts;
  readonly around: Surroundings;
}

export interface Check {
  readonly id: string;
  readonly title: string;
  readonly group: Group;
  /** Looks at what only a running system has. */
  readonly live: boolean;
  /** All that it may come to. */
  readonly states: readonly State[];
  /** Nothing where there is nothing to look at. */
  run(subject: Subject): readonly Outcome[];
}

export const ok = (reason: string): Outcome => ({ state: 'ok', reason });
export const info = (reason: string, fix?: string): Outcome => ({
  state: 'info',
  reason,
  ...(fix === undefined ? {} : { fix }),
});
export const warning = (reason: string, fix: string): Outcome => ({ state: 'warning', reason, fix });
export const error = (reason: string, fix: string): Outcome => ({ state: 'error', reason, fix });

/** The wizard that does what several of the checks ask for. */
export const SETUP = 'sudo vhost-host setup';
