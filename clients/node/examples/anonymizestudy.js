// De-identifies a study into another store, and waits:
//
//   node examples/anonymizestudy.js --attribute trial=mammo --attribute site=a STUDY-UID deid
//
// It prints the new study and the position to ask the index with.

import { randomUUID } from 'node:crypto';
import { MeshError, unpack, wait } from '../lib/index.js';
import { pairs, run, show } from './cli.js';

const options = {
  'source-store': { type: 'string' },
  profile: { type: 'string' },
  attribute: { type: 'string', multiple: true }, // of the new study, KEY=VALUE
};

await run('anon', '127.0.0.1:50064', 'STUDY-UID TARGET-STORE', options, async (anon, values, args, open) => {
  const started = await anon.anonymizeStudy({
    requestId: randomUUID(), // so that the call may be repeated, by gRPC or by you
    sourceStore: values['source-store'],
    studyUid: args[0],
    targetStore: args[1],
    profile: values.profile,
    attributes: pairs(values.attribute),
  });
  const operations = open('operation');
  const { name, result } = await wait(operations, started.operation.name, showProgress);
  const { targetStore, studyUid, instanceCount, failedCount, position } = unpack(result);
  show(targetStore, studyUid, instanceCount);
  show('position', position);
  if (failedCount === 0) return;
  const { failures } = await operations.listOperationFailures({ name });
  for (const { item, status } of failures) console.error(`refused\t${item}\t${MeshError.ofStatus(status)}`);
  throw new Error(`refused ${failedCount} instances`);
});

function showProgress({ progress }) {
  if (progress) console.error(`${progress.done} of ${progress.total} ${progress.unit}`);
}
