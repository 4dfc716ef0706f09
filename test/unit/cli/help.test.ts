import { strict as assert } from 'node:assert';
import { Desk } from './support.js';

describe('the command line', () => {
  it('help and version are answers', async () => {
    const desk = new Desk();
    const help = await desk.run('start', '--help');
    assert.deepEqual([help.code, help.err], [0, []]);
    assert.match(help.out.join('\n'), /--foreground/);
    assert.doesNotMatch(help.out.join('\n'), /--ready-fd/);
    assert.deepEqual((await desk.run('--version')).out, ['9.9.9']);
    assert.equal(desk.loads, 0);
  });
});
