import type { Action } from '../../changes/steps.js';
import type { Host } from '../../host/host.js';

/** Looking at a system takes no more than this. */
export type BootHost = Pick<Host, 'stat' | 'list' | 'readOptional' | 'readBytes' | 'realpath'>;

/** How a system keeps its kernel's command line, with what differs from system to system. */
export type BootMethod =
  | {
      readonly kind: 'bls';
      readonly entries: readonly string[];
      readonly envs: readonly string[];
      readonly zipl: boolean;
    }
  | { readonly kind: 'drop-in' }
  /** Entries of systemd-boot, whoever has written them. */
  | { readonly kind: 'loader-entries'; readonly entries: readonly string[] }
  /** Two boot loaders are set up, and no file says which of them the firmware starts. */
  | { readonly kind: 'both'; readonly methods: readonly Exclude<BootMethod, { kind: 'both' | 'by-hand' }>[] }
  | { readonly kind: 'grub'; readonly commands: readonly (readonly string[])[] }
  | { readonly kind: 'proxmox' }
  | {
      /** Also mkinitcpio: programs that make entries or unified images out of a file with the command line. */
      readonly kind: 'kernel-install';
      readonly cmdline: string;
      readonly commands: readonly (readonly string[])[];
      /** Entries that are files, and that these programs leave as they are. */
      readonly entries: readonly string[];
    }
  | { readonly kind: 'rpm-ostree' }
  | {
      readonly kind: 'by-hand';
      readonly reason: string;
      /** The language of the system's own configuration. */
      readonly style: SnippetStyle;
      /** The files that somebody has to edit, where they are known. */
      readonly places: readonly HandPlace[];
    };

export type SnippetStyle = 'plain' | 'nix' | 'guix' | 'talos' | 'bottlerocket' | 'bootc';

/** Systems that are built from a configuration: their own files below /etc are not to be edited. */
export const BUILT: readonly SnippetStyle[] = ['nix', 'guix', 'talos', 'bottlerocket'];

/** What one method has to do, before it becomes a step. */
export interface BootDraft {
  /** In a few words: where the arguments are kept and what takes note of them. */
  readonly how: string;
  /** The command line as the next boot will have it, as far as this is known before. */
  readonly current: string;
  readonly actions: readonly Action[];
  readonly diff: string;
}

/** Writes between commands that make the boot loader take note, which run again after an undo. */
export function withCommands(actions: readonly Action[], commands: readonly (readonly string[])[]): Action[] {
  if (actions.length === 0) return [];
  const undo = commands.toReversed().map((command): Action => ({ kind: 'run', undo: command }));
  // A look at what is there comes before anything that would have to be undone.
  const looks = actions[0]?.kind === 'check' ? 1 : 0;
  return [
    ...actions.slice(0, looks),
    ...undo,
    ...actions.slice(looks),
    ...commands.map((command): Action => ({ kind: 'run', command })),
  ];
}

/**
 * Command lines that somebody edits by hand, because no tool of the system and none of ours does: where they stand, and
 * how they read once the spec is in them.
 */
export interface HandPlace {
  /** The file; undefined where there is only something to do. */
  readonly path?: string;
  /** The file is a unified kernel image: its command line counts, and whoever builds it puts the arguments in. */
  readonly image?: boolean;
  /** A line with arguments: what stands before them, they themselves, and what stands behind. */
  readonly line?: RegExp;
  /** Only lines with these numbers count, the last one included. */
  readonly between?: readonly [number, number];
  /** Only the first such line counts. */
  readonly firstOnly?: boolean;
  /** The line to add where the file has none such, or what to do instead of editing the file; `line`: all of it then. */
  readonly added: (args: string, before: string, line: string) => string;
  /** What is done by a command: the file only shows whether it was. */
  readonly byCommand?: boolean;
  /** What makes the boot loader take note. */
  readonly then?: string;
  /** The file that this makes, where it has the command line in it as it is written: it shows whether it was done. */
  readonly made?: string;
}
