// Prints the archive's changes as they happen, until ctrl-C:
//
//   node examples/follow.js
//
// Each time it has caught up it prints the position to go on from later, with --after.

import { follow } from '../lib/index.js';
import { run, show } from './cli.js';

const options = {
  after: { type: 'string' }, // only what happened after this position
  'stop-at-head': { type: 'boolean' }, // end after what has happened until now
  store: { type: 'string' }, // only this store's changes
};

// What to print of each kind of entry. Kinds that are not known are passed over: new ones may come.
const KINDS = {
  instanceStored: ['stored', ({ instance }) => instance.sopInstanceUid],
  instancesDeleted: ['deleted', ({ studyUid }) => studyUid],
  instancesRestored: ['restored', ({ studyUid }) => studyUid],
  studyAttributesChanged: ['attributes', ({ studyUid }) => studyUid],
  studyCompleted: ['complete', ({ studyUid }) => studyUid],
};

await run('archive', '127.0.0.1:50061', '', options, async (archive, values) => {
  const request = {
    stores: values.store ? [values.store] : [],
    afterPosition: values.after,
    stopAtHead: values['stop-at-head'],
    omitHeaders: true,
  };
  let shown = '';
  for await (const { entries, entriesBehind, position } of follow(archive, request)) {
    for (const entry of entries.filter(({ event }) => event in KINDS)) {
      const [word, uid] = KINDS[entry.event];
      show(word, entry.store, uid(entry[entry.event]));
    }
    if (entriesBehind > 0 || position === shown) continue;
    show('position', position);
    shown = position;
  }
});
