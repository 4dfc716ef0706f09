import { printable } from '../../common/errors.js';
import type { Contested } from '../model/schema.js';
import type { EngineEvent } from '../addon/native.js';

/** Of one address, within the window: a guest that is moved, or a standby that takes over, moves its address once or twice. */
const MOVES = 3;
const WINDOW_MS = 60_000;
/** Guests choose addresses: no more are remembered than this. */
const MAX_WATCHED = 1024;

export interface ContestedAddress {
  readonly mac: string;
  readonly vlan: number;
  /** Device numbers. */
  readonly ports: readonly number[];
}

interface Watched {
  /** When it moved, and where to. */
  readonly moves: { readonly at: number; readonly port: number }[];
  toldAt: number | undefined;
}

/**
 * Addresses that move to and fro between ports: two guests have the same one, such as QEMU's default, and each gets
 * only what comes while it was heard last.
 */
export class ContestedAddresses {
  readonly #watched = new Map<string, Watched>();

  take(event: EngineEvent, now: number): void {
    if (event.type !== 'moved') return;
    const key = `${event.mac} ${event.vlan}`;
    const known = this.#watched.get(key) ?? { moves: [], toldAt: undefined };
    known.moves.push({ at: now, port: event.port });
    if (known.moves.length > MOVES) known.moves.shift();
    // The one that has been quiet for longest comes first.
    this.#watched.delete(key);
    this.#watched.set(key, known);
    const [oldest] = this.#watched.keys();
    if (this.#watched.size > MAX_WATCHED && oldest !== undefined) this.#watched.delete(oldest);
  }

  now(now: number): readonly ContestedAddress[] {
    return this.#current(now).map(([contested]) => contested);
  }

  /** Those to tell of: once when it begins, then once in a window. */
  news(now: number): readonly ContestedAddress[] {
    return this.#current(now).flatMap(([contested, watched]) => {
      if (watched.toldAt !== undefined && now - watched.toldAt < WINDOW_MS) return [];
      watched.toldAt = now;
      return [contested];
    });
  }

  #current(now: number): (readonly [ContestedAddress, Watched])[] {
    return [...this.#watched].flatMap(([key, watched]) => {
      const moves = watched.moves.filter(({ at }) => now - at < WINDOW_MS);
      const ports = [...new Set(moves.map(({ port }) => port))].sort((a, b) => a - b);
      const [mac = '', vlan = ''] = key.split(' ');
      return moves.length < MOVES || ports.length < 2 ? [] : [[{ mac, vlan: Number(vlan), ports }, watched] as const];
    });
  }
}

/** What QEMU gives a card without `mac=`: the first that no other card of this guest has (net/net.c). */
export function isDefaultMac(mac: string): boolean {
  return /^52:54:00:12:34:5[6-9a-f]$/.test(mac);
}

/** One line for people. */
export function contestedText({ mac, vlan, ports }: Contested): string {
  return `${mac}${vlan === 0 ? '' : ` in VLAN ${vlan}`} is the address of ${ports.map(printable).join(' and ')}`;
}
