import type { z } from 'zod';
import { messageOf, printable } from '../../common/errors.js';
import type { PortRecord } from './port-record.js';
import type { PortTable } from './port-table.js';
import { guestRecordPath } from '../run-dir/paths.js';
import { PortClaim } from '../model/schema.js';
import type { Host } from '../../host/host.js';

/**
 * The ports of guests that qemu-wrap has connected, written down for the next switch in this run directory. Their
 * QEMUs outlive the switch and look for their sockets again, once a second: a port whose guest is not connected counts
 * until it expires as any other.
 */
export class GuestRecord {
  readonly #host: Host;
  readonly #file: string;
  readonly #ports: PortTable;
  #written = '';

  constructor(host: Host, runDir: string, ports: PortTable) {
    this.#host = host;
    this.#file = guestRecordPath(runDir);
    this.#ports = ports;
  }

  /** Every now and then, because a switch that is killed has no time for it. */
  async save(): Promise<void> {
    const guests = this.#ports.all().filter(mayComeBack);
    const text = guests.length === 0 ? '' : `${JSON.stringify(guests.map(describe))}\n`;
    if (text === this.#written) return;
    if (text === '') await this.#host.unlink(this.#file);
    else await this.#host.write(this.#file, text, 0o600);
    this.#written = text;
  }

  /** What was written has gone: the next save() writes it again. */
  lost(): void {
    this.#written = '';
  }

  /** Makes the ports again; one that cannot be made costs its guest the network, and nobody else anything. */
  async restore(log: (line: string) => void): Promise<void> {
    this.#written = (await this.#host.readOptional(this.#file)) ?? '';
    for (const { name, queues, transport, claimant } of parse(this.#written)) {
      try {
        const transports = transport === undefined ? {} : { transports: [transport] };
        await this.#ports.restore({ name, queues, ...transports }, claimant);
        log(`port ${name} made again for the guest that it had`);
      } catch (error) {
        log(`port ${name} not made again: ${printable(messageOf(error))}`);
      }
    }
  }
}

const Guest = PortClaim.omit({ exact: true });

function mayComeBack({ origin, connected, lostAt }: PortRecord): boolean {
  return origin === 'claim' && (connected || lostAt !== undefined);
}

/** What a switch that starts anew has to know of a guest's port. */
function describe({ name, queues, transports, claimant, forks }: PortRecord): z.infer<typeof Guest> {
  const [transport] = transports;
  if (transport === 'cuse') return { name, queues, transport };
  return claimant === undefined || forks ? { name, queues } : { name, queues, claimant };
}

function parse(text: string): z.infer<typeof Guest>[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.flatMap((entry) => Guest.safeParse(entry).data ?? []) : [];
  } catch {
    // A switch killed on a full disk may leave anything.
    return [];
  }
}
