// Stores DICOM files, and the files of folders:
//
//   node examples/upload.js FOLDER
//
// It prints a line for each as soon as it is durable, then the position to ask the index with. It
// ends with 1 when a file was refused.

import { upload } from '../lib/index.js';
import { filesIn, run, show } from './cli.js';

const options = { store: { type: 'string' } };

await run('archive', '127.0.0.1:50061', 'FILE|FOLDER...', options, async (archive, { store }, args) => {
  const paths = await filesIn(args);
  let refused = 0;
  for await (const { path, result, error } of upload(archive, paths, store)) {
    if (error) {
      console.error(`refused\t${path}\t${error}`);
      refused += 1;
      continue;
    }
    const word = result.outcome === 'OUTCOME_ALREADY_STORED' ? 'already stored' : 'stored';
    show(word, path, result.instance.sopInstanceUid);
  }
  const { headPosition } = await archive.getStatistics({ store });
  show('position', headPosition);
  if (refused > 0) throw new Error(`refused ${refused} of ${paths.length}`);
});
