import { strict as assert } from 'node:assert';
import { unifiedDiff } from '../../../src/common/diff.js';

describe('unified diff', () => {
  it('shows a change with three lines around it, as patch takes it', () => {
    const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', ''].join('\n');
    assert.equal(
      unifiedDiff('/etc/x', before, before.replace('f\n', 'F\n')),
      [
        '--- /etc/x\tbefore',
        '+++ /etc/x\tafter',
        '@@ -3,7 +3,7 @@',
        ' c',
        ' d',
        ' e',
        '-f',
        '+F',
        ' g',
        ' h',
        ' i',
        '',
      ].join('\n'),
    );
  });

  it('is empty where nothing changes', () => assert.equal(unifiedDiff('x', 'a\n', 'a\n'), ''));

  it('tells of a missing line end', () => {
    assert.match(unifiedDiff('x', 'a', 'b\n'), /\\ No newline at end of file/);
  });
});
