import type { DropReason } from '../../switch/model/drop-reasons.js';
import { HEAD, cell, code, table } from './markdown.js';

/** docs/reference/drop-reasons.md. */
export function dropReasonPage(reasons: readonly DropReason[]): string {
  return [
    HEAD,
    '',
    '# Drop reasons',
    '',
    'Why a frame was not delivered, as `vhost-host drops` and the API count it. `tx_` reasons are counted at the port of the sender, or at the uplink that the frame came by; `rx_` reasons at the port of the receiver.',
    '',
    ...table(
      ['Reason', 'The frame …', 'What to do'],
      reasons.map(({ name, meaning, fix }) => [code(name), cell(meaning), cell(fix)]),
    ),
  ].join('\n');
}
