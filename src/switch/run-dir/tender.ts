import type { ApiSocket } from '../api/api-sockets.js';
import type { GuestRecord } from '../ports/guest-record.js';
import type { RunDirLock } from '../lock.js';
import type { PortTable } from '../ports/port-table.js';
import type { SocketRecord } from './socket-record.js';

export interface TenderParts {
  readonly lock: RunDirLock;
  readonly apis: readonly ApiSocket[];
  readonly ports: PortTable;
  readonly record: SocketRecord;
  readonly guests: GuestRecord;
  readonly tendLog: () => Promise<void>;
  readonly log: (line: string) => void;
}

/** Makes anew what was removed from the run directory under the switch. Who is connected notices nothing. */
export function runDirTender({ lock, apis, ports, record, guests, tendLog, log }: TenderParts): () => Promise<void> {
  let lost = false;
  return async () => {
    const state = await lock.tend();
    if (state === 'lost') {
      if (!lost)
        log(
          `another switch has the run directory now: this one (process ${process.pid}) goes on for its guests: kill ${process.pid}`,
        );
      lost = true;
      return;
    }
    let renewed = state === 'renewed';
    for (const api of apis) renewed = (await api.tend()) || renewed;
    if (renewed) {
      // The log may have gone with them, after it was looked at: who reads the new one is to be told.
      await tendLog();
      log('files of this switch were removed from the run directory: lock and sockets are made anew');
      guests.lost();
      await record.tend();
    }
    lost = false;
    await ports.tendSockets();
  };
}
