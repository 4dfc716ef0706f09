// What went wrong, out of what a stage without mocha has written.

const shownLines = 30;

/**
 * Return: the tests that a native run calls failed, with the lines by which they said why, or else the last lines.
 * native/test/main.c writes "FAIL name: why" for each, after the places that were not as they must be.
 */
export function failuresIn(output) {
  const lines = output.trimEnd().split('\n');
  const failures = [];
  let said = 0;
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('FAIL '))
      failures.push([line.slice('FAIL '.length), ...lines.slice(said, i)].slice(0, shownLines).join('\n'));
    if (/^(FAIL|ok) /.test(line)) said = i + 1;
  }
  return failures.length > 0 ? failures : [lines.slice(-shownLines).join('\n')];
}
