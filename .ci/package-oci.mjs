#!/usr/bin/env node
// Builds the image of packaging/oci/Dockerfile where there is no container engine: its root in build/package/oci/image.
//
//   npm run package:oci [-- --deb VERSION]   also the Debian package of that version, where the image's was built
import { ensurePackages } from './lib/packages.mjs';
import { buildDebOfImage, ensureImage, ociDir } from './lib/oci.mjs';
import { TaskError, main, say } from './lib/task.mjs';

await main('package:oci', async () => {
  const [option, version, ...more] = process.argv.slice(2);
  if (option !== undefined && (option !== '--deb' || !/^\d+\.\d+\.\d+$/.test(version ?? '') || more.length > 0))
    throw new TaskError(`unknown arguments ${process.argv.slice(2).join(' ')}`, 'npm run package:oci -- --deb 1.2.3');
  await ensurePackages(['package']);
  await ensureImage();
  if (version !== undefined) await buildDebOfImage(version);
  say(`- built ${ociDir}/image`);
});
