import { HEAD, cell, code, table } from './markdown.js';

/** docs/reference/drop-reasons.md. */

export interface DropReason {
  /** As counters and the API call it. */
  readonly name: string;
  readonly meaning: string;
  /** What to do about it, where that is known. */
  readonly fix?: string;
}

/** Those of the one list, `VH_DROP_REASONS` of native/base/defs.h, whose text this is. */
export function dropReasons(header: string): readonly DropReason[] {
  const list = /#define VH_DROP_REASONS\(X\)((?:.*\\\n)*.*)/.exec(header)?.[1] ?? '';
  return [...list.matchAll(/X\(\w+,\s*"(\w+)",[\s\\]*"([^"]*)"\)/g)].map(([, name = '', meaning = '']) => ({
    name,
    meaning,
  }));
}

export function dropReasonPage(reasons: readonly DropReason[]): string {
  const fixes = reasons.some(({ fix }) => fix !== undefined);
  return [
    HEAD,
    '',
    '# Drop reasons',
    '',
    'Why a frame was not delivered, as `vhost-host stats` and the API count it. `tx_` reasons are counted at the port of the sender, `rx_` reasons at the port of the receiver.',
    '',
    ...table(
      ['Reason', 'Meaning', ...(fixes ? ['What to do'] : [])],
      reasons.map(({ name, meaning, fix }) => [code(name), cell(meaning), ...(fixes ? [cell(fix ?? '')] : [])]),
    ),
  ].join('\n');
}
