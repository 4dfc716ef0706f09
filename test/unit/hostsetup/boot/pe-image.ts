/** A file of the form of a unified kernel image, with these sections and nothing else; one character is one byte. */
export function peImage(sections: Readonly<Record<string, string>>): string {
  const names = Object.keys(sections);
  const [peAt, optional] = [128, 240];
  const table = peAt + 24 + optional;
  const head = Buffer.alloc(Math.ceil((table + names.length * 40) / 512) * 512);
  head.write('MZ');
  head.writeUInt32LE(peAt, 60);
  head.write('PE\0\0', peAt, 'latin1');
  head.writeUInt16LE(0x8664, peAt + 4);
  head.writeUInt16LE(names.length, peAt + 6);
  head.writeUInt16LE(optional, peAt + 20);
  let body = '';
  names.forEach((name, i) => {
    const text = sections[name] ?? '';
    const at = table + i * 40;
    head.write(name, at, 8, 'latin1');
    head.writeUInt32LE(text.length, at + 8);
    const size = Math.ceil(text.length / 512) * 512;
    head.writeUInt32LE(size, at + 16);
    head.writeUInt32LE(head.length + body.length, at + 20);
    body += text.padEnd(size, '\0');
  });
  return head.toString('latin1') + body;
}
