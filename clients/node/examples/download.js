// Fetches a study into FOLDER/STUDY/SERIES/SOP-INSTANCE.dcm:
//
//   node examples/download.js STUDY-UID FOLDER

import { downloadTo } from '../lib/index.js';
import { run, show } from './cli.js';

const options = { store: { type: 'string' }, series: { type: 'string' } };

await run('archive', '127.0.0.1:50061', 'STUDY-UID FOLDER', options, async (archive, values, [studyUid, folder]) => {
  const selector = { studyUid, seriesUid: values.series };
  for await (const { path, instance } of downloadTo(folder, archive, selector, values.store)) {
    show(path, instance.sizeBytes);
  }
});
