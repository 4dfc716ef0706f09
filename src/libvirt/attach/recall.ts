import type { Commands, Remembered } from './detach.js';
import type { Domain } from '../domain/domain.js';
import { isFileKey, listSaved, loadSaved, sameDomain, socketsOf } from './saved-state.js';
import type { Recorded, Saved } from './saved-state.js';
import { readWayBack } from './way-back.js';
import type { XmlDocument } from '../xml/document.js';
import type { Host } from '../../host/host.js';

/**
 * What is known of how a domain came onto the switch. Its own XML says it, wherever that XML has been since; the record
 * of attach has the text byte for byte beside that.
 */
export interface Recall {
  /** The record that belongs to it, under its own key or that of a file which it was moved, copied or defined from. */
  readonly record: Recorded | undefined;
  /** The record's file is still attached by itself, so the record is needed there. */
  readonly elsewhere: boolean;
  /** undefined where nothing is known. */
  readonly remembered: (Remembered & Pick<Saved, 'ports'>) | undefined;
}

/** The same text, or the same domain on a socket that attach gave it. */
function describes({ saved }: Recorded, text: string, domain: Domain): boolean {
  if (saved.left === text) return true;
  const sockets = socketsOf(saved);
  return sameDomain(saved, domain) && domain.nics.some(({ socket }) => socket !== undefined && sockets.has(socket));
}

async function findRecord(
  host: Host,
  key: string,
  text: string,
  domain: Domain,
): Promise<{ record: Recorded | undefined; elsewhere: boolean }> {
  const own = await loadSaved(host, key);
  if (own !== undefined) return { record: { key, saved: own }, elsewhere: false };
  let copied: Recorded | undefined;
  for (const record of await listSaved(host)) {
    if (!isFileKey(record.key) || !describes(record, text, domain)) continue;
    if ((await host.stat(record.saved.origin)) === undefined) return { record, elsewhere: false };
    copied = record;
  }
  return { record: copied, elsewhere: copied !== undefined };
}

export async function recall(
  host: Host,
  { key, text, commands }: { readonly key: string; readonly text: string; readonly commands: Commands },
  doc: XmlDocument,
  domain: Domain,
): Promise<Recall> {
  const { record, elsewhere } = await findRecord(host, key, text, domain);
  const wayBack = readWayBack(doc);
  const { name } = domain;
  const saved = record?.saved;
  if (wayBack === undefined) {
    return { record, elsewhere, remembered: saved === undefined ? undefined : { ...saved, name, commands } };
  }
  const { original = null, left = null, ports = [] } = saved ?? {};
  const all = [...new Set([...ports, ...wayBack.ports])];
  return { record, elsewhere, remembered: { ...wayBack, name, commands, original, left, ports: all } };
}
