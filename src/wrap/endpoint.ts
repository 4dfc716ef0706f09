/** How a netdev reaches its port: by the port's socket, or by a device in front of it. */
export type Way =
  | { readonly socket: string }
  /** `fds`: open descriptors of the device, one per queue pair, as `-netdev` lists them. */
  | { readonly device: string; readonly fds: string };

/** A port that the guest needs from the switch. */
export interface Claim {
  readonly netdev: string;
  readonly name: string;
  readonly queues: number;
  /** Of its card, where the call says one. */
  readonly mac?: string;
  /** The guest has a name of its own, so this very port is its; otherwise a numbered sibling will do. */
  readonly exact: boolean;
  /** QEMU goes to the background: a child of the process that asks connects. */
  readonly forks?: true;
}
