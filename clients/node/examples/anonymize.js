// De-identifies one DICOM file into another:
//
//   node examples/anonymize.js FROM.dcm TO.dcm

import { anonymizeFile } from '../lib/index.js';
import { run, show } from './cli.js';

const options = { profile: { type: 'string' } };

await run('anon', '127.0.0.1:50064', 'FROM TO', options, async (anon, { profile }, [from, to]) => {
  const instance = await anonymizeFile(anon, from, to, profile);
  show(to, instance.studyUid, instance.sopInstanceUid);
});
